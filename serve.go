package dray

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/guard"
)

// Serve runs the queue until ctx ends, and may then be called again, as may
// [Queue.Start]: it goes on with the jobs that are there. Only [Queue.Shutdown] and
// [Queue.Close] are final, and make the [Report].
//
// If the [context.Cause] of ctx is [ErrRestart], which is what a [Supervisor] says to a child
// that it will start again, no more jobs start, and the intake stays open until the supervisor
// ends or gives that child up. Otherwise the intake closes until the queue is served again
// ([ErrClosed]), and the jobs in line are drained for at most the shutdown timeout
// ([WithShutdownTimeout]). In both cases the jobs that are then running are cancelled with the
// cause [ErrShutdown] and given the shutdown timeout to return. Those that return an error go
// back to the front of the line, and the attempt does not count; those that do not return go
// on, and are not started a second time. Unless it is a restart, schedules and the unlocks of a
// [Locker] that are on their way have up to a second to return. A ctx that has ended before the
// call starts and drains nothing.
//
// The drain is cut short, before or while it goes on, by [Queue.Shutdown] with a context
// that has ended, and by [Queue.Close]: at a second signal, for example. Either is final,
// and Serve returns when what was running has had its time. Called after Serve, Shutdown
// does not wait for jobs, and says what was left.
//
// Callers of [Run], [Task.Wait] and [Group.Wait] go on waiting until the queue is served again
// or shut down. Serve returns nil after all that, or after Shutdown or Close, and otherwise
// only if the queue's own tree has failed, with an error that wraps [ErrIntensity]. Then, too,
// it may be called again; until it is, the intake is closed. Other errors are those of Start.
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
	guard.Go(func() { ended <- run() })
	select {
	case err := <-ended:
		if err == nil {
			<-q.lifecycle.over
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
	guard.Go(func() {
		defer close(answer)                  // false, unless there was an answer
		answer <- causeOf(ctx) == ErrRestart //nolint:errorlint // see above
	})
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

// serveNothing is Serve with a context that has ended.
func (q *Queue) serveNothing(restart bool) error {
	l := &q.lifecycle
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.idle()
	if err == nil && !restart {
		q.engine.Refuse()
	}
	return err
}

// endRun is what follows from the end of Serve's context. If a shutdown is under way,
// it only sees to it that this ends in time; else it ends the run, and does what is
// left of a shutdown that begins meanwhile.
func (q *Queue) endRun(restart bool) {
	l := &q.lifecycle
	l.mu.Lock()
	closing := l.closing
	l.stopping = !closing
	l.mu.Unlock()
	if closing {
		q.hasten(restart)
		return
	}
	cut, reason := q.drainRun(restart)
	end := q.timeUp()
	if cut {
		q.engine.Interrupt(end)
	}
	q.stopTree()
	q.engine.FinishStuck()
	switch {
	case l.hasBegun(): // to shut down, which waits itself
	case restart:
		q.stopFetching()
	default:
		_ = q.awaitUsers(end) // a Shutdown names what is left then
	}
	final := q.finishRun(restart, cut, reason)
	if final {
		q.finishShutdown(cut, reason, end)
	}
	if final || !restart {
		_ = q.flush(graceUntil(end))
	}
}

// hasBegun reports whether a shutdown has begun.
func (l *lifecycle) hasBegun() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing
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
	case <-q.lifecycle.over:
	case <-drain.C:
		q.forceStop(reason)
		<-q.lifecycle.over
	}
}

// drainRun drains the queue at the end of Serve. It reports whether that was cut
// short, and why.
func (q *Queue) drainRun(restart bool) (cut bool, reason error) {
	if restart {
		return true, ErrRestart
	}
	q.closeIntake()
	drain := time.NewTimer(q.shutdownTimeout)
	defer drain.Stop()
	return q.drain(drain.C)
}

// finishRun ends the run, and reports whether the shutdown that began meanwhile is to be
// concluded. Observers hear of one stop for each run: of the last from finishShutdown, as
// of a shutdown that follows a run after which jobs were accepted.
func (q *Queue) finishRun(restart, cut bool, reason error) (final bool) {
	l := &q.lifecycle
	l.mu.Lock()
	defer l.mu.Unlock()
	open := restart && !l.dropped
	l.stopping, l.ranOut, l.dropped = false, true, false
	if restart && !open {
		q.engine.Refuse()
	}
	if !l.closing && (q.tellStopped(open) > 0 || cut && !restart) {
		l.runCut = reason
	}
	return l.closing
}

// tellStopped tells observers that a run has ended, and returns how many of its jobs were cut
// short. It is called under lifecycle.mu.
func (q *Queue) tellStopped(open bool) (cut int) {
	q.update(func(c *core.Core, now time.Duration) {
		c.SetStopped(true)
		books := q.readStats(c, now)
		books.Restarts = q.tree.restarts()
		waiting, interrupted := c.Waiting()
		ev := stopped(books, waiting, interrupted)
		ev.open = open
		q.engine.EndStuck()
		cut = interrupted + books.Running
		q.lifecycle.stopTold, q.lifecycle.toldBooks = true, c.Snapshot()
		q.told.Store(false) // before the event: what is told after that is noticed
		q.emit(ev)
	})
	return cut
}

