package core

// This file has what becomes of an attempt that has ended. There are four ways: the job has
// settled; it waits for another attempt; it is pending again, as a shutdown cut it off; or it
// gives way to a job that took over its unique key meanwhile. Which, the result decides
// together with why its context was cancelled, if it was.

import (
	"time"

	"github.com/a622d8ee/dray/internal/span"
)

// Settle ends the attempt at place r, which is free afterwards. It is called by the owner for a
// worker that has come back; now is when the attempt ended, which may be earlier than what Advance
// has seen.
func (c *Core) Settle(r *Run, res Result, now time.Duration) {
	// Of a plain job that went well nothing is to be written down: it has no key, no group, no
	// caller. So it is counted, and gets no record.
	if r.plain && res.Kind == OK && !c.cfg.Watched.hasEnd(Processed) {
		c.counts.Processed++ // the plain job, as it is nearly always
		c.free(r)
		return
	}
	// What is needed of the place is read before free, which empties it.
	j := c.record(r)
	begun := min(c.begun(r, now), now)
	cause, took, wait, seq := r.Cause, now-begun, begun-r.ReadyAt(), r.frontSeq
	if cause == NotCancelled && j.Timeout > 0 && took >= j.Timeout {
		cause = TimedOut // the job's context has seen it before Advance did
	}
	// A deadline weighs more than a timeout, less than a shutdown or a user.
	if j.lateAt(now) {
		cause = max(cause, Expired)
	}
	if res.Kind == Panic {
		c.counts.Panicked++
	}
	if r.Job != nil {
		c.Measured(wait, took, 1)
	}
	// Before settle: the job must not be at a place any more when it is put where it goes next.
	c.free(r)
	if cause == Shutdown {
		j.seq = seq
	}
	c.settle(j, res, cause, took, now)
}

// Measured adds n plain jobs to the latency statistics: their workers know best how often to read
// the clock. Jobs with a record are measured one by one, by Settle, unless workers have claimed and
// ended them.
func (c *Core) Measured(wait, took time.Duration, n uint64) {
	if c.cfg.Latency && n > 0 {
		c.wait.Add(wait, n)
		c.run.Add(took, n)
	}
}

// record returns the job at r; a plain one gets a record now that there is something to write down.
// It is not among live yet: again and putBack enter it, if it goes on.
func (c *Core) record(r *Run) *Job {
	if r.Job != nil {
		return r.Job
	}
	j := &Job{Spec: PlainSpec, Fn: r.Fn, ID: r.ID, EnqueuedAt: r.Enqueued, Attempt: 1, State: Running, started: true}
	j.readyAt = r.Enqueued
	return j
}

// free empties the place, for which the attempt is over whatever becomes of the job. A place that
// was plain has nothing to be emptied but the job itself: whatever else is set makes it not plain.
func (c *Core) free(r *Run) {
	c.running--
	r.ID, r.Fn = 0, nil
	if r.plain {
		return // the plain job, as it is nearly always
	}
	// The item of the place is in the heap for its timeout or for its grace, and must not go off
	// for the next job.
	if r.Cause != NotCancelled || r.Job != nil && r.Job.Timeout > 0 {
		c.deadlines.Remove(&r.deadline)
	}
	if r.Job != nil {
		r.Job.run = nil
	}
	// A worker that was lent for it is one too many from here on: see Surplus.
	if r.Cause != NotCancelled {
		c.stuck--
	}
	if r.Exempt {
		c.exempt--
	}
	r.Job, r.Cause, r.Done, r.Total, r.Exempt = nil, NotCancelled, 0, 0, false
}

// settle decides what becomes of j after an attempt: the contract's table. The order of its cases
// is part of that:
//
//   - a good end counts, whatever was done to the job meanwhile
//   - after a user's cancellation there is no other attempt
//   - once the report is made nothing is taken back, so every other end is a failure
//   - a pool has no line to go back to: what a shutdown cuts off there has failed
//   - a shutdown is no failure, and neither is a snooze
//   - all else is a failed attempt; so is a snooze after a timeout, as its time was over
func (c *Core) settle(j *Job, res Result, cause Cause, took, now time.Duration) {
	// A shutdown adds nothing here: only in a pool the attempt has failed by it, see below.
	if res.Kind != OK {
		res.because(cause.error())
	}
	switch {
	case res.Kind == OK:
		c.end(j, Processed, nil, took)
	case cause == UserCancel:
		j.addErr(res.Err, res.Note)
		c.end(j, Cancelled, res.Err, took)
	case c.sealed: // abandoned, and late: there is no report any more to hand it back in
		j.addErr(res.Err, res.Note)
		c.end(j, Failed, res.Err, took)
	case cause == Shutdown && c.cfg.NoQueue:
		res.because(ErrShutdown)
		j.addErr(res.Err, res.Note)
		c.end(j, Failed, res.Err, took)
	case cause == NotCancelled && res.Kind == Snooze, cause == Shutdown:
		c.postpone(j, res, cause, took, now)
	default:
		c.failed(j, res, cause, took, now)
	}
}

