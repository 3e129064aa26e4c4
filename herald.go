package dray

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"sync"

	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/goid"
	"github.com/a622d8ee/dray/internal/guard"
)

// maxUndelivered bounds the events that wait for a slow observer. At about
// 250 bytes each that is 16 MiB; later events are dropped and counted in an
// [EventsDropped].
const maxUndelivered = 1 << 16

// A herald carries events to the log and to the observers, to each on a goroutine of
// its own: nobody who changes the state of a queue ever waits for an observer, and
// neither does another observer.
type herald struct {
	outlets []*outlet // immutable; the log is the first
}

// An outlet carries events to one listener, in the order in which they happened. Its
// goroutine exists only while there is something to tell, so that it needs no start
// and no stop.
type outlet struct {
	listener Observer // immutable
	clock    *clock   // immutable
	isLog    bool     // immutable: it gets what only the log is told, and notes
	log      *outlet  // immutable: hears of what this one has missed; nil without, and in the log's own

	mu      sync.Mutex
	pending []Event       // appended by emit, taken whole by the telling goroutine
	dropped uint64        // events refused since the last take
	quiet   chan struct{} // non-nil while there is something to tell; closed when told
	goid    goid.ID       // of the telling goroutine; 0 without

	// The rest belongs to the telling goroutine alone, of which there is at most one.
	batch []Event // being told
	told  int     // of batch
}

// newHerald returns nil when nobody listens. A nil herald ignores every call,
// so that its users may skip making events at all.
func newHerald(c common) *herald {
	if len(c.observers) == 0 && c.logger == nil {
		return nil
	}
	h := &herald{}
	if c.logger != nil {
		log := &outlet{clock: c.clock, isLog: true}
		log.listener = logTo(c.logger, c.name, log.emit)
		h.outlets = append(h.outlets, log)
	}
	for _, o := range c.observers {
		out := &outlet{clock: c.clock, listener: o}
		if c.logger != nil {
			out.log = h.outlets[0]
		}
		h.outlets = append(h.outlets, out)
	}
	return h
}

// noted is an event with what the log needs to know of its error. Observers get the
// event without.
type noted struct {
	Event
	*note
}

// with returns ev with a note for the log, if there is one.
func with(ev Event, about any) Event {
	if n, ok := about.(*note); ok {
		return noted{ev, n}
	}
	return ev
}

// emit hands events over and returns at once. Safe for concurrent use.
func (h *herald) emit(events ...Event) {
	if h == nil || len(events) == 0 {
		return
	}
	for _, o := range h.outlets {
		o.emit(events...)
	}
}

func (o *outlet) emit(events ...Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.pending)+len(events) > maxUndelivered && !indispensable(events[0]) {
		o.dropped += uint64(len(events))
		return
	}
	o.pending = append(o.pending, events...)
	if o.quiet == nil {
		o.quiet = make(chan struct{})
		go o.tell()
	}
}

// indispensable reports whether an event is delivered though there are too many:
// one that comes once in the life of a queue, or of which few can be under way.
func indispensable(ev Event) bool {
	switch ev.(type) {
	case QueueStopped, EventsDropped, logDue, notReturned:
		return true
	}
	return false
}

// tell delivers until nothing is left. A listener that panics or calls
// runtime.Goexit loses that one event; a successor goes on behind it.
func (o *outlet) tell() {
	finished := false
	defer func() {
		if !finished {
			_ = recover() // an observer must not take the service down
			go o.tell()
		}
	}()
	guard.Unlabel()
	o.setGoid(goid.Current())
	for o.told < len(o.batch) || o.take() {
		ev := o.batch[o.told]
		o.batch[o.told] = nil // what is told is not kept until the last of the batch is
		o.told++              // before the call: a listener that throws is not called again for this event
		if n, ok := ev.(noted); ok && !o.isLog {
			ev = n.Event
		}
		o.listener(ev)
	}
	finished = true
}

// take fetches the next batch, or ends the telling when there is none.
func (o *outlet) take() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.batch, o.pending, o.told = o.pending, nil, 0
	if o.dropped > 0 {
		missed := EventsDropped{o.clock.now(), o.dropped, o.name()}
		o.batch = append(o.batch, missed)
		o.dropped = 0
		if o.log != nil {
			o.log.emit(missed)
		}
	}
	if len(o.batch) > 0 {
		return true
	}
	close(o.quiet)
	o.quiet, o.goid = nil, 0
	return false
}

func (o *outlet) setGoid(id goid.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.goid = id
}

// flush waits until everything emitted before the call has been told, or until
// ctx ends, and names the listeners that have not returned by then. Called by a
// listener it does not wait for that one.
func (h *herald) flush(ctx context.Context) error {
	if h == nil {
		return nil
	}
	var all []error
	for _, o := range h.outlets {
		if !o.flush(ctx) {
			all = append(all, errs.Wrapf(ErrAbandoned, "%s", o.name()))
		}
	}
	h.report(all)
	return errors.Join(all...)
}

// report has the log say what did not return, unless that is the log.
func (h *herald) report(abandoned []error) {
	if h == nil || !h.outlets[0].isLog {
		return
	}
	log := h.outlets[0]
	for _, err := range abandoned {
		log.emit(notReturned{log.clock.now(), err})
	}
}

func (o *outlet) flush(ctx context.Context) bool {
	o.mu.Lock()
	quiet, telling := o.quiet, o.goid
	o.mu.Unlock()
	if quiet == nil || telling.Is(goid.Current()) {
		return true
	}
	select {
	case <-quiet:
		return true
	default:
	}
	select {
	case <-quiet:
		return true
	case <-ctx.Done():
		return false
	}
}

// name says which function the listener is.
func (o *outlet) name() string {
	if o.isLog {
		return "log handler"
	}
	return "observer " + runtime.FuncForPC(reflect.ValueOf(o.listener).Pointer()).Name()
}

// notReturned has the log name user code that has not returned by the end. No
// observer sees it.
type notReturned struct {
	happened
	err error
}
