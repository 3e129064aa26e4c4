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

// An idleness is when idle workers leave, under engine.mail.mu: those that have been
// idle for long enough each time that it is looked at. There is one time for all, which
// only moves when it has come: a worker that parks changes nothing if there is one.
type idleness struct {
	timeout time.Duration // immutable; 0: never
	look    time.Duration // when to look; never if no worker is idle, or none was when it was last looked at
}

// park notes that w is idle from now on, and lies on top of the idle ones.
func (e *engine) park(w *worker, now time.Duration) {
	w.idleSince = now
	e.mail.parked = append(e.mail.parked, w)
	if e.idle.timeout > 0 {
		e.idle.look = min(e.idle.look, now+e.idle.timeout)
	}
}

// dismissIdle has those workers leave that have been idle for long enough, under both
// locks.
func (e *engine) dismissIdle(now time.Duration) {
	if now < e.idle.look {
		return
	}
	m := &e.mail
	n := 0
	for n < min(len(m.parked), maxDismissed) && now-m.parked[n].idleSince >= e.idle.timeout {
		n++
	}
	leaving := m.takeParked(n)
	e.idle.look = never
	if len(m.parked) > 0 {
		e.idle.look = m.parked[0].idleSince + e.idle.timeout
	}
	for _, w := range leaving {
		e.letGo(w)
		w.wake <- struct{}{}
	}
}

// letGo takes away the place of a worker, which then leaves.
func (e *engine) letGo(w *worker) {
	e.core.Leave(&w.run)
	w.contexts.Leave()
	w.gone = true
	e.emit(Event{Kind: WorkerStopped, Worker: w.number})
}

// takeParked takes the n workers that have been idle for longest. The room that a
// burst needed goes with them.
func (m *mailbox) takeParked(n int) []*worker {
	if n == 0 {
		return nil
	}
	leaving := m.parked[:n]
	m.parked = append([]*worker(nil), m.parked[n:]...)
	return leaving
}
