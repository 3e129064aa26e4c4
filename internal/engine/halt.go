package engine

import (
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/goid"
	"github.com/a622d8ee/dray/internal/jobctx"
	"github.com/a622d8ee/dray/internal/span"
)

// This file has how an engine is opened, interrupted and closed, for queues and pools.

// AwaitIdle returns a channel that is closed once nothing runs or can start. All who wait at
// the same time get the same one. From then on nothing starts: what comes due later is for the
// report.
func (e *Engine) AwaitIdle() <-chan struct{} {
	idle := make(chan struct{})
	e.Update(func(*core.Core, time.Duration) {
		if e.drained == nil {
			e.drained = idle
		} else {
			idle = e.drained
		}
	})
	return idle
}

// Open lets workers claim jobs.
func (e *Engine) Open() { e.Update(func(c *core.Core, _ time.Duration) { c.Open() }) }

// Close lets no worker claim another job, and waits for the idle ones to have
// left. Those that run a job go on, and leave after it or, if the engine is open
// again by then, stay.
func (e *Engine) Close() {
	vacated := make(chan struct{})
	e.Update(func(c *core.Core, _ time.Duration) {
		c.Close()
		if e.vacated == nil {
			e.vacated = vacated
		} else {
			vacated = e.vacated
		}
	})
	e.Dismiss()
	<-vacated
}

// Dismiss has those idle workers leave for which there is no use any more.
func (e *Engine) Dismiss() {
	e.InSlices(func(*core.Core, time.Duration) (more bool) { return e.dismissSome() })
}

// dismissSome reports whether there are more.
func (e *Engine) dismissSome() (more bool) {
	useless := func() bool { return len(e.idle) > 0 && (e.core.Closed() || e.core.Surplus()) }
	for n := 0; n < maxDismissed && useless(); n++ {
		last := len(e.idle) - 1
		w := e.idle[last]
		e.idle[last], e.idle = nil, e.idle[:last]
		e.letGo(w)
	}
	return useless()
}

// Refuse closes the mailbox: from here on every offer is turned away.
func (e *Engine) Refuse() {
	e.Update(func(c *core.Core, _ time.Duration) {
		e.mail.closed = true
		c.Refuse()
	})
}

// Reopen, in an update, is where a run begins, be it the first or another one.
func (e *Engine) Reopen(c *core.Core) {
	c.SetStopped(false)
	e.mail.closed = false
	e.drained = nil // of a wait that was given up
	e.stuck.Open()
	e.fetchAgain(c)
}

// Interrupt starts no more jobs, cancels the running ones, and waits for them until then. It
// may be called when no owner runs: then workers that come back settle their jobs themselves,
// see Worker.receive.
func (e *Engine) Interrupt(until time.Time) {
	e.Update(func(c *core.Core, now time.Duration) {
		c.SetStopped(true)
		c.InterruptAll(now)
	})
	timeout := time.NewTimer(time.Until(until))
	defer timeout.Stop()
	select {
	case <-e.AwaitIdle():
	case <-timeout.C:
	}
}

// ExemptCaller finds out whether it is called by a job of this engine, for
// which the rest of the shutdown then does not wait. The call may have been given the
// context inside.
func (e *Engine) ExemptCaller(inside jobctx.Context) {
	me := goid.Current()
	e.Update(func(c *core.Core, _ time.Duration) {
		if w := e.caller(inside, me); w != nil {
			e.updateRuns()
			e.pin(&w.run)
			c.Exempt(&w.run)
		}
	})
}

// caller returns, for the owner, the worker whose job makes a call, or nil. If
// that was given a context of a job which runs here, it is that job; else it is the
// one that runs on the goroutine of the call.
func (e *Engine) caller(inside jobctx.Context, me goid.ID) *Worker {
	if inside != nil {
		if w, ok := jobctx.OwnerOf(inside).(*Worker); ok && w.engine == e && w.contexts.Runs(inside) {
			return w
		}
	}
	return e.workerOn(me)
}

// workerOn returns the worker that runs on the given goroutine, or nil.
func (e *Engine) workerOn(id goid.ID) *Worker {
	for _, r := range e.core.Runs() {
		if w := e.workerAt(r); id.Is(goid.ID(w.goid.Load())) {
			return w
		}
	}
	return nil
}

// IsClosed reports whether new jobs are refused.
func (e *Engine) IsClosed() bool {
	e.mail.mu.Lock()
	defer e.mail.mu.Unlock()
	return e.mail.closed
}

// workerAt returns the worker whose place r is.
func (*Engine) workerAt(r *core.Run) *Worker { return r.Owner.(*Worker) } //nolint:forcetypeassert // newWorker sets it

// maxDismissed bounds the idle workers that leave at once, as they do so under the
// lock that all wait for.
const maxDismissed = 256

// An idleness is when idle workers leave: those that have been idle for long enough each time
// that it is looked at. There is one time for all, which only moves when it has come: a worker
// that parks changes nothing if there is one.
type idleness struct {
	timeout time.Duration // immutable; 0: never
	look    time.Duration // when to look; never if no worker is idle, or none was when it was last looked at
}

// park notes that w is idle from now on, and lies on top of the idle ones. The one that was
// busy last is taken first: its stack and what it uses are still in the processor's cache, and
// those at the bottom get old enough to leave.
func (e *Engine) park(w *Worker, now time.Duration) {
	w.idleSince = now
	e.idle = append(e.idle, w)
	if e.idleness.timeout > 0 {
		e.idleness.look = min(e.idleness.look, now+e.idleness.timeout)
	}
}

// dismissIdle has those workers leave that have been idle for long enough.
func (e *Engine) dismissIdle(now time.Duration) {
	if now < e.idleness.look {
		return
	}
	n := 0
	for n < min(len(e.idle), maxDismissed) && now-e.idle[n].idleSince >= e.idleness.timeout {
		n++
	}
	leaving := e.takeIdle(n)
	e.idleness.look = span.Never
	if len(e.idle) > 0 {
		e.idleness.look = e.idle[0].idleSince + e.idleness.timeout
	}
	for _, w := range leaving {
		e.letGo(w)
	}
}

// letGo takes away the place of a worker, which then leaves.
func (e *Engine) letGo(w *Worker) {
	e.core.Leave(&w.run)
	e.claimsOfStopped += w.claims
	w.contexts.Leave()
	e.host.WorkerStopped(w.number, nil)
	close(w.lease)
}

// takeIdle takes the n workers that have been idle for longest. The room that a
// burst needed goes with them.
func (e *Engine) takeIdle(n int) []*Worker {
	if n == 0 {
		return nil
	}
	leaving := e.idle[:n]
	e.idle = append([]*Worker(nil), e.idle[n:]...)
	return leaving
}

// InterruptTaken is Interrupt for a pool, in which what has been taken starts first, as nothing
// else would become of it: it was taken for a worker that is free, or, if there are fewer by
// now, gets that of another one.
func (e *Engine) InterruptTaken(until time.Time) {
	started := make(chan struct{})
	e.Update(func(c *core.Core, now time.Duration) {
		c.InterruptAll(now)
		e.started = started
	})
	timeout := time.NewTimer(time.Until(until))
	defer timeout.Stop()
	select {
	case <-started:
	case <-timeout.C:
	}
	e.Interrupt(until)
}

// StopTimer ends a pool's timer, when nothing more is to come of time.
func (e *Engine) StopTimer() { e.timer.Stop() }
