package dray

import "time"

// Observer receives every event of a queue, pool or supervisor: see [WithObserver].
//
// Events arrive one at a time, in the order in which they happened, on a goroutine
// of this observer alone, for which no queue, worker, caller or other observer waits.
// An observer may call any method of the queue; one that panics or ends its goroutine
// loses that event and nothing else. Of each observer's events those beyond 65,536
// undelivered ones are dropped, and [EventsDropped] says how many. One that has not
// returned by the end of a shutdown is left behind: see [Queue.Shutdown].
type Observer func(Event)

// Event is one of the event types of this package, to be told apart with a type
// switch:
//
//   - jobs: [JobEnqueued], [JobRejected], [JobStarted], [JobProgress],
//     [JobRetrying], [JobSnoozed], [JobStuck], [JobInterrupted], and the four
//     ends [JobProcessed], [JobFailed], [JobCancelled], [JobEvicted];
//   - workers: [WorkerStarted], [WorkerStopped];
//   - children of a supervisor: [ChildStarted], [ChildStopped], [ChildFailed],
//     [ChildAbandoned], [SupervisorFailed];
//   - periodic tasks: [TaskScheduled], [TaskFired], [TaskSkipped], [TaskEnded],
//     [TaskUnscheduled], [ClockJumped];
//   - the queue: [QueueStarted], [QueuePaused], [QueueResumed], [QueueResized],
//     [RateLimitFailed], [QueueStopped];
//   - the stream of events itself: [EventsDropped].
//
// Later versions may add types, so a switch needs no default case but must not
// panic in one.
type Event interface{ event() }

// happened is embedded in every event.
type happened struct {
	// Time is when it happened, by the wall clock of that moment.
	Time time.Time
}

func (happened) event() {}

// EventsDropped says that an observer was too slow and has missed Count events. It
// alone is told, and the log.
type EventsDropped struct {
	happened
	Count uint64

	listener string // for the log
}

// Events of jobs. Job is the job as it was right after the event.
type (
	// JobEnqueued: the job was accepted.
	JobEnqueued struct {
		happened
		Job JobInfo
	}
	// JobRejected: a job was not accepted; it has no ID and appears only in Stats.Rejected.
	JobRejected struct {
		happened
		Job JobInfo
		Err error // ErrQueueFull, ErrDuplicate or ErrGroupDone
	}
	// JobStarted: an attempt began after the job had waited Wait since it became ready.
	JobStarted struct {
		happened
		Job  JobInfo
		Wait time.Duration
	}
	// JobProgress: a running job called Progress.
	JobProgress struct {
		happened
		Job         JobInfo
		Done, Total int64
	}
	// JobProcessed: the job returned nil after running for Run. Final.
	JobProcessed struct {
		happened
		Job JobInfo
		Run time.Duration
	}
	// JobFailed: the job used up its attempts, or discarded itself. Final.
	JobFailed struct {
		happened
		Job JobInfo
		Err error
		Run time.Duration

		task string // whose run it was, if it was one; for the log
	}
	// JobCancelled: a user cancelled the job. Final.
	JobCancelled struct {
		happened
		Job JobInfo
		Err error // ErrCancelled, and what the job returned if it was running
	}
	// JobEvicted: the waiting job was dropped, or the attempt of one was the last whose
	// unique key another job took over meanwhile. Final.
	JobEvicted struct {
		happened
		Job JobInfo
		Err error // ErrEvicted: by an overflow policy; ErrReplaced: by another job of its unique key, with the error of its attempt
	}
	// JobRetrying: an attempt failed; the next one starts at Job.RunAt.
	JobRetrying struct {
		happened
		Job JobInfo
		Err error

		task string
	}
	// JobSnoozed: the job asked to run again at Job.RunAt, no attempt spent.
	JobSnoozed struct {
		happened
		Job JobInfo
	}
	// JobStuck: the job's context was cancelled 10 ms before Time and it has not
	// returned; Stack shows where it is, at most 16 KiB. It comes before all that comes
	// of the job. Stacks are looked up once a second, for all jobs that have become stuck,
	// so the event may be that late; one of a job that returns meanwhile has none, nor
	// has one that was not among the first 16 MiB of stacks of all goroutines.
	JobStuck struct {
		happened
		Job   JobInfo
		Cause error
		Stack []byte

		task string
	}
	// JobInterrupted: the end of the queue cancelled the running job, which
	// returned an error. It has not settled: it is in Report.Interrupted, unless its
	// deadline passes before the shutdown is over, or the queue is served again.
	JobInterrupted struct {
		happened
		Job JobInfo
		Err error
	}
)

