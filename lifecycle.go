package dray

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

// ErrStillRunning is returned by Close, and by Shutdown past its deadline, when
// jobs were still running at the end: those in [Report.Abandoned].
var ErrStillRunning = errors.New("dray: jobs still running")

// life is how far a queue has come. Serve and Start begin a run of the tree, which
// ends with Serve's context, by a failure, or by Shutdown and Close. Only these are
// final: they make the report.
type life struct {
	force  sync.Once
	forced chan struct{} // closed by cut: the drain of a shutdown is over
	over   chan struct{} // closed when report and err are there

	mu      sync.Mutex
	closing bool               // a shutdown has begun; never taken back
	serving bool               // the tree runs
	ending  bool               // Serve's context has ended, and its caller takes the queue to the end of that run
	rested  bool               // the last run has ended so: what still runs was cancelled and given its time
	stop    context.CancelFunc // of the tree, while it runs
	ended   chan struct{}      // closed when that run of the tree has ended
	failure error              // why the tree ended by itself

	reason error  // why the drain was cut short; written under force
	report Report // written by conclude, under mu and before over is closed
	err    error  // written by conclude before over is closed, read after
}

func (l *life) init() { l.forced, l.over = make(chan struct{}), make(chan struct{}) }

// Start lets the queue run jobs, and returns at once. Errors: [ErrStarted] if it
// runs already, [ErrClosed] if its shutdown has begun. After the end of a Serve it
// goes on with the jobs that are there.
func (q *Queue) Start() error {
	run, err := q.launch(context.Background())
	if err == nil {
		go run() //nolint:errcheck // the failure is kept for Shutdown, and logged
	}
	return err
}

// Serve runs the queue until ctx ends, and may then be called again, as may
// [Queue.Start]: it goes on with the jobs that are there. Only [Queue.Shutdown] and
// [Queue.Close] are final, and make the [Report].
//
// If the [context.Cause] of ctx is [ErrRestart], which is what a [Supervisor] says to
// a child that it will start again, no more jobs start, and the intake stays open.
// Otherwise the intake closes until the queue is served again ([ErrClosed]), and the
// jobs in line are drained for at most the shutdown timeout ([WithShutdownTimeout]).
// In both cases the jobs that are then running are cancelled with the cause
// [ErrShutdown] and given the shutdown timeout to return. Those that return an error
// go back to the front of the line, and the attempt does not count; those that do not
// return go on, and are not started a second time. Unless it is a restart, schedules and
// the unlocks of a [Locker] that are on their way have up to a second to return. A ctx
// that has ended before the call starts and drains nothing.
//
// Callers of [Run] and [Task.Wait] go on waiting. Serve returns nil after all that,
// or after Shutdown or Close, and otherwise only if the queue's own tree has failed,
// with an error that wraps [ErrIntensity]. Then, too, it may be called again; until it
// is, the intake is closed. Other errors are those of Start.
func (q *Queue) Serve(ctx context.Context) error {
	done, err := doneOf(ctx)
	if err != nil {
		return err
	}
	if isClosed(done) {
		return q.serveNothing(isRestart(ctx))
	}
	run, err := q.launch(ctx)
	if err != nil {
		return err
	}
	return q.serveRun(ctx, done, run)
}

// serveRun runs what launch has made ready, until ctx ends.
func (q *Queue) serveRun(ctx context.Context, done <-chan struct{}, run func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- run() }()
	select {
	case err := <-ended:
		if err == nil {
			<-q.life.over
		}
		return err
	case <-done:
		q.endRun(isRestart(ctx))
		return <-ended
	}
}

// phases is Serve for a supervisor that the queue is a child of: once start has
// returned nil the intake is open, and the next child may be started.
func (q *Queue) phases() (start, serve func(context.Context) error) {
	var run func() error
	start = func(ctx context.Context) (err error) {
		if isClosed(ctx.Done()) {
			return cmp.Or(q.serveNothing(isRestart(ctx)), causeOf(ctx))
		}
		run, err = q.launch(ctx)
		return err
	}
	serve = func(ctx context.Context) error { return q.serveRun(ctx, ctx.Done(), run) }
	return start, serve
}

