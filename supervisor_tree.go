package dray

import (
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/restart"
)

// A tree is the rules of supervision and what they apply to: a state machine
// without goroutine, channel, lock or clock. The keeper tells it what happened
// (begin, started, exited, expired, stop and the requests in supervisor_calls.go),
// each time after setting now; the tree answers with deeds for the keeper to do,
// in that order, with events to be told and with answers to be given.
//
// A tree is not safe for concurrent use.
type tree struct {
	cfg  *supervisorConfig
	loud bool // somebody listens to events

	children []*child // in the order of start, which is that of seq
	byName   map[string]*child
	lastSeq  uint64

	serving   bool // between begin and the end of the final plan
	plan      plan
	window    restart.Window
	restarted uint64           // restarts ever
	failure   error            // why the supervisor ends, if not because it was told to
	told      bool             // it was told to
	cause     error            // of the children's stop, once the final plan is under way
	abandoned []abandonedChild // of children whose stop left something running
	ended     []*child         // temporary ones of WithChildren, for the next begin

	now     time.Time // of what happened last
	deeds   []deed
	events  []Event
	answers []answer

	release func(Service) // called for what is no child any more
}

func newTree(cfg *supervisorConfig, loud bool) *tree {
	return &tree{cfg: cfg, loud: loud, byName: make(map[string]*child), release: func(Service) {}}
}

// reset forgets how the Serve before ended.
func (t *tree) reset() { t.failure, t.told, t.abandoned = nil, false, nil }

// begin starts all children, in order, for the first time.
func (t *tree) begin() {
	t.serving = true
	t.bringBack()
	t.window = restart.NewWindow(t.cfg.limit, t.cfg.period)
	for _, c := range t.children {
		c.restarts, c.streak = 0, 0
		c.due, c.why = true, startFirst
	}
	t.plan = plan{phase: planStart}
	t.advance()
}

// bringBack makes temporary children of WithChildren that have ended children
// again, in their old places, as OTP's supervisors do that are started anew.
func (t *tree) bringBack() {
	t.ended = slices.DeleteFunc(t.ended, func(c *child) bool {
		if t.byName[c.Name] != nil {
			return false // the name has been taken meanwhile
		}
		t.children = slices.Insert(t.children, t.index(c.seq), c)
		t.byName[c.Name] = c
		return true
	})
}

// stopFor ends the supervisor because it is told to, unless it ends already.
func (t *tree) stopFor(cause error) {
	if t.serving && !t.closing() {
		t.told = true
		t.stop(cause)
	}
}

// stop ends the supervisor: all children are stopped, in reverse. Calls that
// wait for a child are answered now, because the child to be stopped may be one
// that makes such a call.
func (t *tree) stop(cause error) {
	t.cause = cause
	closed := t.errClosed()
	for _, c := range t.children {
		c.due, c.again = false, false
		t.answerAll(&c.awaitStart, closed)
		t.answerAll(&c.awaitStop, closed)
		if c.state == ChildRestarting {
			t.disarm(c)
			c.enter(ChildDown, t.now)
		}
	}
	t.plan = plan{phase: planStop, pos: t.lastSeq + 1, final: true}
	t.advance()
}

// giveUp ends the supervisor because of a failure.
func (t *tree) giveUp(why error) {
	t.failure = wrapf(why, "supervisor %q", t.cfg.name)
	t.stop(ErrShutdown)
}

// finish is the end of the final plan.
func (t *tree) finish() {
	t.plan = plan{}
	t.serving = false
	if t.failure != nil && t.loud {
		t.tell(SupervisorFailed{t.moment(), t.cfg.name, t.failure})
	}
}

func (t *tree) over() bool    { return !t.serving }
func (t *tree) closing() bool { return t.plan.final }

// booted reports whether the first start of all children is complete, or failed.
func (t *tree) booted() bool { return !t.serving || t.plan.phase == planNone }

// started: the child's Init has returned nil.
func (t *tree) started(c *child, epoch uint64) {
	if c.epoch != epoch || c.state != ChildStarting {
		return // it is being stopped, or was abandoned
	}
	t.up(c)
	t.advance()
}

// exited: the child's incarnation has ended in the way o.
func (t *tree) exited(c *child, epoch uint64, o *demise) {
	if c.epoch != epoch {
		return // an abandoned one returns late
	}
	t.disarm(c)
	switch {
	case c.state == ChildStopping || t.plan.stops(c):
		t.stopped(c, o)
	case c.state == ChildStarting:
		t.startFailed(c, o)
	default:
		t.died(c, o)
	}
	t.advance()
}

// expired: the child's shutdown time, or its backoff, has passed.
func (t *tree) expired(c *child, alarm uint64) {
	if c.alarm != alarm || !c.armed {
		return // what it was to limit is over
	}
	c.armed, c.asked = false, false
	if c.state == ChildStopping {
		t.abandon(c)
	} else {
		t.delayed(c)
	}
	t.advance()
}

// delayed: the child has waited for as long as it had to.
func (t *tree) delayed(c *child) {
	switch {
	case t.plan.delay == c:
		t.plan.delay = nil
	case c.state == ChildRestarting:
		t.launch(c)
	}
}

// answered: the backoff says how long the child is to wait.
func (t *tree) answered(c *child, alarm uint64, delay time.Duration) {
	if c.alarm != alarm || !c.asked {
		return // too late
	}
	t.disarm(c)
	if remaining := delay - t.now.Sub(c.since); remaining > 0 {
		t.await(deed{kind: doWait, child: c, after: remaining})
		return
	}
	t.delayed(c)
	t.advance()
}

