// Package goid knows goroutines by the numbers under which the runtime prints their
// stacks. There is no other way to ask which goroutine this is, and none that is
// promised to stay: so a number that cannot be read is unknown, which is that of no
// goroutine, and whatever is asked for by it is answered with "no".
//
// To ask costs a microsecond and more, so it is for slow paths alone.
package goid

import (
	"bytes"
	"runtime"
	"strconv"
)

// An ID is the number of a goroutine, 0 if it is unknown. The runtime never uses one
// twice.
type ID uint64

// Is reports whether both are known, and are one goroutine. To compare IDs with == would take two
// that are unknown for one.
func (id ID) Is(other ID) bool { return id != 0 && id == other }

// Current returns the number of the calling goroutine.
func Current() ID {
	var head [64]byte
	return parse(head[:runtime.Stack(head[:], false)])
}

// parse returns the number of the goroutine of which stack is: it begins with "goroutine 7
// [running]:". Of anything else the number is unknown.
func parse(stack []byte) ID {
	rest, ok := bytes.CutPrefix(stack, []byte("goroutine "))
	if !ok {
		return 0
	}
	digits, _, ok := bytes.Cut(rest, []byte(" "))
	if !ok {
		return 0 // it may have been cut within the number
	}
	n, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		return 0
	}
	return ID(n)
}
