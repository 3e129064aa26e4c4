package dray

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/guard"
	"github.com/a622d8ee/dray/internal/jobctx"
	"github.com/a622d8ee/dray/internal/scheduler"
)

// Shutdown stops the intake, lets the workers finish what is in line, and says
// what was left. It does not wait for jobs whose time has not come (delayed,
// retrying) nor, while the queue is paused or not being served, for any that wait:
// they are in the [Report]. When ctx ends first, the running jobs are cancelled
// with the cause [ErrShutdown] and given the shutdown timeout to return. Those that
// did not return at the end of a Serve had that time, and are not waited for again.
//
// It returns nil when nothing was cut short, or else the cause of ctx's end, and
// [ErrStillRunning] besides if jobs were abandoned; the report is valid in any case. What the
// end of the last Serve has cut short counts as well: then the error is
// [context.DeadlineExceeded], or [ErrRestart] if that was why. If the queue's tree had failed,
// that error is returned too, and one that is [ErrAbandoned] for each observer, log handler,
// limiter, schedule and unlock of a [Locker] that has not returned by then, and is left behind.
//
// Observers hear of everything within the same time, the shutdown timeout from when ctx
// has ended or nothing runs any more, but have 100 ms before the end and for it in any
// case. The last event is [QueueStopped]. An observer that calls Shutdown or Close itself is
// not waited for until it returns.
//
// Further calls, concurrent ones included, wait for the same end and return the same; the first
// ctx to end cuts the drain short for all, and so does, after the shutdown timeout, that of
// Serve: then the error is [context.DeadlineExceeded], or [ErrRestart] if that was why. Called
// from inside a job of this queue, or with its context, it does not wait for that job, which is
// then in Report.Abandoned and settles when it returns.
//
// As the child of a [Supervisor] a queue is stopped by the end of Serve. Call Shutdown
// when the supervisor's own Serve has returned: the queue has drained and cancelled by
// then, so Shutdown does not wait for jobs any more, whatever its ctx, and its report says
// what was left. While the supervisor stops, a call with a context that has ended cuts the
// drain short. Before that there is no need for a call, and a queue that was shut down
// cannot be started again: if it is [Permanent], each try is a failed restart
// ([ErrClosed]), until the supervisor gives up; if it is [Transient], its end is a normal
// one.
func (q *Queue) Shutdown(ctx context.Context) (Report, error) {
	done, err := doneOf(ctx)
	if err != nil {
		return Report{}, err
	}
	inside, err := insideOf(ctx)
	if err != nil {
		return Report{}, err
	}
	q.beginShutdown(inside, false)
	select {
	case <-q.lifecycle.over:
	case <-done:
		q.forceStop(causeOf(ctx))
		<-q.lifecycle.over
	}
	return q.lifecycle.report, q.ended()
}

// Close is [Queue.Shutdown] without the drain: it cancels the running jobs at
// once, with the cause [ErrShutdown], and waits for them within the shutdown
// timeout. It returns nil, [ErrStillRunning] if jobs were abandoned, the error of
// a failed tree, [ErrAbandoned] as Shutdown does, or that of the Shutdown that came
// before it. What was left is in the report that Shutdown still returns.
func (q *Queue) Close() error {
	q.beginShutdown(nil, true)
	q.forceStop(nil)
	<-q.lifecycle.over
	return q.ended()
}

// beginShutdown begins the shutdown, unless that was done before, for a call that was given
// the context inside. A run that is ending ends with it: so the intake is closed before others
// can see that a shutdown has begun. See runShutdown for hard.
func (q *Queue) beginShutdown(inside jobctx.Context, hard bool) {
	q.exemptCaller(inside)
	l := &q.lifecycle
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return
	}
	q.closeIntake()
	l.closing = true
	if !l.stopping {
		guard.Go(func() { q.runShutdown(hard) })
	}
}

// closeIntake makes jobs of the runs that are due, and takes no more.
func (q *Queue) closeIntake() {
	q.scheduler.tasks.Finish()
	q.engine.Refuse()
}

