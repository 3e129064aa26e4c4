package dray

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/jobctx"
)

// The methods of a user's context are user code. They are called on the goroutine of
// the call that was given it, outside of every lock, and before anything is done that
// would have to be undone. What they throw is the error of that call.

// endOf returns why ctx has ended, or nil: the cause, or what its Err says.
func endOf(ctx context.Context) (err error) {
	if ctx == context.Background() {
		return nil
	}
	defer contextThrew(&err)
	if err = ctx.Err(); err != nil {
		err = cmp.Or(context.Cause(ctx), err)
	}
	return err
}

// causeOf is endOf for a context whose Done channel is closed, whatever it says.
func causeOf(ctx context.Context) error {
	if err := endOf(ctx); err != nil {
		return err
	}
	return context.Canceled
}

// doneOf returns ctx's Done channel.
func doneOf(ctx context.Context) (done <-chan struct{}, err error) {
	defer contextThrew(&err)
	return ctx.Done(), nil
}

// insideOf returns the context of the job that ctx belongs to, or nil.
func insideOf(ctx context.Context) (c jobctx.Context, err error) {
	defer contextThrew(&err)
	return jobctx.From(ctx), nil
}

func contextThrew(err *error) {
	if v := recover(); v != nil {
		*err = errs.Wrapf(newPanicError(v), "context")
	}
}

// JobFrom returns the job that ctx, or a context derived from it, belongs to. It
// reports false outside a job, and once the attempt has ended.
func JobFrom(ctx context.Context) (info JobInfo, ok bool) {
	c := jobctx.From(ctx)
	if c == nil {
		return JobInfo{}, false
	}
	ok = engine.WhileRunning(c, func(h engine.Host, r *core.Run) { info = hostOf(h).jobInfo(core.InfoOfRun(r)) })
	return info, ok
}

// Progress says how far the job that ctx belongs to has come: done of total, in
// units of its own. It shows in Jobs and in [JobProgress] events, and does
// nothing outside a job.
func Progress(ctx context.Context, done, total int64) {
	c := jobctx.From(ctx)
	if c == nil {
		return
	}
	engine.Progress(c, done, total, func(h engine.Host, r *core.Run) {
		if h := hostOf(h); h.wants(JobProgress) {
			h.emit(Event{Kind: JobProgress, Job: h.jobInfo(core.InfoOfRun(r))})
		}
	})
}

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

// An extra is what is needed to run a job that has more than a function.
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

// Values are those of the context that the job was enqueued with.
func (x *extra) Values() *jobctx.Values { return x.values }

// attach makes x the extra of j, which then runs by it.
func (x *extra) attach(j *core.Job) {
	j.Extra = x
	if len(x.levels) > 0 {
		j.Fn = x.run
	}
}

// run is the job where the queue has no middleware: the context is as the worker gave it.
func (x *extra) run(ctx context.Context) error {
	h, j := engine.JobOf(ctx.(jobctx.Context)) //nolint:forcetypeassert // see there
	return x.levels[0](ctx, hostOf(h).jobOf(j))
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

// jobOf makes what the middleware sees of the worker's job.
func (h *host) jobOf(j engine.Job) *Job {
	r := j.Record
	if r == nil {
		return &Job{ID: ID(j.ID), Attempt: 1, EnqueuedAt: h.clock.Tell(j.At), fn: j.Fn}
	}
	seen := &Job{ID: ID(r.ID), Kind: r.Kind, Label: r.Label, Attempt: r.Attempt, EnqueuedAt: h.clock.Tell(r.EnqueuedAt), fn: Func(r.Fn)}
	if x := extraOf(r); x != nil {
		seen.fn, seen.levels = x.fn, x.levels
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
