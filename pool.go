package dray

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
	"github.com/a622d8ee/dray/internal/guard"
)

// PoolOption configures a [Pool].
type PoolOption interface{ applyPool(*poolConfig) error }

type poolConfig struct{ common }

// A Pool is a bounded set of workers without a queue: a call that finds none
// idle is refused. All methods may be called concurrently. A [Queue] has workers of
// its own and needs no Pool.
//
// A pool is made by [NewPool]; the zero value is not usable.
type Pool struct {
	*host
	mu          sync.Mutex
	started     bool          // under mu
	closed      bool          // under mu
	stopping    chan struct{} // under mu; closed when the Serve whose context has ended is over
	hold        bool          // the state's: a Serve has ended, so nothing is taken until another begins
	interrupted bool          // under mu: and what it left running was cancelled and given its time
	unserved    bool          // under mu: the Serve that is ending will not be followed by another one after all
	over        chan struct{} // closed at the end of Close
	err         error         // Close's result, written before over is closed
	flushBy     time.Time     // until when observers are waited for; as err
}

// NewPool returns a pool of so many workers, 1 to 1,048,576, ready to use: its
// goroutines start when first needed, and end with [Pool.Close].
func NewPool(workers int, opts ...PoolOption) (_ *Pool, err error) {
	defer optionThrew(&err)
	if err := checkWorkers(workers); err != nil {
		return nil, err
	}
	cfg := poolConfig{newCommon("pool")}
	for _, o := range opts {
		if o == nil {
			return nil, fmt.Errorf("dray: NewPool: nil option")
		}
		if err := o.applyPool(&cfg); err != nil {
			return nil, err
		}
	}
	p := &Pool{over: make(chan struct{})}
	p.host = newHost(cfg.common, nil, engine.Config{
		Core: core.Config{Workers: workers, Capacity: Unbounded, NoQueue: true}, IdleTimeout: defaultIdleTimeout, Pool: true,
	})
	p.update(func(c *core.Core, _ time.Duration) { p.engine.Reopen(c); c.Open() })
	return p, nil
}

// Run runs fn on an idle worker and returns what it returns, a [*PanicError] if it panics, or
// [ErrGoexit]. If ctx ends first, Run returns its cause at once, and the context of fn, which
// has the values of ctx, is cancelled. Other errors: [ErrNoWorkers] at once when no worker is
// idle, [ErrNilFunc], [ErrClosed].
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
	t := &Task[struct{}]{queue: p.host}
	s := &submitted[struct{}]{t, func(c context.Context) (struct{}, error) {
		return struct{}{}, fn(valuesFrom{c, ctx})
	}}
	if err := p.take(s.run, s); err != nil {
		return err
	}
	_, err = t.await(ctx, done, p.host)
	return err
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

// poolJobs is what the jobs of all pools are made with.
var poolJobs = &policy{maxAttempts: 1, spec: core.PlainSpec}

// take gives fn to an idle worker, if there is one.
func (p *Pool) take(fn Func, end engine.Completion) error {
	return p.updateOpen(func(c *core.Core) error {
		if p.idle(c) == 0 {
			return ErrNoWorkers
		}
		j := p.newJob(context.Background(), fn, poolJobs)
		if end != nil {
			j.Ref = end
			end.Accepted(p.engine.LastID() + 1)
		}
		c.Accept(j, p.engine.TakeID(), p.engine.Now())
		return nil
	})
}

// Idle returns how many workers are free; 0 once the pool is closed, and after the end
// of Serve until it is served again.
func (p *Pool) Idle() int {
	idle := 0
	p.update(func(c *core.Core, _ time.Duration) { idle = p.idle(c) })
	return idle
}

func (p *Pool) idle(c *core.Core) int {
	if p.engine.Closed() || p.hold {
		return 0
	}
	s := c.Snapshot()
	return max(s.Idle-s.Pending, 0)
}

// Resize sets the number of workers, 1 to 1,048,576. When there are too many,
// those that are free leave at once and the others after what they run.
func (p *Pool) Resize(workers int) error { return p.resize(workers) }

// Start is there for symmetry with a queue: a pool is ready from the beginning. After
// the end of a Serve it lets it go on. It returns [ErrStarted] while it is started or
// served already, and [ErrClosed] after Close.
func (p *Pool) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.free(); err != nil {
		return err
	}
	p.started = true
	p.interrupted = false
	p.update(func(c *core.Core, _ time.Duration) {
		if p.hold {
			p.hold = false
			p.engine.Reopen(c)
			c.Open()
		}
	})
	return nil
}

