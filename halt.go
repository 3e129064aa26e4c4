package dray

import (
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/goid"
	"github.com/a622d8ee/dray/internal/jobctx"
)

// This file has how an engine is opened, halted and closed, for queues and pools.

// awaitIdle returns a channel that is closed once nothing runs or can start.
func (e *engine) awaitIdle() <-chan struct{} {
	idle := make(chan struct{})
	e.step(func(*core.Core, time.Duration) {
		if e.drained == nil {
			e.drained = idle
		} else {
			idle = e.drained
		}
	})
	return idle
}

// open lets workers claim jobs.
func (e *engine) open() { e.step(func(c *core.Core, _ time.Duration) { c.Open() }) }

// close lets no worker claim another job, and waits for the idle ones to have
// left. Those that run a job go on, and leave after it or, if the engine is open
// again by then, stay.
func (e *engine) close() {
	vacated := make(chan struct{})
	e.step(func(c *core.Core, _ time.Duration) {
		c.Close()
		if e.vacated == nil {
			e.vacated = vacated
		} else {
			vacated = e.vacated
		}
		e.dismiss()
	})
	<-vacated
}

// dismiss has those idle workers leave for whom there is no use.
func (e *engine) dismiss() {
	for len(e.idle) > 0 && (e.core.Closed() || e.core.Surplus()) {
		last := len(e.idle) - 1
		w := e.idle[last]
		e.idle[last], e.idle = nil, e.idle[:last]
		e.letGo(w)
	}
}

// refuse closes the mailbox: from here on every offer is turned away.
func (e *engine) refuse() {
	e.step(func(c *core.Core, _ time.Duration) {
		e.mail.closed = true
		c.Refuse()
	})
}

// reopen is where a run begins, be it the first or another one.
func (e *engine) reopen(c *core.Core) {
	c.Halt(false)
	e.mail.closed = false
	e.drained = nil // of a wait that was given up
	e.stuck.Open()
	e.fetchAgain(c)
}

// halt starts no more jobs, cancels the running ones, and waits for them until then.
func (e *engine) halt(until time.Time) {
	e.step(func(c *core.Core, now time.Duration) {
		c.Halt(true)
		c.InterruptAll(now)
	})
	timeout := time.NewTimer(time.Until(until))
	defer timeout.Stop()
	select {
	case <-e.awaitIdle():
	case <-timeout.C:
	}
}

// excuseCaller finds out whether it is called by a job or an observer of this engine, for
// which the rest of the shutdown then does not wait. The call may have been given the
// context inside.
func (e *engine) excuseCaller(inside jobctx.Context) {
	e.bus.Exempt()
	me := goid.Current()
	e.step(func(c *core.Core, _ time.Duration) {
		if w := e.caller(inside, me); w != nil {
			e.updateRuns()
			e.pin(&w.run)
			c.Excuse(&w.run)
		}
	})
}

// caller returns, for the owner, the worker whose job makes a call, or nil. If
// that was given a context of a job which runs here, it is that job; else it is the
// one that runs on the goroutine of the call.
func (e *engine) caller(inside jobctx.Context, me goid.ID) *worker {
	if inside != nil {
		if w, ok := jobctx.OwnerOf(inside).(*worker); ok && w.engine == e && w.contexts.Runs(inside) {
			return w
		}
	}
	return e.workerOn(me)
}

// workerOn returns the worker that runs on the given goroutine, or nil.
func (e *engine) workerOn(id goid.ID) *worker {
	for _, r := range e.core.Runs() {
		if w := e.workerAt(r); id.Is(goid.ID(w.goid.Load())) {
			return w
		}
	}
	return nil
}

// isClosed reports whether new jobs are refused.
func (e *engine) isClosed() bool {
	e.mail.mu.Lock()
	defer e.mail.mu.Unlock()
	return e.mail.closed
}

// workerAt returns the worker whose place r is.
func (*engine) workerAt(r *core.Run) *worker { return r.Owner.(*worker) } //nolint:forcetypeassert // hire sets it

// defaultIdleTimeout is long against the pauses within ordinary work, so that hardly
// a worker is started twice for it, and short against the life of a service.
const defaultIdleTimeout = time.Minute

// WithIdleTimeout lets workers leave that have had nothing to do for d, so that a
// burst leaves no goroutines behind; they are started again when needed. The last to
// become idle is the first to get a job, so those leave that are not needed, however
// busy the others are. A worker leaves at most d later than it could. Stats.Workers
// and Stats.Idle do not change by it, as they say how many jobs may run.
// Defaults to 1 m, also in a [Pool]; at most a year; 0: never.
func WithIdleTimeout(d time.Duration) Option {
	return queueOption(func(c *config) error { c.idleTimeout = d; return checkDelay("WithIdleTimeout", d) })
}

// maxDismissed bounds the idle workers that leave at once, as they do so under the
// lock that all wait for.
const maxDismissed = 256

// An idleness is when idle workers leave: those that have been
// idle for long enough each time that it is looked at. There is one time for all, which
// only moves when it has come: a worker that parks changes nothing if there is one.
type idleness struct {
	timeout time.Duration // immutable; 0: never
	look    time.Duration // when to look; never if no worker is idle, or none was when it was last looked at
}

// park notes that w is idle from now on, and lies on top of the idle ones.
func (e *engine) park(w *worker, now time.Duration) {
	w.idleSince = now
	e.idle = append(e.idle, w)
	if e.idleness.timeout > 0 {
		e.idleness.look = min(e.idleness.look, now+e.idleness.timeout)
	}
}

// dismissIdle has those workers leave that have been idle for long enough.
func (e *engine) dismissIdle(now time.Duration) {
	if now < e.idleness.look {
		return
	}
	n := 0
	for n < min(len(e.idle), maxDismissed) && now-e.idle[n].idleSince >= e.idleness.timeout {
		n++
	}
	leaving := e.takeIdle(n)
	e.idleness.look = never
	if len(e.idle) > 0 {
		e.idleness.look = e.idle[0].idleSince + e.idleness.timeout
	}
	for _, w := range leaving {
		e.letGo(w)
	}
}

// letGo takes away the place of a worker, which then leaves.
func (e *engine) letGo(w *worker) {
	e.core.Leave(&w.run)
	e.departed += w.claims
	w.contexts.Leave()
	e.emit(Event{Kind: WorkerStopped, Worker: w.number})
	close(w.lease)
}

// takeIdle takes the n workers that have been idle for longest. The room that a
// burst needed goes with them.
func (e *engine) takeIdle(n int) []*worker {
	if n == 0 {
		return nil
	}
	leaving := e.idle[:n]
	e.idle = append([]*worker(nil), e.idle[n:]...)
	return leaving
}
