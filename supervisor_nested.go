package dray

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// This file has what is different for services that are dray's own. They are told
// by their exact type: a type that embeds one of them is the user's, and what it
// makes of the methods that it inherits is not known.

// nested reports whether a service is dray's own. Its stop takes as long as that
// of what is below it, so a limit of its own would only abandon what is still
// within its time.
func nested(s Service) bool {
	switch s.(type) {
	case *Supervisor, *Queue, *Pool:
		return true
	}
	return false
}

// phasesOf returns how a service is started before the next child may be, or nil,
// and how it is run then, for one run.
func phasesOf(s Service) (start, serve func(context.Context) error) {
	switch s := s.(type) {
	case *Supervisor:
		return s.bootNested, s.serveNested
	case *Queue:
		return s.phases()
	case *Pool:
		return s.phases()
	}
	if s, ok := s.(Initer); ok {
		start = s.Init
	}
	return start, s.Serve
}

// checkService finds a service that could only panic.
func checkService(name string, s Service) error {
	isNil := false
	switch s := s.(type) {
	case nil:
		isNil = true
	case ServiceFunc:
		if s == nil {
			return wrapf(ErrNilFunc, "child %q", name)
		}
	case *Supervisor:
		isNil = s == nil
	case *Queue:
		isNil = s == nil
	case *Pool:
		isNil = s == nil
	}
	if isNil {
		return fmt.Errorf("dray: child %q: nil service", name)
	}
	return nil
}

// nesting guards the inner sets of all supervisors: which are in which is a
// question about many of them at once. It is held for moments, and no other lock
// is taken under it.
var nesting sync.Mutex

// link notes that a service becomes a child of s. A supervisor that s itself is
// in is refused: none could start before the other.
func (s *Supervisor) link(name string, service Service) error {
	inner, ok := service.(*Supervisor)
	if !ok {
		return nil
	}
	nesting.Lock()
	defer nesting.Unlock()
	if inner.contains(s, make(map[*Supervisor]bool)) {
		return fmt.Errorf("dray: supervisor %q: child %q: a supervisor cannot be within itself", s.cfg.name, name)
	}
	if s.inner == nil {
		s.inner = make(map[*Supervisor]int)
	}
	s.inner[inner]++
	return nil
}

// unlink takes a link back.
func (s *Supervisor) unlink(service Service) {
	inner, ok := service.(*Supervisor)
	if !ok {
		return
	}
	nesting.Lock()
	defer nesting.Unlock()
	if s.inner[inner]--; s.inner[inner] == 0 {
		delete(s.inner, inner)
	}
}

// contains reports whether other is s, or anywhere below it.
func (s *Supervisor) contains(other *Supervisor, seen map[*Supervisor]bool) bool {
	if s == other {
		return true
	}
	seen[s] = true
	for inner := range s.inner {
		if !seen[inner] && inner.contains(other, seen) {
			return true
		}
	}
	return false
}

// A serveError is what a supervisor's Serve returns if not nil.
type serveError struct {
	failure   error            // why the supervisor ended; nil if it was told to
	abandoned []abandonedChild // children that had been abandoned, and had not ended
}

// A abandonedChild is something abandoned, perhaps still running.
type abandonedChild struct {
	err  error       // names it, and wraps ErrAbandoned
	gone func() bool // whether it has ended meanwhile
}

func (e *serveError) Error() string {
	return errors.Join(e.Unwrap()...).Error()
}

func (e *serveError) Unwrap() []error {
	var errs []error
	if e.failure != nil {
		errs = append(errs, e.failure)
	}
	for _, l := range e.abandoned {
		errs = append(errs, l.err)
	}
	return errs
}

// leave keeps what a stopped child has left running, and returns the error that
// names it, or nil.
func (t *tree) leave(c *child, o *demise) error {
	if o.leaks {
		err := wrapf(o.err, "supervisor %q: child %q", t.cfg.name, c.Name)
		if t.plan.final {
			t.abandoned = append(t.abandoned, abandonedChild{err, func() bool { return false }})
		}
		return err
	}
	var these []abandonedChild
	for _, l := range o.abandoned {
		if !l.gone() {
			these = append(these, abandonedChild{wrapf(l.err, "supervisor %q: child %q", t.cfg.name, c.Name), l.gone})
		}
	}
	if these == nil {
		return nil
	}
	t.abandoned = append(stillRunning(t.abandoned), these...)
	return &serveError{abandoned: these}
}

func stillRunning(all []abandonedChild) []abandonedChild {
	var these []abandonedChild
	for _, l := range all {
		if !l.gone() {
			these = append(these, l)
		}
	}
	return these
}
