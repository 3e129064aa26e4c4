package dray

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

// ErrStillRunning is returned by Close, and by Shutdown past its deadline, when
// jobs were still running at the end: those in [Report.Abandoned].
var ErrStillRunning = errors.New("dray: jobs still running")

// life is how far a queue has come.
type life struct {
	force  sync.Once
	forced chan struct{} // closed by force: the drain is cut short
	over   chan struct{} // closed when report and err are there

	mu      sync.Mutex
	closing bool               // a shutdown has begun; never taken back
	serving bool               // the tree runs
	stop    context.CancelFunc // of the tree, while it runs
	ended   chan struct{}      // closed when that run of the tree has ended
	failure error              // why the tree ended by itself

	report Report // written by wind before over is closed, read after
	err    error  // as report
}

func (l *life) init() { l.forced, l.over = make(chan struct{}), make(chan struct{}) }

// Start lets the queue run jobs, and returns at once. Errors: [ErrStarted] if it
// runs already, [ErrClosed] if its shutdown has begun.
func (q *Queue) Start() error {
	run, err := q.launch(context.Background())
	if err == nil {
		go run() //nolint:errcheck // the failure is kept for Shutdown, and logged
	}
	return err
}

// Serve runs the queue until ctx ends, and then shuts it down: it drains for at
// most the shutdown timeout ([WithShutdownTimeout]), cancels the running jobs
// and waits for them for as long again. It returns nil after that, or after
// Shutdown or Close, and otherwise only if the queue's own tree has failed, with
// an error that wraps [ErrIntensity]. After such a failure Serve may be called
// again, as a supervisor does: it goes on with the jobs that are there. Other
// errors are those of [Queue.Start].
func (q *Queue) Serve(ctx context.Context) error {
	done, err := doneOf(ctx)
	if err != nil {
		return err
	}
	run, err := q.launch(ctx)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- run() }()
	select {
	case err := <-ended:
		if err == nil {
			<-q.life.over
		}
		return err
	case <-done:
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), q.shutdownTimeout)
		defer cancel()
		_, _ = q.Shutdown(drain) // what was left is in the log; the end as such is clean
		return <-ended
	}
}

// launch makes ready for one run of the tree, which its result then performs. The
// jobs get the values of ctx, but not its end.
func (q *Queue) launch(ctx context.Context) (run func() error, err error) {
	l := &q.life
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closing:
		return nil, ErrClosed
	case l.serving:
		return nil, ErrStarted
	}
	values := context.WithoutCancel(ctx)
	tree, stop := context.WithCancel(values)
	l.serving, l.stop, l.ended, l.failure = true, stop, make(chan struct{}), nil
	q.step(func(c *core.Core, _ time.Duration) {
		q.base = &queueValues{values}
		c.Halt(false)
		q.mail.closed = false // after a failure of the tree
		q.herald.emit(QueueStarted{moment(), c.Snapshot().Workers})
	})
	return func() error { return q.grow(tree) }, nil
}

// grow runs the tree. If that ends by itself, the queue fails closed.
func (q *Queue) grow(tree context.Context) error {
	err := q.tree.Serve(tree)
	l := &q.life
	l.mu.Lock()
	defer l.mu.Unlock()
	told := tree.Err() != nil
	l.stop()
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

// Shutdown stops the intake, lets the workers finish what is in line, and says
// what was left. It does not wait for jobs whose time has not come (delayed,
// retrying) nor, while the queue is paused or not started, for any that wait:
// they are in the [Report]. When ctx ends first, the running jobs are cancelled
// with the cause [ErrShutdown] and given the shutdown timeout to return.
//
// It returns nil when nothing was cut short, or else the cause of ctx's end, and
// [ErrStillRunning] besides if jobs were abandoned; the report is valid in any
// case. If the queue's tree had failed, that error is returned too, and one that is
// [ErrAbandoned] for each observer, log handler and limiter that has not returned by
// the end of the shutdown timeout, and is left behind.
//
// Further calls, concurrent ones included, wait for the same end and return the
// same; the first ctx to end cuts the drain short for all. Called from inside a
// job of this queue it does not wait for that job, which is then in
// Report.Abandoned and settles when it returns.
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
// a failed tree, [ErrAbandoned] as Shutdown does, or that of the Shutdown that came before it. What was left is in the report that Shutdown still returns.
func (q *Queue) Close() error {
	q.wrapUp()
	q.cut(nil)
	<-q.life.over
	return q.ended()
}

// wrapUp begins the shutdown, unless that was done before.
func (q *Queue) wrapUp() {
	l := &q.life
	l.mu.Lock()
	first := !l.closing
	l.closing = true
	l.mu.Unlock()
	q.excuseCaller()
	if first {
		q.refuse()
		go q.wind()
	}
}

// cut ends the drain. The reason of the first call becomes Shutdown's error.
func (q *Queue) cut(reason error) {
	q.life.force.Do(func() {
		q.life.err = reason // read by wind, after forced is closed
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
// names what user code has not returned: observers, and limiters.
func (e *engine) flush() error {
	ctx, cancel := context.WithTimeout(context.Background(), e.shutdownTimeout)
	defer cancel()
	return errors.Join(errors.Join(e.lost()...), e.herald.flush(ctx))
}

// wind takes the queue from its last accepted job to its end.
func (q *Queue) wind() {
	var cut error
	select {
	case <-q.awaitIdle():
		q.life.force.Do(func() {}) // from here on a deadline changes nothing
	case <-q.life.forced:
		cut = q.life.err
		q.halt()
	}
	l := &q.life
	l.mu.Lock()
	serving, stop, ended := l.serving, l.stop, l.ended
	l.mu.Unlock()
	if serving {
		stop()
		<-ended
	}
	l.mu.Lock()
	failure := l.failure
	l.mu.Unlock()
	l.report = q.leave(q.tree.restarts())
	if len(l.report.Abandoned) > 0 && q.cutShort() {
		cut = errors.Join(cut, ErrStillRunning)
	}
	l.err = errors.Join(failure, cut)
	close(l.over)
}

func (q *Queue) cutShort() bool {
	select {
	case <-q.life.forced:
		return true
	default:
		return false
	}
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
