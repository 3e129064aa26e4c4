package dray

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
	"github.com/a622d8ee/dray/internal/errs"
)

// A Queue runs jobs in the order in which they are enqueued, on a bounded set of
// workers, under supervision. All methods may be called by anyone at any time:
// concurrently, before the start, after the end, and from inside a job of the queue.
//
// A queue is made by [New]; the zero value is not usable.
type Queue struct {
	*host
	scheduler *Scheduler  // immutable
	tree      *Supervisor // immutable: owner, pool, scheduler
	jobs      policy      // immutable: the queue's defaults

	kindsMu sync.RWMutex
	kinds   map[string]policy // registered with Handle: their defaults

	lifecycle lifecycle
}

// New returns a queue that accepts jobs, and starts none before [Queue.Start] or
// [Queue.Serve]. It starts no goroutine. An option that makes no sense is an error.
func New(opts ...Option) (_ *Queue, err error) {
	defer optionThrew(&err)
	cfg := defaultConfig()
	for _, o := range opts {
		if o == nil {
			return nil, fmt.Errorf("dray: New: nil option")
		}
		if err := o.applyQueue(&cfg); err != nil {
			return nil, err
		}
	}
	handler, err := chain(cfg.middleware, level(0))
	if err != nil {
		return nil, err
	}
	q := &Queue{
		host: newHost(cfg.common, handler, engine.Config{Core: cfg.core(), IdleTimeout: cfg.idleTimeout}),
		jobs: cfg.jobs, kinds: map[string]policy{},
	}
	q.plain = !cfg.jobs.set
	q.jobs.share()
	q.scheduler = newScheduler(q)
	q.lifecycle.init()
	for _, p := range cfg.periodic {
		if err := q.scheduler.schedule(p.name, p.when, p.fn, p.opts); err != nil {
			return nil, errs.Wrapf(err, "WithPeriodic(%q)", p.name)
		}
	}
	q.tree, err = newSupervisor(q.treeConfig())
	return q, err
}

// Enqueue accepts a job and returns at once: nil if it will be run, or else why
// not. Under [Block] it waits for room, until ctx ends. ctx bounds this call
// alone; the job gets a context of its own.
//
// Errors: [ErrNilFunc], [ErrClosed], [ErrQueueFull], [ErrDuplicate],
// [ErrGroupDone], that of an option or of a combination of options that makes no
// sense, or the cause of ctx's end. Without options and by default it allocates nothing.
func (q *Queue) Enqueue(ctx context.Context, fn Func, opts ...JobOption) error {
	if fn == nil {
		return ErrNilFunc
	}
	if err := endOf(ctx); err != nil {
		return err
	}
	if len(opts) == 0 && q.plain {
		if posted, closed := q.engine.Post(fn); posted {
			return nil
		} else if closed {
			return ErrClosed
		}
	}
	_, err := q.enqueue(ctx, fn, &q.jobs, false, nil, opts)
	return err
}

// EnqueueSync is [Queue.Enqueue], and says where the job stands in line.
func (q *Queue) EnqueueSync(ctx context.Context, fn Func, opts ...JobOption) (Receipt, error) {
	if err := endOf(ctx); err != nil {
		return Receipt{}, err
	}
	if fn != nil && len(opts) == 0 && q.plain {
		if r, done := q.engine.OfferPlain(fn); done {
			return Receipt{ID(r.ID), r.Position}, nil
		}
	}
	return q.enqueue(ctx, fn, &q.jobs, true, nil, opts)
}

// enqueue is the way of every job that needs a record: one with options, of a
// kind, or whose caller wants to know more than that it was accepted, such as where it is placed.
func (q *Queue) enqueue(
	ctx context.Context, fn Func, base *policy, placed bool, end engine.Completion, opts []JobOption,
) (Receipt, error) {
	if fn == nil {
		return Receipt{}, ErrNilFunc
	}
	p, err := base.call(opts)
	defer base.done(p)
	if err != nil {
		return Receipt{}, err
	}
	if err := cmp.Or(p.check(q, 1), p.ask(ctx)); err != nil {
		return Receipt{}, err
	}
	j := q.newJob(ctx, fn, p)
	if end != nil {
		j.Ref = end
	}
	r, err := q.offer(ctx, j, placed)
	if err == nil {
		q.accepted()
	}
	return r, err
}

// Pause starts no more jobs until [Queue.Resume]; running ones go on, and new
// ones are accepted. It returns [ErrClosed] once a shutdown has begun, and while the queue
// waits to be served again.
func (q *Queue) Pause() error { return q.pause((*core.Core).Pause, QueuePaused, "") }

// Resume ends [Queue.Pause]. It returns [ErrClosed] when that does.
func (q *Queue) Resume() error { return q.pause((*core.Core).Resume, QueueResumed, "") }

