package supervise

import (
	"errors"
	"fmt"
	"sync"

	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/restart"
)

// nesting guards the inner sets of all supervisors: which are in which is a question about many
// of them at once. It is held for moments, possibly under a supervisor's mu, and no other lock is
// taken under it. A lock for each supervisor would have to be taken in an order, and a circle has
// none.
var nesting sync.Mutex

// link notes that inner becomes a child of s. A supervisor that s itself is in is refused: none
// could start before the other. The search and the note are one section, or two calls could make
// a circle together. It counts, as a supervisor may be a child under two names.
func (s *Supervisor) link(name string, inner *Supervisor) error {
	nesting.Lock()
	defer nesting.Unlock()
	// As no circle was there before, one can only come about by this link.
	if inner.contains(s, make(map[*Supervisor]bool)) {
		return fmt.Errorf("dray: supervisor %q: child %q: a supervisor cannot be within itself", s.cfg.Name, name)
	}
	// Most supervisors are within no other and have none within them, and so no map.
	if s.inner == nil {
		s.inner = make(map[*Supervisor]int)
	}
	s.inner[inner]++
	return nil
}

// unlink takes the link of a service back, if there is one. It is called once for each link that
// was made.
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

// contains reports whether other is s, or anywhere below it. It is called under nesting; seen has
// what was looked through, so that each is looked at once however many ways lead to it.
func (s *Supervisor) contains(other *Supervisor, seen map[*Supervisor]bool) bool {
	if s == other {
		return true
	}
	// Without this the search would take exponential time where many ways lead to one supervisor.
	seen[s] = true
	for inner := range s.inner {
		if !seen[inner] && inner.contains(other, seen) {
			return true
		}
	}
	return false
}

// A serveError is what a supervisor's Serve returns if not nil. It keeps what was abandoned in a
// form that a supervisor above can ask again, as that may have ended when it comes to be listed.
type serveError struct {
	failure   error       // why the supervisor ended; nil if it was told to
	abandoned []abandoned // what had been abandoned, and had not ended
}

// An abandoned is something that is not waited for, and perhaps still running.
type abandoned struct {
	err  error       // names it, and wraps errs.ErrAbandoned
	gone func() bool // whether it has ended meanwhile
}

// Error names the failure and all that was abandoned, one a line.
func (e *serveError) Error() string {
	return errors.Join(e.Unwrap()...).Error()
}

// Unwrap returns the failure, if any, and an error for each thing that was abandoned.
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

// leave keeps what a child has left running, and returns the error that names it, or nil. What
// has ended by now is not named. Of a foreign error that only says that something was abandoned
// it can never be told whether that has ended: so it is kept, for the error of Serve, only where
// the supervisor is ending.
func (s *state) leave(c *restart.Child, e *exit) error {
	// Nothing says what it is, so nothing says whether it has ended.
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
	// Swept each time, so that the list does not grow with each restart.
	s.abandoned = append(stillRunning(s.abandoned), these...)
	return &serveError{abandoned: these}
}

// stillRunning returns those that have not ended, as a new slice.
func stillRunning(all []abandoned) (these []abandoned) {
	for _, a := range all {
		if !a.gone() {
			these = append(these, a)
		}
	}
	return these
}
