package dray

import (
	"context"
	"fmt"

	"github.com/a622d8ee/dray/internal/errs"
)

// A Kind is a named sort of job with a typed payload and one handler: see
// [Handle]. It may be used concurrently.
type Kind[T any] struct {
	queue *Queue
	name  string
	fn    func(context.Context, T) error
	jobs  policy // the kind's defaults over the queue's
}

// Handle registers fn as the handler of a kind of job on q. The options are
// defaults for its jobs. Errors: [ErrNilFunc], [ErrDuplicate] if q has that kind
// already, a nil queue, an empty name, or that of an option.
func Handle[T any](q *Queue, kind string, fn func(context.Context, T) error, opts ...JobOption) (*Kind[T], error) {
	if q == nil {
		return nil, errs.Wrapf(errNilQueue, "Handle(%q)", kind)
	}
	if fn == nil {
		return nil, errs.Wrapf(ErrNilFunc, "Handle(%q)", kind)
	}
	jobs, err := q.jobs.with(opts)
	if err != nil {
		return nil, err
	}
	if err := q.register(kind, jobs); err != nil {
		return nil, err
	}
	return &Kind[T]{queue: q, name: kind, fn: fn, jobs: jobs}, nil
}

func (q *Queue) register(kind string, jobs policy) error {
	if kind == "" {
		return fmt.Errorf("dray: Handle: empty kind")
	}
	q.kindsMu.Lock()
	defer q.kindsMu.Unlock()
	if _, ok := q.kinds[kind]; ok {
		return errs.Wrapf(ErrDuplicate, "Handle(%q)", kind)
	}
	q.kinds[kind] = jobs
	return nil
}

// Enqueue accepts a job of the kind with payload v, as [Queue.Enqueue] does. A
// kind that Handle did not return gives [ErrUnknownKind].
func (k *Kind[T]) Enqueue(ctx context.Context, v T, opts ...JobOption) error {
	_, err := k.enqueue(ctx, v, opts, false)
	return err
}

// EnqueueSync is Enqueue, and says where the job stands in line.
func (k *Kind[T]) EnqueueSync(ctx context.Context, v T, opts ...JobOption) (Receipt, error) {
	return k.enqueue(ctx, v, opts, true)
}

func (k *Kind[T]) enqueue(ctx context.Context, v T, opts []JobOption, placed bool) (Receipt, error) {
	if k == nil || k.queue == nil {
		return Receipt{}, ErrUnknownKind
	}
	if err := endOf(ctx); err != nil {
		return Receipt{}, err
	}
	fn := func(ctx context.Context) error { return k.fn(ctx, v) }
	r, err := k.queue.enqueue(ctx, fn, k.name, &k.jobs, placed, nil, opts)
	if w := k.queue.witness; w != nil && err == nil {
		w.Payload(uint64(r.ID), k.name, v)
	}
	return r, err
}
