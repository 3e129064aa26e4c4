package goid

import (
	"bytes"
	"runtime"
)

// The runtime gives the stacks of all goroutines or of none, and stops the world for as
// long as it takes to write them down. So there is room for those of most services at
// the first go, and an end to it: 16 MiB have 10,000 goroutines and more.
const (
	perGoroutine = 1 << 10
	minDump      = 64 << 10
	maxDump      = 16 << 20
)

// Stacks returns the stacks of the given goroutines, at most limit bytes of each, out of
// one dump of all. Those that have ended, that are unknown, or for which there was no
// room are not among them.
func Stacks(of []ID, limit int) map[ID][]byte { return find(dump(maxDump), of, limit) }

// dump returns the stacks of all goroutines, or as many as fit into most bytes. It is called
// again with four times the room if they did not fit, as the runtime does not say how much they
// need.
func dump(most int) []byte {
	for size := minDump + runtime.NumGoroutine()*perGoroutine; ; size *= 4 {
		buf := make([]byte, min(size, most))
		// A buffer that is full may have been too small by any amount.
		if n := runtime.Stack(buf, true); n < len(buf) || len(buf) == most {
			return buf[:n]
		}
	}
}

// find copies the stacks that are wanted out of a dump, which is not kept: it may have megabytes.
// The runtime writes a blank line between two stacks.
func find(dump []byte, of []ID, limit int) map[ID][]byte {
	found := make(map[ID][]byte, len(of))
	for _, id := range of {
		if id != 0 {
			found[id] = nil
		}
	}
	for stack := range bytes.SplitSeq(bytes.TrimSuffix(dump, []byte("\n")), []byte("\n\n")) {
		id := parse(stack)
		if _, wanted := found[id]; wanted {
			found[id] = bytes.Clone(stack[:min(len(stack), limit)])
		}
	}
	return found
}
