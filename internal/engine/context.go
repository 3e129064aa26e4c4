package engine

import (
	"context"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/jobctx"
	"github.com/a622d8ee/dray/internal/span"
)

// values is a context, as far as its values go.
type values struct{ context.Context }

// SetValues lets the contexts of the jobs have the values of ctx. It is called in an update, or
// before there are jobs.
func (e *Engine) SetValues(ctx context.Context) { e.base.Store(&values{ctx}) }

// beginContext gives the job at hand its context.
func (w *Worker) beginContext() {
	queue := w.engine.base.Load()
	if w.record == nil && w.base == queue && w.contexts.Again(w.mark()) {
		return
	}
	base := context.Context(queue)
	w.base = queue
	if v := valuesOf(w.record); v != nil {
		base = v.Over(base)
		w.base = nil
	}
	w.contexts.Begin(base, w.mark())
}

// valuesOf returns those that only this job has, or nil.
func valuesOf(j *core.Job) *jobctx.Values {
	if j == nil || j.HostData == nil {
		return nil
	}
	return j.HostData.(HostData).Values() //nolint:forcetypeassert // see HostData
}

// Bounds is what ends the context of the job at hand.
func (w *Worker) Bounds() (b jobctx.Bounds) {
	if u := w.until.Load(); u != nil {
		b.Deadline, b.Cause = u.at, u.why
	} else if t := w.timeout.Load(); t > 0 {
		b.Deadline, b.Cause = w.engine.origin.Add(span.Sum(time.Duration(w.began.Load()), time.Duration(t))), core.ErrTimeout
	}
	if cause := core.Cause(w.cause.Load()); cause != core.NotCancelled { //nolint:gosec // it is one
		b.Ended = cause.Err()
	}
	return b
}
