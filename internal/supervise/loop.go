package supervise

import (
	"context"
	"time"

	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/guard"
)

// A loop is a supervisor's goroutine, which lives for one Serve: it tells the state what happens,
// one thing after the other. It waits for nothing else, so that calls are answered at once
// whatever the children do. Messages are functions, so there is no type for each; what one of
// them is about may be over when it is received, which it finds by the pointers that it holds.
type loop struct {
	sup  *Supervisor     // immutable
	base context.Context // immutable: parent of the children's contexts; never ends

	end   End               // loop goroutine only
	quit  <-chan struct{}   // loop goroutine only: end.Done, nil once seen
	asked *guard.Call[bool] // loop goroutine only: why it has ended; nil unless that was a question

	messages chan func()   // immutable: what is to be done on the goroutine; unbuffered, so none is left in it
	closed   chan struct{} // immutable; closed when messages are not received any more

	boots   bool          // immutable: begun by Boot, so that Serve may take over
	up      chan struct{} // immutable; closed when the first start of all children is complete, or has failed
	failed  bool          // set before up is closed, read after
	outcome error         // set before closed is closed, read after: what Serve returns
}

// newLoop makes a loop and gives it the state. It is called with the supervisor locked, and
// without a loop. What the last Serve has left, its failure and what it had abandoned, is
// forgotten.
func newLoop(s *Supervisor, end End) *loop {
	l := &loop{
		sup:      s,
		base:     context.WithoutCancel(end.Context), // children end in order, not all at once with it
		end:      end,
		quit:     end.Done,
		messages: make(chan func()),
		closed:   make(chan struct{}),
		up:       make(chan struct{}),
	}
	s.state.loop = l
	s.state.abandoned = nil
	s.state.Reset()
	return l
}

// run supervises until the end: the first start, then all that happens, and at last a backoff
// that is still being asked. It returns when the state is the lock's again and outcome is set.
func (l *loop) run() {
	st := l.sup.state
	// A context that has ended starts nothing; Up and Over are true then, as nothing was begun.
	if !l.end.Before { // else there is nothing to begin
		l.do(st.Begin)
	}
	// In two halves, as Boot is to return between them.
	for !st.Up() {
		l.next()
	}
	l.handOver()
	for !st.Over() {
		l.next()
	}
	// The children have ended; calls are still served, by the rules of a supervisor that is Over.
	l.awaitBackoff()
	// Before close: from there on Serve may read it, and another Serve may change the state.
	l.outcome = l.result()
	st.loop = nil
	l.sup.close(l)
}

// handOver lets Serve take over from a Boot that has succeeded. A supervisor that has ended by
// itself meanwhile, without a failure, has started well. booted is set before up is closed, so
// that a Serve which follows the return of Boot finds it.
func (l *loop) handOver() {
	// Told: the context has ended before all were up.
	l.failed = l.sup.state.Failure != nil || l.sup.state.Told
	if l.boots && !l.failed {
		l.sup.mu.Lock()
		l.sup.booted = l
		l.sup.mu.Unlock()
	}
	close(l.up)
}

// takeOver gives the loop another end. One that is under way goes on. If the loop is over, post
// says so, and nothing is left to be done: Serve then returns its outcome.
func (l *loop) takeOver(end End) {
	l.post(func() {
		// What has begun by the end of Boot's context is not undone by another context.
		if st := l.sup.state; !st.Over() && !st.Closing() {
			l.end, l.quit = end, end.Done
		}
	})
}

// awaitBackoff gives the backoff that is being asked the rest of its time, so that one that
// answers leaves nothing behind. Calls are served in between: its answer is sent to the loop, and
// so is what ends the wait.
func (l *loop) awaitBackoff() {
	a := l.sup.delay
	if a == nil {
		return
	}
	l.quit = nil
	a.cancel()
	// The timer's message wakes next, should nothing else happen until the time is over.
	for d := a.remaining(); d > 0; d = a.remaining() {
		timer := time.AfterFunc(d, func() { l.post(func() {}) })
		l.next()
		timer.Stop()
	}
}

// next waits for one thing to happen, and has it done. The end of the context is seen once.
func (l *loop) next() {
	select {
	case do := <-l.messages:
		l.do(do)
	case <-l.quit:
		l.quit = nil
		l.do(l.stop)
	}
}

// do tells the state one thing, at the time that it is now. What it reads of the clock is for all
// that follows from that, so a restart's times agree.
func (l *loop) do(what func()) {
	st := l.sup.state
	st.Now = time.Now()
	what()
	l.sup.restarts.Store(st.Restarts)
}

// stop ends the children. Why it has to be is for the context to say, which may be a user's and
// may not answer: then it is asked on a goroutine of its own, and after guard.Patience the
// supervisor ends without an answer, as one that is not started again.
func (l *loop) stop() {
	if l.end.Quick {
		l.sup.state.End(stopCause(l.end.Restart()))
		return
	}
	// Two goroutines: the one that calls may never return, the other one waits for it no longer
	// than Patience.
	asked := guard.Begin(l.end.Restart)
	l.asked = asked
	guard.Go(func() {
		again, _ := asked.Wait()
		l.post(func() { l.sup.state.End(stopCause(again)) })
	})
}

// stopCause is what the children are told about the end of their supervisor.
func stopCause(again bool) error {
	if again {
		return errs.ErrRestart
	}
	return errs.ErrShutdown
}

// post has do called on the loop's goroutine. It returns false if that is gone. It waits until
// the loop receives, which is soon, as the loop waits for nothing else. The loop itself must not
// call it.
func (l *loop) post(do func()) bool {
	select {
	case l.messages <- do:
		return true
	case <-l.closed:
		return false
	}
}

// result is what Serve returns. Besides children it names the functions of users that
// have been called and have not returned. It is called on the loop's goroutine, at its end.
func (l *loop) result() error {
	st := l.sup.state
	// What has ended meanwhile is not named.
	e := &serveError{failure: st.Failure, abandoned: stillRunning(st.abandoned)}
	// add names a call of user code that is overdue. It is asked again when a supervisor above
	// lists what was abandoned.
	add := func(what string, overdue func() bool) {
		if overdue() {
			err := errs.Wrapf(errs.ErrAbandoned, "supervisor %q: %s", l.sup.cfg.Name, what)
			e.abandoned = append(e.abandoned, abandoned{err, func() bool { return !overdue() }})
		}
	}
	if a := l.sup.delay; a != nil {
		add("a call of its restart backoff", a.overdue)
	}
	add("a method of the context that it was served with", l.asked.Overdue)
	for _, c := range st.Children {
		if service := serviceOf(c); service.Children != nil {
			add("the Children method of child \""+c.Name+"\"", service.lookup.hangs)
		}
	}
	if e.failure == nil && len(e.abandoned) == 0 {
		return nil
	}
	return e
}
