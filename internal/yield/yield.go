//go:build !stress

// Package yield is how tests shuffle goroutines: built with the tag stress, Here gives
// others the processor at random, and otherwise it is nothing. It stands between any two
// steps of the protocol that must not matter to each other, as there a machine with two
// processors that nothing disturbs hardly ever stops.
package yield

// Here gives others the processor, sometimes, in a test.
func Here() {}

// Stress reports whether it does.
const Stress = false
