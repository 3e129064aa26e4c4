package dray

import (
	"context"
	"reflect"
	"runtime"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/eventbus"
)

// maxUndelivered bounds the bytes of the events that wait for a slow observer: some
// 36,000, or a thousand with stacks.
const maxUndelivered = 16 << 20

// flushGrace is how long at least the end of a queue or pool waits for observers that are
// on their way, though its time be over: else chance would decide which of them it names.
const flushGrace = 100 * time.Millisecond

// A set of kinds has room for 64.
const _ = uint(63 - notReturned)

// kindsOf returns the set of the kinds, of all that users know if there are none.
func kindsOf(kinds ...EventKind) (m eventbus.Mask) {
	for _, k := range kinds {
		m |= 1 << k
	}
	if len(kinds) == 0 {
		m = 1<<(EventsDropped+1) - 1<<JobEnqueued
	}
	return m
}

// logged is what the log is made of. What comes with every job is not in it.
var logged = kindsOf(JobFailed, JobRetrying, JobStuck, JobRejected, JobEvicted,
	QueueStarted, QueueStopped, RateLimitFailed, ChildStarted, ChildFailed, ChildAbandoned, SupervisorFailed,
	TaskSkipped, ClockJumped, EventsDropped, logDue, notReturned)

// vital is what is delivered though there is too much: what comes once in the life of a
// queue, or of which little can be under way.
var vital = kindsOf(QueueStopped, EventsDropped, logDue, notReturned)

// An observer is one with the kinds of events that it has asked for.
type observer struct {
	observe Observer
	kinds   eventbus.Mask
}

// name says which function the observer is.
func (o observer) name() string {
	return "observer " + runtime.FuncForPC(reflect.ValueOf(o.observe).Pointer()).Name()
}

// newBus returns the bus of a queue or pool of that name, or of a supervisor: nil, which
// wants nothing, without a listener.
func newBus(c common, queue string) (bus *eventbus.Bus[Event]) {
	var all []eventbus.Listener[Event]
	if c.logger != nil {
		write := logTo(c.logger, c.name, func() { bus.Emit(Event{Kind: logDue}) })
		all = append(all, eventbus.Listener[Event]{Name: "log handler", Kinds: logged, Deliver: write, Losses: true})
	}
	for _, o := range c.observers {
		all = append(all, eventbus.Listener[Event]{Name: o.name(), Kinds: o.kinds, Deliver: o.observe})
	}
	bus = eventbus.New(eventbus.Config[Event]{
		Kind: func(e Event) uint8 { return uint8(e.Kind) },
		Size: sizeOf,
		Dropped: func(listener string, n uint64) Event {
			return Event{Kind: EventsDropped, Time: c.clock.Now(), Queue: queue, Name: listener, Count: n}
		},
		Vital: vital, Limit: maxUndelivered,
	}, all...)
	return bus
}

// sizeOf returns how many bytes an event keeps besides itself, as far as that is known.
func sizeOf(e Event) int {
	n := len(e.Stack) + len(e.Name) + len(e.Job.Kind) + len(e.Job.Label) + len(e.Job.Key)
	if e.note != nil {
		n += len(e.note.text)
	}
	if p := e.panic(); p != nil {
		n += len(p.Stack)
	}
	if e.Stats != nil {
		n += statsSize
	}
	return n
}

// statsSize is what the books take.
var statsSize = int(reflect.TypeFor[Stats]().Size())

// panic returns the panic that the error of the event tells of, as far as that is known
// without asking it.
func (e *Event) panic() *PanicError {
	if e.note != nil {
		return e.note.panic
	}
	p, _ := e.Err.(*PanicError) //nolint:errorlint // its methods are user code
	return p
}

// watchOf returns what the core is to make for those who listen.
func watchOf(bus *eventbus.Bus[Event]) (w core.Watch) {
	for effect, kind := range eventOfEffect {
		if kind != 0 && bus.Wants(uint8(kind)) {
			w |= core.EffectKind(effect).Watch()
		}
	}
	for state, kind := range eventOfEnd {
		if kind != 0 && bus.Wants(uint8(kind)) {
			w |= core.State(state).Watch()
		}
	}
	return w
}

// wants reports whether an observer or the log has asked for events of that kind.
func (e *engine) wants(k EventKind) bool { return e.bus.Wants(uint8(k)) }

// emit hands an event of the queue or pool to those who have asked for its kind. One
// without a time happens now.
func (e *engine) emit(ev Event) {
	if e.wants(ev.Kind) {
		e.bus.Emit(e.complete(ev))
	}
}

func (e *engine) complete(ev Event) Event {
	ev.Queue = e.name
	if ev.Time.IsZero() {
		ev.Time = e.clock.Now()
	}
	return ev
}

// reportLate has the log name what has not returned.
func (e *engine) reportLate(late []error) {
	for _, err := range late {
		e.emit(Event{Kind: notReturned, Err: err})
	}
}

// flushOthers lets observers hear of everything until then, and has the log name those that
// have not returned. It does not wait for those that wait for the end themselves.
func (e *engine) flushOthers(until time.Time) {
	e.reportLate(lateErrors(flushed(graceUntil(until), e.bus.FlushOthers)))
}

// flush lets observers hear of the end, until then. The error names what user code has
// not returned: observers, and limiters.
func (e *engine) flush(until time.Time) []error {
	return slices.Concat(e.lost(), lateErrors(flushed(until, e.bus.Flush)))
}

func flushed(until time.Time, flush func(context.Context) []string) []string {
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	return flush(ctx)
}

// graceUntil is that time, but at least flushGrace away.
func graceUntil(t time.Time) time.Time {
	if least := time.Now().Add(flushGrace); t.Before(least) {
		return least
	}
	return t
}

func lateErrors(names []string) (all []error) {
	for _, name := range names {
		all = append(all, errs.Wrapf(ErrAbandoned, "%s", name))
	}
	return all
}
