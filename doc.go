/*
Package dray is a supervised, in-process job queue, in the manner of an OTP
GenServer: one owner goroutine holds a FIFO queue and its statistics, hands jobs
to a bounded set of workers, and runs under a supervisor that restarts it.

# Usage

	q, err := dray.New(dray.WithWorkers(8))
	if err != nil { … }
	if err := q.Start(); err != nil { … }       // or q.Serve(ctx), which blocks
	err = q.Enqueue(ctx, func(ctx context.Context) error { return send(ctx, mail) })
	…
	report, err := q.Shutdown(ctx)              // says what was left

Jobs are functions ([Queue.Enqueue]), functions with a result ([Submit], [Run]),
or payloads of a registered kind ([Handle]). Periodic tasks are given to [New]
([WithPeriodic]) or to the [Scheduler], with a schedule such as [Every], [Daily] or
that of a cron expression (module dray/cron). [Pool] is the workers without the queue,
[Supervisor] the supervision by itself.

# Promises

 1. Settles once. A job for which Enqueue returned nil ends in exactly one of
    processed, failed, cancelled or evicted, or is handed back in the [Report] of
    the shutdown, whatever happens inside it.
 2. The books balance, in every snapshot: see [Stats].
 3. FIFO and work-conserving. Jobs of one priority start in the order in which
    they were accepted, and no worker idles while a job waits that may start.
 4. Never wedges a caller. Enqueue returns at once under every policy but [Block],
    also from inside a job of the same full queue, and never panics.
 5. Honest slots. No more jobs run than there are workers, plus at most the
    allowance for stuck ones ([WithStuckAllowance], by default none).
 6. Survives itself. If the owner crashes, it is restarted; no accepted job is
    lost or run twice. Past the restart intensity the queue fails closed:
    Enqueue returns [ErrClosed] and the waiting jobs are in the Report.
 7. Survives its users. Whatever user code does hurts its own job, task, child,
    observer or call, and costs what that holds: see Concurrency.
 8. Stops. Shutdown and Close are bounded and idempotent, may be called at any
    time by anyone, and leave no goroutine or timer behind.
 9. Bounded by default: see Limits.
 10. Testable in virtual time. Everything works inside [testing/synctest].
 11. Costs nearly nothing. A plain Enqueue allocates nothing.

# How a job ends

What a job returns decides, and where its context was cancelled, why:

	returned        context           the job is
	nil             any               processed: it did its work, late or not
	an error        cancelled by a user    cancelled
	an error        ended by a shutdown    at the front of the line again, or handed back: Report.Interrupted
	Snooze(d)       not cancelled     delayed by d; no attempt spent
	Discard(err)    any other         failed
	an error        past its deadline      failed
	an error        any other         retrying while it has attempts left, else failed

A job whose unique key another one took over while it ran ([ReplacePending]) is evicted
where it would go on: its error is [ErrReplaced] and what its attempt returned.

Where its context had ended, the error of a failed attempt is that of the job and
[ErrTimeout] or [ErrDeadline] as well, and that of a cancelled job [ErrCancelled].

A panic counts as the error [*PanicError], whatever it is called with, except that
one with a Discard is not retried; a [runtime.Goexit] counts as [ErrGoexit], an
elapsed [WithTimeout] as no more than a cancelled context. So a Snooze after the
timeout is a failed attempt, and the next one comes after the backoff. With [WithDeadline] a
job is failed that would have to wait past it, too. A job that does not
return after its context was cancelled is stuck: it keeps its worker, shows in
Stats.Stuck at once, after 10 ms in a [JobStuck] event, and settles when it
returns. There is no way to kill a goroutine.

# Order

Positions and Jobs tell the order as far as it is decided: that in which the jobs would
start at this moment, each when the one before has ended, ageing ([Priority]) included.
A job that was delayed, or is retried, stands in line from the moment it is due, or from
when the queue is served again, if it is not then. Very many that are due at one moment
come in one after the other, the higher priorities first, and what is enqueued meanwhile
stands between them: a million take some tenths of a second. A job with a [WithKey] whose
key is busy stands aside, and lets others pass, until it is its turn: then it goes to the
end of the line. So keys take turns, however many jobs each of them has. A job whose kind
is paused stands aside, too, and so does one that waits for a token ([WithRateLimit]),
which is asked for when it is its turn, and what is behind these in their keys; Jobs
lists them behind all others that are due, and then what waits for its time, each with
what is behind it in its key. Positions agree with Jobs while there are no more than 500
pending jobs, workers, keys and combinations of limiters together, or nothing stands
aside. With more, so that they cost the same in the longest queue, they are estimates,
which count what is ahead of a job in its priority, and of its key; that of a job which
stands in line for longer ([KeepExisting]) takes it, more than 500 jobs from the front,
that nothing behind it has been cancelled. And Jobs then goes by priority, without
ageing: what is in line, what stands aside in the order of acceptance, and what waits
for its time.

# Options

An option of the call overrides that of the kind, and that the queue's. Middleware
and rate limits add up instead. Options that make no sense together are an error
from the call, which says why: a delay that is not shorter than the deadline; a
unique period with [ReplacePending]; a batch with one unique key; a group of
another queue. So is nil for a limiter, locker, schedule, service, observer, logger or
function, and a nil pointer or func for one of the first four. An option that only
qualifies another one ([WithKeyLimit], [WithUniquePeriod], [WithBackoff]) does nothing
without it.

# Groups

[Group] waits for jobs as one, cancels them as one, and enqueues a completion job
with their errors.

# Back-pressure

The capacity bounds the jobs that have been accepted and have never started; see
[Overflow] for what happens beyond it, and [Queue.EnqueueBatch] for batches.

# Shutdown

[Queue.Shutdown] stops the intake, drains, cancels what runs when its context
ends, and reports. [Queue.Restore] gives what was left to another queue.

The end of [Queue.Serve] is no such end: it drains and cancels, or under a supervisor
that restarts it only cancels ([ErrRestart]), and the jobs that are left stay in the
queue until it is served again. What was cut off goes first, and its attempt does not
count. Only Shutdown and Close are final; after them the books, Jobs and String tell
what was handed back. Called after Serve, Shutdown does not wait for jobs, and
gives the Report.

# Concurrency

Every function and method may be called concurrently, unless its comment says
otherwise.

User code is every function, interface and value with methods that dray is given:
jobs, the errors that they return and the values that they panic with, middleware,
backoff functions, limiters, contexts, schedules, lockers, observers, log handlers,
services. It is never called while dray holds a lock, nor on the goroutine of the
queue's owner; it may panic, call [runtime.Goexit], take its time, return a typed nil
error, and call any method of dray. What comes of that:

	user code                  runs on              a panic is              blocking for ever costs
	a job, its middleware,     its worker           the job's error         the worker; Report.Abandoned
	its backoff, its locker
	its error, its panic       its worker, once     the job's error,        as above
	value (Error, As, …)                            with what it was
	a context, an option       the goroutine of     the call's error        that call
	                           the call that is
	                           given it
	a limiter                  a goroutine of its   an error; asked again   that goroutine; ErrAbandoned
	                           own for each queue
	a schedule                 a helper, of 64     its LastError           that helper; ErrAbandoned
	an observer, a log         a goroutine of its   that event lost         that goroutine; ErrAbandoned
	handler                    own
	a service, its error       its child's          the child's failure     the child; ErrAbandoned

Report.Abandoned and [ErrAbandoned] are how the end of a queue, pool or supervisor names
what it leaves behind, within the shutdown timeout. The errors of jobs in events, reports and results have
been looked at: one with methods that panic, or with a chain that has no end, is
replaced by an error which says so and wraps a [*PanicError]. Those of children are
handed on as they are. Of a chain that
branches up to 100,000 errors are looked at. For [JobFrom], [TaskFrom] and [Progress],
which return no error, what a context panics with goes to their caller.

A job begins without pprof labels: neither those of the call that enqueued it, nor those
of a job before it. So do services, observers and whatever else runs on a goroutine of
dray's.

# Latency statistics

Stats.Wait and Stats.Run count every attempt, once it has ended. It starts when the job is
given to a worker: what then passes until the processors have a turn for that, some tens
of microseconds or, where others keep them all busy, some milliseconds, is part of Run, and
Wait on an idle queue is 0. Only a job with a timeout starts when its worker does, as the
timeout counts from there. Jobs are timed one by one
while they take a microsecond or longer, and in any case if they have a timeout, a deadline, a
unique key, a group or a limiter, or if a caller waits for their result. A worker that
finds others shorter reads the clock once for up to 64 of them, and counts each as
having taken the average. If they took longer after all, one of them is counted
with the whole time: that is too much by a millisecond at most. Until the last of
them has ended they are not in the statistics. JobInfo.StartedAt of such a job is
exact to a millisecond for the same reason. Of jobs without a deadline that are
enqueued so fast that they are not collected in between, up to 64 share a date; they
are collected within 0.1 ms unless all processors are busy.

# Times

Whatever the wall clock is set to, durations and what is due after one go by the
monotonic clock: timeouts, deadlines, delays, retries, intervals. All moments that
are told (in [JobInfo], [Job], [Failure], [Report], [ChildInfo], [PeriodicInfo], in
events, by [TaskFrom] and by the Deadline of a job's context) are told as the wall
clock shows them when they are told: what was 10 s ago is told as 10 s before now,
also if the clock was set since. So times that are told at one time agree with the
clock and with one another, to a millisecond, and what lies between two of them is
the time that has passed; after the clock was set, or the machine slept, the same
moment is told otherwise than before. What was told once, as an event or a report, stays as
it was. A time that a schedule has named stays as named: Next, Last and Due of
calendar tasks. Times that are given ([WithRunAt], [WithLastRun], [Queue.Restore])
are measured once, when they are given, by the wall clock of then.

# Periodic tasks

Intervals go by the monotonic clock, calendar schedules by the wall clock. What
becomes of runs that overlap, that were missed, whose time does not exist or
exists twice, or over which the clock was set, has a written policy each:
[WithOverlap], [WithMissed], [DST], and docs/scheduler.md for the last. Each run
that comes due becomes a job at once, is postponed behind the run before it, or is
skipped, and is counted once as that: [PeriodicInfo]. A run takes no room of the
capacity, unless another one of its task waits. A shutdown hands back what is postponed
like what waits, and [Scheduler.Unschedule] tells what it drops. A schedule that does not return makes its own task hung, and no other:
[Schedule].

# Testing

Start the queue inside a synctest bubble: time.Sleep and all timers of the queue
then pass at once, and synctest.Wait returns when all jobs that can have ended.
Close the queue before the bubble ends, or its goroutines fail the test. Package
draytest makes queues that do so, and that run jobs one by one or at once.

# Limits

By default: 10,000 waiting jobs ([WithCapacity]); 3 restarts in 5 s of the queue's own
tree; 100 failures kept ([WithFailuresKept]), each with the last 10 errors, and those that
are panics with 16 KiB of stack each. Fixed: 16 MiB of undelivered events for each
observer, stacks included; 1,048,576 workers; delays, timeouts, deadlines, periods and
backoffs of a year; 100 errors of a group; 2 MiB of memory kept from a burst; 1,024 runs
of periodic tasks of a priority that stand in line before what is enqueued after them;
10,000 missed runs made up for ([RunAll]), and 10 million counted; 64 goroutines kept by
schedules that do not return, and as many by their String methods. Workers that a burst
needed leave after a minute ([WithIdleTimeout]). The number of kinds, labels, keys and
limiters is not limited. A kind stays, with some hundred bytes; of the others dray keeps
none beyond the jobs that have them, or a unique key beyond its period.

What has settled is let go of at once: function, payload, values, middleware, errors
and results. What keeps some of it are [Queue.Failures], each a whole job that can be
requeued; a [Task], its result and error; a [Group], its errors; a [Report], the jobs
it hands back, and a closed queue its report; a supervised [Child] and a periodic
task, their last error. None of these but the queue keeps a queue. The context of a
job that is kept keeps its own values: with [WithContextValues] those of the call, of
which, where jobs enqueue one another, only the last ten generations and the first
remain. A goroutine in code that does not return keeps what that code uses.
*/
package dray
