package dray

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/eventbus"
)

// Observer receives events of a queue, pool or supervisor, one at a time: see [WithObserver].
//
// Events arrive in the order in which they happened, on a goroutine of this observer
// alone, for which no queue, worker, caller or other observer waits. An observer may call
// any method of the queue; one that panics or ends its goroutine loses that event and
// nothing else. Undelivered events are kept up to 16 MiB for each observer, the stacks of
// panics in them included, but not what else a job's error keeps, which is not known; those
// beyond are dropped, and [EventsDropped] says how many, where they
// would have come. The last event is a [QueueStopped]: a shutdown waits for the delivery
// until its time is over ([Queue.Shutdown]), and an observer that has not returned by then
// is left behind.
type Observer func(Event)

// Event is something that has happened. Kind and Time are set in every event, Queue in
// every one of a queue or pool; which other fields are, the comment of its [EventKind]
// says. All others are zero.
type Event struct {
	Kind EventKind
	// Time is when it happened, by the wall clock of that moment.
	Time time.Time
	// Queue is the name of the queue or pool; empty in events of a Supervisor that is
	// not a queue's own.
	Queue string
	// Supervisor is the name of the supervisor; that of a queue's own tree is the queue's.
	Supervisor string
	// Name is that of the child, the task, the kind, or the observer.
	Name string
	// Job is the job as it was right after the event; in events of tasks its ID alone.
	Job JobInfo
	// Wait is how long the job had waited since it became ready.
	Wait time.Duration
	// Run is how long the attempt took that has ended; 0 if none has.
	Run time.Duration
	// Due is when the run of the task was due.
	Due time.Time
	// Next is when the task runs first.
	Next time.Time
	// By is how far the clock was set, or how long an abandoned child was waited for.
	By time.Duration
	// Worker is the number of the worker within its pool, from 1.
	Worker int
	// Restarts counts the restarts of the child before.
	Restarts uint64
	// Count is how many there are of what the event is about.
	Count uint64
	// Err is why, or what came of it.
	Err error
	// Stack shows where a stuck job is, at most 16 KiB.
	Stack []byte
	// Stats is the books at the moment of the event.
	Stats *Stats
	// Waiting, Interrupted and Abandoned are how many jobs a [Report] of that moment has in
	// its lists of these names.
	Waiting, Interrupted, Abandoned int

	open bool   // of QueueStopped: jobs are still accepted
	task string // whose run the job is, if it is one; for the log
	note *note  // of Err, for the log
}

// EventKind is what an [Event] tells of. Later versions may add kinds.
type EventKind uint8

// Events of jobs. A job has settled with JobProcessed, JobFailed, JobCancelled or
// JobEvicted.
const (
	// JobEnqueued: the job was accepted. Sets Job.
	JobEnqueued EventKind = iota + 1
	// JobRejected: a job was not accepted, as Err says: ErrQueueFull, ErrDuplicate or
	// ErrGroupDone. It has no ID and appears only in Stats.Rejected. Sets Job, Err.
	JobRejected
	// JobStarted: an attempt began. Sets Job, Wait.
	JobStarted
	// JobProgress: a running job called [Progress]; Job has what it said. Sets Job.
	JobProgress
	// JobProcessed: the job returned nil. Sets Job, Run.
	JobProcessed
	// JobFailed: the job used up its attempts or its time, or discarded itself. Sets Job, Err, Run.
	JobFailed
	// JobRetrying: an attempt failed with Err; the next one starts at Job.RunAt. Sets Job, Err,
	// Run.
	JobRetrying
	// JobSnoozed: the job asked to run again at Job.RunAt, no attempt spent. Sets Job, Run.
	JobSnoozed
	// JobCancelled: a user cancelled the job. Err is ErrCancelled, and what the job
	// returned if it was running. Sets Job, Err, Run.
	JobCancelled
	// JobInterrupted: the end of the queue cancelled the running job, which returned Err.
	// It has not settled: it is in Report.Interrupted, unless its deadline passes before
	// the shutdown is over, or the queue is served again. Sets Job, Err, Run.
	JobInterrupted
	// JobEvicted: the waiting job was dropped by an overflow policy (ErrEvicted) or taken
	// over by another one of its unique key (ErrReplaced); or the attempt of a job was the
	// last whose key another one took over meanwhile, when ErrReplaced comes with the
	// attempt's error. Sets Job, Err, Run.
	JobEvicted
	// JobStuck: the job's context was cancelled 10 ms before Time, for the reason Err, and
	// it has not returned. It comes before all that comes of the job. Stacks are looked up
	// once a second, for all jobs that have become stuck, so the event may be that late; one
	// of a job that returns meanwhile has none, nor has one that was not among the first
	// 16 MiB of stacks of all goroutines. Sets Job, Err, Stack.
	JobStuck
)

