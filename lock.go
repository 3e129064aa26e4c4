package dray

import (
	"context"
	"errors"
	"fmt"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/guard"
	"github.com/a622d8ee/dray/internal/jobctx"
	"github.com/a622d8ee/dray/internal/scheduler"
)

// A runLock is what a run of a task with a Locker keeps from one attempt to the next:
// the lock is asked for once, and held until the run has ended. It is used by one
// attempt after the other, and by the end of the run, which the engine's state orders.
type runLock struct {
	task   string // immutable, as are those up to fn
	locker Locker
	due    scheduler.DueTime
	clock  *clock.Clock
	fn     Func

	s *scheduler.Scheduler // nil once the queue has handed the run back, whose report does not keep the queue
	t *scheduler.Task      // as s

	has    bool // the lock was given, be it that it has been given back since
	back   bool // it has been given back
	around bool // an attempt is under way
	ended  bool // the run has: another that runs it, be it restored or requeued, keeps the lock for one attempt at a time
	held   context.Context
	cancel context.CancelCauseFunc // of the context that the Locker got
	unlock func()                  // nil if there is nothing to do (any more)
}

func newRunLock(s *scheduler.Scheduler, t *scheduler.Task, cfg *taskConfig, due scheduler.DueTime, c *clock.Clock) *runLock {
	return &runLock{task: t.Name(), locker: cfg.locker, due: due, clock: c, fn: Func(t.Func()), s: s, t: t}
}

// attempt is one attempt as a whole: h is the middleware, with run inside. The lock is given
// back behind all of it, as it is the middleware that says how the attempt ends.
func (l *runLock) attempt(ctx context.Context, h Handler, j *Job) (err error) {
	if l.back && !l.ended {
		return l.over()
	}
	l.around = true
	returned := false
	defer func() {
		l.around = false
		if !l.has || l.back || !l.isLast(ctx, err, returned) {
			return
		}
		if failed := l.release(); failed != nil { // not tried again: the work is done, or is not to be
			err = Discard(errors.Join(err, failed))
		}
	}()
	err = h(ctx, j)
	returned = true
	return err
}

// over is what an attempt comes to that follows the last one: its unlock has ended the
// goroutine, or a shutdown came before its end was settled, and put the job back.
func (l *runLock) over() error {
	return Discard(fmt.Errorf("dray: the run of task %q has failed, and its lock was given back", l.task))
}

// run is the run's function.
func (l *runLock) run(ctx context.Context) error {
	if !l.around { // a Leftover's Func, which was made a job of without what was around it
		return l.attempt(ctx, func(ctx context.Context, _ *Job) error { return l.run(ctx) }, nil)
	}
	if !l.has {
		if mine, err := l.ask(ctx); !mine {
			return err
		}
	}
	return l.call(ctx)
}

// ask asks for the lock. It reports false if there is none, and as the error what the
// attempt comes to.
func (l *runLock) ask(ctx context.Context) (mine bool, err error) {
	whole, cancel := context.WithCancelCause(context.WithoutCancel(ctx)) // of all attempts
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	defer func() {
		stop()
		if !mine {
			cancel(nil)
		}
	}()
	held, unlock, err := l.locker.Lock(whole, l.task, l.due.Tell(l.clock))
	guard.Unlabel() // for the job, which is other code
	switch {
	case errors.Is(err, ErrLocked):
		if l.s != nil {
			l.s.LeftToAnother(l.t, l.due)
		}
		return false, nil
	case err != nil:
		return false, errs.Wrapf(err, "lock of task %q", l.task)
	case held == nil:
		held = whole
	}
	if !stop() { // it has ended while the lock was asked for: later attempts have the lock as well
		held = context.WithoutCancel(held)
	}
	l.has, l.held, l.cancel, l.unlock = true, held, cancel, unlock
	return true, nil
}

// call runs the task's function in the context that is held, and that of the attempt.
func (l *runLock) call(ctx context.Context) error {
	if l.held.Err() != nil {
		return l.lost()
	}
	both, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.held, func() { cancel(context.Cause(l.held)) })()
	err := l.fn(valuesFrom{both, l.held})
	if err != nil && l.held.Err() != nil && ctx.Err() == nil {
		return l.lost(err)
	}
	return err
}

// lost is how a run ends whose lock is lost: it is not tried again.
func (l *runLock) lost(why ...error) error {
	return Discard(errors.Join(append(why, errs.Wrapf(context.Cause(l.held), "lock of task %q is lost", l.task))...))
}

// isLast reports whether the run ends with this attempt, by what the queue will go by.
// Where that is not known yet it says no, and runEnded gives the lock back.
func (l *runLock) isLast(ctx context.Context, err error, returned bool) bool {
	if l.ended || returned && err == nil {
		return true
	}
	cause, last := core.NotCancelled, true
	if c := jobctx.From(ctx); c != nil {
		engine.WhileRunning(c, func(_ engine.Host, r *core.Run) {
			cause = r.Cause // the context has the first one alone
			if r.Job != nil {
				last = r.Job.Attempt >= r.Job.MaxAttempts
			}
		})
	}
	switch {
	case cause == core.Shutdown: // it spends no attempt
		return false
	case cause > core.TimedOut || context.Cause(ctx) == ErrDeadline: //nolint:errorlint // dray's own
		return true
	case !returned:
		return last
	}
	found, _ := inspect(err)
	if found.snooze != nil && !found.thrown && cause == core.NotCancelled {
		return false
	}
	return last || found.discard != nil
}

// release gives the lock back, on the worker, as the next run may ask for the same lock
// as soon as this one has settled. It returns what unlock threw; a Goexit is the job's.
func (l *runLock) release() error {
	unlock := l.unlock
	l.unlock, l.back = nil, true
	defer l.letGo()
	if unlock == nil {
		return nil
	}
	guard.Unlabel()
	if thrown := guarded(unlock); thrown != nil {
		return errs.Wrapf(thrown, "unlock of task %q", l.task)
	}
	return nil
}

// letGo ends the contexts of the lock. A run that is restored or requeued needs none for
// what follows: it has been this instance's.
func (l *runLock) letGo() {
	l.cancel(nil)
	if l.ended {
		l.held = context.Background()
	}
}

// runEnded is told the end of the run, in a tick. It gives the lock back where no attempt has,
// as the run was cancelled, or handed back, between two.
func (l *runLock) runEnded(handedBack bool) {
	l.ended = true
	unlock := l.unlock
	l.unlock, l.back = nil, l.has
	if l.has {
		l.letGo()
	}
	s := l.s
	if handedBack {
		l.s, l.t = nil, nil
	}
	if unlock == nil {
		return
	}
	g := s.Background.Add("unlock of task " + l.task)
	guard.Go(func() {
		defer g.Leave()
		_ = guarded(unlock) // there is no job any more that this could be told of
	})
}
