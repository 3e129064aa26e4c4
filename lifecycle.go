package dray

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/guard"
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
	open    bool               // and jobs are still accepted, as it is to be served again
	stop    context.CancelFunc // of the tree, while it runs
	ended   chan struct{}      // closed when that run of the tree has ended
	failure error              // why the tree ended by itself

	reason  error     // why the drain was cut short; written under force
	report  Report    // written by conclude, under mu and before over is closed
	err     error     // written by conclude before over is closed, read after
	flushBy time.Time // until when observers are waited for; as err
}

func (l *life) init() { l.forced, l.over = make(chan struct{}), make(chan struct{}) }

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
		q.base.Store(&queueValues{values})
		q.reopen(c)
		q.emit(Event{Kind: QueueStarted, Count: uint64(c.Snapshot().Workers)})
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
	l.stop = nil // which leads to the values of the context that the tree was served with
	l.serving = false
	defer close(l.ended)
	if told || err == nil {
		return nil
	}
	q.step(func(c *core.Core, _ time.Duration) { c.Halt(true) })
	l.failure = errs.Wrapf(err, "queue %s", q.name)
	q.refuse()
	return l.failure
}
