// Package restart has the rules of supervision, which are those of Erlang/OTP: what is
// started and stopped when a child ends, in which order, and how many restarts are too
// many. It has no goroutine, channel, lock or clock; package supervise has those.
package restart

import (
	"fmt"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/errs"
)

// A State is a supervisor and its children. Each thing that happens is one call, with Now
// set before; what follows from it is done through the shell before the call returns. The
// exported fields may be read between calls. It is not safe for concurrent use.
type State struct {
	Now      time.Time // of what happens next; set by the caller
	Children []*Child  // in the order of start, which is that of seq
	Restarts uint64    // ever
	Failure  error     // why the supervisor ends; nil if it was told to or all was well
	Told     bool      // it was told to end

	cfg    Config
	shell  Shell
	byName map[string]*Child
	last   uint64   // seq
	ended  []*Child // temporary ones of the beginning, for the next Begin
	window Intensity

	serving bool // between Begin and the end of the final plan
	plan    plan
	cause   error // of the children's stop, once the final plan is under way
}

// New returns the state of a supervisor that is not served and has no children.
func New(cfg Config, shell Shell) *State {
	return &State{cfg: cfg, shell: shell, byName: make(map[string]*Child)}
}

// Over reports whether the supervisor has ended, or has not begun.
func (s *State) Over() bool { return !s.serving }

// Closing reports whether the last stop of all children is under way.
func (s *State) Closing() bool { return s.plan.final }

// Up reports whether the first start of all children is complete, or has failed.
func (s *State) Up() bool { return !s.serving || s.plan.phase == planNone }

// Reset forgets how the supervisor has ended the last time.
func (s *State) Reset() { s.Failure, s.Told = nil, false }

// Begin starts all children, in order, for the first time. Temporary ones of the
// beginning that have ended since are children again, as OTP's are when their
// supervisor is started anew.
func (s *State) Begin() {
	s.serving = true
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

// End ends the supervisor because it is told to, unless it ends already.
func (s *State) End(cause error) {
	if s.serving && !s.Closing() {
		s.Told = true
		s.end(cause)
	}
}

// end stops all children, in reverse. Calls that wait for a child are answered now, as
// the child to be stopped may be one that makes such a call.
func (s *State) end(cause error) {
	s.cause = cause
	for _, c := range s.Children {
		c.due, c.again = false, false
		replyAll(&c.awaitStart, s.closed())
		replyAll(&c.awaitStop, s.closed())
		if c.State == Restarting {
			s.shell.Disarm(c)
			c.enter(Down, s.Now)
		}
	}
	s.plan = plan{phase: planStop, pos: s.last + 1, final: true}
	s.advance()
}

// giveUp ends the supervisor because of a failure.
func (s *State) giveUp(why error) {
	s.Failure = errs.Wrapf(why, "supervisor %q", s.cfg.Name)
	s.end(errs.ErrShutdown)
}

// finish is the end of the final plan.
func (s *State) finish() {
	s.plan, s.serving = plan{}, false
	if s.Failure != nil {
		s.shell.Emit(Event{Kind: GaveUp, Err: s.Failure})
	}
}

// Started: the start of a child that takes time is complete.
func (s *State) Started(c *Child) {
	if c.State == Starting { // else it is to stop
		s.up(c)
		s.advance()
	}
}

// Exited: the child has ended.
func (s *State) Exited(c *Child, e Exit) {
	s.shell.Disarm(c)
	switch {
	case c.State == Stopping || s.plan.stops(c):
		s.stopped(c, e)
	case c.State == Starting:
		s.startFailed(c, e)
	default:
		s.exited(c, e)
	}
	s.advance()
}

// Expired: the child's limit to stop, or its backoff, has passed.
func (s *State) Expired(c *Child) {
	switch {
	case c.State == Stopping:
		s.abandon(c)
	case s.plan.delay == c:
		s.plan.delay = nil
	case c.State == Restarting:
		s.start(c)
	}
	s.advance()
}

// start starts the child now.
func (s *State) start(c *Child) {
	c.due = false
	if c.SlowStart {
		c.enter(Starting, s.Now)
		s.shell.Start(c)
		return
	}
	calls := c.awaitStart
	c.awaitStart = nil
	s.up(c)
	s.shell.Start(c) // what it reports comes after
	replyAll(&calls, nil)
}

// up: the start of the child is complete.
func (s *State) up(c *Child) {
	c.enter(Running, s.Now)
	c.reason = restarted
	s.shell.Emit(Event{Kind: Started, Child: c})
	replyAll(&c.awaitStart, nil)
}

// stop tells a child to end, unless it was told. Exited or Expired follows.
func (s *State) stop(c *Child) {
	if c.State != Stopping {
		s.endStreak(c)
		c.enter(Stopping, s.Now)
		s.shell.Stop(c, s.causeFor(c))
	}
}

// causeFor is what a child is told about why it has to stop.
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

// stopped: a child has ended that was to end. If it did not wait to be told, its failure
// is reported, but is not another reason to restart anything.
func (s *State) stopped(c *Child, e Exit) {
	s.endStreak(c)
	c.enter(Down, s.Now)
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

// abandon gives a child up that did not stop within its limit.
func (s *State) abandon(c *Child) {
	waited := s.Now.Sub(c.Since)
	c.enter(Stuck, s.Now)
	s.shell.Emit(Event{Kind: Abandoned, Child: c, Waited: waited})
	s.down(c, errs.Wrapf(errs.ErrAbandoned, "supervisor %q: child %q", s.cfg.Name, c.Name))
}

// down does with a stopped or abandoned child what it was stopped for.
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
	}
}