// isRestart reports whether ctx has ended because its user is to be started again. A
// foreign context is asked on a goroutine of its own, so that one which throws or never
// answers does not keep what it served; nor is a foreign cause asked what it is.
func isRestart(ctx context.Context) bool {
	answer := make(chan bool, 1)
	go func() {
		defer close(answer)                  // false, unless there was an answer
		answer <- causeOf(ctx) == ErrRestart //nolint:errorlint // see above
	}()
	patience := time.NewTimer(causeGrace)
	defer patience.Stop()
	select {
	case restart := <-answer:
		return restart
	case <-patience.C:
		return false
	}
}

// causeGrace is how long the end of Serve waits to hear whether it is a restart, which
// takes no time if the context is one of package context.
const causeGrace = 100 * time.Millisecond

func isClosed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// idle says why the queue cannot be served now. It is called under mu.
func (l *life) idle() error {
	switch {
	case l.closing:
		return ErrClosed
	case l.serving || l.ending:
		return ErrStarted
	}
	return nil
}

// serveNothing is Serve with a context that has ended.
func (q *Queue) serveNothing(restart bool) error {
	l := &q.life
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.idle()
	if err == nil && !restart {
		q.refuse()
	}
	return err
}

// launch makes ready for one run of the tree, which its result then performs. The
// jobs get the values of ctx, but not its end.
func (q *Queue) launch(ctx context.Context) (run func() error, err error) {
	l := &q.life
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.idle(); err != nil {
		return nil, err
	}
	values := context.WithoutCancel(ctx)
	tree, stop := context.WithCancel(values)
	l.serving, l.rested, l.stop, l.ended, l.failure = true, false, stop, make(chan struct{}), nil
	q.step(func(c *core.Core, _ time.Duration) {
		q.base = &queueValues{values}
		q.reopen(c)
		q.herald.emit(QueueStarted{q.clock.now(), c.Snapshot().Workers})
	})
	return func() error { return q.grow(tree) }, nil
}

// reopen is where a run begins, be it the first or another one.
func (e *engine) reopen(c *core.Core) {
	c.Halt(false)
	e.mail.closed = false
	e.drained = nil // of a wait that was given up
	e.fetchAgain(c)
}

// grow runs the tree. If that ends by itself, the queue fails closed.
func (q *Queue) grow(tree context.Context) error {
	unlabel()
	err := q.tree.Serve(tree)
	l := &q.life
	l.mu.Lock()
	defer l.mu.Unlock()
	told := tree.Err() != nil
	l.stop()
	l.stop = nil // which leads to the values of the context that the tree was served with
	l.serving = false
	defer close(l.ended)
	if told || err == nil {
		return nil
	}
	q.step(func(c *core.Core, _ time.Duration) { c.Halt(true) })
	l.failure = wrapf(err, "queue %s", q.name)
	q.refuse()
	return l.failure
}

// endRun is what follows from the end of Serve's context. If a shutdown is under way,
// it only sees to it that this ends in time; else it ends the run, and does what is
// left of a shutdown that begins meanwhile.
func (q *Queue) endRun(restart bool) {
	l := &q.life
	l.mu.Lock()
	closing := l.closing
	l.ending = !closing
	l.mu.Unlock()
	if closing {
		q.hasten(restart)
		return
	}
	cut, reason := q.drainRun(restart)
	if cut {
		q.halt()
	}
	q.stopTree()
	if q.rest() {
		q.conclude(cut, reason, true)
		_ = q.flush()
		return
	}
	q.stopFetching()
	if !restart {
		_ = q.scheduler.background.wait(min(askLimit, q.shutdownTimeout)) // a Shutdown names what is left then
		_ = q.flush()
	}
}

