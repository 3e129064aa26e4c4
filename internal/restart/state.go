// Package restart has the rules of supervision, which are those of Erlang/OTP: what is
// started and stopped when a child ends, in which order, and how many restarts are too
// many. It has no goroutine, channel, lock or clock; package supervise has those.
package restart

import (
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/errs"
)

// A State is a supervisor and its children. Each thing that happens is one call, with Now set
// before; what follows from it is done through the shell before the call returns. The exported
// fields may be read between calls. It is not safe for concurrent use, nor reentrant: the shell
// and the calls that it answers must not call it back.
//
// Between two calls a child is alive exactly if its Exited, or its Expired while it is Stopping,
// is still to come; at most one timer is armed for a child: of its stop or of its backoff. Where
// a plan is under way it has gone as far as it goes without an end, a start or a time that is to
// come.
type State struct {
	Now      time.Time // of what happens next; set by the caller
	Children []*Child  // in the order of start, which is that of seq, ascending
	Restarts uint64    // ever, over all calls of Begin
	Failure  error     // why the supervisor ends; nil if it was told to, or all was well
	Told     bool      // it was told to end; until Reset

	cfg    Config            // immutable
	shell  Shell             // immutable
	byName map[string]*Child // the same as Children
	last   uint64            // the highest seq given; none is given twice
	ended  []*Child          // temporary ones of the beginning, for the next Begin
	window Intensity         // of the restarts since Begin

	serving bool  // between Begin and the end of the final plan
	plan    plan  // what is being done to several children; planNone when nothing is
	cause   error // of the children's stop, once the final plan is under way; until the next Begin
}

// New returns the state of a supervisor that is not served and has no children. Before Begin
// children may be added, removed and terminated; nothing is started.
func New(cfg Config, shell Shell) *State {
	return &State{cfg: cfg, shell: shell, byName: make(map[string]*Child)}
}

// Over reports whether the supervisor has ended, or has not begun.
func (s *State) Over() bool { return !s.serving }

// Closing reports whether the last stop of all children is under way: then calls of users are
// refused, and nothing is started any more.
func (s *State) Closing() bool { return s.plan.final }

// Up reports whether the first start of all children is complete, or has failed. It is to be
// asked until it is true once: later plans make it false again.
func (s *State) Up() bool { return !s.serving || s.plan.phase == planNone }

// Reset forgets how the supervisor has ended the last time. It is for a supervisor that is about
// to be served again, and separate from Begin, as one that is told to end before it begins has no
// Begin.
func (s *State) Reset() { s.Failure, s.Told = nil, false }

// Begin starts all children, in order, for the first time. Temporary ones of the beginning that
// have ended since are children again, as OTP's are when their supervisor is started anew. Those
// that were terminated are started too, and restarts count from zero. It must be Over before.
func (s *State) Begin() {
	s.serving, s.cause = true, nil
	s.ended = slices.DeleteFunc(s.ended, func(c *Child) bool {
		if s.byName[c.Name] != nil {
			return false // the name has been taken meanwhile
		}
		s.Children = slices.Insert(s.Children, s.index(c.seq), c)
		s.byName[c.Name] = c
		return true
	})
	s.window = NewIntensity(s.cfg.Intensity, s.cfg.Period)
	for _, c := range s.Children {
		c.Restarts, c.Failures = 0, 0
		c.due, c.reason = true, firstStart
	}
	s.plan = plan{phase: planStart}
	s.advance()
}

// End ends the supervisor because it is told to, unless it ends already. cause is what its
// children are told: that the supervisor is restarted, or that it ends.
func (s *State) End(cause error) {
	if s.serving && !s.Closing() {
		s.Told = true
		s.end(cause)
	}
}

// end stops all children, in reverse. Calls that wait for a child are answered now, as the child
// to be stopped may be one that makes such a call, and would wait for its own end. A plan under
// way is given up: what it had still to start is not started, and a child that it stops is
// stopped by this.
func (s *State) end(cause error) {
	s.cause = cause
	for _, c := range s.Children {
		c.due, c.again = false, false
		replyAll(&c.awaitStart, s.closed())
		replyAll(&c.awaitStop, s.closed())
		// Its timer must not start it after the supervisor has ended.
		if c.State == Restarting {
			s.shell.Disarm(c)
			c.enter(Down, s.Now)
		}
		if !c.alive() {
			s.dropped(c)
		}
	}
	// from is 0: all children.
	s.plan = plan{phase: planStop, pos: s.last + 1, final: true}
	s.advance()
}

// giveUp ends the supervisor because of a failure. As in OTP all children are stopped first, in
// reverse, and the failure is passed on after that.
func (s *State) giveUp(why error) {
	s.Failure = errs.Wrapf(why, "supervisor %q", s.cfg.Name)
	s.end(errs.ErrShutdown)
}

