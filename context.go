package dray

import (
	"cmp"
	"context"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/jobctx"
)

// The methods of a user's context are user code. They are called on the goroutine of
// the call that was given it, outside of every lock, and before anything is done that
// would have to be undone. What they throw is the error of that call.

// endOf returns why ctx has ended, or nil: the cause, or what its Err says.
func endOf(ctx context.Context) error {
	if ctx == context.Background() {
		return nil
	}
	return askEnd(ctx)
}

// askEnd is endOf for all but the background context, of which it need not be asked: with its
// deferred call it is not inlined, and endOf is.
func askEnd(ctx context.Context) (err error) {
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

// isClosed reports whether done is closed, which nothing is ever sent to.
func isClosed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