// hasten bounds a shutdown by what Serve may take.
func (q *Queue) hasten(restart bool) {
	drain := time.NewTimer(q.shutdownTimeout)
	defer drain.Stop()
	reason := context.DeadlineExceeded
	if restart {
		drain.Reset(0)
		reason = ErrRestart
	}
	select {
	case <-q.life.over:
	case <-drain.C:
		q.cut(reason)
		<-q.life.over
	}
}

// drainRun drains the queue at the end of Serve. It reports whether that was cut
// short, and why.
func (q *Queue) drainRun(restart bool) (cut bool, reason error) {
	if restart {
		return true, ErrRestart
	}
	q.scheduler.finish()
	q.refuse()
	drain := time.NewTimer(q.shutdownTimeout)
	defer drain.Stop()
	select {
	case <-q.awaitIdle():
		return false, nil
	case <-drain.C:
		return true, context.DeadlineExceeded
	case <-q.life.forced:
		return true, q.life.reason
	}
}

// rest ends the run, and reports whether the shutdown that began meanwhile is to be
// concluded. Observers hear of one stop for each run: of the last from conclude.
func (q *Queue) rest() (final bool) {
	l := &q.life
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ending, l.rested = false, true
	if !l.closing {
		q.step(func(c *core.Core, now time.Duration) {
			c.Halt(true)
			books := q.stats(c, now)
			books.Restarts = q.tree.restarts()
			q.herald.emit(stopped(q.clock.now(), books, c.WaitingJobs(now)))
		})
	}
	return l.closing
}

// stopTree ends the run of the tree, if there is one.
func (q *Queue) stopTree() {
	l := &q.life
	l.mu.Lock()
	stop, ended := l.stop, l.ended
	l.mu.Unlock()
	if stop != nil {
		stop()
		<-ended
	}
}

// Shutdown stops the intake, lets the workers finish what is in line, and says
// what was left. It does not wait for jobs whose time has not come (delayed,
// retrying) nor, while the queue is paused or not being served, for any that wait:
// they are in the [Report]. When ctx ends first, the running jobs are cancelled
// with the cause [ErrShutdown] and given the shutdown timeout to return. Those that
// did not return at the end of a Serve had that time, and are not waited for again.
//
// It returns nil when nothing was cut short, or else the cause of ctx's end, and
// [ErrStillRunning] besides if jobs were abandoned; the report is valid in any
// case. If the queue's tree had failed, that error is returned too, and one that is
// [ErrAbandoned] for each observer, log handler, limiter, schedule and unlock of a
// [Locker] that has not returned by then, and is left behind.
//
// Further calls, concurrent ones included, wait for the same end and return the
// same; the first ctx to end cuts the drain short for all, and so does, after the
// shutdown timeout, that of Serve: then the error is [context.DeadlineExceeded], or
// [ErrRestart] if that was why. Called from inside a job of this queue it does not
// wait for that job, which is then in Report.Abandoned and settles when it returns.
func (q *Queue) Shutdown(ctx context.Context) (Report, error) {
	done, err := doneOf(ctx)
	if err != nil {
		return Report{}, err
	}
	q.wrapUp()
	select {
	case <-q.life.over:
	case <-done:
		q.cut(causeOf(ctx))
		<-q.life.over
	}
	return q.life.report, q.ended()
}

// Close is [Queue.Shutdown] without the drain: it cancels the running jobs at
// once, with the cause [ErrShutdown], and waits for them within the shutdown
// timeout. It returns nil, [ErrStillRunning] if jobs were abandoned, the error of
// a failed tree, [ErrAbandoned] as Shutdown does, or that of the Shutdown that came
// before it. What was left is in the report that Shutdown still returns.
func (q *Queue) Close() error {
	q.wrapUp()
	q.cut(nil)
	<-q.life.over
	return q.ended()
}