// forceStop ends the drain. The reason of the first call becomes Shutdown's error.
func (q *Queue) forceStop(reason error) {
	q.lifecycle.force.Do(func() {
		q.lifecycle.reason = reason
		close(q.lifecycle.forced)
	})
}

// ended is the error of Shutdown and Close when all is over.
func (q *Queue) ended() error {
	if late := q.flush(q.lifecycle.flushBy); len(late) > 0 {
		return errors.Join(q.lifecycle.err, errors.Join(late...))
	}
	return q.lifecycle.err
}

// runShutdown takes the queue from its last accepted job to its end. A Close is hard: it is no
// news to its caller that jobs were cut short.
func (q *Queue) runShutdown(hard bool) {
	l := &q.lifecycle
	l.mu.Lock()
	rested, reason := l.ranOut, l.runCut
	l.mu.Unlock()
	if hard {
		reason = nil
	}
	if rested {
		q.finishShutdown(true, reason, q.timeUp())
		return
	}
	cut, why := q.drain(nil)
	if cut {
		reason = why
	}
	end := q.timeUp()
	if cut {
		q.engine.Interrupt(end)
	}
	q.stopTree()
	q.finishShutdown(cut, reason, end)
}

// drain waits until nothing runs or can start, or until that is cut short: it reports whether it was,
// and why. Where nothing is left to be cut short, an end of the time that came first changes nothing.
func (q *Queue) drain(timeUp <-chan time.Time) (cut bool, reason error) {
	idle := q.engine.AwaitIdle()
	select {
	case <-idle:
	case <-timeUp:
		reason = context.DeadlineExceeded
	case <-q.lifecycle.forced:
		reason = q.lifecycle.reason
	}
	if isClosed(idle) {
		return false, nil
	}
	return true, reason
}

// timeUp is when the time is over that jobs have once they are cancelled, and observers
// once there is nothing to wait for any more.
func (h *host) timeUp() time.Time { return time.Now().Add(h.shutdownTimeout) }

// exemptCaller finds out whether it is called by a job or an observer, for which the rest of
// the shutdown then does not wait. The call may have been given the context inside.
func (h *host) exemptCaller(inside jobctx.Context) {
	h.bus.Exempt()
	h.engine.ExemptCaller(inside)
}

// stopFetching has the log name the limiters that have not returned.
func (h *host) stopFetching() { h.reportLate(abandonedBy(h.engine.StopFetching())) }

// awaitUsers waits for what else of the users' is under way: limiters, schedules, unlocks,
// and observers, which hear of everything that was before. It returns which of the schedules
// and unlocks have not returned. All that is late is in the log.
func (q *Queue) awaitUsers(end time.Time) (late []error) {
	q.stopFetching()
	for _, name := range q.scheduler.tasks.Background.Wait(min(scheduler.AskLimit, q.shutdownTimeout)) {
		late = append(late, errs.Wrapf(ErrAbandoned, "%s", name))
	}
	q.reportLate(late)
	q.flushOthers(end)
	return late
}

// finishShutdown makes the report. From here on a deadline changes nothing. Observers have until
// end to hear of everything, and last that this is the end, unless they have been told when
// the last run ended.
func (q *Queue) finishShutdown(cut bool, reason error, end time.Time) {
	l := &q.lifecycle
	l.force.Do(func() {})
	q.scheduler.tasks.HandBack()
	l.mu.Lock()
	failure := l.failure
	report, last := q.leave(q.tree.restarts())
	l.report = report
	l.mu.Unlock()
	late := q.awaitUsers(end)
	q.emitLast(last, q.toldAll)
	if len(l.report.Abandoned) > 0 && (cut || isClosed(l.forced)) {
		reason = errors.Join(reason, ErrStillRunning)
	}
	l.err = errors.Join(failure, reason, errors.Join(late...))
	l.flushBy = graceUntil(end)
	close(l.over)
}

// Report says what a shutdown left: every job that was accepted and has not
// settled is in exactly one of its lists.
type Report struct {
	// Waiting were accepted, have not finished and do not run, in the order in which they
	// would have started.
	Waiting []Leftover
	// Interrupted were running when the shutdown, or the end of a Serve, cancelled them,
	// returned an error, and have not started since.
	Interrupted []Leftover
	// Abandoned are still running at the end.
	Abandoned []JobInfo
}

