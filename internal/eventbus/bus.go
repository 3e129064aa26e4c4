// Package eventbus carries events to listeners, to each on a goroutine of its own, which
// exists only while there is something to deliver: the one that emits an event never waits
// for a listener, and neither does another listener.
//
// Events come to a listener one at a time and in the order in which they were emitted.
// One that panics or calls runtime.Goexit loses that event and nothing else. What is not
// yet delivered is bounded in bytes for each listener; what goes beyond is dropped, and
// the listener hears how much, at the place in the order where it would have come.
//
// All methods are safe for concurrent use, and may be called on a nil Bus, which wants nothing.
// An event costs each listener that wants it one lock and a copy into its queue; a goroutine is
// started for the first event after a rest.
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

// Config is what a bus knows of its events. Its functions are called while the bus, and possibly
// the goroutine that emits, holds locks: they must wait for nothing, and not call the bus. They
// may be called by several goroutines at a time.
type Config[E any] struct {
	Kind    func(E) uint8
	Size    func(E) int                           // bytes that the event keeps besides itself
	Dropped func(listener string, count uint64) E // the event that says so
	Vital   Mask                                  // kept however much is undelivered: of such events there are few
	Limit   int                                   // of the bytes undelivered to one listener
}

// A Listener is what events are delivered to. Deliver is user code, or calls some: it may block,
// which holds up this listener alone. It is called without a lock, and may emit.
type Listener[E any] struct {
	Name    string  // for those that wait for it, and for the losses
	Kinds   Mask    // that it wants
	Deliver func(E) // called for one event at a time, possibly on different goroutines one after the other
	Losses  bool    // of one listener at most: it hears what the others have missed, too
}

// A Bus is immutable; what changes is in its queues.
type Bus[E any] struct {
	cfg    Config[E]
	own    int         // bytes of an event in a queue
	kinds  Mask        // of all listeners
	queues []*queue[E] // that of the losses last, as the others end and are flushed before it
}

// New returns a bus, or nil without listeners. At most one listener may have Losses. Of two
// events that a goroutine emits one after the other each listener hears in that order.
func New[E any](cfg Config[E], listeners ...Listener[E]) *Bus[E] {
	if len(listeners) == 0 {
		return nil
	}
	// An event is kept as it is, so its own size is the same for all, and Config.Size has what it
	// refers to.
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
	// The losses come last: what the others have missed, up to their end, is emitted before that
	// queue is closed.
	if losses == nil {
		return b
	}
	for _, q := range b.queues {
		q.losses = losses
	}
	b.queues = append(b.queues, losses)
	return b
}

// Wants reports whether a listener has asked for events of that kind. It reads nothing that
// changes, so that it can be asked before an event is made.
func (b *Bus[E]) Wants(kind uint8) bool { return b != nil && b.kinds.Has(kind) }

// Emit hands an event over to the listeners that have asked for its kind, and returns at once.
// Its size is looked up once, for all of them.
func (b *Bus[E]) Emit(e E) {
	if b == nil {
		return
	}
	// Looked up before any queue is locked: many events are wanted by no listener.
	if kind := b.cfg.Kind(e); b.kinds.Has(kind) {
		it := item[E]{e, b.own + b.cfg.Size(e)}
		for _, q := range b.queues {
			q.emit(it, kind, false)
		}
	}
}

// Last is Emit for the last event: what is emitted after it is ignored. It ends the queues one
// after the other, also those of listeners that do not want it.
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

// Close ends the bus without a last event. What is in the queues is still delivered.
func (b *Bus[E]) Close() {
	if b == nil {
		return
	}
	for _, q := range b.queues {
		q.close()
	}
}

// Flush waits until everything emitted before has been delivered, or until ctx ends, and names
// the listeners that have not returned by then. It does not wait for the listener that calls it,
// which would wait for itself, nor again for one for which FlushOthers has waited in vain. Those
// are waited for one after the other, but they deliver at the same time.
func (b *Bus[E]) Flush(ctx context.Context) (late []string) {
	if b == nil {
		return nil
	}
	me := goid.Current()
	for _, q := range b.queues {
		// A late one had its time, in the same shutdown: it is named without another wait.
		if !q.runsOn(me) && (q.isLate() || !q.wait(ctx, nil)) {
			late = append(late, q.Name)
		}
	}
	return late
}

// FlushOthers is Flush for a shutdown that listeners may be waiting for themselves: it does not
// wait for those that have called Exempt, nor go on to wait for one that calls it meanwhile.
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

// Exempt lets no FlushOthers wait for the listener that calls it; called from elsewhere it does
// nothing. It holds for ever: the call that it stands for may wait for the end of the bus. It
// reads the number of the goroutine, so it is for slow paths alone.
func (b *Bus[E]) Exempt() {
	if b == nil {
		return
	}
	me := goid.Current()
	for _, q := range b.queues {
		q.exemptCaller(me)
	}
}