// wrapUp begins the shutdown, unless that was done before. A run that is ending ends
// with it.
func (q *Queue) wrapUp() {
	l := &q.life
	l.mu.Lock()
	first, ending := !l.closing, l.ending
	l.closing = true
	l.mu.Unlock()
	q.excuseCaller()
	if first {
		q.scheduler.finish()
		q.refuse()
		if !ending {
			go q.wind()
		}
	}
}

// cut ends the drain. The reason of the first call becomes Shutdown's error.
func (q *Queue) cut(reason error) {
	q.life.force.Do(func() {
		q.life.reason = reason
		close(q.life.forced)
	})
}

// ended is the error of Shutdown and Close when all is over.
func (q *Queue) ended() error {
	if err := q.flush(); err != nil {
		return errors.Join(q.life.err, err)
	}
	return q.life.err
}

// flush lets observers hear of everything, within the shutdown timeout. The error
// names what user code has not returned: observers, and limiters. A shutdown that
// waits for no job still gives observers that are on their way the time to finish:
// else chance would decide which of them it names.
func (e *engine) flush() error {
	ctx, cancel := context.WithTimeout(context.Background(), max(e.shutdownTimeout, limiterGrace))
	defer cancel()
	return errors.Join(errors.Join(e.lost()...), e.herald.flush(ctx))
}

// wind takes the queue from its last accepted job to its end.
func (q *Queue) wind() {
	unlabel()
	l := &q.life
	l.mu.Lock()
	rested := l.rested
	l.mu.Unlock()
	if rested {
		q.conclude(true, nil, false)
		return
	}
	cut, reason := false, error(nil)
	select {
	case <-q.awaitIdle():
	case <-l.forced:
		cut, reason = true, l.reason
		q.halt()
	}
	q.stopTree()
	q.conclude(cut, reason, true)
}

// conclude makes the report. From here on a deadline changes nothing. Observers are
// told, unless they have been when the last run ended.
func (q *Queue) conclude(cut bool, reason error, tell bool) {
	l := &q.life
	l.force.Do(func() {})
	q.scheduler.handBack()
	l.mu.Lock()
	failure := l.failure
	l.report = q.leave(q.tree.restarts(), tell)
	l.mu.Unlock()
	q.stopFetching()
	if len(l.report.Abandoned) > 0 && (cut || isClosed(l.forced)) {
		reason = errors.Join(reason, ErrStillRunning)
	}
	left := q.scheduler.background.wait(min(askLimit, q.shutdownTimeout))
	q.herald.report(left)
	l.err = errors.Join(failure, reason, errors.Join(left...))
	close(l.over)
}

// halt starts no more jobs, cancels the running ones, and waits for them within
// the shutdown timeout.
func (e *engine) halt() {
	e.step(func(c *core.Core, now time.Duration) {
		c.Halt(true)
		c.InterruptAll(now)
	})
	timeout := time.NewTimer(e.shutdownTimeout)
	defer timeout.Stop()
	select {
	case <-e.awaitIdle():
	case <-timeout.C:
	}
}

// excuseCaller finds out whether it is called by a job of this engine, for which
// the rest of the shutdown then does not wait.
func (e *engine) excuseCaller() {
	me := goid()
	e.step(func(c *core.Core, _ time.Duration) {
		if w := e.workerOn(me); w != nil {
			c.Excuse(&w.run)
		}
	})
}

// workerOn returns the worker that runs on the given goroutine, or nil.
func (e *engine) workerOn(id int64) *worker {
	for _, r := range e.core.Runs() {
		if w := e.workerAt(r); w.goid.Load() == id {
			return w
		}
	}
	return nil
}

// isClosed reports whether new jobs are refused.
func (e *engine) isClosed() bool {
	e.mail.mu.Lock()
	defer e.mail.mu.Unlock()
	return e.mail.closed
}

// workerAt returns the worker whose place r is.
func (*engine) workerAt(r *core.Run) *worker { return r.Owner.(*worker) } //nolint:forcetypeassert // hire sets it