// launch starts the child now.
func (t *tree) launch(c *child) {
	c.epoch++
	c.due = false
	t.do(doLaunch, c)
	if c.inits {
		c.enter(ChildStarting, t.now)
		return
	}
	t.up(c)
}

// up: the start of the child is complete.
func (t *tree) up(c *child) {
	c.enter(ChildRunning, t.now)
	c.why = startAgain
	if t.loud {
		t.tell(ChildStarted{t.moment(), t.cfg.name, c.Name, c.restarts})
	}
	t.answerAll(&c.awaitStart, nil)
}

// halt tells a child to stop. Its end, or its abandonment, is news to come.
func (t *tree) halt(c *child) {
	if c.state != ChildStopping {
		c.endRow(t.now, t.cfg.period)
		c.enter(ChildStopping, t.now)
		t.await(deed{kind: doHalt, child: c, after: c.grace(t.cfg.shutdownTimeout), cause: t.causeFor(c)})
	}
}

// causeFor is what a child is told about why it has to stop.
func (t *tree) causeFor(c *child) error {
	switch {
	case c.removing:
		return ErrShutdown
	case c.again || c.due:
		return ErrRestart
	case t.plan.final && (c.Restart != Temporary || c.given):
		return t.cause
	default:
		return ErrShutdown
	}
}

// stopped: a child has ended that was to end. If it did not wait to be told, its
// failure is reported, but it is not another reason to restart anything.
func (t *tree) stopped(c *child, o *demise) {
	c.endRow(t.now, t.cfg.period)
	c.enter(ChildDown, t.now)
	if c.due {
		c.enter(ChildRestarting, t.now)
	}
	switch {
	case o.failedUnasked():
		t.report(c, o)
	case t.loud:
		t.tell(ChildStopped{t.moment(), t.cfg.name, c.Name})
	}
	if o.bad {
		c.fail(o)
	}
	t.settle(c, t.leave(c, o))
}

// abandon gives a child up that did not stop in time.
func (t *tree) abandon(c *child) {
	waited := t.now.Sub(c.since)
	c.epoch++ // whatever it does from now on is late
	c.enter(ChildStuck, t.now)
	t.do(doAbandon, c)
	if t.loud {
		t.tell(ChildAbandoned{t.moment(), t.cfg.name, c.Name, waited})
	}
	t.settle(c, wrapf(ErrAbandoned, "supervisor %q: child %q", t.cfg.name, c.Name))
}

// settle does with a stopped or abandoned child what it was stopped for.
func (t *tree) settle(c *child, err error) {
	t.answerAll(&c.awaitStop, err)
	switch {
	case c.removing:
		t.forget(c)
	case c.again:
		c.again = false
		t.launch(c)
	case c.Restart == Temporary && !c.due:
		t.forget(c)
	}
}

// startFailed: the child's Init ended without success.
func (t *tree) startFailed(c *child, o *demise) {
	t.report(c, o)
	_ = t.leave(c, o) // for the end of this supervisor to tell
	failed := wrapf(o.err, "start of child %q", c.Name)
	switch c.why {
	case startAgain:
		t.again(c, o)
		return
	case startFirst:
		c.enter(ChildDown, t.now)
		t.giveUp(failed)
		return
	}
	c.enter(ChildDown, t.now)
	t.answerAll(&c.awaitStart, wrapf(failed, "supervisor %q", t.cfg.name))
	if c.why == startOnceAdd || c.Restart == Temporary {
		t.forget(c)
	}
}

// died: a running child has ended by itself.
func (t *tree) died(c *child, o *demise) {
	c.endRow(t.now, t.cfg.period)
	t.report(c, o)
	_ = t.leave(c, o) // for the end of this supervisor to tell
	if c.Restart == Permanent || o.err != nil {
		t.again(c, o)
		return
	}
	t.gone(c)
}

// again restarts a child that failed, as far as its restart type, the intensity
// and the strategy say so.
func (t *tree) again(c *child, o *demise) {
	if c.Restart == Temporary {
		t.gone(c)
		return
	}
	if !t.window.Add(t.now) {
		c.enter(ChildDown, t.now)
		t.giveUp(&intensityError{child: c.Name, err: o.reason()})
		return
	}
	c.countFailure()
	c.restarts++
	t.restarted++
	c.enter(ChildRestarting, t.now)
	delayed := t.cfg.backoff != nil
	if delayed {
		t.await(deed{kind: doAsk, child: c, after: askPatience})
	}
	t.restart(c, delayed)
}

// gone: a child has ended by itself for good.
func (t *tree) gone(c *child) {
	c.enter(ChildDown, t.now)
	if c.Restart == Temporary {
		t.forget(c)
	}
	if !c.Significant || t.cfg.auto == AllSignificant && slices.ContainsFunc(t.children, func(c *child) bool {
		return c.Significant && c.active()
	}) {
		return
	}
	t.stop(ErrShutdown)
}

func (t *tree) forget(c *child) {
	delete(t.byName, c.Name)
	i := t.index(c.seq)
	t.children = slices.Delete(t.children, i, i+1) // which clears the slot that becomes free
	if !c.given || c.removing {
		t.release(c.Service)
		return
	}
	again := newChild(c.Child, c.seq)
	again.given = true
	t.ended = append(t.ended, again)
}

// index returns where the first child is that has that seq or a higher one.
func (t *tree) index(seq uint64) int {
	i, _ := slices.BinarySearchFunc(t.children, seq, func(c *child, seq uint64) int {
		if c.seq < seq {
			return -1
		}
		return 1
	})
	return i
}
