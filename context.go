package dray

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

// A jobContext is the context of one attempt at one job. Most jobs never look at
// theirs, so it is small, cut from a slab, and becomes a standard context only
// when first used. It stays that job's for ever: after the job has ended it is
// cancelled, whoever still holds it.
type jobContext struct {
	w     *worker
	seq   uint64
	inner atomic.Pointer[stdContext] // set once, under the engine's lock
}

// stdContext is what a jobContext becomes.
type stdContext struct {
	context.Context
	cancel context.CancelCauseFunc
	stop   context.CancelFunc // of the deadline's timer
}

// slab is how many contexts are made at once: 24 bytes each, 2 KiB.
const slab = 85

// newContext returns the context for the job that the worker is about to run.
func (w *worker) newContext() *jobContext {
	if len(w.contexts) == 0 {
		w.contexts = make([]jobContext, slab)
	}
	c := &w.contexts[0]
	w.contexts = w.contexts[1:]
	c.w, c.seq = w, w.seq
	return c
}

// endContext cancels the context of the job that has ended, under the engine's lock.
func (w *worker) endContext() {
	w.seq++
	if w.inner != nil {
		w.inner.end(context.Canceled)
		w.inner = nil
	}
}

func (s *stdContext) end(cause error) {
	s.cancel(cause)
	s.stop()
}

// std returns the standard context behind c.
func (c *jobContext) std() *stdContext {
	if s := c.inner.Load(); s != nil {
		return s
	}
	c.w.engine.mu.Lock()
	defer c.w.engine.mu.Unlock()
	if s := c.inner.Load(); s != nil {
		return s
	}
	s := c.w.engine.newStd(c)
	c.inner.Store(s)
	return s
}

// newStd makes the standard context, in the state in which the job is by now.
func (e *engine) newStd(c *jobContext) *stdContext {
	ctx, cancel := context.WithCancelCause(e.base)
	s := &stdContext{Context: ctx, cancel: cancel, stop: func() {}}
	if c.seq != c.w.seq {
		cancel(context.Canceled)
		return s
	}
	r := &c.w.run
	if r.Job != nil && r.Job.Timeout > 0 {
		s.Context, s.stop = context.WithDeadlineCause(ctx, e.wall(r.StartedAt+r.Job.Timeout), ErrTimeout)
	}
	if r.Cause != core.NotCancelled {
		cancel(causeError(r.Cause))
	}
	c.w.inner = s
	return s
}

// causeError is what context.Cause says inside the job.
func causeError(c core.Cause) error {
	switch c {
	case core.TimedOut:
		return ErrTimeout
	case core.Shutdown:
		return ErrShutdown
	default:
		return ErrCancelled
	}
}

func (c *jobContext) Deadline() (time.Time, bool) { return c.std().Deadline() }
func (c *jobContext) Done() <-chan struct{}       { return c.std().Done() }
func (c *jobContext) Err() error                  { return c.std().Err() }

// jobKey is the key under which a jobContext gives itself away.
type jobKey struct{}

func (c *jobContext) Value(key any) any {
	if key == (jobKey{}) {
		return c
	}
	return c.std().Value(key)
}

func (c *jobContext) String() string { return "dray.Job" }

// JobFrom returns the job that ctx, or a context derived from it, belongs to. It
// reports false outside a job, and once the attempt has ended.
func JobFrom(ctx context.Context) (JobInfo, bool) {
	c, ok := ctx.Value(jobKey{}).(*jobContext)
	if !ok {
		return JobInfo{}, false
	}
	e := c.w.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.seq != c.w.seq || c.w.run.ID == 0 {
		return JobInfo{}, false
	}
	return e.jobInfo(core.InfoOfRun(&c.w.run)), true
}

// Progress says how far the job that ctx belongs to has come: done of total, in
// units of its own. It shows in Jobs and in [JobProgress] events, and does
// nothing outside a job.
func Progress(ctx context.Context, done, total int64) {
	c, ok := ctx.Value(jobKey{}).(*jobContext)
	if !ok {
		return
	}
	e := c.w.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.seq != c.w.seq || c.w.run.ID == 0 {
		return
	}
	c.w.run.Done, c.w.run.Total = done, total
	e.herald.emit(JobProgress{moment(), e.jobInfo(core.InfoOfRun(&c.w.run)), done, total})
}

// runsOn reports whether ctx belongs to a running job of this engine.
func (e *engine) runsOn(ctx context.Context) bool {
	c, ok := ctx.Value(jobKey{}).(*jobContext)
	return ok && c.w.engine == e && c.w.run.ID != 0 && c.seq == c.w.seq
}