// free says why the pool cannot be served now. It is called under mu.
func (p *Pool) free() error {
	switch {
	case p.closed:
		return ErrClosed
	case p.started || p.stopping != nil:
		return ErrStarted
	}
	return nil
}

// Serve is the pool as a [Service]: it waits until ctx ends, and may then be called
// again, as may [Pool.Start]. Only [Pool.Close] is final.
//
// At the end of ctx nothing more starts. What is running is cancelled with the cause
// [ErrShutdown] and given the shutdown timeout to return; what does not return by then goes on,
// and keeps its worker. If the [context.Cause] of ctx is [ErrRestart], which is what a
// [Supervisor] says to a child that it will start again, calls get [ErrNoWorkers] until then,
// or until the supervisor ends or gives that child up; else, and from then on, [ErrClosed].
// Serve returns nil, also after Close; or an error of Start.
func (p *Pool) Serve(ctx context.Context) error {
	done, err := doneOf(ctx)
	if err != nil {
		return err
	}
	if isClosed(done) {
		return p.serveNothing(isRestart(ctx))
	}
	if err := p.Start(); err != nil {
		return err
	}
	p.serveRun(ctx, done)
	return nil
}

// phases is Serve for a supervisor that the pool is a child of: once start has returned
// nil it takes work, and the next child may be started.
func (p *Pool) phases() (start, serve func(context.Context) error) {
	start = func(ctx context.Context) error {
		if isClosed(ctx.Done()) {
			return cmp.Or(p.serveNothing(isRestart(ctx)), causeOf(ctx))
		}
		return p.Start()
	}
	serve = func(ctx context.Context) error {
		p.serveRun(ctx, ctx.Done())
		return nil
	}
	return start, serve
}

func (p *Pool) serveRun(ctx context.Context, done <-chan struct{}) {
	select {
	case <-done:
		p.endRun(isRestart(ctx))
	case <-p.over:
	}
}

// serveNothing is Serve with a context that has ended.
func (p *Pool) serveNothing(restart bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.free(); err != nil {
		return err
	}
	p.suspend(restart)
	return nil
}

// suspend takes nothing more until the pool is served again. It is called under mu.
func (p *Pool) suspend(restart bool) {
	p.update(func(*core.Core, time.Duration) { p.hold = true })
	if !restart {
		p.engine.Refuse()
	}
}

// dropped has calls get ErrClosed if the last Serve has ended to be followed by another one, which
// there will not be: the pool's supervisor says so.
func (p *Pool) dropped() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unserved = p.stopping != nil // an abandoned child may be in the middle of its end
	if p.free() == nil {
		p.suspend(false)
	}
}

// endRun is what follows from the end of Serve's context, unless the pool is being
// closed.
func (p *Pool) endRun(restart bool) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		<-p.over
		return
	}
	ending := make(chan struct{})
	p.stopping = ending
	p.suspend(restart)
	p.mu.Unlock()
	end := p.timeUp()
	p.engine.InterruptTaken(end)
	p.engine.Close()
	p.mu.Lock()
	p.started, p.stopping, p.interrupted = false, nil, true
	if p.unserved {
		p.unserved = false
		p.engine.Refuse()
	}
	p.mu.Unlock()
	close(ending)
	if !restart {
		_ = p.flush(graceUntil(end))
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
	p.exemptCaller(nil)
	if first {
		p.engine.Refuse()
		guard.Go(p.end)
	}
	<-p.over
	if late := p.flush(p.flushBy); len(late) > 0 {
		return errors.Join(p.err, errors.Join(late...))
	}
	return p.err
}

// end is the one run of what Close does. What a Serve that ended has waited for in
// vain is not waited for again.
func (p *Pool) end() {
	p.mu.Lock()
	ending := p.stopping
	p.mu.Unlock()
	if ending != nil {
		<-ending
	}
	p.mu.Lock()
	interrupted := p.interrupted
	p.mu.Unlock()
	end := p.timeUp()
	if !interrupted {
		p.engine.InterruptTaken(end)
	}
	p.engine.Close()
	p.engine.StopTimer()
	r, last := p.leave(0)
	if len(r.Abandoned) > 0 {
		p.err = ErrStillRunning
	}
	p.flushOthers(end)
	p.emitLast(last, func(*core.Core) bool { return false })
	p.flushBy = graceUntil(end)
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
