// Package protocol is a model of how the engine's goroutines wake each other and hand
// jobs over, and an explorer that looks at every order in which its actions can happen.
// Nothing but its own tests uses it. docs/protocol.md is the protocol in words.
//
// Each action of the model is one atomic action of the code: what is done under one lock, one
// atomic operation, or one send or receive. A section under the lock that uses two atomics
// which others use without the lock is two actions, and what no other goroutine can see is done
// with the action before it. As the order of Go's atomics, locks and channels is sequentially
// consistent, to interleave such actions is to see all that can happen: no weaker memory need
// be thought of, as long as the race detector finds nothing.
//
// What the model leaves out: slices of long operations, kinds, the values of contexts, priorities
// that have lists of their own (each is a gate more, under the same rules), groups, limits and
// observers, which are the owner's alone, and how long anything takes.
package protocol
