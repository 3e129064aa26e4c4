package dray

import (
	"context"
	"sync/atomic"

	"github.com/a622d8ee/dray/internal/core"
)

// generations is how many jobs that were each enqueued by the one before are known
// to a context WithContextValues. Far more than a chain of causes that anybody
// follows, and some kilobytes.
const generations = 10

// An origin is the values that a job was enqueued with: see [WithContextValues].
//
// A job may enqueue another one with a context derived from its own, that one the
// next, and so on for ever. So an origin knows those before it, and the one that comes
// generations later has it forget all values but the first ones.
type origin struct {
	first  context.Context        // immutable: from where the first of these jobs was enqueued
	values atomic.Pointer[source] // of the call; nil once they are too far back
	before atomic.Pointer[origin] // of the job that made the call; nil for none, or as values
}

// A source is a context of which only the values count.
type source struct{ context.Context }

// newOrigin returns that of a job which ctx enqueues. It calls user code, of
// which policy.ask has seen that it does not throw.
func newOrigin(ctx context.Context) *origin {
	c, _ := insideOf(ctx)
	if c == nil {
		return &origin{first: context.WithoutCancel(ctx)}
	}
	before := c.origin()
	if ctx == context.Context(c) { // nothing was added
		if before == nil {
			before = &origin{first: c.page().base}
		}
		return before
	}
	o := &origin{first: c.page().base}
	if before != nil {
		o.first = before.first
	}
	o.values.Store(&source{context.WithoutCancel(ctx)})
	o.before.Store(before)
	o.cut()
	return o
}

// cut lets the one that is too many generations before o forget its values.
func (o *origin) cut() {
	for range generations {
		if o = o.before.Load(); o == nil {
			return
		}
	}
	o.values.Store(nil)
	o.before.Store(nil)
}

func (o *origin) value(key any) any {
	if s := o.values.Load(); s != nil {
		return s.Value(key)
	}
	return o.first.Value(key)
}

// origin returns that of the job that c is of, or nil.
func (c *jobContext) origin() *origin {
	if b, ok := c.page().base.(*inherited); ok {
		return b.origin
	}
	return nil
}

// inherited is the values of a job's context: those it was enqueued with before those
// of the queue's.
type inherited struct {
	context.Context // the queue's
	origin          *origin
}

func (v *inherited) Value(key any) any {
	if x := v.origin.value(key); x != nil {
		return x
	}
	return v.Context.Value(key)
}

// originOf returns the origin of a job, or nil.
func originOf(j *core.Job) *origin {
	if x := extraOf(j); x != nil {
		return x.origin
	}
	return nil
}

// queueValues is the context that Serve was called with, as far as its values go.
type queueValues struct{ context.Context }
