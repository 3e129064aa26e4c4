package dray

import (
	"cmp"
	"context"
	"slices"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
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
		accepted = engine.PostAll(q.engine, fns)
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
	accepted, err = q.engine.OfferAll(o, jobs)
	return accepted, withdrawn(ctx, err)
}
