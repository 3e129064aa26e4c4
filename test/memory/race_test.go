//go:build race

package memory_test

// measures is whether memory is worth measuring: the race detector takes several times
// as much of it, and of time.
const measures = false