// PauseKind is [Queue.Pause] for the jobs of one kind. It returns
// [ErrUnknownKind] if the kind was never registered with [Handle], and [ErrClosed] when Pause does.
func (q *Queue) PauseKind(kind string) error {
	return q.pauseKind(kind, (*core.Core).PauseKind, QueuePaused)
}

// ResumeKind ends [Queue.PauseKind]; the jobs that were held back go first. Errors are those of
// PauseKind.
func (q *Queue) ResumeKind(kind string) error {
	return q.pauseKind(kind, (*core.Core).ResumeKind, QueueResumed)
}

func (q *Queue) pauseKind(kind string, change func(*core.Core, string) bool, event EventKind) error {
	q.kindsMu.RLock()
	_, known := q.kinds[kind]
	q.kindsMu.RUnlock()
	if !known {
		return ErrUnknownKind
	}
	return q.pause(func(c *core.Core) bool { return change(c, kind) }, event, kind)
}

// pause makes a change of that sort, unless the queue is closed.
func (q *Queue) pause(change func(*core.Core) bool, event EventKind, kind string) error {
	return q.updateOpen(func(c *core.Core) error {
		if change(c) {
			q.emit(Event{Kind: event, Name: kind})
		}
		return nil
	})
}

// Resize sets the number of workers, 1 to 1,048,576. When there are too many,
// those that are free leave at once and the others after the job they run. It returns
// [ErrClosed] once a shutdown has begun, and while the queue waits to be served again.
func (q *Queue) Resize(workers int) error { return q.resize(workers) }

func (h *host) resize(workers int) error {
	if err := checkWorkers(workers); err != nil {
		return err
	}
	err := h.updateOpen(func(c *core.Core) error {
		c.Resize(workers)
		h.emit(Event{Kind: QueueResized, Count: uint64(workers)})
		return nil
	})
	if err == nil {
		h.engine.Dismiss()
	}
	return err
}

// Jobs yields the jobs that have not settled, as they are when the loop comes to them: the
// running ones, the longest first, then the waiting ones in the order in which they will
// start as far as is decided by then (see Order in the package's documentation); those of
// a paused kind, without a token at their turn or behind one that waits for its time come
// last. After the end of the queue these are the ones that were handed back, as they then
// were.
//
// It reads 256 at a time, each time at one moment, and holds no other call up. A job that moves
// between two of these may be missing or come twice; one that stays comes once. Up to 500
// jobs are read at one moment. A loop that is broken off costs no more than what it has seen.
func (q *Queue) Jobs() iter.Seq[JobInfo] {
	return func(yield func(JobInfo) bool) {
		var r core.Reader
		page, left, more := q.firstJobs(&r)
		for {
			for _, j := range page {
				if !yield(j) {
					return
				}
			}
			if !more {
				break
			}
			page, more = q.readJobs(&r)
		}
		for _, l := range left {
			if !yield(l.JobInfo) {
				return
			}
		}
	}
}

// firstJobs reads the first page, and what has been handed back by then.
func (q *Queue) firstJobs(r *core.Reader) (page []JobInfo, left []Leftover, more bool) {
	q.lifecycle.mu.Lock()
	defer q.lifecycle.mu.Unlock()
	page, more = q.readJobs(r)
	return page, q.lifecycle.report.left(), more
}

// readJobs reads a page of the jobs that are there.
func (q *Queue) readJobs(r *core.Reader) (page []JobInfo, more bool) {
	infos := make([]core.Info, 0, engine.SlicedReads) // before the step, which others wait for
	q.update(func(c *core.Core, now time.Duration) { infos, more = c.Read(r, infos, now) })
	at := q.clock.Reference()
	page = make([]JobInfo, 0, len(infos))
	for _, i := range infos {
		page = append(page, infoOf(at, i))
	}
	return page, more
}

// Scheduler returns the queue's scheduler of periodic tasks.
func (q *Queue) Scheduler() *Scheduler { return q.scheduler }

// String returns the queue's [Stats] as JSON, so that a *Queue can be given to
// [expvar.Publish].
func (q *Queue) String() string {
	b, err := json.Marshal(q.Stats())
	if err != nil {
		return "{}" // numbers, strings and bools always marshal
	}
	return string(b)
}

// Cancel settles a waiting job as cancelled. If it is running, its context is
// cancelled with the cause [ErrCancelled], and what it then returns decides. It
// returns [ErrNotFound] if the job has settled, or never was.
func (q *Queue) Cancel(id ID) error { return q.cancel(id) }

// CancelKey is [Queue.Cancel] for all jobs of a key ([WithKey]) that are there at the
// call, in the order in which they were accepted. It returns how many there were, 0 for
// the empty key. Very many are cancelled a few at a time, so that no other call has to wait:
// meanwhile others may start, and end otherwise. It looks at no other jobs.
func (q *Queue) CancelKey(key string) int {
	defer q.accepted() // completions of groups
	return q.engine.CancelAll(func(c *core.Core, s *core.Span, now time.Duration) int { return c.CancelKey(key, s, now) })
}

