package engine

import (
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/goid"
	"github.com/a622d8ee/dray/internal/guard"
)

// This file has what the test kit does to an engine.

// SetFault has f called between any two steps; nil ends that.
func (e *Engine) SetFault(f func(at string)) {
	if f == nil {
		e.fault.Store(nil)
		return
	}
	e.fault.Store(&f)
}

// Lend lends a worker to an engine that is not served, for one attempt, which it claims
// here, so that the doors stay closed to all others. The attempt begins when run is called, which
// returns when it has ended; run is nil if there is none. From then on the engine may be served.
func (e *Engine) Lend() (run func()) {
	w := e.newWorker(lent)
	claimed := false
	e.Update(func(c *core.Core, now time.Duration) {
		if e.mail.closed {
			return
		}
		c.Advance(now)
		c.SetStopped(false)
		c.Open()
		c.Join(&w.run)
		if claimed = c.Claim(&w.run, now); claimed {
			e.start(w)
		} else {
			c.Leave(&w.run)
		}
		c.SetStopped(true)
	})
	if !claimed {
		return nil
	}
	return func() {
		done := make(chan struct{})
		guard.Go(func() { w.lend(done) })
		<-done
	}
}

// lent is the number of a worker that Lend has made. It leaves after its attempt whatever else there
// is to do, as run waits for it, also if the engine is served by then.
const lent = 0

// lend is main for a worker that Lend has made.
func (w *Worker) lend(done chan struct{}) {
	defer func() {
		if w.stopped {
			close(done)
		} else {
			guard.Go(func() { w.lend(done) }) // after a Goexit
		}
	}()
	w.goid.Store(uint64(goid.Current()))
	for !w.stopped {
		w.serve()
	}
}
