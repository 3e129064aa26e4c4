package eventbus

import (
	"context"
	"sync"

	"github.com/a622d8ee/dray/internal/goid"
	"github.com/a622d8ee/dray/internal/guard"
)

// A queue has what is to be delivered to one listener. There is a delivering goroutine exactly
// while idle is not nil. It ends under mu when it finds nothing left, and emit starts it under
// mu, so no event lies in a queue without one.
type queue[E any] struct {
	Listener[E]               // immutable
	bus         *Bus[E]       // immutable
	losses      *queue[E]     // immutable: of the listener that hears what this one has missed; nil without
	exempt      chan struct{} // immutable; closed by exemptCaller, under mu

	mu sync.Mutex
	// Guarded by mu:
	backlog   []chunk[E]    // in order; appended by emit, taken one by one by the delivering goroutine
	spare     []item[E]     // room for another chunk, while there is something to deliver
	bytes     int           // of backlog and batch
	dropped   uint64        // events refused since the last one that was not
	lossy     bool          // events are refused until half of the limit is free
	late      bool          // it was waited for in vain, and is still at it
	closed    bool          // events are ignored
	idle      chan struct{} // non-nil while there is something to deliver; closed when that is done
	goroutine goid.ID       // the delivering one; 0 without

	// Delivering goroutine only, of which there is at most one. A successor takes them over.
	batch chunk[E] // being delivered
	next  int      // of batch
}

// An item is an event and how many bytes it counts: those that it keeps, and its own place.
type item[E any] struct {
	event E
	size  int
}

// A chunk is events that are taken together, of which bytes is the sum. It is full with chunkLen.
type chunk[E any] struct {
	items []item[E]
	bytes int
}

// chunkLen bounds a chunk, so that nothing large is allocated or copied under a lock. What is
// delivered counts as undelivered until the last of its chunk is: so the lock is taken once for
// each chunk, and not for each event.
const chunkLen = 64

