package dray

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

// PoolOption configures a [Pool].
type PoolOption interface{ applyPool(*poolConfig) error }

type poolConfig struct{ common }

// A Pool is a bounded set of workers without a queue: a call that finds none
// idle is refused. Make one with [NewPool]. All methods may be called
// concurrently. A [Queue] has workers of its own and needs no Pool.
type Pool struct {
	*engine
	mu      sync.Mutex
	started bool          // under mu
	closed  bool          // under mu
	over    chan struct{} // closed at the end of Close
	err     error         // Close's result, written before over is closed
}

// NewPool returns a pool of so many workers, 1 to 1,048,576, ready to use: its
// goroutines start when first needed, and end with [Pool.Close].
func NewPool(workers int, opts ...PoolOption) (_ *Pool, err error) {
	defer optionThrew(&err)
	if err := checkWorkers(workers); err != nil {
		return nil, err
	}
	cfg := poolConfig{common{name: "pool", shutdownTimeout: defaultShutdownTimeout}}
	for _, o := range opts {
		if o == nil {
			return nil, fmt.Errorf("dray: NewPool: nil option")
		}
		if err := o.applyPool(&cfg); err != nil {
			return nil, err
		}
	}
	p := &Pool{over: make(chan struct{})}
	p.engine = newEngine(cfg.common, core.Config{Workers: workers, Capacity: Unbounded}, defaultIdleTimeout)
	p.timer = time.AfterFunc(never, p.advance)
	p.timer.Stop()
	p.step(func(c *core.Core, _ time.Duration) { c.Halt(false); c.Open() })
	return p, nil
}

// Run runs fn on an idle worker and returns what it returns, a [*PanicError] if
// it panics, or [ErrGoexit]. If ctx ends first, Run returns its cause at once,
// and the context of fn, which has the values of ctx, is cancelled.
// Other errors: [ErrNoWorkers] at once when no worker is idle, [ErrNilFunc], [ErrClosed].
func (p *Pool) Run(ctx context.Context, fn Func) error {
	if fn == nil {
		return ErrNilFunc
	}
	if err := endOf(ctx); err != nil {
		return err
	}
	done, err := doneOf(ctx)
	if err != nil {
		return err
	}
	t := &Task[struct{}]{queue: p.engine}
	s := &submitted[struct{}]{t, func(c context.Context) (struct{}, error) {
		return struct{}{}, fn(valuesFrom{c, ctx})
	}}
	if err := p.take(s.run, s); err != nil {
		return err
	}
	return t.await(ctx, done, p.engine)
}

// RunAsync runs fn on an idle worker and returns at once. What fn returns goes to
// observers and the log; a [Snooze] is an error like any other, as a pool runs
// nothing later. Errors: [ErrNoWorkers], [ErrNilFunc], [ErrClosed].
func (p *Pool) RunAsync(fn Func) error {
	if fn == nil {
		return ErrNilFunc
	}
	return p.take(fn, nil)
}

// take gives fn to an idle worker, if there is one.
func (p *Pool) take(fn Func, end ending) error {
	return p.stepOpen(func(c *core.Core) error {
		if s := c.Snapshot(); s.Pending >= s.Idle {
			return ErrNoWorkers
		}
		j := p.newJob(context.Background(), fn, "", &policy{maxAttempts: 1})
		if end != nil {
			j.Ref = end
			end.accepted(ID(p.mail.lastID + 1))
		}
		p.mail.lastID++
		c.Accept(j, p.mail.lastID, p.now())
		return nil
	})
}

// Idle returns how many workers are free, 0 once the pool is closed.
func (p *Pool) Idle() int {
	idle := 0
	p.step(func(c *core.Core, _ time.Duration) {
		if s := c.Snapshot(); !p.mail.closed {
			idle = max(s.Idle-s.Pending, 0)
		}
	})
	return idle
}

// Resize sets the number of workers, 1 to 1,048,576. When there are too many,
// those that are free leave at once and the others after what they run.
func (p *Pool) Resize(workers int) error { return p.resize(workers) }

// Start is there for symmetry with a queue: a pool is ready from the beginning.
// It returns [ErrStarted] the second time, and [ErrClosed] after Close.
func (p *Pool) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return ErrClosed
	case p.started:
		return ErrStarted
	}
	p.started = true
	return nil
}

// Serve is the pool as a [Service]: it waits until ctx ends, or the pool is
// closed, and closes it. It returns Close's error, or those of Start.
func (p *Pool) Serve(ctx context.Context) error {
	done, err := doneOf(ctx)
	if err != nil {
		return err
	}
	if err := p.Start(); err != nil {
		return err
	}
	select {
	case <-done:
		return p.Close()
	case <-p.over:
		return p.err
	}
}

// Close takes no more work, cancels what is running with the cause [ErrShutdown],
// and waits for it within the shutdown timeout. It returns [ErrStillRunning] if
// something did not return by then; it is then no longer waited for. Further
// calls wait for the same end and return the same. Called from inside a function
// of this pool it does not wait for that one.
func (p *Pool) Close() error {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.mu.Unlock()
	p.excuseCaller()
	if first {
		p.refuse()
		go p.end()
	}
	<-p.over
	return p.err
}

// end is the one run of what Close does.
func (p *Pool) end() {
	p.halt()
	p.close()
	p.timer.Stop()
	if r := p.leave(0); len(r.Abandoned) > 0 {
		p.err = ErrStillRunning
	}
	if err := p.flush(); err != nil {
		p.err = errors.Join(p.err, err)
	}
	close(p.over)
}

// valuesFrom is a context with the values of another one.
type valuesFrom struct {
	context.Context
	values context.Context
}

func (v valuesFrom) Value(key any) any {
	if x := v.Context.Value(key); x != nil {
		return x
	}
	return v.values.Value(key)
}
