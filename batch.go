package dray

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

// EnqueueBatch enqueues the functions in order, as far as there is room, and returns
// how many were accepted: a short batch at one moment, a long one in stretches, between
// which jobs of others may be accepted. What becomes of those for which there is none:
//
//   - under [Reject] they are not accepted: ErrQueueFull, each counted in Rejected;
//   - under [Block] they wait, one after the other, until ctx ends;
//   - under [DropNewest] they are accepted, and evicted at once;
//   - under [DropOldest] all are accepted, and evict the jobs accepted before them,
//     in a batch larger than the capacity also the first of their own.
//
// The first of fns are accepted in any case, so that fns[accepted:] are left. A nil
// function accepts none. The options are for each job; [WithUnique] is an error
// from a batch of more than one. Errors are those of [Queue.Enqueue]. Without
// options and by default it allocates nothing per job.
func (q *Queue) EnqueueBatch(ctx context.Context, fns []Func, opts ...JobOption) (accepted int, err error) {
	if slices.ContainsFunc(fns, func(fn Func) bool { return fn == nil }) {
		return 0, ErrNilFunc
	}
	if err := endOf(ctx); err != nil {
		return 0, err
	}
	if len(opts) == 0 && q.plain {
		accepted = q.postAll(fns)
	}
	if accepted == len(fns) {
		return accepted, nil
	}
	n, err := q.enqueueBatch(ctx, fns[accepted:], "", q.jobs, opts)
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
	return k.queue.enqueueBatch(ctx, fns, k.name, k.jobs, opts)
}

// postAll is post for as many plain jobs as there is room for.
func (e *engine) postAll(fns []Func) (posted int) {
	for posted < len(fns) {
		some := fns[posted:min(posted+slicedPlain, len(fns))]
		n := e.postSome(some)
		if posted += n; n < len(some) {
			break
		}
	}
	return posted
}

func (e *engine) postSome(fns []Func) int {
	m := &e.mail
	m.mu.Lock()
	n := min(m.room, len(fns))
	if n <= 0 || m.closed {
		m.mu.Unlock()
		return 0
	}
	first := m.list.Len() == 0
	m.stamp = e.now()
	m.room -= n
	for _, fn := range fns[:n] {
		m.lastID++
		m.list.PushBare(fn, m.lastID, m.stamp)
	}
	e.posted(first)
	return n
}

// enqueueBatch is enqueue for several.
func (q *Queue) enqueueBatch(ctx context.Context, fns []Func, kind string, p policy, opts []JobOption) (accepted int, err error) {
	p, err = p.with(opts)
	if err != nil {
		return 0, err
	}
	if err := cmp.Or(p.check(q, len(fns)), p.ask(ctx)); err != nil {
		return 0, err
	}
	jobs := make([]*core.Job, len(fns))
	for i, fn := range fns {
		jobs[i] = q.newJob(ctx, fn, kind, &p)
	}
	o, err := q.offerOf(ctx)
	if err != nil {
		return 0, err
	}
	for accepted < len(jobs) {
		n, waiting, err := q.offerAll(o, jobs[accepted:])
		accepted += n
		if waiting {
			if _, err = q.awaitRoom(o, jobs[accepted]); err == nil {
				accepted++
			}
		}
		if err != nil {
			return accepted, err
		}
	}
	return accepted, nil
}

// offerAll offers jobs until one is not accepted: then it waits for room, or the
// others are turned away like it.
func (e *engine) offerAll(o offer, jobs []*core.Job) (accepted int, waiting bool, err error) {
	left, full := jobs, false
	err = errBroken
	e.inSlices(func(c *core.Core, now time.Duration) (more bool) {
		if err = nil; e.mail.closed {
			err = ErrClosed
			return false
		}
		some := left[:min(slicedJobs, len(left))]
		left = left[len(some):]
		for _, j := range some {
			if full { // whatever room there is by now: the first of them are accepted
				c.Reject(j, now)
				continue
			}
			_, waiting, err = e.accept(o, c, j, now)
			switch {
			case err == nil && !waiting:
				accepted++
			case errors.Is(err, ErrQueueFull):
				full = true
			default:
				return false
			}
		}
		return len(left) > 0
	})
	if full && err == nil {
		err = ErrQueueFull
	}
	return accepted, waiting, err
}

// What concerns very many jobs is done in slices, each a step of its own, as every call
// and every worker waits for a step. So much is dealt with in one of them, which takes
// some dozen microseconds.
const (
	slicedJobs  = 64   // records that are changed
	slicedReads = 256  // jobs that are only looked at
	slicedPlain = 4096 // plain jobs that are added
)

// inSlices makes a change in several steps, between which all others have their turn. The
// change is told by its result to go on.
func (e *engine) inSlices(change func(c *core.Core, now time.Duration) (more bool)) {
	for more := true; more; {
		more = false
		e.step(func(c *core.Core, now time.Duration) { more = change(c, now) })
		if more {
			runtime.Gosched() // to the goroutine that was woken for the lock
		}
	}
}

// cancelAll cancels what some cancels a part of, as far as it was there at the call.
func (e *engine) cancelAll(some func(*core.Core, *core.Span, time.Duration) int) (n int) {
	var s core.Span
	e.inSlices(func(c *core.Core, now time.Duration) bool {
		if s.Limit == 0 {
			s.Limit, s.UpTo = slicedJobs, e.mail.lastID
		}
		n += some(c, &s, now)
		return s.More
	})
	return n
}