// startFailed: the child's start has ended without success.
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
	if c.reason == added || c.Type == Temporary {
		s.forget(c)
	}
}

// exited: a running child has ended by itself.
func (s *State) exited(c *Child, e Exit) {
	s.endStreak(c)
	s.report(c, e)
	if c.Type == Permanent || e.Err != nil {
		s.restart(c, e)
		return
	}
	s.gone(c)
}

// report says how a child ended by itself.
func (s *State) report(c *Child, e Exit) {
	if e.Err == nil {
		s.shell.Emit(Event{Kind: Stopped, Child: c})
		return
	}
	c.LastErr = e.Err
	s.shell.Emit(Event{Kind: Failed, Child: c, Err: e.Err})
}

// restart restarts a child that has failed, as far as its type, the intensity and the
// strategy say so.
func (s *State) restart(c *Child, e Exit) {
	switch {
	case c.Type == Temporary:
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

// gone: a child has ended by itself for good.
func (s *State) gone(c *Child) {
	c.enter(Down, s.Now)
	if c.Type == Temporary {
		s.forget(c)
	}
	if c.Significant && !(s.cfg.Auto == AllSignificant && slices.ContainsFunc(s.Children, (*Child).keepsAlive)) {
		s.end(errs.ErrShutdown)
	}
}

// forget takes a child out of the list.
func (s *State) forget(c *Child) {
	delete(s.byName, c.Name)
	i := s.index(c.seq)
	s.Children = slices.Delete(s.Children, i, i+1) // which clears the slot that becomes free
	if c.Initial && !c.removing {
		s.ended = append(s.ended, &Child{Spec: c.Spec, seq: c.seq})
		return
	}
	s.shell.Emit(Event{Kind: Forgotten, Child: c})
}

// index returns where the first child is that has that seq or a higher one.
func (s *State) index(seq uint64) int {
	i, _ := slices.BinarySearchFunc(s.Children, seq, func(c *Child, seq uint64) int {
		if c.seq < seq {
			return -1
		}
		return 1
	})
	return i
}

// endStreak ends the row of failures if the run that ends now, for whatever reason, has
// outlived the intensity's period.
func (s *State) endStreak(c *Child) {
	if c.State == Running && s.Now.Sub(c.Since) > s.cfg.Period {
		c.Failures = 0
	}
}

func (s *State) closed() error { return errs.Wrapf(errs.ErrClosed, "supervisor %q", s.cfg.Name) }

// An intensityError is errs.ErrIntensity with the failure that was one too many.
type intensityError struct {
	child string
	err   error
}

func (e *intensityError) Error() string {
	return fmt.Sprintf("%v: child %q: %s", errs.ErrIntensity, e.child, errs.Text(e.err))
}

func (e *intensityError) Unwrap() []error { return []error{errs.ErrIntensity, e.err} }
