package dray

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

// Run submits fn and waits for its result. If ctx ends first, Run returns its
// cause at once and cancels the job. A panic of fn is a [*PanicError]. Other
// errors are those of [Submit], and of [Task.Wait].
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
	return t.await(ctx, done, q.engine)
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
	forsaken bool          // nobody will take the result; the state's
}

// A runner is the function of one Run, and its result.
type runner interface {
	run(ctx context.Context) error
	seal(forget bool)
}

// call runs b as a plain job, until ctx ends, whose Done is done.
func (e *engine) call(ctx context.Context, done <-chan struct{}, b runner) error {
	c := e.newCall(b)
	if !e.postCall(c) {
		if _, err := e.offer(ctx, &c.job, false); err != nil {
			return err
		}
	}
	if !c.await(done) {
		cancelled := false
		e.step(func(k *core.Core, now time.Duration) {
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
		e.calls.Put(c) // nobody else has kept the job
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

func (e *engine) newCall(b runner) *call {
	c, ok := e.calls.Get().(*call)
	if !ok {
		c = &call{done: make(chan struct{}, 1)}
		fn := func(ctx context.Context) error { return c.body.run(ctx) }
		c.job = core.Job{Fn: fn, MaxAttempts: 1, Ref: c}
	}
	c.body = b
	return c
}

func (*call) accepted(ID) {}

// handedBack: a Run that ends with a shutdown is told so.
func (*call) handedBack() *atomic.Bool {
	told := new(atomic.Bool)
	told.Store(true)
	return told
}

// settled is told the end, in a tick or, of a job that was handed over, by its worker.
func (c *call) settled(o outcome) {
	if len(c.done) > 0 {
		return
	}
	c.body.seal(c.forsaken)
	if o.state == core.Cancelled || o.state == core.Evicted { // it will never be run, and may still stand in a line
		c.body = nil
	}
	c.err = o.err
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

// seal keeps the result as it is, or forgets it if nobody will take it.
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
