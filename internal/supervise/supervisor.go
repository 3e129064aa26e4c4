// Package supervise runs services under the rules of package restart: one goroutine for
// each supervisor that is served, and one for each child that runs.
//
// A supervisor's state is changed by one goroutine at a time, and no user code runs on it: the
// loop while there is one, else a call that has the lock. All others send it functions. What may
// block (a service, the methods of its error, a backoff, a Children method, the cause of a
// context) has a goroutine of its own.
package supervise

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/guard"
	"github.com/a622d8ee/dray/internal/restart"
)

// Config is what a supervisor is made of. Immutable. Delayed of the restart.Config is set by New.
type Config struct {
	restart.Config
	Backoff func(attempt int) time.Duration // nil: restart at once
	// Emit is told what happens, on the supervisor's goroutine; nil without a listener. It
	// must not wait, nor keep the Child: what that says changes with the next event.
	Emit func(restart.Event, time.Time)
	// Tell makes a time one for users, as the wall clock shows it by now.
	Tell func(time.Time) time.Time
	// Panicked makes the error of a panic, and SetStack gives it the text of its stack,
	// of at most MaxStack bytes, before all others see it.
	Panicked func(value any) error
	SetStack func(err error, stack []byte)
	MaxStack int
}

// A Service is how a child is run. It belongs to one child; its fields are immutable, but for
// lookup.
type Service struct {
	// Phases returns, for one run, how the service is started before the next child may be, which
	// is nil unless the child's SlowStart is set, and how it is run then. It is called for each
	// run anew, on the child's own goroutine, so that the two may share what one run has.
	Phases func() (start, serve func(context.Context) error)
	Limit  time.Duration // for its stop; negative for none, 0 for no time at all
	// Children are those of a service of a user's; nil without.
	Children func() []Info
	// Inner is the supervisor that the service is, or has; nil without. Its children are listed
	// without Children, and it may not contain the supervisor that it is added to.
	Inner *Supervisor
	// Dropped is called when the service was told that it will be started again, has ended, and
	// will not be started; nil if that is nothing to it. It is no user's, and waits for nothing.
	Dropped func()

	lookup lookup // of Children; has a lock of its own
}

// A Supervisor runs services. All methods may be called concurrently, also by its children.
type Supervisor struct {
	cfg   Config      // immutable
	delay *delayAsker // immutable; nil without a backoff

	restarts atomic.Uint64 // set by the loop, read by all

	mu     sync.Mutex // held for moments, never while waiting
	loop   *loop      // guarded by mu; nil while none is running: then calls change the state themselves
	booted *loop      // guarded by mu; what Boot has begun and Serve has still to take over, perhaps over
	state  *state     // the loop's while there is one, else guarded by mu

	inner map[*Supervisor]int // guarded by nesting: the children that are supervisors
}

// New returns a supervisor without children. It has no goroutine until Serve or Boot is called.
func New(cfg Config) *Supervisor {
	s := &Supervisor{cfg: cfg}
	s.cfg.Delayed = cfg.Backoff != nil
	// It is made once: a backoff that hangs is remembered over all calls of Serve.
	if s.cfg.Delayed {
		s.delay = &delayAsker{backoff: cfg.Backoff}
	}
	s.state = newState(s)
	return s
}

// Drop says to a supervisor whose last Serve has ended to be followed by another one that there
// will be none, so that its children learn it. While it is served it does nothing.
func (s *Supervisor) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loop == nil {
		s.state.Drop()
	}
}

// Restarts returns how many restarts there have been, over all calls of Serve. It waits for
// nothing, so the loop may be on its way to another one.
func (s *Supervisor) Restarts() uint64 { return s.restarts.Load() }

// An End is a context that says how long to serve, and what is to be known of it: it may
// be a user's, whose methods are not called here.
type End struct {
	Context context.Context     // only to derive others from
	Done    <-chan struct{}     // of Context
	Before  bool                // it had ended before
	Quick   bool                // Restart answers at once
	Restart func() (again bool) // whether it has ended because what it is for will be started again
}

// ErrEnded is what Boot returns if its context ends first.
var ErrEnded = errors.New("dray: context has ended")

