package supervise

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/guard"
	"github.com/a622d8ee/dray/internal/restart"
)

// A state is the rules and what is done by them. It belongs to the loop, or to the call that
// has the supervisor's lock while there is none. So its methods need no lock.
type state struct {
	*restart.State
	sup       *Supervisor
	loop      *loop       // that it belongs to; nil without one: then nothing is started
	exit      *exit       // what the state is being told of, during Exited; nil else
	abandoned []abandoned // what stops have left running, since Serve was called
}

// newState returns the state of a supervisor, with itself as the shell of its rules.
func newState(s *Supervisor) *state {
	st := &state{sup: s}
	st.State = restart.New(s.cfg.Config, shell{st})
	return st
}

// A child is what is known here of a restart.Child, from its first use until that is forgotten.
type child struct {
	instance *instance   // that is waited for; nil without, and of one that was abandoned
	timer    *time.Timer // of its stop or backoff; nil unless armed
	exit     *exit       // its last one with a panic, while the stack has no text
}

// childOf returns what is known here of c, and makes it when it is first asked for.
func childOf(c *restart.Child) *child {
	if c.Shell == nil {
		c.Shell = &child{}
	}
	return c.Shell.(*child) //nolint:forcetypeassert // nothing else is put there
}

// serviceOf returns how c is run, which Add has put there.
func serviceOf(c *restart.Child) *Service {
	return c.Data.(*Service) //nolint:forcetypeassert // as above
}

// shell is a state as its rules see it. The five methods of a restart.Shell are called by the
// rules, from within a call of the state, and do not call that back. What they start reports by
// messages to the loop.
type shell struct{ *state }

// Start starts an instance of the child, in a context of its own: a parent's end does not end
// it, as children are stopped in order.
func (s shell) Start(c *restart.Child) {
	ctx, cancel := context.WithCancelCause(s.loop.base)
	// The instance is known before its goroutine starts: it may report before this returns,
	// though that is received later.
	i := &instance{child: c, ctx: ctx, cancel: cancel, loop: s.loop, gone: new(atomic.Bool)}
	childOf(c).instance = i
	guard.Go(i.main)
}

// Stop ends the context of the child's instance. cause is what context.Cause tells the service.
func (s shell) Stop(c *restart.Child, cause error) {
	childOf(c).instance.cancel(cause)
	s.arm(c, serviceOf(c).Limit)
}

// Delay asks the backoff. A restart for which it does not answer in time goes ahead: the timer is
// armed first, for as long as an answer is waited for, and the answer replaces it.
func (s shell) Delay(c *restart.Child) {
	s.arm(c, guard.Patience)
	// The timer stands for this wait: another Delay or Stop of the child has another one.
	l, timer := s.loop, childOf(c).timer
	s.sup.delay.ask(question{attempt: c.Failures, asked: s.Now, answer: func(d time.Duration) {
		l.post(func() { s.delayed(c, timer, d) })
	}})
}

// delayed has the child wait for d in all, unless it does not wait any more: then the timer that
// was armed for the answer is not the child's. What was waited for the answer counts.
func (s shell) delayed(c *restart.Child, timer *time.Timer, d time.Duration) {
	// It went ahead without an answer, was restarted by a call, or was stopped.
	if childOf(c).timer != timer {
		return
	}
	s.Disarm(c)
	if d -= s.Now.Sub(c.Since); d > 0 {
		s.arm(c, d)
		return
	}
	s.Expired(c)
}

// arm has Expired called after d, unless that is negative. There is no timer of the child's before.
func (s shell) arm(c *restart.Child, d time.Duration) {
	if d < 0 {
		return
	}
	// Taken here: when the timer fires s.loop may be nil, or that of another Serve.
	l, of := s.loop, childOf(c)
	var timer *time.Timer // read on the loop's goroutine, which writes it here
	timer = time.AfterFunc(d, func() {
		l.post(func() {
			if of.timer == timer {
				of.timer = nil
				s.Expired(c)
			}
		})
	})
	of.timer = timer
}

// Disarm stops the child's timer. One that has fired finds that it is not the child's, when its
// message is received: so a late one does no harm, and nothing has to be numbered.
func (s shell) Disarm(c *restart.Child) {
	if of := childOf(c); of.timer != nil {
		of.timer.Stop()
		of.timer = nil
	}
}

// Emit tells what happened, and does what follows from it here. Forgotten and Dropped are for this
// alone: no listener hears of them.
func (s shell) Emit(e restart.Event) {
	switch e.Kind {
	case restart.Abandoned:
		s.abandon(e.Child)
	case restart.Forgotten:
		s.sup.unlink(serviceOf(e.Child))
		return
	case restart.Dropped:
		if f := serviceOf(e.Child).Dropped; f != nil {
			f()
		}
		return
	}
	if s.sup.cfg.Emit != nil {
		s.shown(e.Err)
		s.sup.cfg.Emit(e, s.Now)
	}
}

// abandon keeps what may still be running, rid of what has ended, so that the list is bounded by
// what runs. The instance is let go: its report will be ignored, and of it gone alone is kept.
func (s shell) abandon(c *restart.Child) {
	of := childOf(c)
	err := errs.Wrapf(errs.ErrAbandoned, "supervisor %q: child %q", s.sup.cfg.Name, c.Name)
	s.state.abandoned = append(stillRunning(s.state.abandoned), abandoned{err, of.instance.gone.Load})
	of.instance = nil
}

// started: the start of an instance is complete. One that was abandoned meanwhile is ignored.
func (s *state) started(i *instance) {
	if childOf(i.child).instance == i {
		s.Started(i.child)
	}
}

// exited: an instance has ended. That of an abandoned one is of no interest. What the rules do in
// Exited may give the error away, so the exit is at hand meanwhile, for shown.
func (s *state) exited(i *instance, e *exit) {
	// A child that was forgotten has an instance no more, so this holds for it, too.
	of := childOf(i.child)
	if of.instance != i {
		return
	}
	// Before Exited, which may start another instance of the child.
	of.instance, of.exit, s.exit = nil, e, e
	s.Exited(i.child, restart.Exit{Err: e.err, Told: e.told, Threw: e.threw, Harmless: e.harmless, Stopped: s.leave(i.child, e)})
	s.shown(s.Failure)
	s.exit = nil
}

// shown sees to it that the stack of a panic has its text before an error that may wrap
// it is given away. To make the text takes longer than the restart itself, so it is not
// made before. nil is no error, and needs none.
func (s *state) shown(err error) {
	if err != nil && s.exit != nil {
		s.exit.format(&s.sup.cfg)
	}
}
