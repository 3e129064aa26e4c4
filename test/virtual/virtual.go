// Package virtual keeps tests from waiting in real time.
package virtual

import (
	"bytes"
	"runtime"
	"time"
)

// Sleep is [time.Sleep] in the bubble of a synctest. Outside of one, where it would
// take its time and prove nothing, it panics.
func Sleep(d time.Duration) {
	var head [128]byte
	if line, _, _ := bytes.Cut(head[:runtime.Stack(head[:], false)], []byte("\n")); !bytes.Contains(line, []byte("synctest bubble")) {
		panic("a sleep in real time")
	}
	time.Sleep(d) //nolint:forbidigo // in a bubble
}