// Serve runs the children until end, or until the supervisor ends by itself: on the caller's
// goroutine, or by the loop that Boot has begun. It returns when all children have ended or were
// abandoned. The error is errs.ErrStarted while another Serve, or a Boot, is under way.
func (s *Supervisor) Serve(end End) error {
	s.mu.Lock()
	l := s.booted
	s.booted = nil // one Serve takes over, a second one is refused by open
	s.mu.Unlock()
	if l != nil {
		l.takeOver(end)
		<-l.closed
		return l.outcome
	}
	l, err := s.open(end)
	if err != nil {
		return err
	}
	l.run()
	return l.outcome
}

// Boot starts the children, and returns when all are up, or that has failed. In the latter case
// nothing is left running but what was abandoned. After nil the loop goes on by itself: Serve is
// to take it over, but the children are supervised before, too, and are stopped when end comes.
func (s *Supervisor) Boot(end End) error {
	if end.Before {
		return ErrEnded
	}
	l, err := s.open(end)
	if err != nil {
		return err
	}
	l.boots = true
	// boots is set before, as the loop reads it without a lock.
	guard.Go(l.run)
	<-l.up
	if !l.failed {
		return nil
	}
	<-l.closed
	if l.outcome == nil {
		return ErrEnded
	}
	return l.outcome
}

// open makes a loop, unless there is one. From here on the state is the loop's, which has to be
// run. A loop that Boot has left, and that is over, is forgotten: its outcome is lost if no Serve
// has come for it.
func (s *Supervisor) open(end End) (*loop, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loop != nil {
		return nil, errs.Wrapf(errs.ErrStarted, "supervisor %q", s.cfg.Name)
	}
	s.loop, s.booted = newLoop(s, end), nil
	return s.loop, nil
}

// close gives the state back to the lock. Calls that the loop did not take any more see the
// closed channel and try again. So closed comes last: then they find the state with the lock, or
// another loop, and not this one again.
func (s *Supervisor) close(l *loop) {
	s.mu.Lock()
	s.loop = nil
	s.mu.Unlock()
	close(l.closed)
}

// Add appends a child, and waits until its start is complete if the rules say so. The link of an
// inner supervisor is made before, so that of two calls which would make a circle one fails, and
// taken back if the child is not added; if it is forgotten later, Emit takes it back.
func (s *Supervisor) Add(spec restart.Spec, service *Service) error {
	if service.Inner != nil {
		if err := s.link(spec.Name, service.Inner); err != nil {
			return err
		}
	}
	spec.Data = service
	return s.call(func(st *state, reply restart.Call) {
		if !st.Add(spec, reply) {
			s.unlink(service)
		}
	})
}

// Remove stops a child and forgets it. It waits for its end, or until it is abandoned.
func (s *Supervisor) Remove(name string) error {
	return s.call(func(st *state, reply restart.Call) { st.Remove(name, reply) })
}

// Restart stops a child if it runs, and starts it again. It waits as Add does.
func (s *Supervisor) Restart(name string) error {
	return s.call(func(st *state, reply restart.Call) { st.Restart(name, reply) })
}

// Terminate stops a child and keeps it. It waits as Remove does.
func (s *Supervisor) Terminate(name string) error {
	return s.call(func(st *state, reply restart.Call) { st.Terminate(name, reply) })
}

// call has do called with the state, wherever that is, and waits for its reply. do must call that
// once, then or later, and must not wait. A child that waits here for its own end is released
// when it is abandoned.
func (s *Supervisor) call(do func(*state, restart.Call)) error {
	answer := make(chan error, 1) // a reply waits for no receiver
	for !s.try(func() {
		do(s.state, func(err error) {
			s.state.shown(err) // the error may wrap that of a panic, and the caller reads it
			answer <- err
		})
	}) {
	}
	return <-answer
}

// try has do called under mu, or by the loop. It returns false if the loop closed before it took
// the call: then do was not called, and another try finds the state with the lock, or with
// another loop.
func (s *Supervisor) try(do func()) bool {
	s.mu.Lock()
	l := s.loop
	// Under mu, so that no loop begins meanwhile.
	if l == nil {
		do()
	}
	s.mu.Unlock()
	return l == nil || l.post(do)
}
