package eventbus

import (
	"context"
	"sync"

	"github.com/a622d8ee/dray/internal/goid"
	"github.com/a622d8ee/dray/internal/guard"
)

// A queue has what is to be delivered to one listener.
type queue[E any] struct {
	Listener[E]               // immutable
	bus         *Bus[E]       // immutable
	losses      *queue[E]     // immutable: of the listener that hears what this one has missed; nil without
	exempt      chan struct{} // closed by exemptCaller, under mu

	mu        sync.Mutex
	backlog   []chunk[E]    // appended by emit, taken one by one by the delivering goroutine
	spare     []item[E]     // room for another chunk, while there is something to deliver
	bytes     int           // of backlog and batch
	dropped   uint64        // events refused since the last one that was not
	lossy     bool          // events are refused until half of the limit is delivered
	late      bool          // it was waited for in vain, and is still at it
	closed    bool          // events are ignored
	idle      chan struct{} // non-nil while there is something to deliver; closed when that is done
	goroutine goid.ID       // the delivering one; 0 without

	// Delivering goroutine only, of which there is at most one.
	batch chunk[E] // being delivered
	next  int      // of batch
}

// An item is an event and how many bytes it counts.
type item[E any] struct {
	event E
	size  int
}

// A chunk is events that are taken together.
type chunk[E any] struct {
	items []item[E]
	bytes int
}

// chunkLen bounds a chunk, so that nothing large is allocated or copied under a lock.
// What is delivered counts as undelivered until the last of its chunk is.
const chunkLen = 64

// emit takes an event if it is of a kind that the listener wants. After the last one
// it takes none.
func (q *queue[E]) emit(it item[E], kind uint8, last bool) {
	wanted := q.Kinds.Has(kind)
	if !wanted && !last {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed = last
	if wanted && !q.bus.cfg.Vital.Has(kind) && q.full(it.size) {
		q.dropped++
		return
	}
	q.emitDropped()
	if wanted {
		q.push(it)
	}
}

// full reports whether there is no room for so many bytes. Once that is so it is until
// half of the limit is free: a listener that is too slow misses many events in a row and
// hears of it once, rather than every second event and as often.
func (q *queue[E]) full(size int) bool {
	limit := q.bus.cfg.Limit
	if q.lossy {
		limit /= 2
	}
	q.lossy = q.bytes+size > limit
	return q.lossy
}

// emitDropped says what was dropped, before the event that follows.
func (q *queue[E]) emitDropped() {
	if q.dropped == 0 {
		return
	}
	cfg := &q.bus.cfg
	e := cfg.Dropped(q.Name, q.dropped)
	q.dropped = 0
	kind, it := cfg.Kind(e), item[E]{e, q.bus.own + cfg.Size(e)}
	if q.Kinds.Has(kind) {
		q.push(it)
	}
	if q.losses != nil {
		q.losses.emit(it, kind, false)
	}
}

func (q *queue[E]) push(it item[E]) {
	n := len(q.backlog)
	if n == 0 || len(q.backlog[n-1].items) == chunkLen {
		q.backlog = append(q.backlog, chunk[E]{items: q.spare})
		q.spare = nil
		n++
	}
	last := &q.backlog[n-1]
	last.items = append(last.items, it)
	last.bytes += it.size
	q.bytes += it.size
	if q.idle == nil {
		q.idle = make(chan struct{})
		guard.Go(q.deliver)
	}
}

func (q *queue[E]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.emitDropped()
	q.closed = true
}

// deliver delivers until nothing is left. A listener that panics or calls
// runtime.Goexit loses that one event; another goroutine goes on behind it.
func (q *queue[E]) deliver() {
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

func (q *queue[E]) started() {
	me := goid.Current()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.goroutine = me
}

// take fetches the next batch, or ends the delivery when there is none.
func (q *queue[E]) take() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= q.batch.bytes
	q.spare, q.batch, q.next = q.batch.items[:0], chunk[E]{}, 0
	if len(q.backlog) == 0 {
		q.emitDropped()
	}
	if len(q.backlog) == 0 {
		close(q.idle)
		q.backlog, q.spare, q.idle, q.goroutine, q.late = nil, nil, nil, 0, false
		return false
	}
	q.batch, q.backlog[0] = q.backlog[0], chunk[E]{}
	q.backlog = q.backlog[1:]
	return true
}

// runsOn reports whether that goroutine is the delivering one.
func (q *queue[E]) runsOn(goroutine goid.ID) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.goroutine.Is(goroutine)
}

func (q *queue[E]) exemptCaller(goroutine goid.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.goroutine.Is(goroutine) {
		return
	}
	select {
	case <-q.exempt:
	default:
		close(q.exempt)
	}
}

// giveUp notes that the listener was waited for in vain.
func (q *queue[E]) giveUp() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.late = q.idle != nil
}

func (q *queue[E]) isLate() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.late
}

// wait reports whether everything is delivered, or the listener is exempt, before ctx ends.
func (q *queue[E]) wait(ctx context.Context, exempt <-chan struct{}) bool {
	q.mu.Lock()
	idle := q.idle
	q.mu.Unlock()
	if idle == nil {
		return true
	}
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
