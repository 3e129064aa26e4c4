package jobctx

import (
	"context"
	"sync/atomic"
)

// generations is how many jobs that were each enqueued by the one before are known
// to their values. Far more than a chain of causes that anything follows, and some
// kilobytes.
const generations = 10

// Values is the values that a job was enqueued with. They may be read by all goroutines, and are
// changed by forget alone, which takes values away.
//
// A job may enqueue another one with a context derived from its own, that one the next, and so on
// for ever. So the values of a job know those before them, and the ones that come generations
// later have them forget all but the first ones. To merge what lies between is no alternative, as
// the values of a context cannot be listed.
type Values struct {
	first  context.Context        // immutable: from where the first of these jobs was enqueued
	own    atomic.Pointer[source] // of the call; nil once they are too far back
	before atomic.Pointer[Values] // of the job that made the call; nil for none, or as own
}

// A source is a context of which only the values count. It is a type of its own as an
// atomic.Pointer needs a concrete one.
type source struct{ context.Context }

// ValuesOf returns those of a job that is enqueued with ctx, which is derived from from, if that
// is not nil. It calls user code. A job that passes its context on as it is shares the values it
// has got, so that a chain of such jobs costs nothing.
func ValuesOf(ctx context.Context, from Context) *Values {
	if from == nil {
		return &Values{first: context.WithoutCancel(ctx)}
	}
	before := valuesOf(from)
	if ctx == context.Context(from) { // nothing was added
		if before == nil {
			before = &Values{first: from.onPage().base}
		}
		return before
	}
	v := &Values{first: from.onPage().base}
	if before != nil {
		v.first = before.first
	}
	v.own.Store(&source{context.WithoutCancel(ctx)})
	v.before.Store(before)
	v.forget()
	return v
}

// forget lets those that are too many generations before v go. All before them have gone already,
// when those between were made. Several chains may share them: forgetting twice is no harm.
func (v *Values) forget() {
	for range generations {
		if v = v.before.Load(); v == nil {
			return
		}
	}
	v.own.Store(nil)
	v.before.Store(nil)
}

// value is Value of what the job was enqueued with. Once that is too far back it is what the
// first job of the chain was enqueued with.
func (v *Values) value(key any) any {
	if s := v.own.Load(); s != nil {
		return s.Value(key)
	}
	return v.first.Value(key)
}

// valuesOf returns those of the job that c is of, or nil if it has none but the queue's.
func valuesOf(c Context) *Values {
	if b, ok := c.onPage().base.(*inherited); ok {
		return b.values
	}
	return nil
}

// inherited is what a job with values of its own sees: those, before those of the queue. It is
// the base of its page, by which newPage knows that there is one job alone.
type inherited struct {
	context.Context // the queue's
	values          *Values
}

// Over returns the base of a job with these values, before those of the queue's base. Each
// attempt has its own, and so a page of its own.
func (v *Values) Over(base context.Context) context.Context { return &inherited{base, v} }

// Value is that of a context. A nil value of the job's own counts as none.
func (v *inherited) Value(key any) any {
	if x := v.values.value(key); x != nil {
		return x
	}
	return v.Context.Value(key)
}