// emit takes an event if it is of a kind that the listener wants. After the last one
// it takes none. It locks q, and after it the queue of the losses, never the other way round.
func (q *queue[E]) emit(it item[E], kind uint8, last bool) {
	// Without the lock: most events are wanted by few listeners.
	wanted := q.Kinds.Has(kind)
	if !wanted && !last {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	// The bus has had its last event: what comes later is of no interest, and not counted.
	if q.closed {
		return
	}
	q.closed = last
	// A vital event is taken however much there is. Like any that is taken it comes after the
	// loss before it.
	if wanted && !q.bus.cfg.Vital.Has(kind) && q.full(it.size) {
		q.dropped++
		return
	}
	q.emitDropped()
	if wanted {
		q.push(it)
	}
}

// full reports whether there is no room for so many bytes. Once that is so it is until half of
// the limit is free: a listener that is too slow misses many events in a row and hears of it
// once, rather than every second event and as often. It is called under mu, once for each event.
func (q *queue[E]) full(size int) bool {
	// In bytes; one event may be larger than it, and is dropped then.
	limit := q.bus.cfg.Limit
	if q.lossy {
		limit /= 2
	}
	q.lossy = q.bytes+size > limit
	return q.lossy
}

// emitDropped says what was dropped, before the event that follows. It is called under mu; the
// event is made here, so that what is dropped costs no more than counting. It does not ask for
// room, as otherwise a loss could be lost.
func (q *queue[E]) emitDropped() {
	if q.dropped == 0 {
		return
	}
	// The loss is made into an event and counted anew in one section, so none is told twice.
	cfg := &q.bus.cfg
	e := cfg.Dropped(q.Name, q.dropped)
	q.dropped = 0
	kind, it := cfg.Kind(e), item[E]{e, q.bus.own + cfg.Size(e)}
	if q.Kinds.Has(kind) {
		q.push(it)
	}
	// As the lock of that queue is taken under this one, it has no losses of its own to tell
	// another.
	if q.losses != nil {
		q.losses.emit(it, kind, false)
	}
}

// push appends an event, and starts the delivery if there is none. It is called under mu. O(1); it
// allocates once for each chunk.
func (q *queue[E]) push(it item[E]) {
	n := len(q.backlog)
	// Only the last chunk may have room. One that is being delivered is not in backlog any more.
	if n == 0 || len(q.backlog[n-1].items) == chunkLen {
		q.backlog = append(q.backlog, chunk[E]{items: q.spare})
		q.spare = nil
		n++
	}
	// What the chunk holds counts until it is delivered as a whole: see take.
	last := &q.backlog[n-1]
	last.items = append(last.items, it)
	last.bytes += it.size
	q.bytes += it.size
	// The first event after a rest. The goroutine takes mu itself, so it sees what is added here.
	if q.idle == nil {
		q.idle = make(chan struct{})
		guard.Go(q.deliver)
	}
}

// close ends the queue without an event. A loss that was not told yet is told.
func (q *queue[E]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.emitDropped()
	q.closed = true
}

// deliver delivers until nothing is left. A listener that panics or calls
// runtime.Goexit loses that one event; another goroutine goes on behind it. For those that wait the
// delivery has gone on all the time, as idle stays open.
func (q *queue[E]) deliver() {
	// What ends the goroutine otherwise is the listener, by a panic or a Goexit.
	finished := false
	defer func() {
		if !finished {
			_ = recover() // a listener must not take the process down
			guard.Go(q.deliver)
		}
	}()
	q.started()
	for q.next < len(q.batch.items) || q.take() {
		e := q.batch.items[q.next].event
		q.batch.items[q.next] = item[E]{} // what is delivered is not kept until the last of the batch is
		q.next++                          // before the call: a listener that throws is not called again for this event
		q.Deliver(e)
	}
	finished = true
}

// started notes on which goroutine the listener is called from now on, so that it can be
// recognized as the caller of Flush or Exempt. Nothing is delivered before that is known.
func (q *queue[E]) started() {
	me := goid.Current()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.goroutine = me
}

// take fetches the next batch, or ends the delivery when there is none: in the section in which
// it finds that, so that emit either is seen here or starts another goroutine.
func (q *queue[E]) take() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	// The batch is delivered as a whole: only now has it made room.
	q.bytes -= q.batch.bytes
	// The room of the batch is used again: a steady stream allocates nothing.
	q.spare, q.batch, q.next = q.batch.items[:0], chunk[E]{}, 0
	if len(q.backlog) == 0 { // a loss without an event behind it is told now that there is room
		q.emitDropped()
	}
	if len(q.backlog) == 0 {
		close(q.idle)
		q.backlog, q.spare, q.idle, q.goroutine, q.late = nil, nil, nil, 0, false
		return false
	}
	// The slot is cleared, as the array stays until the backlog is empty.
	q.batch, q.backlog[0] = q.backlog[0], chunk[E]{}
	q.backlog = q.backlog[1:]
	return true
}

// runsOn reports whether that goroutine is the delivering one: whether the listener itself calls.
func (q *queue[E]) runsOn(goroutine goid.ID) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.goroutine.Is(goroutine)
}

// exemptCaller closes exempt if that goroutine is the delivering one. It may do so again.
func (q *queue[E]) exemptCaller(goroutine goid.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	// No listener, or another one: 0 is none, and so is an unknown number.
	if !q.goroutine.Is(goroutine) {
		return
	}
	select {
	case <-q.exempt:
	default:
		close(q.exempt)
	}
}

// giveUp notes that the listener was waited for in vain, unless it has come to rest since. That
// ends when it does.
func (q *queue[E]) giveUp() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.late = q.idle != nil
}

// isLate reports whether giveUp was called, and the listener has not come to rest since.
func (q *queue[E]) isLate() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.late
}

// wait reports whether everything is delivered, or the listener is exempt, before ctx ends. A nil
// exempt never is. It waits for a rest: events that are emitted meanwhile are waited for as well.
func (q *queue[E]) wait(ctx context.Context, exempt <-chan struct{}) bool {
	q.mu.Lock()
	// The channel of this rest: a later one has another, so it cannot be closed for what comes
	// after.
	idle := q.idle
	q.mu.Unlock()
	if idle == nil {
		return true
	}
	// First without ctx: a select of all three would answer at random if ctx has ended as well.
	select {
	case <-idle:
		return true
	case <-exempt:
		return true
	default:
	}
	select {
	case <-idle:
	case <-exempt:
	case <-ctx.Done():
		return false
	}
	return true
}
