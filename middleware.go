package dray

import (
	"context"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/jobctx"
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
}

// Handler runs a job; see [Middleware].
type Handler func(ctx context.Context, j *Job) error

// Middleware wraps the running of jobs, as with net/http: see [WithMiddleware]. It
// must call next at most once, on the goroutine on which it is called.
type Middleware func(next Handler) Handler

// An extra is what the engine needs to run a job that has more than a function.
type extra struct {
	fn     Func           // without the middleware
	levels []Handler      // as Job's
	values *jobctx.Values // of the caller's context; nil without
	task   string         // whose run it is; empty for none, as are those below
	due    dueTime        // when that run was
	clock  *clock.Clock   // that tells it
}

// wrap gives j its extra.
func wrap(j *core.Job, ctx context.Context, p *policy) { //nolint:revive // j is the receiver in all but form
	x := &extra{fn: j.Fn, levels: p.levels}
	if p.values {
		inside, _ := insideOf(ctx) // policy.ask has seen that it does not throw
		x.values = jobctx.ValuesOf(ctx, inside)
	}
	x.attach(j)
}

// attach makes x the extra of j, which then runs by it.
func (x *extra) attach(j *core.Job) {
	j.Extra = x
	if len(x.levels) > 0 {
		j.Fn = x.run
	}
}

// run is the job where the queue has no middleware: the context is as the worker gave it.
func (x *extra) run(ctx context.Context) error {
	return x.levels[0](ctx, workerOf(jobctx.OwnerOf(ctx.(jobctx.Context))).job()) //nolint:forcetypeassert // see there
}

// extraOf returns j's extra, or nil.
func extraOf(j *core.Job) *extra {
	if j == nil {
		return nil
	}
	x, _ := j.Extra.(*extra)
	return x
}

// funcOf returns what was enqueued as j, without any middleware.
func funcOf(j *core.Job) Func {
	if x := extraOf(j); x != nil {
		return x.fn
	}
	return j.Fn
}

// withFunc lets j run fn instead.
func withFunc(j *core.Job, fn Func) {
	j.Fn = fn
	if x := extraOf(j); x != nil {
		other := *x
		other.fn = fn
		other.attach(j)
	}
}

// job makes what the middleware sees of the worker's job.
func (w *worker) job() *Job {
	r := w.record
	if r == nil {
		return &Job{ID: ID(w.id), Attempt: 1, EnqueuedAt: w.engine.clock.Tell(w.at), fn: w.fn}
	}
	j := &Job{ID: ID(r.ID), Kind: r.Kind, Label: r.Label, Attempt: r.Attempt, EnqueuedAt: w.engine.clock.Tell(r.EnqueuedAt), fn: r.Fn}
	if x := extraOf(r); x != nil {
		j.fn, j.levels = x.fn, x.levels
	}
	return j
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
