package core

import (
	"slices"
	"time"
)

// Settle ends the attempt at place r, which is free afterwards.
func (c *Core) Settle(r *Run, res Result, now time.Duration) {
	if r.plain && res.Kind == OK && !c.cfg.Watched {
		c.counts.Processed++ // the plain job, as it is nearly always
		c.free(r)
		return
	}
	j := c.record(r)
	cause, took, wait := r.Cause, now-r.StartedAt, r.StartedAt-r.ReadyAt()
	if cause == NotCancelled && j.Timeout > 0 && took >= j.Timeout {
		cause = TimedOut // the job's context has seen it before Advance did
	}
	if res.Kind == Panic {
		c.counts.Panicked++
	}
	if r.Job != nil {
		c.Measured(wait, took, 1)
	}
	c.free(r)
	c.conclude(j, res, cause, took, now)
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

// conclude decides what becomes of j after an attempt: the contract's table.
func (c *Core) conclude(j *Job, res Result, cause Cause, took, now time.Duration) {
	switch {
	case res.Kind == OK:
		c.end(j, Processed, nil, took)
	case cause == UserCancel:
		j.addErr(res.Err)
		c.end(j, Cancelled, res.Err, took)
	case c.sealed: // abandoned, and late: there is no report any more to hand it back in
		j.addErr(res.Err)
		c.end(j, Failed, res.Err, took)
	case cause == NotCancelled && res.Kind == Snooze, cause == Shutdown:
		c.postpone(j, res, cause, took, now)
	default:
		c.failed(j, res, took, now)
	}
}

// postpone puts off a job that asked for it, or that a shutdown cut off; neither
// spends an attempt.
func (c *Core) postpone(j *Job, res Result, cause Cause, took, now time.Duration) {
	j.Attempt--
	switch {
	case c.replaced(j):
		c.end(j, Evicted, nil, took)
	case cause == Shutdown:
		c.interruptedJob(j, res, now)
	default:
		j.RunAt = now + res.Delay
		c.again(j, Delayed)
		c.noteErr(DidSnooze, j, nil, now)
	}
}

// failed ends a failed attempt, or the job if it was the last.
func (c *Core) failed(j *Job, res Result, took, now time.Duration) {
	j.addErr(res.Err)
	j.Stack = res.Stack
	switch {
	case res.Kind == Discard || j.Attempt >= j.MaxAttempts:
		c.keep(j, now)
		c.end(j, Failed, res.Err, took)
	case c.replaced(j):
		c.end(j, Evicted, nil, took)
	default:
		c.counts.Retried++
		j.RunAt = now + res.Delay
		c.again(j, Retrying)
		c.noteErr(DidRetry, j, res.Err, now)
	}
}

// replaced reports whether another job took over j's unique key while j was
// running, so that j is not to run again.
func (c *Core) replaced(j *Job) bool { return j.Unique != "" && c.unique[j.Unique] != j }

// again lets j wait for its next run. It keeps its place in its key: what is
// behind it in that key must not overtake it.
func (c *Core) again(j *Job, s State) {
	c.list(j)
	c.delay(j, s)
}

// list makes a job known that was not so far: a plain one has a record only now.
func (c *Core) list(j *Job) {
	j.Unlisted = false
	c.live[j.ID] = j
}

// interruptedJob takes note of a job that is handed back; it counts as pending.
func (c *Core) interruptedJob(j *Job, res Result, now time.Duration) {
	j.addErr(res.Err)
	j.State = Interrupted
	c.pending++
	c.list(j)
	c.interrupted = append(c.interrupted, j)
	c.noteErr(DidInterrupt, j, res.Err, now)
}

// end makes j settled.
func (c *Core) end(j *Job, s State, err error, took time.Duration) {
	if !j.Unlisted {
		delete(c.live, j.ID)
	}
	c.leaveKey(j)
	c.release(j)
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
	if c.cfg.Watched || j.Ref != nil {
		e := Effect{Kind: HasSettled, Job: j, Err: err, Took: took}
		if c.cfg.Watched {
			e.Info = new(infoOfJob(j))
		}
		c.effect(e)
	}
}

// settled ends a job that was not running.
func (c *Core) settled(j *Job, s State) { c.end(j, s, nil, 0) }

// drop takes a waiting job out of wherever it waits.
func (c *Core) drop(j *Job) {
	switch j.State {
	case Delayed, Retrying:
		c.undelay(j)
	default:
		c.pending--
		c.unplace(j)
	}
	if !j.started {
		c.held--
	}
	if j.Unlisted {
		c.unlisted--
	}
}

// unplace takes a pending job out of its line.
func (c *Core) unplace(j *Job) {
	l := c.lane(j.Priority)
	p := j.place
	j.place = nowhere
	switch p {
	case inList:
		l.bury()
	case inFront:
		l.front = without(l.front, j)
	case inKey:
		c.keys[j.Key].queue = without(c.keys[j.Key].queue, j)
		c.promote(j.Key)
	case withKind:
		c.pausedKinds[j.Kind] = without(c.pausedKinds[j.Kind], j)
	}
}

func without(jobs []*Job, j *Job) []*Job {
	return slices.DeleteFunc(jobs, func(o *Job) bool { return o == j })
}

func (c *Core) evict(j *Job) {
	c.drop(j)
	c.settled(j, Evicted)
}

// Cancel settles a waiting job, or cancels the context of a running one, whose
// return then settles it. It reports false if there is no such job.
func (c *Core) Cancel(id uint64, now time.Duration) bool {
	if j := c.find(id); j != nil {
		return c.CancelJob(j, now)
	}
	if r := c.RunOf(id); r != nil {
		c.interrupt(r, UserCancel, now)
		return true
	}
	if c.sealed {
		return false
	}
	e, ok := c.lane(Normal).list.Remove(id)
	if ok {
		j := plainJob(e)
		c.pending--
		c.held--
		c.settled(j, Cancelled)
	}
	return ok
}

// CancelJob is Cancel for a job with a record.
func (c *Core) CancelJob(j *Job, now time.Duration) bool {
	switch {
	case j.State >= Processed: // settled, or handed back
		return false
	case j.run != nil:
		c.interrupt(j.run, UserCancel, now)
	case c.sealed:
		return false
	default:
		c.drop(j)
		c.settled(j, Cancelled)
	}
	return true
}

// find returns the job with a record that has the given ID and is not running.
func (c *Core) find(id uint64) *Job {
	if j := c.live[id]; j != nil || c.unlisted == 0 {
		return j
	}
	for i := range c.lanes {
		for e := range c.lanes[i].list.All() {
			if e.Job != nil && e.Job.ID == id && c.lanes[i].alive(e) {
				return e.Job
			}
		}
	}
	return nil
}

// plainJob makes a record of a plain job that waits.
func plainJob(e Entry) *Job {
	return &Job{Fn: e.Fn, MaxAttempts: 1, ID: e.ID, EnqueuedAt: e.At, State: Pending, readyAt: e.At}
}

// oldest finds the waiting job to evict: the first of the lowest lane that has
// one, else, of those that wait for their key, their kind or their time, the one
// that was accepted first. Jobs that have run before hold no capacity.
func (c *Core) oldest() *Job {
	for i := len(c.lanes) - 1; i >= 0; i-- {
		if j := c.firstOf(&c.lanes[i]); j != nil {
			return j
		}
	}
	var oldest *Job
	for _, j := range c.live {
		if j.run == nil && !j.started && (oldest == nil || j.ID < oldest.ID) {
			oldest = j
		}
	}
	return oldest
}

func (c *Core) firstOf(l *lane) *Job {
	for _, j := range l.front {
		if !j.started {
			return j
		}
	}
	for e := range l.list.All() {
		if e.Job == nil {
			l.list.Remove(e.ID)
			return plainJob(e)
		}
		if l.alive(e) && !e.Job.started {
			return e.Job
		}
	}
	return nil
}

// Failure is a failed job that was kept.
type Failure struct {
	Job *Job
	At  time.Duration
}

// keep remembers a failed job, and forgets the oldest if there are too many.
func (c *Core) keep(j *Job, now time.Duration) {
	if c.cfg.FailuresKept == 0 {
		return
	}
	if len(c.failures) >= c.cfg.FailuresKept {
		c.failures = slices.Delete(c.failures, 0, 1)
	}
	c.failures = append(c.failures, Failure{Job: j, At: now})
}

// Again returns a record like j's before it was accepted.
func (j *Job) Again() *Job {
	return &Job{
		Fn: j.Fn, Kind: j.Kind, Label: j.Label, Key: j.Key, KeyLimit: j.KeyLimit,
		Unique: j.Unique, UniquePolicy: j.UniquePolicy, Priority: j.Priority,
		MaxAttempts: j.MaxAttempts, Timeout: j.Timeout, Backoff: j.Backoff,
	}
}