// Events of the queue.
const (
	// QueueStarted: the queue began to run jobs, on Count workers. A Pool, which is ready
	// from the beginning, does not tell it. Sets Count.
	QueueStarted EventKind = iota + JobStuck + 1
	// QueuePaused: the queue, or the one kind Name if that is not empty, starts no more
	// jobs. Sets Name.
	QueuePaused
	// QueueResumed ends what QueuePaused began. Sets Name.
	QueueResumed
	// QueueResized: the number of workers was changed to Count. Sets Count.
	QueueResized
	// QueueStopped: a run has ended: by a shutdown, or by the end of a [Queue.Serve] that may
	// be called again, also by a failure. Stats are the books at that moment, after all that
	// was told before. A shutdown between two runs is told if the books are other ones than the
	// last time, or if anything else was told since. After Shutdown or Close nothing more is
	// told; what then still runs shows in the books when it returns. Sets Stats, Waiting,
	// Interrupted, Abandoned.
	QueueStopped
	// RateLimitFailed: a [Limiter] returned an error or panicked; it is asked again. Sets Err.
	RateLimitFailed
)

// Events of workers.
const (
	// WorkerStarted: a worker goroutine began. Sets Worker.
	WorkerStarted EventKind = iota + RateLimitFailed + 1
	// WorkerStopped: a worker goroutine ended. Err is nil for an orderly end, and ErrGoexit
	// when a job took the goroutine with it and a successor took its place. Sets Worker, Err.
	WorkerStopped
)

// Events of supervised children, those of a queue's own tree included.
const (
	// ChildStarted: the child's Serve was called; Restarts counts the failures that led to
	// a restart of it before. Sets Supervisor, Name, Restarts.
	ChildStarted EventKind = iota + WorkerStopped + 1
	// ChildStopped: the child ended as it should: told to by its supervisor, or by a normal
	// return. Sets Supervisor, Name.
	ChildStopped
	// ChildFailed: the child ended by itself with an error, a panic or a Goexit. Sets
	// Supervisor, Name, Err.
	ChildFailed
	// ChildAbandoned: the child did not end within its shutdown time, By, and is no longer
	// waited for. Sets Supervisor, Name, By.
	ChildAbandoned
	// SupervisorFailed: the supervisor gave up, for the reason Err. Sets Supervisor, Err.
	SupervisorFailed
)

// Events of periodic tasks.
const (
	// TaskScheduled: a periodic task was registered or replaced. Sets Name, Next.
	TaskScheduled EventKind = iota + SupervisorFailed + 1
	// TaskFired: the run due at Due was enqueued as Job.ID. Sets Name, Due, Job.
	TaskFired
	// TaskSkipped: a run was not enqueued, or left to another instance, for the
	// reason Err: ErrOverlap, ErrMissed, ErrDuplicate, ErrGroupDone, ErrQueueFull,
	// ErrLocked, or ErrCancelled if its task was unscheduled. Where several were skipped
	// together Count is how many, and Due when the last of them was due. If Err is
	// ErrTimeout, the schedule of the task does not return: Count is 0, and from Due on it
	// has no runs until it does. Sets Name, Due, Err, Count.
	TaskSkipped
	// TaskEnded: the run that was Job.ID settled, and Err is nil when it was processed; or
	// a shutdown hands it back, and Err is ErrShutdown. Sets Name, Job, Err.
	TaskEnded
	// TaskUnscheduled: the task was removed, or its schedule has no further run. Sets Name.
	TaskUnscheduled
	// ClockJumped: the wall clock was set, forward or, where By is negative, back, or the
	// machine was asleep for By. It is noticed only while there are calendar tasks, within
	// a minute. Sets By.
	ClockJumped
)

