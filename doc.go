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
([WithPeriodic]) or to the [Scheduler]. [Pool] is the workers without the queue,
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
 7. Stops. Shutdown and Close are bounded and idempotent, may be called at any
    time by anyone, and leave no goroutine or timer behind.
 8. Bounded by default: see Limits.
 9. Testable in virtual time. Everything works inside [testing/synctest].
 10. Costs nearly nothing. A plain Enqueue allocates nothing.

# How a job ends

What a job returns decides, and where its context was cancelled, why:

	returned        context           the job is
	nil             any               processed: it did its work, late or not
	an error        cancelled by a user    cancelled
	an error        ended by a shutdown    handed back: Report.Interrupted
	Snooze(d)       not cancelled     delayed by d; no attempt spent
	Discard(err)    any other         failed
	an error        any other         retrying while it has attempts left, else failed

A panic counts as the error [*PanicError], a [runtime.Goexit] as [ErrGoexit], an
elapsed [WithTimeout] as no more than a cancelled context. A job that does not
return after its context was cancelled is stuck: it keeps its worker, shows in
Stats.Stuck at once and in a [JobStuck] event 10 ms later, and settles when it
returns. There is no way to kill a goroutine.

# Order

Positions and Jobs tell the order as far as it is decided. A job that was
delayed, or is retried, stands in line from the moment it is due. A job with a
[WithKey] whose key is busy stands aside, and lets others pass, until it is its
turn. See [Priority] for ageing.

# Back-pressure

The capacity bounds the jobs that have been accepted and have never started; see
[Overflow] for what happens beyond it.

# Shutdown

[Queue.Shutdown] stops the intake, drains, cancels what runs when its context
ends, and reports. [Queue.Restore] gives what was left to another queue.

# Concurrency

Every function and method may be called concurrently, unless its comment says
otherwise. Foreign code (jobs, middleware, backoff functions, schedules, observers,
log handlers) is never called while dray holds a lock; it may throw what it
likes, and may call dray.

# Latency statistics

Stats.Wait and Stats.Run count every attempt. Jobs with options are timed one by
one. Plain jobs are too while they take a microsecond or longer; a worker that
finds them shorter reads the clock once for up to 16 of them, and counts each as
having taken the average. A longer one among them is counted with its time, and
ends that. The same holds for JobInfo.StartedAt of a plain job. Enqueue dates
jobs by the moment since when the owner has not collected them, which is
microseconds ago unless all processors are busy.

# Testing

Start the queue inside a synctest bubble: time.Sleep and all timers of the queue
then pass at once, and synctest.Wait returns when all jobs that can have ended.
Close the queue before the bubble ends, or its goroutines fail the test. Package
draytest makes queues that do so, and that run jobs one by one or at once.

# Limits

By default: 10,000 waiting jobs ([WithCapacity]); 3 restarts in 5 s of the
queue's own tree; 100 failures kept ([WithFailuresKept]), each with the last 10
errors and 16 KiB of stack; 65,536 undelivered events. Fixed: 1,048,576 workers;
delays, timeouts and backoffs of a year; 256 KiB of memory kept from a burst.
The number of kinds, labels and keys is not limited, but dray keeps none of them
beyond the jobs that have them.
*/
package dray
