//go:build older

package works

// newerVariants are left out: see newer.go.
func newerVariants() []variant { return nil }
