//go:build !race

package memory_test

const measures = true
