package dray

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
)

// A Task is the handle of a submitted job. All methods may be called concurrently, any
// number of times. A task is made by [Submit]; the zero value is that of no job, and never ends.
type Task[R any] struct {
	id atomic.Uint64

	mu    sync.Mutex
	queue *host         // nil once it has ended: a result that is kept keeps nothing else
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
	t := &Task[R]{queue: q.host}
	s := &submitted[R]{t, fn}
	r, err := q.enqueue(ctx, s.run, &q.jobs, false, s, opts)
	if err != nil {
		return nil, err
	}
	if t.ID() != r.ID {
		return nil, ErrDuplicate
	}
	return t, nil
}

// await waits for the result of the task, or cancels it when ctx ends, whose Done is done.
func (t *Task[R]) await(ctx context.Context, done <-chan struct{}, h *host) (R, error) {
	if waited(t.Done(), done) {
		return t.result(), t.err
	}
	if h.cancel(t.ID()) != nil && waited(t.Done(), done) { // it has ended by now
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

// Accepted is told the ID, in a tick or under the mailbox's lock.
func (s *submitted[R]) Accepted(id uint64) { s.task.id.Store(id) }

// Settled is told the end, in a tick.
func (s *submitted[R]) Settled(o engine.Outcome) {
	if t := s.task; t != nil {
		s.task = nil
		t.settled(o)
	}
}

func (t *Task[R]) settled(o engine.Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.ended, t.err, t.queue = true, o.Err, nil
	if t.done != nil {
		close(t.done)
	}
}

// handedBack is called in a tick, before Settled.
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

// Run submits fn and waits for its result. If ctx ends first, Run returns its
// cause at once and cancels the job. A panic of fn is a [*PanicError]. Other
// errors are those of [Submit], and of [Task.Wait]. Inside a job of the same queue it
// holds that job's worker while it waits: if all workers do so, none is left for fn, and
// they wait until their contexts end.
func Run[R any](ctx context.Context, q *Queue, fn func(context.Context) (R, error), opts ...JobOption) (R, error) {
	var zero R
	if err := endOf(ctx); err != nil {
		return zero, err
	}
	done, err := doneOf(ctx)
	if err != nil {
		return zero, err
	}
	if q != nil && len(opts) == 0 && q.plain && q.handler == nil && fn != nil {
		b := &body[R]{fn: fn}
		err := q.call(ctx, done, b)
		return b.result(err)
	}
	t, err := Submit(ctx, q, fn, opts...)
	if err != nil {
		return zero, err
	}
	return t.await(ctx, done, q.host)
}

// A call is what Run needs beside the function itself: a job and where to wait
// for it. Calls that went well are used again, so that a Run allocates only its
// result and what the caller's function does. A queue with middleware makes none: a
// middleware might keep the job, and run it when it is another call's.
type call struct {
	job      core.Job      // runs body
	body     runner        // of the present use
	err      error         // written before done is sent to
	done     chan struct{} // capacity 1
	forsaken bool          // no caller will take the result; the state's
}

// A runner is the function of one Run, and its result.
type runner interface {
	run(ctx context.Context) error
	seal(forget bool)
}

// call runs b as a plain job, until ctx ends, whose Done is done.
func (h *host) call(ctx context.Context, done <-chan struct{}, b runner) error {
	c := h.newCall(b)
	if !h.engine.PostDirect(&c.job) {
		if _, err := h.offer(ctx, &c.job, false); err != nil {
			return err
		}
	}
	if !c.await(done) {
		cancelled := false
		h.update(func(k *core.Core, now time.Duration) {
			cancelled = k.CancelJob(&c.job, now)
			c.forsaken = cancelled
		})
		if cancelled || !c.await(done) { // not cancelled: it has ended by now
			return &abandoned{causeOf(ctx)}
		}
	}
	err := c.err
	if err == nil {
		c.body = nil
		c.job.Renew()
		h.calls.Put(c) // nothing else has kept the job
	}
	return err
}

// await waits for the end of the job, or reports false when the caller's time ends before.
func (c *call) await(done <-chan struct{}) bool {
	if done == nil {
		<-c.done
		return true
	}
	return waited(c.done, done) // which is sent to, once
}

func (h *host) newCall(b runner) *call {
	c, ok := h.calls.Get().(*call)
	if !ok {
		c = &call{done: make(chan struct{}, 1)}
		fn := func(ctx context.Context) error { return c.body.run(ctx) }
		c.job = core.Job{Spec: core.PlainSpec, Fn: fn, Ref: c}
	}
	c.body = b
	return c
}

// Accepted is there for the engine.
func (*call) Accepted(uint64) {}

// handedBack: a Run that ends with a shutdown is told so.
func (*call) handedBack() *atomic.Bool {
	told := new(atomic.Bool)
	told.Store(true)
	return told
}

// Settled is told the end, in a tick or, of a job that was handed over, by its worker.
func (c *call) Settled(o engine.Outcome) {
	if len(c.done) > 0 {
		return
	}
	c.body.seal(c.forsaken)
	if o.State == core.Cancelled || o.State == core.Evicted { // it will never be run, and may still stand in a line
		c.body = nil
	}
	c.err = o.Err
	c.done <- struct{}{}
}

// abandoned says that Run did not wait for the job, whose result is not to be touched.
type abandoned struct{ error }

// A body is the function of one Run and what it returned.
type body[R any] struct {
	fn     func(context.Context) (R, error)
	value  R
	sealed bool // the job has settled: if it runs again that is as another one, by Requeue or Restore
}

func (b *body[R]) run(ctx context.Context) error {
	if b.sealed {
		_, err := b.fn(ctx)
		return err
	}
	var zero R
	b.value = zero // not that of an earlier attempt, if this one throws
	v, err := b.fn(ctx)
	b.value = v
	return err
}

// seal keeps the result as it is, or forgets it if no caller will take it.
func (b *body[R]) seal(forget bool) {
	b.sealed = true
	if forget {
		b.value = *new(R)
	}
}

// result is what Run returns when the call has ended with err.
func (b *body[R]) result(err error) (R, error) {
	if a, ok := err.(*abandoned); ok { //nolint:errorlint // never wrapped
		var zero R
		return zero, a.error
	}
	v := b.value
	b.value = *new(R) // the function may be kept, as a failure
	return v, err
}
