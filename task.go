package dray

import (
	"context"
	"sync"
	"sync/atomic"
)

// A Task is the handle of a submitted job: see [Submit]. All methods may be
// called concurrently, any number of times.
type Task[R any] struct {
	id atomic.Uint64

	mu    sync.Mutex
	queue *engine       // nil once it has ended: a result that is kept keeps nothing else
	done  chan struct{} // made when first asked for
	ended bool
	told  *atomic.Bool // once its job was handed back: see promised
	value R            // of the last attempt; written by the worker before settled, read after
	err   error
}

// submitted is the job of a task, which does not refer to it, and which it forgets when
// it has settled: a failure or a report that is kept does not keep the result.
type submitted[R any] struct {
	task *Task[R] // of the engine's state, and read by the worker; nil once it has settled
	fn   func(context.Context) (R, error)
}

// Submit enqueues fn as [Queue.Enqueue] does, and returns a handle to its result.
// Errors are those of Enqueue. With [WithUnique] and [KeepExisting] a job that is
// there already gives [ErrDuplicate], as its result is not this task's.
func Submit[R any](ctx context.Context, q *Queue, fn func(context.Context) (R, error), opts ...JobOption) (*Task[R], error) {
	if q == nil {
		return nil, errNilQueue
	}
	if fn == nil {
		return nil, ErrNilFunc
	}
	if err := endOf(ctx); err != nil {
		return nil, err
	}
	t := &Task[R]{queue: q.engine}
	s := &submitted[R]{t, fn}
	r, err := q.enqueue(ctx, s.run, "", &q.jobs, false, s, opts)
	if err != nil {
		return nil, err
	}
	if t.ID() != r.ID {
		return nil, ErrDuplicate
	}
	return t, nil
}

// await waits for the result of the task, or cancels it when ctx ends, whose Done is done.
func (t *Task[R]) await(ctx context.Context, done <-chan struct{}, e *engine) (R, error) {
	if waited(t.Done(), done) {
		return t.result(), t.err
	}
	if e.cancel(t.ID()) != nil && waited(t.Done(), done) { // it has ended by now
		return t.result(), t.err
	}
	return *new(R), causeOf(ctx)
}

// waited waits for one of two channels to be closed, or sent to. It reports whether
// that is result, also if both are: a result that is there is given.
func waited(result, end <-chan struct{}) bool {
	select {
	case <-result:
		return true
	case <-end:
	}
	select {
	case <-result:
		return true
	default:
		return false
	}
}

func (s *submitted[R]) run(ctx context.Context) error {
	t := s.task
	if t == nil { // the job is run again as another one: by Requeue or Restore
		_, err := s.fn(ctx)
		return err
	}
	t.set(*new(R)) // not the value of an earlier attempt, if this one throws
	v, err := s.fn(ctx)
	t.set(v)
	return err
}

func (t *Task[R]) set(v R) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.value = v
	}
}

// accepted is told the ID, in a tick or under the mailbox's lock.
func (s *submitted[R]) accepted(id ID) { s.task.id.Store(uint64(id)) }

// settled is told the end, in a tick.
func (s *submitted[R]) settled(o outcome) {
	if t := s.task; t != nil {
		s.task = nil
		t.settled(o)
	}
}

func (t *Task[R]) settled(o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.ended, t.err, t.queue = true, o.err, nil
	if t.done != nil {
		close(t.done)
	}
}

// handedBack is called in a tick, before settled.
func (s *submitted[R]) handedBack() *atomic.Bool {
	t := s.task
	t.mu.Lock()
	defer t.mu.Unlock()
	t.told = new(atomic.Bool)
	t.told.Store(t.done != nil)
	return t.told
}

// tell notes that the end of the task is about to be told, under mu.
func (t *Task[R]) tell() {
	if t.told != nil {
		t.told.Store(true)
	}
}

// ID returns the ID of the job.
func (t *Task[R]) ID() ID { return ID(t.id.Load()) }

// Done returns a channel that is closed when the job has settled, or was handed
// back by a shutdown.
func (t *Task[R]) Done() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tell()
	if t.done == nil {
		t.done = make(chan struct{})
		if t.ended {
			close(t.done)
		}
	}
	return t.done
}

// Wait waits for the result until ctx ends, which leaves the job alone. The error
// is that of the job's last attempt, which is [ErrCancelled], too, if the job was
// cancelled; [ErrEvicted] if it was dropped or replaced; [ErrShutdown] if a shutdown handed it
// back; or the cause of ctx's end. A result that is there is returned also if ctx has
// ended; so it is by Run, [Group.Wait] and all that waits here.
func (t *Task[R]) Wait(ctx context.Context) (R, error) {
	done, err := doneOf(ctx)
	if err != nil {
		return *new(R), err
	}
	if waited(t.Done(), done) {
		return t.result(), t.err
	}
	return *new(R), causeOf(ctx)
}

// Result returns what Wait would, without waiting; ok is false while the job has
// not settled.
func (t *Task[R]) Result() (r R, err error, ok bool) { //nolint:revive // the order is the contract's
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		return r, nil, false
	}
	t.tell()
	return t.value, t.err, true
}

func (t *Task[R]) result() R {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.value
}

// Cancel cancels the job: see [Queue.Cancel].
func (t *Task[R]) Cancel() error {
	t.mu.Lock()
	q := t.queue
	t.mu.Unlock()
	if q == nil {
		return ErrNotFound
	}
	return q.cancel(t.ID())
}
