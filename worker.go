package dray

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/jobctx"
	"github.com/a622d8ee/dray/internal/scheduler"
)

// Job is what a [Middleware] sees of the job around which it is called.
type Job struct {
	ID         ID
	Kind       string
	Label      string
	Attempt    int
	EnqueuedAt time.Time
	fn         Func
	levels     []Handler // the middleware of the kind, and of the call, as far as there is some
	lock       *runLock  // around all of it; nil without
}

// Handler runs a job; see [Middleware].
type Handler func(ctx context.Context, j *Job) error

// Middleware wraps the running of jobs, as with net/http: see [WithMiddleware]. It
// must call next at most once, on the goroutine on which it is called.
type Middleware func(next Handler) Handler

// A jobData is what is needed to run a job that has more than a function.
type jobData struct {
	fn     Func              // without the middleware
	levels []Handler         // as Job's
	values *jobctx.Values    // of the caller's context; nil without
	task   string            // whose run it is; empty for none, as are those below
	due    scheduler.DueTime // when that run was
	clock  *clock.Clock      // that tells it
	lock   *runLock          // as Job's
}

// wrap gives j its extra.
func wrap(j *core.Job, ctx context.Context, p *policy) { //nolint:revive // j is the receiver in all but form
	x := &jobData{fn: j.Fn, levels: p.levels}
	if p.values {
		inside, _ := insideOf(ctx) // policy.ask has seen that it does not throw
		x.values = jobctx.ValuesOf(ctx, inside)
	}
	x.attach(j)
}

// Values are those of the context that the job was enqueued with.
func (x *jobData) Values() *jobctx.Values { return x.values }

// attach makes x the extra of j, which then runs by it.
func (x *jobData) attach(j *core.Job) {
	j.HostData = x
	if len(x.levels) > 0 || x.lock != nil {
		j.Fn = x.run
	}
}

// run is the job where the queue has no middleware: the context is as the worker gave it.
func (x *jobData) run(ctx context.Context) error {
	h, j := engine.JobOf(ctx.(jobctx.Context)) //nolint:forcetypeassert // see there
	return hostOf(h).jobOf(j).within(ctx, first)
}

// first is the job with the middleware of all levels.
var first = level(0)

// within runs the job within h, and that within what has to see how it ends.
func (j *Job) within(ctx context.Context, h Handler) error {
	if j.lock != nil {
		return j.lock.attempt(ctx, h, j)
	}
	return h(ctx, j)
}

// dataOf returns j's extra, or nil.
func dataOf(j *core.Job) *jobData {
	if j == nil {
		return nil
	}
	x, _ := j.HostData.(*jobData)
	return x
}

// funcOf returns what was enqueued as j, without any middleware.
func funcOf(j *core.Job) Func {
	if x := dataOf(j); x != nil {
		return x.fn
	}
	return j.Fn
}

// withFunc lets j run fn instead.
func withFunc(j *core.Job, fn Func) {
	j.Fn = fn
	if x := dataOf(j); x != nil {
		other := *x
		other.fn = fn
		other.attach(j)
	}
}

// jobOf makes what the middleware sees of the worker's job.
func (h *host) jobOf(j engine.Job) *Job {
	r := j.Record
	if r == nil {
		return &Job{ID: ID(j.ID), Attempt: 1, EnqueuedAt: h.clock.Tell(j.At), fn: j.Fn}
	}
	seen := &Job{ID: ID(r.ID), Kind: r.Kind, Label: r.Label, Attempt: r.Attempt, EnqueuedAt: h.clock.Tell(r.EnqueuedAt), fn: Func(r.Fn)}
	if x := dataOf(r); x != nil {
		seen.fn, seen.levels, seen.lock = x.fn, x.levels, x.lock
	}
	return seen
}

// level returns what the middleware of one level is around: that of the next, if
// the job at hand has some, or the job. So each level is made once, and what a
// middleware of a kind remembers holds for all jobs of the kind.
func level(n int) Handler {
	return func(ctx context.Context, j *Job) error {
		if n < len(j.levels) {
			return j.levels[n](ctx, j)
		}
		return j.fn(ctx)
	}
}

// chain makes one handler of the middleware around h, the first outermost; nil
// without. It calls foreign code.
func chain(ms []Middleware, h Handler) (_ Handler, err error) {
	if len(ms) == 0 {
		return nil, nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = errs.Wrapf(newPanicError(v), "WithMiddleware")
		}
	}()
	for _, m := range slices.Backward(ms) {
		if h = m(h); h == nil {
			return nil, errs.Wrapf(ErrNilFunc, "WithMiddleware: it returned a nil handler")
		}
	}
	return h, nil
}

// What follows a worker (see package engine) asks of a job that has not ended well, and it is
// user code: a panic or Goexit in here is the worker's to see to.

// Judge looks at the error of a job and says what it comes to. It is the only
// place that calls methods of such an error.
func (h hooks) Judge(err error, thrown bool) core.Result {
	if p, ok := err.(*PanicError); ok && thrown { //nolint:errorlint // Caught's
		p.text = errs.Text(p.Value)
	}
	f, safe := inspect(err)
	r := core.Result{Kind: core.Error, Err: safe}
	switch {
	case thrown || f.thrown: // a snooze that is thrown is a panic
		r.Kind = core.Panic
	case f.snooze != nil && !h.pooled:
		r.Kind, r.Snooze = core.Snooze, f.snooze.delay
	case err == error(f.discard): //nolint:errorlint // else what it is wrapped in says more
		r.Err = f.discard.reason()
		f.text, _ = textOf(r.Err)
	}
	r.Final = f.discard != nil && r.Kind != core.Snooze
	if r.Kind == core.Panic {
		r.Stack = f.panic.Stack
	}
	if h.bus != nil {
		r.Note = new(f.note)
	}
	return r
}

// Delay asks j's backoff function.
func (hooks) Delay(j *core.Job) (d time.Duration) {
	defer func() {
		if recover() != nil {
			d = engine.ThrownDelay
		}
	}()
	backoff := j.Backoff
	if backoff == nil {
		backoff = defaultBackoff
	}
	return min(max(backoff(j.Attempt), 0), maxDelay)
}

// maxStack bounds the stacks kept in errors and events.
const maxStack = 16 << 10

// stacks has room for one stack each.
var stacks = sync.Pool{New: func() any { return new([maxStack]byte) }}

// newPanicError captures the stack of the panic being recovered.
func newPanicError(v any) *PanicError {
	buf := stacks.Get().(*[maxStack]byte) //nolint:forcetypeassert // the pool's own
	defer stacks.Put(buf)
	return &PanicError{Value: v, Stack: bytes.Clone(buf[:runtime.Stack(buf[:], false)])}
}