// Events of workers.
type (
	// WorkerStarted: a worker goroutine began.
	WorkerStarted struct {
		happened
		Worker int // number of the worker within its pool, from 1
	}
	// WorkerStopped: a worker goroutine ended. Err is nil for an orderly end,
	// ErrGoexit when a job took the goroutine with it and a successor took its place.
	WorkerStopped struct {
		happened
		Worker int
		Err    error
	}
)

// Events of supervised children.
type (
	// ChildStarted: the child's Serve was called; Restarts counts its earlier starts' failures.
	ChildStarted struct {
		happened
		Supervisor, Child string
		Restarts          uint64
	}
	// ChildStopped: the child ended as it should: told to by its supervisor, or by a normal return.
	ChildStopped struct {
		happened
		Supervisor, Child string
	}
	// ChildFailed: the child ended by itself with an error, a panic or a Goexit.
	ChildFailed struct {
		happened
		Supervisor, Child string
		Err               error
	}
	// ChildAbandoned: the child did not end within its shutdown time and is no longer waited for.
	ChildAbandoned struct {
		happened
		Supervisor, Child string
		Waited            time.Duration
	}
	// SupervisorFailed: the supervisor gave up, for the reason Err.
	SupervisorFailed struct {
		happened
		Supervisor string
		Err        error
	}
)

// Events of periodic tasks.
type (
	// TaskScheduled: a periodic task was registered or replaced; Next is its first run.
	TaskScheduled struct {
		happened
		Task string
		Next time.Time
	}
	// TaskFired: the run due at Due was enqueued as job ID.
	TaskFired struct {
		happened
		Task string
		Due  time.Time
		ID   ID
	}
	// TaskSkipped: a run was not enqueued, or left to another instance, for the
	// reason Err: ErrOverlap, ErrMissed, ErrDuplicate, ErrGroupDone, ErrQueueFull,
	// ErrLocked, or ErrCancelled if its task was unscheduled. Where several were skipped
	// together Count is how many, and Due when the last of them was due. If Err is ErrTimeout, the schedule of the task does not return:
	// Count is 0, and from Due on it has no runs until it does.
	TaskSkipped struct {
		happened
		Task  string
		Due   time.Time
		Err   error
		Count uint64
	}
	// TaskEnded: a run of the task settled; Err is nil when it was processed.
	TaskEnded struct {
		happened
		Task string
		ID   ID
		Err  error
	}
	// TaskUnscheduled: the task was removed, or its schedule has no further run.
	TaskUnscheduled struct {
		happened
		Task string
	}
	// ClockJumped: the wall clock was set, forward or, where By is negative, back,
	// or the machine was asleep for By. It is noticed only while there are calendar
	// tasks, within a minute.
	ClockJumped struct {
		happened
		By time.Duration
	}
)

// Events of the queue.
type (
	// QueueStarted: the queue began to run jobs. A Pool, which is ready from the beginning,
	// does not tell it.
	QueueStarted struct {
		happened
		Workers int
	}
	// QueuePaused: the queue, or the one Kind if that is not empty, starts no more jobs.
	QueuePaused struct {
		happened
		Kind string
	}
	// QueueResumed ends what QueuePaused began.
	QueueResumed struct {
		happened
		Kind string
	}
	// QueueResized: the number of workers was changed.
	QueueResized struct {
		happened
		Workers int
	}
	// RateLimitFailed: a [Limiter] returned an error or panicked; it is asked again.
	RateLimitFailed struct {
		happened
		Err error
	}
	// QueueStopped: a run has ended: by a shutdown, or by the end of a [Queue.Serve] that may
	// be called again. The books are those at that moment, and after all that was told
	// before. A shutdown between two runs is told if jobs were accepted since the last one.
	QueueStopped struct {
		happened
		open                            bool // jobs are still accepted
		Stats                           Stats
		Waiting, Interrupted, Abandoned int
	}
)
