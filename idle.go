package dray

import "time"

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
