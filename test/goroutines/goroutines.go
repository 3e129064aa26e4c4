// Package goroutines counts the goroutines of a synctest bubble: those of the process come
// and go with its runtime and its other tests.
package goroutines

import (
	"bytes"
	"regexp"
	"runtime"
)

// of finds the bubble of each goroutine in a dump of their stacks.
var of = regexp.MustCompile(`(?m)^goroutine \d+ \[[^\]]*synctest bubble (\d+)[^\]]*\]:$`)

// InBubble returns how many goroutines the caller's bubble has, the caller and what runs
// synctest.Test included. It must be called inside one.
func InBubble() (n int) {
	mine := of.FindSubmatch(stacks(false))[1]
	for _, g := range of.FindAllSubmatch(stacks(true), -1) {
		if bytes.Equal(g[1], mine) {
			n++
		}
	}
	return n
}

func stacks(all bool) []byte {
	for size := 1 << 16; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, all); n < size {
			return buf[:n]
		}
	}
}
