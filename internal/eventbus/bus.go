// Package eventbus carries events to listeners, to each on a goroutine of its own, which
// exists only while there is something to deliver: the one that emits an event never waits
// for a listener, and neither does another listener.
//
// Events come to a listener one at a time and in the order in which they were emitted.
// One that panics or calls runtime.Goexit loses that event and nothing else. What is not
// yet delivered is bounded in bytes for each listener; what goes beyond is dropped, and
// the listener hears how much, at the place in the order where it would have come.
//
// All methods are safe for concurrent use, and may be called on a nil Bus, which wants
// nothing.
package eventbus

import (
	"context"
	"reflect"

	"github.com/a622d8ee/dray/internal/goid"
)

// A Mask is a set of kinds of events. A kind is a number below 64.
type Mask uint64

// Has reports whether the kind is in the set.
func (m Mask) Has(kind uint8) bool { return m>>kind&1 != 0 }

// Config is what a bus knows of its events. Its functions are called while the bus, and
// possibly the goroutine that emits, holds locks.
type Config[E any] struct {
	Kind    func(E) uint8
	Size    func(E) int                           // bytes that the event keeps besides itself
	Dropped func(listener string, count uint64) E // the event that says so
	Vital   Mask                                  // kept however much is undelivered: of such events there are few
	Limit   int                                   // of the bytes undelivered to one listener
}

// A Listener is what events are delivered to.
type Listener[E any] struct {
	Name    string
	Kinds   Mask
	Deliver func(E)
	Losses  bool // of one listener at most: it hears what the others have missed, too
}

// A Bus is immutable; what changes is in its queues.
type Bus[E any] struct {
	cfg    Config[E]
	own    int         // bytes of an event in a queue
	kinds  Mask        // of all listeners
	queues []*queue[E] // that of the losses last, as the others end and are flushed before it
}

// New returns a bus, or nil without listeners.
func New[E any](cfg Config[E], listeners ...Listener[E]) *Bus[E] {
	if len(listeners) == 0 {
		return nil
	}
	b := &Bus[E]{cfg: cfg, own: int(reflect.TypeFor[item[E]]().Size())}
	var losses *queue[E]
	for _, l := range listeners {
		q := &queue[E]{Listener: l, bus: b, exempt: make(chan struct{})}
		b.kinds |= l.Kinds
		if l.Losses {
			losses = q
		} else {
			b.queues = append(b.queues, q)
		}
	}
	if losses == nil {
		return b
	}
	for _, q := range b.queues {
		q.losses = losses
	}
	b.queues = append(b.queues, losses)
	return b
}

// Wants reports whether a listener has asked for events of that kind.
func (b *Bus[E]) Wants(kind uint8) bool { return b != nil && b.kinds.Has(kind) }

// Emit hands an event over to the listeners that have asked for its kind, and returns at once.
func (b *Bus[E]) Emit(e E) {
	if b == nil {
		return
	}
	if kind := b.cfg.Kind(e); b.kinds.Has(kind) {
		it := item[E]{e, b.own + b.cfg.Size(e)}
		for _, q := range b.queues {
			q.emit(it, kind, false)
		}
	}
}

// Last is Emit for the last event: what is emitted after it is ignored.
func (b *Bus[E]) Last(e E) {
	if b == nil {
		return
	}
	kind := b.cfg.Kind(e)
	it := item[E]{e, b.own + b.cfg.Size(e)}
	for _, q := range b.queues {
		q.emit(it, kind, true)
	}
}

// Close ends the bus without a last event.
func (b *Bus[E]) Close() {
	if b == nil {
		return
	}
	for _, q := range b.queues {
		q.close()
	}
}

// Flush waits until everything emitted before has been delivered, or until ctx ends,
// and names the listeners that have not returned by then. It does not wait for the
// listener that calls it, nor again for one for which FlushOthers has waited in vain.
func (b *Bus[E]) Flush(ctx context.Context) (late []string) {
	if b == nil {
		return nil
	}
	me := goid.Current()
	for _, q := range b.queues {
		if !q.runsOn(me) && (q.isLate() || !q.wait(ctx, nil)) {
			late = append(late, q.Name)
		}
	}
	return late
}

// FlushOthers is Flush for a shutdown that listeners may be waiting for themselves: it
// does not wait for those that have called Exempt.
func (b *Bus[E]) FlushOthers(ctx context.Context) (late []string) {
	if b == nil {
		return nil
	}
	for _, q := range b.queues {
		if !q.wait(ctx, q.exempt) {
			q.giveUp()
			late = append(late, q.Name)
		}
	}
	return late
}

// Exempt lets no FlushOthers wait for the listener that calls it; called from elsewhere
// it does nothing.
func (b *Bus[E]) Exempt() {
	if b == nil {
		return
	}
	me := goid.Current()
	for _, q := range b.queues {
		q.exemptCaller(me)
	}
}