// Events of the stream of events itself.
const (
	// EventsDropped: the observer Name was too slow and has missed Count events. It alone
	// is told, and the log. Sets Name, Count.
	EventsDropped EventKind = iota + ClockJumped + 1

	// What only the log is told.
	logDue      // it is to write what it has put off
	notReturned // the end has come, and user code has not returned: see Err
)

// eventNames are the names of the constants, by their values.
var eventNames = [...]string{
	JobEnqueued: "JobEnqueued", JobRejected: "JobRejected", JobStarted: "JobStarted", JobProgress: "JobProgress",
	JobProcessed: "JobProcessed", JobFailed: "JobFailed", JobRetrying: "JobRetrying", JobSnoozed: "JobSnoozed",
	JobCancelled: "JobCancelled", JobInterrupted: "JobInterrupted", JobEvicted: "JobEvicted", JobStuck: "JobStuck",
	QueueStarted: "QueueStarted", QueuePaused: "QueuePaused", QueueResumed: "QueueResumed", QueueResized: "QueueResized",
	QueueStopped: "QueueStopped", RateLimitFailed: "RateLimitFailed",
	WorkerStarted: "WorkerStarted", WorkerStopped: "WorkerStopped",
	ChildStarted: "ChildStarted", ChildStopped: "ChildStopped", ChildFailed: "ChildFailed", ChildAbandoned: "ChildAbandoned",
	SupervisorFailed: "SupervisorFailed",
	TaskScheduled:    "TaskScheduled", TaskFired: "TaskFired", TaskSkipped: "TaskSkipped", TaskEnded: "TaskEnded",
	TaskUnscheduled: "TaskUnscheduled", ClockJumped: "ClockJumped", EventsDropped: "EventsDropped",
}

// known reports whether users may ask for events of that kind.
func (k EventKind) known() bool { return k >= JobEnqueued && k <= EventsDropped }

// String returns the name of the constant, such as "JobFailed".
func (k EventKind) String() string {
	if k.known() {
		return eventNames[k]
	}
	return fmt.Sprintf("EventKind(%d)", uint8(k))
}

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
	now, before := e.panic(), panicOf(e.Job.LastError)
	if now != nil {
		n += len(now.Stack)
	}
	if before != nil && before != now {
		n += len(before.Stack)
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
	return panicOf(e.Err)
}

// watchOf returns what the core is to make for the listeners.
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
func (h *host) wants(k EventKind) bool { return h.bus.Wants(uint8(k)) }

// emit hands an event of the queue or pool to the listeners that have asked for its kind. One
// without a time happens now.
func (h *host) emit(ev Event) {
	if !h.wants(ev.Kind) {
		return
	}
	h.bus.Emit(h.complete(ev))
	if ev.Kind != QueueStopped && ev.Kind != notReturned && !h.told.Load() {
		h.told.Store(true) // not before, or it could be cleared before a QueueStopped that is told first
	}
}

func (h *host) complete(ev Event) Event {
	ev.Queue = h.name
	if ev.Time.IsZero() {
		ev.Time = h.clock.Now()
	}
	return ev
}

// reportLate has the log name what has not returned.
func (h *host) reportLate(late []error) {
	for _, err := range late {
		h.emit(Event{Kind: notReturned, Err: err})
	}
}

// flushOthers lets observers hear of everything until then, and has the log name those that
// have not returned. It does not wait for those that wait for the end themselves.
func (h *host) flushOthers(until time.Time) {
	h.reportLate(abandonedBy(flushed(graceUntil(until), h.bus.FlushOthers)))
}

// flush lets observers hear of the end, until then. The error names what user code has
// not returned: observers, and limiters.
func (h *host) flush(until time.Time) []error {
	return slices.Concat(abandonedBy(h.engine.Lost()), abandonedBy(flushed(until, h.bus.Flush)))
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
