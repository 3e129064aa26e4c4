// Package supervise runs services under the rules of package restart: one goroutine for
// each supervisor that is served, and one for each child that runs.
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

// Config is what a supervisor is made of. Immutable.
type Config struct {
	restart.Config
	Backoff func(attempt int) time.Duration // nil: restart at once
	// Emit is told what happens, on the supervisor's goroutine; nil without a listener. It
	// must not wait, nor keep the Child.
	Emit func(restart.Event, time.Time)
	// Tell makes a time one for users.
	Tell func(time.Time) time.Time
	// Panicked makes the error of a panic, and SetStack gives it the text of its stack,
	// of at most MaxStack bytes, before all others see it.
	Panicked func(value any) error
	SetStack func(err error, stack []byte)
	MaxStack int
}

// A Service is how a child is run.
type Service struct {
	// Phases returns, for one run, how the service is started before the next child may
	// be, which is nil unless the child's SlowStart is set, and how it is run then.
	Phases func() (start, serve func(context.Context) error)
	Limit  time.Duration // for its stop; negative for none
	// Children are those of a service of a user's; nil without.
	Children func() []Info
	// Inner is the supervisor that the service is, or has; nil without.
	Inner *Supervisor

	lookup lookup
}

// A Supervisor runs services. All methods may be called concurrently.
type Supervisor struct {
	cfg   Config      // immutable
	delay *delayAsker // immutable; nil without a backoff

	restarts atomic.Uint64 // set by the loop, read by all

	mu     sync.Mutex // held for moments, never while waiting
	loop   *loop      // guarded by mu; nil while there is nothing to look after
	booted *loop      // guarded by mu; what Boot has begun and Serve has still to take over, perhaps over
	state  *state     // the loop's while there is one, else guarded by mu

	inner map[*Supervisor]int // guarded by nesting: the children that are supervisors
}

// New returns a supervisor without children.
func New(cfg Config) *Supervisor {
	s := &Supervisor{cfg: cfg}
	s.cfg.Delayed = cfg.Backoff != nil
	if s.cfg.Delayed {
		s.delay = &delayAsker{backoff: cfg.Backoff}
	}
	s.state = newState(s)
	return s
}

// Restarts returns how many restarts there have been.
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

// Serve runs the children until end, or until the supervisor ends by itself.
func (s *Supervisor) Serve(end End) error {
	s.mu.Lock()
	l := s.booted
	s.booted = nil
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

// Boot starts the children, and returns when all are up, or that has failed.
func (s *Supervisor) Boot(end End) error {
	if end.Before {
		return ErrEnded
	}
	l, err := s.open(end)
	if err != nil {
		return err
	}
	l.boots = true
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

// open makes a loop, unless there is one.
func (s *Supervisor) open(end End) (*loop, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loop != nil {
		return nil, errs.Wrapf(errs.ErrStarted, "supervisor %q", s.cfg.Name)
	}
	s.loop, s.booted = newLoop(s, end), nil
	return s.loop, nil
}

// close gives the state back to the lock. Calls that the loop did not take any more see
// the closed channel and try again.
func (s *Supervisor) close(l *loop) {
	s.mu.Lock()
	s.loop = nil
	s.mu.Unlock()
	close(l.closed)
}

// Add appends a child.
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

// Remove stops a child and forgets it.
func (s *Supervisor) Remove(name string) error {
	return s.call(func(st *state, reply restart.Call) { st.Remove(name, reply) })
}

// Restart stops a child if it runs, and starts it again.
func (s *Supervisor) Restart(name string) error {
	return s.call(func(st *state, reply restart.Call) { st.Restart(name, reply) })
}

// Terminate stops a child and keeps it.
func (s *Supervisor) Terminate(name string) error {
	return s.call(func(st *state, reply restart.Call) { st.Terminate(name, reply) })
}

// call has do called with the state, wherever that is, and waits for its reply.
func (s *Supervisor) call(do func(*state, restart.Call)) error {
	answer := make(chan error, 1) // a reply waits for no receiver
	for !s.try(func() {
		do(s.state, func(err error) {
			s.state.shown(err)
			answer <- err
		})
	}) {
	}
	return <-answer
}

// try returns false if the loop closed before it took the call.
func (s *Supervisor) try(do func()) bool {
	s.mu.Lock()
	l := s.loop
	if l == nil {
		do()
	}
	s.mu.Unlock()
	return l == nil || l.post(do)
}