// finish is the end of the final plan: all children are down or abandoned. The supervisor is
// Over. A failure is told last, after all that has happened to the children.
func (s *State) finish() {
	s.plan, s.serving = plan{}, false
	if s.Failure != nil {
		s.shell.Emit(Event{Kind: GaveUp, Err: s.Failure})
	}
}

// Started: the start of a child that takes time is complete. It comes too late for one that was
// told to stop meanwhile: its Exited decides then.
func (s *State) Started(c *Child) {
	if c.State == Starting { // else it is to stop
		s.up(c)
		s.advance()
	}
}

// Exited: the child has ended. It must have been alive, and has not been abandoned. An end that
// was on its way anyway, as the child was told to stop or a plan was about to tell it, is no
// reason to restart anything, as in OTP.
func (s *State) Exited(c *Child, e Exit) {
	s.shell.Disarm(c) // the limit of its stop, if it had one
	switch {
	// The second: it has ended by itself, before the plan came to telling it.
	case c.State == Stopping || s.plan.stops(c):
		s.stopped(c, e)
	// Its start was under way, and nothing had told it to stop.
	case c.State == Starting:
		s.startFailed(c, e)
	default:
		s.exited(c, e)
	}
	s.advance()
}

// Expired: the child's limit to stop, or its backoff, has passed. Which it was follows from its
// state.
func (s *State) Expired(c *Child) {
	switch {
	case c.State == Stopping:
		s.abandon(c)
	// Of a group. The third case is a child alone, in one-for-one.
	case s.plan.delay == c:
		s.plan.delay = nil // the group may be started, as soon as it is down
	case c.State == Restarting:
		s.start(c)
	}
	s.advance()
}

// start starts the child now. It must not be alive. A call that waits for it is answered after
// shell.Start, so that a caller which is told of success finds the child running.
func (s *State) start(c *Child) {
	c.due, c.promised = false, false
	if c.SlowStart {
		c.enter(Starting, s.Now)
		s.shell.Start(c)
		return
	}
	// Taken out, so that up does not answer them.
	calls := c.awaitStart
	c.awaitStart = nil
	s.up(c)
	s.shell.Start(c) // what it reports comes after
	replyAll(&calls, nil)
}

// up: the start of the child is complete. If it fails from here on that is a failure like any
// other, so the reason of the start is forgotten.
func (s *State) up(c *Child) {
	c.enter(Running, s.Now)
	c.reason = restarted
	// Before calls are answered: the event stands before all that comes of what a caller does then.
	s.shell.Emit(Event{Kind: Started, Child: c})
	replyAll(&c.awaitStart, nil)
}

// stop tells a child to end, unless it was told. Exited or Expired follows. It must be alive.
func (s *State) stop(c *Child) {
	if c.State != Stopping {
		s.endStreak(c) // before enter, which changes State and Since
		c.enter(Stopping, s.Now)
		cause := s.causeFor(c)
		c.promised = cause == errs.ErrRestart //nolint:errorlint // causeFor's
		s.shell.Stop(c, cause)
	}
}

// causeFor is what a child is told about why it has to stop: ErrRestart if it will be started
// again, be it by this supervisor or, as far as that was told so, by a later Begin. Temporary
// children that were added are not there any more after a Begin.
func (s *State) causeFor(c *Child) error {
	switch {
	case c.removing:
		return errs.ErrShutdown
	case c.again || c.due:
		return errs.ErrRestart
	case s.plan.final && (c.Type != Temporary || c.Initial):
		return s.cause
	default:
		return errs.ErrShutdown
	}
}

// stopped: a child has ended that was to end. If it did not wait to be told, its failure is
// reported, but is not another reason to restart anything. An error that says no more than that
// it was told to end is no failure.
func (s *State) stopped(c *Child, e Exit) {
	s.endStreak(c)
	c.enter(Down, s.Now)
	// It is to be started again by the plan under way.
	if c.due {
		c.enter(Restarting, s.Now)
	}
	if e.Err != nil && (!e.Told || e.Threw) {
		s.report(c, e)
	} else {
		s.shell.Emit(Event{Kind: Stopped, Child: c})
	}
	if !e.Harmless {
		c.LastErr = e.Err
	}
	s.down(c, e.Stopped)
}

// abandon gives a child up that did not stop within its limit. It counts as down from here on:
// its Exited must not be called any more. OTP kills a child that takes too long; a goroutine
// cannot be killed.
func (s *State) abandon(c *Child) {
	// Since when it was told to stop.
	waited := s.Now.Sub(c.Since)
	c.enter(Stuck, s.Now)
	s.shell.Emit(Event{Kind: Abandoned, Child: c, Waited: waited})
	s.down(c, errs.Wrapf(errs.ErrAbandoned, "supervisor %q: child %q", s.cfg.Name, c.Name))
}

