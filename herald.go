package dray

import (
	"context"
	"sync"
)

// maxUndelivered bounds the events that wait for a slow observer. At about
// 250 bytes each that is 16 MiB; later events are dropped and counted in an
// [EventsDropped].
const maxUndelivered = 1 << 16

// A herald carries events to the observers and to the log, in the order in
// which they happened, on a goroutine of its own: nobody who changes the state
// of a queue ever waits for an observer. The goroutine exists only while there
// is something to tell, so a herald needs no start and no stop.
type herald struct {
	listeners []Observer // immutable

	mu      sync.Mutex
	pending []Event       // appended by emit, taken whole by the telling goroutine
	dropped uint64        // events refused since the last take
	quiet   chan struct{} // non-nil while there is something to tell; closed when told

	// The rest belongs to the telling goroutine alone, of which there is at most one.
	batch []Event // being told
	told  int     // calls made for this batch: event told/len(listeners), listener told%len(listeners)
}

// newHerald returns nil when nobody listens. A nil herald ignores every call,
// so that its users may skip making events at all.
func newHerald(c common) *herald {
	if len(c.observers) == 0 && c.logger == nil {
		return nil
	}
	h := &herald{listeners: c.observers}
	if c.logger != nil {
		h.listeners = append([]Observer{logTo(c.logger, c.name, h.emit)}, c.observers...)
	}
	return h
}

// emit hands events over and returns at once. Safe for concurrent use.
func (h *herald) emit(events ...Event) {
	if h == nil || len(events) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.pending)+len(events) > maxUndelivered && !indispensable(events[0]) {
		h.dropped += uint64(len(events))
		return
	}
	h.pending = append(h.pending, events...)
	if h.quiet == nil {
		h.quiet = make(chan struct{})
		go h.tell()
	}
}

// indispensable reports whether an event is delivered though there are too many:
// one that comes once in the life of a queue, or of which there is at most one.
func indispensable(ev Event) bool {
	switch ev.(type) {
	case QueueStopped, logDue:
		return true
	}
	return false
}

// tell delivers until nothing is left. An observer that panics or calls
// runtime.Goexit loses that one event; a successor goes on behind it.
func (h *herald) tell() {
	finished := false
	defer func() {
		if !finished {
			_ = recover() // an observer must not take the service down
			go h.tell()
		}
	}()
	for h.told < len(h.batch)*len(h.listeners) || h.take() {
		n := h.told
		h.told++ // before the call: a listener that throws is not called again for this event
		ev, listener := h.batch[n/len(h.listeners)], n%len(h.listeners)
		if _, ok := ev.(logDue); ok && listener > 0 {
			continue // the log is the first, and told alone
		}
		h.listeners[listener](ev)
	}
	finished = true
}

// take fetches the next batch, or ends the telling when there is none.
func (h *herald) take() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.batch, h.pending, h.told = h.pending, nil, 0
	if h.dropped > 0 {
		h.batch = append(h.batch, EventsDropped{moment(), h.dropped})
		h.dropped = 0
	}
	if len(h.batch) > 0 {
		return true
	}
	close(h.quiet)
	h.quiet = nil
	return false
}

// flush waits until everything emitted before the call has been told, or until
// ctx ends. An observer that calls it waits for itself, so ctx should end.
func (h *herald) flush(ctx context.Context) {
	if h == nil {
		return
	}
	h.mu.Lock()
	quiet := h.quiet
	h.mu.Unlock()
	if quiet == nil {
		return
	}
	select {
	case <-quiet:
	case <-ctx.Done():
	}
}
