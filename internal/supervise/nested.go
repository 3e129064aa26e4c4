package supervise

import (
	"errors"
	"fmt"
	"sync"

	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/restart"
)

// nesting guards the inner sets of all supervisors: which are in which is a question
// about many of them at once. It is held for moments, and no other lock is taken under it.
var nesting sync.Mutex

// link notes that inner becomes a child of s. A supervisor that s itself is in is
// refused: none could start before the other.
func (s *Supervisor) link(name string, inner *Supervisor) error {
	nesting.Lock()
	defer nesting.Unlock()
	if inner.contains(s, make(map[*Supervisor]bool)) {
		return fmt.Errorf("dray: supervisor %q: child %q: a supervisor cannot be within itself", s.cfg.Name, name)
	}
	if s.inner == nil {
		s.inner = make(map[*Supervisor]int)
	}
	s.inner[inner]++
	return nil
}

// unlink takes the link of a service back, if there is one.
func (s *Supervisor) unlink(service *Service) {
	if service.Inner == nil {
		return
	}
	nesting.Lock()
	defer nesting.Unlock()
	if s.inner[service.Inner]--; s.inner[service.Inner] == 0 {
		delete(s.inner, service.Inner)
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
	failure   error       // why the supervisor ended; nil if it was told to
	abandoned []abandoned // what had been abandoned, and had not ended
}

// An abandoned is something that is not waited for, and perhaps still running.
type abandoned struct {
	err  error       // names it, and wraps errs.ErrAbandoned
	gone func() bool // whether it has ended meanwhile
}

func (e *serveError) Error() string {
	return errors.Join(e.Unwrap()...).Error()
}

func (e *serveError) Unwrap() []error {
	var all []error
	if e.failure != nil {
		all = append(all, e.failure)
	}
	for _, a := range e.abandoned {
		all = append(all, a.err)
	}
	return all
}

// leave keeps what a child has left running, and returns the error that names it, or nil.
func (s *state) leave(c *restart.Child, e *exit) error {
	if e.leaks {
		err := errs.Wrapf(e.err, "supervisor %q: child %q", s.sup.cfg.Name, c.Name)
		if s.Closing() {
			s.abandoned = append(s.abandoned, abandoned{err, func() bool { return false }})
		}
		return err
	}
	var these []abandoned
	for _, a := range stillRunning(e.abandoned) {
		these = append(these, abandoned{errs.Wrapf(a.err, "supervisor %q: child %q", s.sup.cfg.Name, c.Name), a.gone})
	}
	if these == nil {
		return nil
	}
	s.abandoned = append(stillRunning(s.abandoned), these...)
	return &serveError{abandoned: these}
}

func stillRunning(all []abandoned) (these []abandoned) {
	for _, a := range all {
		if !a.gone() {
			these = append(these, a)
		}
	}
	return these
}
