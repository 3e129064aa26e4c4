package dray

import (
	"cmp"
	"context"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/jobctx"
)

// queueValues is the context that Serve was called with, as far as its values go.
type queueValues struct{ context.Context }

// beginContext gives the job that begins a stretch its context, under the engine's lock.
func (w *worker) beginContext() {
	base := context.Context(w.engine.base)
	if x := extraOf(w.run.Job); x != nil && x.values != nil {
		base = x.values.Over(base)
	}
	w.contexts.Begin(base, w.pace.length)
}

// There are contexts for every stretch.
const _ = uint(jobctx.MaxStretch - longest)

// Bounds is what ends the context of the job at run, under the engine's lock.
func (w *worker) Bounds() (b jobctx.Bounds) {
	r := &w.run
	if end, cause := r.Until(); cause != core.NotCancelled {
		b.Deadline, b.Cause = w.engine.epoch.Add(end), causeError(cause)
	}
	if r.Cause != core.NotCancelled {
		b.Ended = causeError(r.Cause)
	}
	return b
}

// workerOf returns the worker that o is: in this package all owners of contexts are.
func workerOf(o jobctx.Owner) *worker { return o.(*worker) } //nolint:forcetypeassert // see above

// causeError is what context.Cause says inside the job.
func causeError(c core.Cause) error {
	switch c {
	case core.TimedOut:
		return ErrTimeout
	case core.Expired:
		return ErrDeadline
	case core.Shutdown:
		return ErrShutdown
	default:
		return ErrCancelled
	}
}

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
	ok = jobctx.WhileRunning(c, func(o jobctx.Owner) {
		w := workerOf(o)
		info = w.engine.jobInfo(core.InfoOfRun(&w.run))
	})
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
	jobctx.WhileRunning(c, func(o jobctx.Owner) {
		w := workerOf(o)
		e := w.engine
		e.core.Progress(&w.run, done, total)
		if e.wants(JobProgress) {
			e.emit(Event{Kind: JobProgress, Job: e.jobInfo(core.InfoOfRun(&w.run))})
		}
	})
}
