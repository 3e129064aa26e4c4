package dray

import (
	"runtime"
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

// What concerns very many jobs is done in slices, each a step of its own, as every call
// and every worker waits for a step. So much is dealt with in one of them, which takes
// some dozen microseconds.
const (
	slicedJobs  = 64   // records that are changed
	slicedReads = 256  // jobs that are only looked at
	slicedPlain = 4096 // plain jobs that are added
)

// inSlices makes a change in several steps, between which all others have their turn. The
// change is told by its result to go on.
func (e *engine) inSlices(change func(c *core.Core, now time.Duration) (more bool)) {
	for more := true; more; {
		more = false
		e.step(func(c *core.Core, now time.Duration) { more = change(c, now) })
		if more {
			runtime.Gosched() // to the goroutine that was woken for the lock
		}
	}
}

// cancelAll cancels what some cancels a part of, as far as it was there at the call.
func (e *engine) cancelAll(some func(*core.Core, *core.Span, time.Duration) int) (n int) {
	var s core.Span
	e.inSlices(func(c *core.Core, now time.Duration) bool {
		if s.Limit == 0 {
			s.Limit, s.UpTo = slicedJobs, e.mail.lastID
		}
		n += some(c, &s, now)
		return s.More
	})
	return n
}