// Leftover is a job that was handed back. Another queue takes it by
// [Queue.Restore], with the options and attempts that it had.
type Leftover struct {
	JobInfo
	Func Func

	record *core.Job    // nil for one that dray did not make
	taken  *atomic.Bool // by a Restore; nil as record
	told   *atomic.Bool // its caller was told that it will not run, or it was restored; nil if none waits
}

// leave closes the books: it collects what is left, and tells the callers that wait
// for the result of one of these jobs that there will be none. Only a queue knows of
// restarts.
func (h *host) leave(restarts uint64) (r Report, last Event) {
	h.engine.FinishStuck()
	h.update(func(c *core.Core, now time.Duration) {
		h.engine.EndStuck()
		books := h.readStats(c, now)
		h.engine.Release() // the mailbox is closed, and says so at once, however long this takes
		books.Restarts = restarts
		waiting, cut := c.Waiting()
		left := c.Seal(now)
		h.engine.SetValues(context.Background()) // what still runs has a page with its own
		r = h.reportOf(c, left)
		last = stopped(books, waiting, cut)
		for _, j := range left {
			handBack(c, j)
		}
	})
	// Nothing follows any more, and a scheduler's function would lead to the queue.
	h.update(func(*core.Core, time.Duration) { h.engine.AfterUpdate(func(*core.Core, time.Duration) {}) })
	return r, last
}

// toldAll reports, in an update, whether there is nothing to add to the QueueStopped of the
// last run: the books are the same, and nothing else was told since.
func (q *Queue) toldAll(c *core.Core) bool {
	l := &q.lifecycle
	return l.stopTold && l.toldBooks == c.Snapshot() && !q.told.Load()
}

// emitLast tells what leave has returned, unless observers have been told all by now, and
// nothing after it. The books are those of now, as what still runs may have ended meanwhile,
// and that is told.
func (h *host) emitLast(last Event, told func(*core.Core) bool) {
	h.update(func(c *core.Core, now time.Duration) {
		if told(c) {
			h.bus.Close()
			return
		}
		books := h.readStats(c, now)
		books.Restarts, books.OldestPending = last.Stats.Restarts, last.Stats.OldestPending
		last.Stats = &books
		h.bus.Last(h.complete(last))
	})
}

// handBack tells a job's caller and its group that it is in a report.
func handBack(c *core.Core, j *core.Job) {
	if end, ok := j.Ref.(engine.Completion); ok {
		end.Settled(engine.Outcome{ID: j.ID, State: j.State, Err: ErrShutdown})
	}
	if g := engine.GroupOf(j.Group); g != nil {
		g.Add(ErrShutdown)
		c.HandBack(j)
	}
}

// promised is a completion that a caller may wait for.
type promised interface {
	// handedBack returns what becomes true when it is told that the job will not run
	// any more, or by a Restore that runs it after all: whichever is first.
	handedBack() *atomic.Bool
}

// stopped is the event that a run has ended.
func stopped(books Stats, waiting, cut int) Event {
	return Event{Kind: QueueStopped, Stats: &books, Waiting: waiting - cut, Interrupted: cut, Abandoned: books.Running}
}

// reportOf makes a report of what waits and of what runs.
func (h *host) reportOf(c *core.Core, waiting []*core.Job) (r Report) {
	at := h.clock.Reference()
	for _, j := range waiting {
		l := Leftover{JobInfo: infoOf(at, core.Describe(j)), Func: funcOf(j), record: j.HandedBack(), taken: new(atomic.Bool)}
		if p, ok := j.Ref.(promised); ok {
			l.told = p.handedBack()
		}
		if j.WasInterrupted() {
			r.Interrupted = append(r.Interrupted, l)
		} else {
			r.Waiting = append(r.Waiting, l)
		}
	}
	for _, i := range c.RunningJobs() {
		r.Abandoned = append(r.Abandoned, infoOf(at, i))
	}
	return r
}

// left returns the jobs of a report that may be run elsewhere, in their order.
func (r Report) left() []Leftover { return slices.Concat(r.Interrupted, r.Waiting) }
