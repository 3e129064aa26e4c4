package dray

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/a622d8ee/dray/internal/core"
)

// A jobContext is the context of one attempt at one job. Most jobs never look at
// theirs, so it is a single byte, cut from a page, and becomes a standard context
// only when first used. It stays that job's for ever: after the job has ended it
// is cancelled, whoever still holds it.
//
// The byte says which of the page's contexts it is. That is enough to find the
// page: see page.
type jobContext uint8

// A contextPage is what the contexts cut from it share.
type contextPage struct {
	w     *worker                     // immutable
	last  atomic.Pointer[stdContext]  // the one asked for last, so that a job finds its own quickly
	used  map[*jobContext]*stdContext // under the engine's lock
	cells [pageLen]jobContext         // immutable
}

// pageLen makes a page fill the 256-byte size class.
const pageLen = 232

// numbered is what the cells of every page are: each holds its own number.
var numbered = func() (cells [pageLen]jobContext) {
	for i := range cells {
		cells[i] = jobContext(i)
	}
	return cells
}()

// page returns the page that c is part of: c is the cell number *c of it, so it
// begins that many bytes, and those before the cells, below. To keep a pointer to
// it in each context instead would make the plainest of jobs cost half as much
// again, most of that in the garbage collector (docs/performance.md).
func (c *jobContext) page() *contextPage {
	before := int(unsafe.Offsetof(contextPage{}.cells)) + int(*c)
	return (*contextPage)(unsafe.Add(unsafe.Pointer(c), -before)) //nolint:gosec // within one object
}

// stdContext is what a jobContext becomes.
type stdContext struct {
	context.Context
	of     *jobContext
	cancel context.CancelCauseFunc
	stop   context.CancelFunc // of the deadline's timer
}

// A page is turned before its end when so many of its contexts were used, because
// what was used stays in memory for as long as the page.
const maxUsed = 8

// beginContext gives the job that begins a stretch its context, under the engine's
// lock, and sees to it that the page has one for each of the others.
func (w *worker) beginContext() {
	if w.page == nil || len(w.page.used) >= maxUsed || w.cut+w.pace.length > pageLen {
		w.page, w.cut = &contextPage{w: w, cells: numbered}, 0
	}
	w.cut++
}

// context is that of the job at run.
func (w *worker) context() *jobContext { return &w.page.cells[w.cut-1] }

// endContext cancels the context of the job that has ended, under the engine's lock.
func (w *worker) endContext() {
	if w.std != nil {
		w.endStd()
	}
}

func (w *worker) endStd() {
	w.std.end(context.Canceled)
	w.std = nil
}

// live reports, under the engine's lock, whether the job that c was made for is running.
func (c *jobContext) live() bool {
	w := c.page().w
	return w.run.ID != 0 && w.context() == c
}

func (s *stdContext) end(cause error) {
	s.cancel(cause)
	s.stop()
}

// std returns the standard context behind c.
func (c *jobContext) std() *stdContext {
	p := c.page()
	if s := p.last.Load(); s != nil && s.of == c {
		return s
	}
	e := p.w.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	s := p.used[c]
	if s == nil {
		if p.used == nil {
			p.used = map[*jobContext]*stdContext{}
		}
		s = e.newStd(c)
		p.used[c] = s
	}
	p.last.Store(s)
	return s
}

// newStd makes the standard context, in the state in which the job is by now.
func (e *engine) newStd(c *jobContext) *stdContext {
	base := e.base
	if x := extraOf(c.page().w.run.Job); x != nil && x.values != nil && c.live() {
		base = valuesFrom{x.values, e.base}
	}
	ctx, cancel := context.WithCancelCause(base)
	s := &stdContext{Context: ctx, of: c, cancel: cancel, stop: func() {}}
	if !c.live() {
		cancel(context.Canceled)
		return s
	}
	r := &c.page().w.run
	if end, cause := r.Until(); cause != core.NotCancelled {
		s.Context, s.stop = context.WithDeadlineCause(ctx, e.wall(end), causeError(cause))
	}
	if r.Cause != core.NotCancelled {
		cancel(causeError(r.Cause))
	}
	c.page().w.std = s
	return s
}

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
func insideOf(ctx context.Context) (c *jobContext, err error) {
	defer contextThrew(&err)
	c, _ = ctx.Value(jobKey{}).(*jobContext)
	return c, nil
}

func contextThrew(err *error) {
	if v := recover(); v != nil {
		*err = wrapf(newPanicError(v), "context")
	}
}

// JobFrom returns the job that ctx, or a context derived from it, belongs to. It
// reports false outside a job, and once the attempt has ended.
func JobFrom(ctx context.Context) (JobInfo, bool) {
	c, ok := ctx.Value(jobKey{}).(*jobContext)
	if !ok {
		return JobInfo{}, false
	}
	e := c.page().w.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if !c.live() {
		return JobInfo{}, false
	}
	return e.jobInfo(core.InfoOfRun(&c.page().w.run)), true
}

// Progress says how far the job that ctx belongs to has come: done of total, in
// units of its own. It shows in Jobs and in [JobProgress] events, and does
// nothing outside a job.
func Progress(ctx context.Context, done, total int64) {
	c, ok := ctx.Value(jobKey{}).(*jobContext)
	if !ok {
		return
	}
	e := c.page().w.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if !c.live() {
		return
	}
	e.core.Progress(&c.page().w.run, done, total)
	e.herald.emit(JobProgress{moment(), e.jobInfo(core.InfoOfRun(&c.page().w.run)), done, total})
}
