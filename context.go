package dray

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
)

// A jobContext is the context of one attempt at one job. Most jobs never look at
// theirs, so it is a single byte, cut from a page, and becomes a standard context
// only when first used. It stays that job's for ever: after the job has ended it
// is cancelled, whoever still holds it.
//
// The byte says which of the page's contexts it is. That is enough to find the
// page: see page.
type jobContext uint8

// A contextPage is what the contexts cut from it share. A context that is kept keeps
// its page, so that must lead nowhere else: once its worker has turned it, or left, it
// has no worker any more, and with that no engine, no queue and no other job. What
// remains is the values that its jobs had in common, and at most maxUsed standard
// contexts, all ended.
type contextPage struct {
	worker atomic.Pointer[worker]      // that cuts contexts from it; nil once it does not any more
	base   context.Context             // immutable: where the values are from
	last   atomic.Pointer[stdContext]  // the one asked for last, so that a job finds its own quickly
	used   map[*jobContext]*stdContext // under the engine's lock; not changed any more without a worker
	cells  [pageLen]jobContext         // immutable
}

// pageLen makes a page fill the 256-byte size class.
const pageLen = 216

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
	clock  *clock // leads nowhere else
	cancel context.CancelCauseFunc
	stop   context.CancelFunc // of the deadline's timer
}

// A page is turned before its end when so many of its contexts were used, because
// what was used stays in memory for as long as the page.
const maxUsed = 8

// beginContext gives the job that begins a stretch its context, under the engine's
// lock, and sees to it that the page has one for each of the others. A job with values
// of its own has a page of its own.
func (w *worker) beginContext() {
	p, base := w.page, context.Context(w.engine.base)
	if o := originOf(w.run.Job); o != nil {
		base = &inherited{w.engine.base, o}
	}
	if p == nil || p.base != base || len(p.used) >= maxUsed || w.cut+w.pace.length > pageLen {
		w.leavePage()
		w.page, w.cut = &contextPage{base: base, cells: numbered}, 0
		w.page.worker.Store(w)
	}
	w.cut++
}

// leavePage lets the worker take its next context from another page, under the engine's lock.
func (w *worker) leavePage() {
	if w.page != nil {
		w.page.worker.Store(nil)
		w.page = nil
	}
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

func (s *stdContext) end(cause error) {
	s.cancel(cause)
	s.stop()
}

// runsOn reports, under the engine's lock, whether the job that c was made for is
// running on w.
func (c *jobContext) runsOn(w *worker) bool {
	return w.run.ID != 0 && w.page == c.page() && w.context() == c
}

// running calls do with the worker on which the job that c was made for is running,
// under the engine's lock, or reports false if it has ended.
func (c *jobContext) running(do func(w *worker)) bool {
	w := c.page().worker.Load()
	if w == nil {
		return false
	}
	w.engine.mu.Lock()
	defer w.engine.mu.Unlock()
	if !c.runsOn(w) {
		return false
	}
	do(w)
	return true
}

// std returns the standard context behind c: nil if the attempt had ended before it
// was first used, so that none was ever needed.
func (c *jobContext) std() *stdContext {
	p := c.page()
	if s := p.last.Load(); s != nil && s.of == c {
		return s
	}
	s := p.find(c)
	if s != nil {
		p.last.Store(s)
	}
	return s
}

func (p *contextPage) find(c *jobContext) *stdContext {
	w := p.worker.Load()
	if w == nil {
		return p.used[c] // all that was written there was before the worker left
	}
	w.engine.mu.Lock()
	defer w.engine.mu.Unlock()
	s := p.used[c]
	if s == nil && c.runsOn(w) {
		if p.used == nil {
			p.used = map[*jobContext]*stdContext{}
		}
		s = w.newStd(c)
		p.used[c] = s
	}
	return s
}

// newStd makes the standard context of the job at run, in the state in which that is by now.
func (w *worker) newStd(c *jobContext) *stdContext {
	ctx, cancel := context.WithCancelCause(w.page.base)
	s := &stdContext{Context: ctx, of: c, clock: w.engine.clock, cancel: cancel, stop: func() {}}
	r := &w.run
	if end, cause := r.Until(); cause != core.NotCancelled {
		s.Context, s.stop = context.WithDeadlineCause(ctx, w.engine.epoch.Add(end), causeError(cause))
	}
	if r.Cause != core.NotCancelled {
		cancel(causeError(r.Cause))
	}
	w.std = s
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

// A context first used after its attempt has been cancelled all along, as far as
// anybody can tell.

func (c *jobContext) Deadline() (end time.Time, ok bool) {
	s := c.std()
	if s == nil {
		return time.Time{}, false
	}
	if end, ok = s.Deadline(); ok {
		end = s.clock.tellTime(end)
	}
	return end, ok
}

// ended is the Done of all contexts that were not used in time.
var ended = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (c *jobContext) Done() <-chan struct{} {
	if s := c.std(); s != nil {
		return s.Done()
	}
	return ended
}

func (c *jobContext) Err() error {
	if s := c.std(); s != nil {
		return s.Err()
	}
	return context.Canceled
}

// jobKey is the key under which a jobContext gives itself away.
type jobKey struct{}

func (c *jobContext) Value(key any) any {
	if key == (jobKey{}) {
		return c
	}
	if s := c.std(); s != nil {
		return s.Value(key)
	}
	return c.page().base.Value(key)
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

// contextOf returns the context of the job that ctx is, or is derived from, or nil.
// It calls user code.
func contextOf(ctx context.Context) *jobContext {
	c, _ := ctx.Value(jobKey{}).(*jobContext)
	return c
}

// insideOf returns the context of the job that ctx belongs to, or nil.
func insideOf(ctx context.Context) (c *jobContext, err error) {
	defer contextThrew(&err)
	return contextOf(ctx), nil
}

func contextThrew(err *error) {
	if v := recover(); v != nil {
		*err = errs.Wrapf(newPanicError(v), "context")
	}
}

// JobFrom returns the job that ctx, or a context derived from it, belongs to. It
// reports false outside a job, and once the attempt has ended.
func JobFrom(ctx context.Context) (info JobInfo, ok bool) {
	c := contextOf(ctx)
	if c == nil {
		return JobInfo{}, false
	}
	ok = c.running(func(w *worker) { info = w.engine.jobInfo(core.InfoOfRun(&w.run)) })
	return info, ok
}

// Progress says how far the job that ctx belongs to has come: done of total, in
// units of its own. It shows in Jobs and in [JobProgress] events, and does
// nothing outside a job.
func Progress(ctx context.Context, done, total int64) {
	c := contextOf(ctx)
	if c == nil {
		return
	}
	c.running(func(w *worker) {
		e := w.engine
		e.core.Progress(&w.run, done, total)
		e.herald.emit(JobProgress{e.clock.now(), e.jobInfo(core.InfoOfRun(&w.run)), done, total})
	})
}