// dropped closes the intake of a queue whose last run has ended to be followed by another one,
// which there will not be: its supervisor says so.
func (q *Queue) dropped() {
	l := &q.lifecycle
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped = l.stopping // an abandoned child may be in the middle of its end
	if l.idle() == nil {
		q.engine.Refuse()
	}
}

// stopTree ends the run of the tree, if there is one.
func (q *Queue) stopTree() {
	l := &q.lifecycle
	l.mu.Lock()
	stop, ended := l.stop, l.ended
	l.mu.Unlock()
	if stop != nil {
		stop()
		<-ended
	}
}

// ErrStillRunning is returned by Close, and by Shutdown past its deadline, when
// jobs were still running at the end: those in [Report.Abandoned].
var ErrStillRunning = errors.New("dray: jobs still running")

// lifecycle is how far a queue has come. Serve and Start begin a run of the tree, which
// ends with Serve's context, by a failure, or by Shutdown and Close. Only these are
// final: they make the report.
type lifecycle struct {
	force  sync.Once
	forced chan struct{} // closed by cut: the drain of a shutdown is over
	over   chan struct{} // closed when report and err are there

	mu        sync.Mutex
	closing   bool               // a shutdown has begun, and the intake is closed; never taken back
	serving   bool               // the tree runs
	stopping  bool               // Serve's context has ended, and its caller takes the queue to the end of that run
	ranOut    bool               // the last run has ended so: what still runs was cancelled and given its time
	runCut    error              // why jobs were cut short by that; nil if none were
	dropped   bool               // the run that is ending will not be followed by another one after all
	stopTold  bool               // observers have been told of the end of the last run
	toldBooks core.Snapshot      // if stopTold: as they were
	stop      context.CancelFunc // of the tree, while it runs
	ended     chan struct{}      // closed when that run of the tree has ended
	failure   error              // why the tree ended by itself

	reason  error     // why the drain was cut short; written under force
	report  Report    // written by finishShutdown, under mu and before over is closed
	err     error     // written by finishShutdown before over is closed, read after
	flushBy time.Time // until when observers are waited for; as err
}

func (l *lifecycle) init() { l.forced, l.over = make(chan struct{}), make(chan struct{}) }

// Start lets the queue run jobs, and returns at once. Errors: [ErrStarted] if it
// runs already, [ErrClosed] if its shutdown has begun. After the end of a Serve it
// goes on with the jobs that are there.
func (q *Queue) Start() error {
	run, err := q.launch(context.Background())
	if err == nil {
		guard.Go(func() { _ = run() }) // the failure is kept for Shutdown, and logged
	}
	return err
}

// idle says why the queue cannot be served now. It is called under mu.
func (l *lifecycle) idle() error {
	switch {
	case l.closing:
		return ErrClosed
	case l.serving || l.stopping:
		return ErrStarted
	}
	return nil
}

// launch makes ready for one run of the tree, which its result then performs. The
// jobs get the values of ctx, but not its end.
func (q *Queue) launch(ctx context.Context) (run func() error, err error) {
	l := &q.lifecycle
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.idle(); err != nil {
		return nil, err
	}
	values := context.WithoutCancel(ctx)
	tree, stop := context.WithCancel(values)
	l.serving, l.stop, l.ended, l.failure = true, stop, make(chan struct{}), nil
	l.ranOut, l.runCut, l.dropped, l.stopTold = false, nil, false, false
	q.update(func(c *core.Core, _ time.Duration) {
		q.engine.SetValues(values)
		q.engine.Reopen(c)
		q.emit(Event{Kind: QueueStarted, Count: uint64(c.Snapshot().Workers)})
	})
	return func() error { return q.runTree(tree) }, nil
}

// runTree runs the tree. If that ends by itself, the queue fails closed.
func (q *Queue) runTree(tree context.Context) error {
	err := q.tree.Serve(tree)
	l := &q.lifecycle
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
	q.update(func(c *core.Core, _ time.Duration) { c.SetStopped(true) })
	l.failure = errs.Wrapf(err, "queue %s", q.name)
	q.engine.Refuse()
	if !l.closing {
		q.tellStopped(false)
	}
	return l.failure
}

// treeConfig is that of the queue's own supervision tree, in the order of its start. Each
// child depends on those before it: when one crashes, it and those after it are
// restarted (rest-for-one). The state they work on is in the engine and outlives them.
func (q *Queue) treeConfig() supervisorConfig {
	cfg := newSupervisorConfig(RestForOne)
	cfg.name, cfg.clock = q.name, q.clock
	cfg.bus, cfg.queue = q.bus, q.name
	cfg.children = []Child{
		{Name: "owner", Service: q.engine},
		{Name: "pool", Service: workers{q.engine}},
		{Name: "scheduler", Service: q.scheduler.tasks},
	}
	return cfg
}

// Children returns the queue's own supervision tree: owner, pool and scheduler.
func (q *Queue) Children() []ChildInfo { return q.tree.Children() }

// A workers is the pool as a child of the queue: while it is served, workers may
// claim jobs. Its workers are one-for-one: one that dies is replaced at once, by
// itself (see engine.Worker). When the workers is stopped because the owner crashed,
// workers that are in the middle of a job finish it, and its successor takes
// them over.
type workers struct{ engine *engine.Engine }

// Serve lets the workers work until ctx ends.
func (c workers) Serve(ctx context.Context) error {
	c.engine.Open()
	defer c.engine.Close()
	<-ctx.Done()
	return nil
}