// CancelKind is [Queue.CancelKey] for all jobs of a kind, registered here or only
// restored. It returns 0 for a kind of which there are none.
func (q *Queue) CancelKind(kind string) int {
	defer q.accepted() // completions of groups
	return q.engine.CancelAll(func(c *core.Core, s *core.Span, now time.Duration) int { return c.CancelKind(kind, s, now) })
}

// cancel is Queue.Cancel.
func (h *host) cancel(id ID) error {
	defer h.accepted() // the completion of the job's group
	found := false
	h.update(func(c *core.Core, now time.Duration) { found = c.Cancel(uint64(id), now) })
	if !found {
		return ErrNotFound
	}
	return nil
}

// count makes a change that says how many it concerned.
func (h *host) count(change func(*core.Core, time.Duration) int) (n int) {
	h.update(func(c *core.Core, now time.Duration) { n = change(c, now) })
	return n
}

// EnqueueBatch enqueues the functions in order, as far as there is room, and returns
// how many were accepted: up to 64 at one moment, more in parts, between which jobs of
// others may be accepted. What becomes of those for which there is none:
//
//   - under [Reject] they are not accepted: ErrQueueFull, each counted in Rejected;
//   - under [Block] they wait, one after the other, until ctx ends;
//   - under [DropNewest] they are accepted, and evicted at once;
//   - under [DropOldest] all are accepted, and evict the jobs accepted before them,
//     in a batch larger than the capacity also the first of their own.
//
// The first of fns are accepted in any case, so that fns[accepted:] are left. A nil
// function accepts none. The options are for each job; [WithUnique] is an error
// from a batch of more than one. Errors are those of [Queue.Enqueue]; an empty batch asks
// nothing of the queue, so that one that is closed gives none. Without options and by default
// it allocates nothing per job.
func (q *Queue) EnqueueBatch(ctx context.Context, fns []Func, opts ...JobOption) (accepted int, err error) {
	if slices.ContainsFunc(fns, func(fn Func) bool { return fn == nil }) {
		return 0, ErrNilFunc
	}
	if err := endOf(ctx); err != nil {
		return 0, err
	}
	if len(opts) == 0 && q.plain {
		accepted = engine.PostAll(q.engine, fns)
	}
	if accepted == len(fns) {
		return accepted, nil
	}
	n, err := q.enqueueBatch(ctx, fns[accepted:], q.jobs, opts, nil)
	return accepted + n, err
}

// EnqueueBatch accepts a job for each payload, as [Queue.EnqueueBatch] does.
func (k *Kind[T]) EnqueueBatch(ctx context.Context, vs []T, opts ...JobOption) (accepted int, err error) {
	if k == nil || k.queue == nil {
		return 0, ErrUnknownKind
	}
	if err := endOf(ctx); err != nil {
		return 0, err
	}
	fns := make([]Func, len(vs))
	for i, v := range vs {
		fns[i] = func(ctx context.Context) error { return k.fn(ctx, v) }
	}
	return k.queue.enqueueBatch(ctx, fns, k.jobs, opts, func(i int) engine.Completion { return k.payload(vs[i]) })
}

// enqueueBatch is enqueue for several. For those of a kind the test kit is told what payloadOf returns.
func (q *Queue) enqueueBatch(
	ctx context.Context, fns []Func, p policy, opts []JobOption, payloadOf func(i int) engine.Completion,
) (accepted int, err error) {
	p, err = p.with(opts)
	if err != nil {
		return 0, err
	}
	if err := cmp.Or(p.check(q, len(fns)), p.ask(ctx)); err != nil {
		return 0, err
	}
	jobs := make([]*core.Job, len(fns))
	for i, fn := range fns {
		jobs[i] = q.newJob(ctx, fn, &p)
		if q.recorder != nil && payloadOf != nil {
			jobs[i].Ref = payloadOf(i)
		}
	}
	o, err := q.offerOf(ctx)
	if err != nil {
		return 0, err
	}
	accepted, err = q.offerAll(o, jobs)
	return accepted, withdrawn(ctx, err)
}

// offerAll is OfferAll for calls that have to wait for room, too, where these run the jobs themselves:
// nothing else would make room.
func (q *Queue) offerAll(o engine.Offer, jobs []*core.Job) (accepted int, err error) {
	part := len(jobs)
	if q.runsInline() && q.engine.Blocks() {
		part = 1
	}
	for accepted < len(jobs) && err == nil {
		var n int
		n, err = q.engine.OfferAll(o, jobs[accepted:min(accepted+part, len(jobs))])
		accepted += n
		q.accepted()
	}
	return accepted, err
}
