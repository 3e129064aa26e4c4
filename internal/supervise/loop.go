package supervise

import (
	"context"
	"time"

	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/guard"
)

// A loop is a supervisor's goroutine, which lives for one Serve: it tells the state what
// happens, one thing after the other. It waits for nothing else, so that calls are
// answered at once whatever the children do.
type loop struct {
	sup  *Supervisor     // immutable
	base context.Context // immutable: parent of the children's contexts; never ends

	end   End               // loop goroutine only
	quit  <-chan struct{}   // loop goroutine only: end.Done, nil once seen
	asked *guard.Call[bool] // loop goroutine only: why it has ended; nil unless that was a question

	messages chan func()   // what is to be done on the goroutine
	closed   chan struct{} // closed when messages are not received any more

	boots   bool          // immutable: begun by Boot, so that Serve may take over
	up      chan struct{} // closed when all children have started for the first time, or that has failed
	failed  bool          // set before up is closed, read after
	outcome error         // set before closed is closed, read after: what Serve returns
}

// newLoop is called with the supervisor locked.
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

// run supervises until the end.
func (l *loop) run() {
	st := l.sup.state
	if !l.end.Before { // else there is nothing to begin
		l.do(st.Begin)
	}
	for !st.Up() {
		l.next()
	}
	l.handOver()
	for !st.Over() {
		l.next()
	}
	l.awaitBackoff()
	l.outcome = l.result()
	st.loop = nil
	l.sup.close(l)
}

// handOver lets Serve take over from a Boot that has succeeded. A supervisor that has
// ended by itself meanwhile, without a failure, has started well.
func (l *loop) handOver() {
	l.failed = l.sup.state.Failure != nil || l.sup.state.Told
	if l.boots && !l.failed {
		l.sup.mu.Lock()
		l.sup.booted = l
		l.sup.mu.Unlock()
	}
	close(l.up)
}

// takeOver gives the loop another end. One that is under way goes on.
func (l *loop) takeOver(end End) {
	l.post(func() {
		if st := l.sup.state; !st.Over() && !st.Closing() {
			l.end, l.quit = end, end.Done
		}
	})
}

// awaitBackoff gives the backoff that is being asked the rest of its time, so that one
// that answers leaves nothing behind. Calls are served in between.
func (l *loop) awaitBackoff() {
	a := l.sup.delay
	if a == nil {
		return
	}
	l.quit = nil
	a.cancel()
	for d := a.remaining(); d > 0; d = a.remaining() {
		timer := time.AfterFunc(d, func() { l.post(func() {}) })
		l.next()
		timer.Stop()
	}
}

// next waits for one thing to happen.
func (l *loop) next() {
	select {
	case do := <-l.messages:
		l.do(do)
	case <-l.quit:
		l.quit = nil
		l.do(l.stop)
	}
}

func (l *loop) do(what func()) {
	st := l.sup.state
	st.Now = time.Now()
	what()
	l.sup.restarts.Store(st.Restarts)
}

// stop ends the children. Why it has to be is for the context to say.
func (l *loop) stop() {
	if l.end.Quick {
		l.sup.state.End(stopCause(l.end.Restart()))
		return
	}
	asked := guard.Begin(l.end.Restart)
	l.asked = asked
	guard.Go(func() {
		again, _ := asked.Wait()
		l.post(func() { l.sup.state.End(stopCause(again)) })
	})
}

func stopCause(again bool) error {
	if again {
		return errs.ErrRestart
	}
	return errs.ErrShutdown
}

// post has do called on the loop's goroutine. It returns false if that is gone.
func (l *loop) post(do func()) bool {
	select {
	case l.messages <- do:
		return true
	case <-l.closed:
		return false
	}
}

// result is what Serve returns. Besides children it names the functions of users that
// have been called and have not returned.
func (l *loop) result() error {
	st := l.sup.state
	e := &serveError{failure: st.Failure, abandoned: stillRunning(st.abandoned)}
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
