package core

import (
	"time"

	"github.com/a622d8ee/dray/internal/span"
)

// Settle ends the attempt at place r, which is free afterwards.
func (c *Core) Settle(r *Run, res Result, now time.Duration) {
	if r.plain && res.Kind == OK && !c.cfg.Watched.hasEnd(Processed) {
		c.counts.Processed++ // the plain job, as it is nearly always
		c.free(r)
		return
	}
	j := c.record(r)
	cause, took, wait, seq := r.Cause, now-r.StartedAt, r.StartedAt-r.ReadyAt(), r.frontSeq
	if cause == NotCancelled && j.Timeout > 0 && took >= j.Timeout {
		cause = TimedOut // the job's context has seen it before Advance did
	}
	if j.lateAt(now) {
		cause = max(cause, Expired)
	}
	if res.Kind == Panic {
		c.counts.Panicked++
	}
	if r.Job != nil {
		c.Measured(wait, took, 1)
	}
	c.free(r)
	if cause == Shutdown {
		j.seq = seq
	}
	c.settle(j, res, cause, took, now)
}

// Measured adds n plain jobs to the latency statistics: their workers know best
// how often to read the clock. Jobs with a record are measured one by one.
func (c *Core) Measured(wait, took time.Duration, n uint64) {
	if c.cfg.Latency && n > 0 {
		c.wait.Add(wait, n)
		c.run.Add(took, n)
	}
}

// record returns the job at r; a plain one gets a record now that there is
// something to write down.
func (c *Core) record(r *Run) *Job {
	if r.Job != nil {
		return r.Job
	}
	j := &Job{Fn: r.Fn, MaxAttempts: 1, ID: r.ID, EnqueuedAt: r.Enqueued, Attempt: 1, State: Running, started: true}
	j.readyAt = r.Enqueued
	return j
}

// free empties the place.
func (c *Core) free(r *Run) {
	c.running--
	r.ID, r.Fn = 0, nil
	if r.plain {
		return // the plain job, as it is nearly always
	}
	if r.Cause != NotCancelled || r.Job != nil && r.Job.Timeout > 0 {
		c.deadlines.Remove(&r.deadline)
	}
	if r.Job != nil {
		r.Job.run = nil
	}
	if r.Cause != NotCancelled {
		c.stuck--
	}
	if r.Exempt {
		c.exempt--
	}
	r.Job, r.Cause, r.CausedAt, r.Done, r.Total, r.Exempt, r.reported = nil, NotCancelled, 0, 0, 0, false, false
}

// settle decides what becomes of j after an attempt: the contract's table.
func (c *Core) settle(j *Job, res Result, cause Cause, took, now time.Duration) {
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

// postpone puts off a job that asked for it, or that a shutdown cut off; neither
// spends an attempt.
func (c *Core) postpone(j *Job, res Result, cause Cause, took, now time.Duration) {
	j.Attempt--
	switch {
	case c.replaced(j):
		c.endReplaced(j, res, took)
	case cause == Shutdown:
		c.putBack(j, res, took, now)
	case j.lateAt(span.Sum(now, res.Snooze)):
		j.addErr(ErrDeadline, nil)
		c.keep(j, now)
		c.end(j, Failed, ErrDeadline, took)
	default:
		j.RunAt = span.Sum(now, res.Snooze)
		c.again(j, Delayed)
		c.noteEnd(DidSnooze, j, nil, took, now)
	}
}

// failed ends a failed attempt, or the job if it was the last.
func (c *Core) failed(j *Job, res Result, cause Cause, took, now time.Duration) {
	last := res.Final || j.Attempt >= j.MaxAttempts
	if !last && !c.replaced(j) && j.lateAt(span.Sum(now, res.Delay)) { // there is no time for another attempt
		last = true
		if cause != Expired {
			res.because(ErrDeadline)
		}
	}
	j.addErr(res.Err, res.Note)
	j.Stack = res.Stack
	switch {
	case last:
		c.keep(j, now)
		c.end(j, Failed, res.Err, took)
	case c.replaced(j):
		c.endReplaced(j, res, took)
	default:
		c.counts.Retried++
		j.RunAt = span.Sum(now, res.Delay)
		c.again(j, Retrying)
		c.noteEnd(DidRetry, j, res.Err, took, now)
	}
}

// endReplaced ends a job that would go on, were it not for another one that took over its
// unique key while it ran. What its attempt returned is told with that.
func (c *Core) endReplaced(j *Job, res Result, took time.Duration) {
	why := ErrReplaced
	if res.Kind != Snooze && res.Err != nil {
		why = &Caused{Cause: ErrReplaced, Err: res.Err}
	}
	c.end(j, Evicted, why, took)
}

// again lets j wait for its next run. It keeps its place in its key: what is
// behind it in that key must not overtake it.
func (c *Core) again(j *Job, s State) {
	c.live.Put(byID(j.ID), j) // a plain one has a record only now
	c.delay(j, s)
}

// putBack puts a job that a shutdown has cut off before all others of its lane,
// among others like it in the order in which they had started. It is pending as any
// other: to be run when the queue is served again, or to be handed back.
func (c *Core) putBack(j *Job, res Result, took, now time.Duration) {
	j.addErr(res.Err, res.Note)
	j.State, j.interrupted, j.readyAt = Pending, true, now
	c.pending++
	c.interrupted++
	c.live.Put(byID(j.ID), j)
	c.unwatch(j)
	c.watch(j) // anew, as its deadline may have been heeded while it ran
	c.toFront(j)
	c.noteEnd(DidInterrupt, j, res.Err, took, now)
}

// end makes j settled.
func (c *Core) end(j *Job, s State, err error, took time.Duration) {
	c.live.Delete(byID(j.ID))
	c.leaveKey(j)
	c.unindex(j)
	if c.release(j) {
		c.spend(j)
	}
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
	watched := c.cfg.Watched.hasEnd(s)
	if watched || j.Ref != nil || j.member {
		e := Effect{Kind: HasSettled, Job: j, Err: err, Took: took}
		if watched {
			e.Info = new(infoOfJob(j))
		}
		if err != nil {
			e.Note = j.note
		}
		c.effect(e)
	}
	j.note = nil
	c.quit(j)
	if s != Processed {
		j.empty()
	}
}

// settled ends a job that was not running.
func (c *Core) settled(j *Job, s State) { c.end(j, s, nil, 0) }

func (c *Core) evict(j *Job, why error) {
	c.drop(j)
	c.end(j, Evicted, why, 0)
}