// postpone puts off a job that asked for it, or that a shutdown cut off; neither spends an attempt.
// A snooze that would end behind the job's deadline fails it at once: waiting could not help.
func (c *Core) postpone(j *Job, res Result, cause Cause, took, now time.Duration) {
	// Neither is an attempt that failed: the next one has the same number.
	j.Attempt--
	switch {
	// First: a job that another one stands in for gets neither a place in line nor a time.
	case c.replaced(j):
		c.endReplaced(j, res, took)
	case cause == Shutdown:
		c.putBack(j, res, took, now)
	case j.lateAt(span.Sum(now, res.Snooze)):
		// What a snooze returned is no error of the job's, so that is not told.
		j.addErr(ErrDeadline, nil)
		c.keep(j, now)
		c.end(j, Failed, ErrDeadline, took)
	default:
		j.RunAt = span.Sum(now, res.Snooze)
		c.again(j, Delayed)
		c.noteEnd(DidSnooze, j, nil, took, now)
	}
}

// failed ends a failed attempt, or the job if it was the last. It is the last if the result says
// so, if there are no more, or if the next would begin behind the deadline. The deadline is then
// told with the error, unless it is in there already.
func (c *Core) failed(j *Job, res Result, cause Cause, took, now time.Duration) {
	// A job that is replaced does not go on, so it is not asked whether there is time for another
	// attempt.
	last := res.Final || j.Attempt >= j.MaxAttempts
	if !last && !c.replaced(j) && j.lateAt(span.Sum(now, res.Delay)) { // there is no time for another attempt
		last = true
		if cause != Expired {
			res.because(ErrDeadline)
		}
	}
	j.addErr(res.Err, res.Note)
	j.past.stack = res.Stack
	switch {
	case last:
		c.keep(j, now)
		c.end(j, Failed, res.Err, took)
	// After last: a job whose last attempt failed has failed, and is not evicted.
	case c.replaced(j):
		c.endReplaced(j, res, took)
	default:
		c.counts.Retried++
		j.RunAt = span.Sum(now, res.Delay)
		c.again(j, Retrying)
		c.noteEnd(DidRetry, j, res.Err, took, now)
	}
}

// endReplaced ends a job that would go on, were it not for another one that took over its unique
// key while it ran. What its attempt returned is told with that. A snooze has no error to tell.
func (c *Core) endReplaced(j *Job, res Result, took time.Duration) {
	why := ErrReplaced
	if res.Kind != Snooze && res.Err != nil {
		why = &Caused{Cause: ErrReplaced, Err: res.Err}
	}
	c.end(j, Evicted, why, took)
}

// again lets j wait for its next run. It keeps its place in its key: what is behind it in that key
// must not overtake it. Its room it has given up with its first start, and takes none again.
func (c *Core) again(j *Job, s State) {
	c.live.Put(byID(j.ID), j) // a plain one has a record only now
	c.watch(j)                // anew: see putBack
	c.delay(j, s)
}

// putBack puts a job that a shutdown has cut off before all others of its lane, among others like
// it in the order in which they had started. It is pending as any other: to be run when the queue
// is served again, or to be handed back. It keeps its place in its key, and its turn is what
// InterruptAll has given it.
func (c *Core) putBack(j *Job, res Result, took, now time.Duration) {
	j.addErr(res.Err, res.Note)
	j.State, j.interrupted, j.readyAt = Pending, true, now
	c.pending++
	c.interrupted++
	c.live.Put(byID(j.ID), j)
	c.watch(j) // anew, as its deadline may have been heeded while it ran
	c.toFront(j)
	c.noteEnd(DidInterrupt, j, res.Err, took, now)
}

// end makes j settled: it is taken out of everything that knows it, counted, and its end is told to
// those that have asked: observers, its caller (Ref), its group. It must be out of its line or its
// place already, and is in none of the core's lists afterwards. Some of the order matters:
//
//   - its place in its key goes on to the next job before unindex, which may forget the key
//   - its group is told of it before that is complete, so quit comes after the effect
//   - it is emptied last, as the info of the effect is taken from it
func (c *Core) end(j *Job, s State, err error, took time.Duration) {
	c.live.Delete(byID(j.ID))
	c.leaveKey(j)
	c.unindex(j)
	c.release(j)
	c.unwatch(j)
	c.unlimit(j)
	j.State = s
	switch s {
	case Processed:
		c.counts.Processed++
	case Failed:
		c.counts.Failed++
	case Cancelled:
		c.counts.Cancelled++
	default:
		c.counts.Evicted++
	}
	// Nothing is made that is not asked for: most jobs end without an effect.
	watched := c.cfg.Watched.hasEnd(s)
	if watched || j.Ref != nil || j.member {
		e := Effect{Kind: HasSettled, Job: j, Err: err, Took: took}
		if watched {
			e.Info = new(infoOfJob(j))
		}
		if err != nil {
			e.Note = j.note()
		}
		c.effect(e)
	}
	if j.past != nil {
		j.past.note = nil
	}
	c.quit(j)
	// A record that ran well is left as it is: its caller may use it again, with Renew.
	if s != Processed {
		j.empty()
	}
}

// settled ends a job that was not running.
func (c *Core) settled(j *Job, s State) { c.end(j, s, nil, 0) }

// evict ends a waiting job to make room for another one, or for one that takes over its unique key.
func (c *Core) evict(j *Job, why error) {
	c.drop(j)
	c.end(j, Evicted, why, 0)
}