// down does with a stopped or abandoned child what it was stopped for, and answers with err the
// calls that wait for that: nil if it has left nothing running. If it is due the plan starts it
// in its turn.
func (s *State) down(c *Child, err error) {
	replyAll(&c.awaitStop, err)
	switch {
	case c.removing:
		s.forget(c)
	case c.again:
		c.again = false
		s.start(c)
	case c.Type == Temporary && !c.due:
		s.forget(c)
	case !c.due:
		s.dropped(c)
	}
}

// startFailed: the child's start has ended without success. What that means depends on what it
// was started for. As in OTP, a failed restart is another failure, which counts towards the
// intensity, and a failed first start ends the supervisor; a start that a call has asked for is
// that call's affair alone.
func (s *State) startFailed(c *Child, e Exit) {
	s.report(c, e)
	failed := errs.Wrapf(e.Err, "start of child %q", c.Name)
	switch c.reason {
	case restarted:
		s.restart(c, e)
		return
	case firstStart:
		c.enter(Down, s.Now)
		s.giveUp(failed)
		return
	}
	c.enter(Down, s.Now)
	replyAll(&c.awaitStart, errs.Wrapf(failed, "supervisor %q", s.cfg.Name))
	// As in OTP a child whose start_child fails is none, and a temporary one that is down is
	// forgotten.
	if c.reason == added || c.Type == Temporary {
		s.forget(c)
	}
}

// exited: a running child has ended by itself. A permanent one is restarted after any end, a
// transient one after a failure; a temporary one is not, which restart sees to.
func (s *State) exited(c *Child, e Exit) {
	s.endStreak(c)
	s.report(c, e)
	// A normal end of a permanent child is restarted, and counts towards the intensity, like a
	// failure.
	if c.Type == Permanent || e.Err != nil {
		s.restart(c, e)
		return
	}
	s.gone(c)
}

// report says how a child ended by itself. A nil error is no failure, also of a permanent child,
// though that is restarted: LastErr stays that of the last failure.
func (s *State) report(c *Child, e Exit) {
	if e.Err == nil {
		s.shell.Emit(Event{Kind: Stopped, Child: c})
		return
	}
	c.LastErr = e.Err
	s.shell.Emit(Event{Kind: Failed, Child: c, Err: e.Err})
}

// restart restarts a child that has failed, as far as its type, the intensity and the strategy
// say so. One that is too many is not counted in Restarts, as it does not take place. The backoff
// begins at once, also where the rest of the group is still to be stopped.
func (s *State) restart(c *Child, e Exit) {
	switch {
	case c.Type == Temporary: // before the intensity, for which it does not count
		s.gone(c)
		return
	case !s.window.Add(s.Now):
		c.enter(Down, s.Now)
		s.giveUp(&intensityError{child: c.Name, err: e.reason()})
		return
	}
	c.Failures++
	c.Restarts++
	s.Restarts++
	c.enter(Restarting, s.Now)
	if s.cfg.Delayed {
		s.shell.Delay(c)
	}
	strategies[s.cfg.Strategy](s, c)
}

// gone: a child has ended by itself for good. If it is significant it may end the supervisor
// (auto_shutdown in OTP): at once, or as the last significant one. That it is terminated by a
// call does not count: see takeDown. Without AutoShutdown no child is significant.
func (s *State) gone(c *Child) {
	c.enter(Down, s.Now)
	if c.Type == Temporary {
		s.forget(c)
	}
	if c.Significant && !(s.cfg.Auto == AllSignificant && slices.ContainsFunc(s.Children, (*Child).keepsAlive)) {
		s.end(errs.ErrShutdown)
	}
}

// forget takes a child out of the list, in O(n). Forgotten is told if it does not come back: a
// child of the beginning that has ended waits in ended for the next Begin, at its old place,
// unless it was removed.
func (s *State) forget(c *Child) {
	if c.promised {
		s.drop(c)
	}
	delete(s.byName, c.Name)
	i := s.index(c.seq)
	s.Children = slices.Delete(s.Children, i, i+1) // which clears the slot that becomes free
	if c.Initial && !c.removing {
		s.ended = append(s.ended, &Child{Spec: c.Spec, seq: c.seq})
		return
	}
	s.shell.Emit(Event{Kind: Forgotten, Child: c})
}

// index returns where the first child is that has that seq or a higher one, len(s.Children) if
// there is none. Plans hold a seq and not an index, so children may come and go while they are
// under way. O(log n).
func (s *State) index(seq uint64) int {
	i, _ := slices.BinarySearchFunc(s.Children, seq, func(c *Child, seq uint64) int {
		if c.seq < seq {
			return -1
		}
		return 1
	})
	return i
}

// closed is what calls get while the supervisor ends.
func (s *State) closed() error { return errs.Wrapf(errs.ErrClosed, "supervisor %q", s.cfg.Name) }
