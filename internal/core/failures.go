package core

import (
	"slices"
	"time"
)

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
	c.failures = append(c.failures, Failure{Job: j.kept(), At: now})
}

// Failures returns the kept failures, newest first.
func (c *Core) Failures() []Failure {
	f := slices.Clone(c.failures)
	slices.Reverse(f)
	return f
}

func (c *Core) failure(id uint64) int {
	return slices.IndexFunc(c.failures, func(f Failure) bool { return f.Job.ID == id })
}

// Requeue accepts the job of a kept failure again, whatever the room, unless
// another one holds its unique key. It reports false if there is no such failure.
func (c *Core) Requeue(failed, id uint64, now time.Duration) (v Verdict, found bool) {
	i := c.failure(failed)
	if i < 0 {
		return 0, false
	}
	j := c.failures[i].Job.Again()
	if old := c.holder(j); old != nil {
		if j.UniquePolicy != ReplacePending || old.State == Blocked || old.State == Running {
			c.reject(j, KeyTaken, now)
			return Duplicate, true
		}
		c.evict(old, ErrReplaced)
	} else if s := c.spentOn(j.Unique, now); s != nil && s.id != failed { // its own period does not keep it out
		c.reject(j, KeyTaken, now)
		return Duplicate, true
	}
	c.failures = slices.Delete(c.failures, i, i+1)
	c.admit(j, id, now)
	return Accepted, true
}

// DropFailure forgets a kept failure. It reports false if there is none of that ID.
func (c *Core) DropFailure(failed uint64) bool {
	i := c.failure(failed)
	if i < 0 {
		return false
	}
	c.failures = slices.Delete(c.failures, i, i+1)
	return true
}

// DropFailures forgets all of them, and returns how many there were.
func (c *Core) DropFailures() int {
	n := len(c.failures)
	c.failures = nil
	return n
}

// kept returns what a list of failures is to keep of j, which does not lead to those
// who were told of its end.
func (j *Job) kept() *Job {
	k := j.Again()
	k.ID, k.EnqueuedAt, k.Attempt, k.Errs, k.Stack, k.State = j.ID, j.EnqueuedAt, j.Attempt, j.Errs, j.Stack, Failed
	return k
}

// HandedBack returns what a report is to keep of j: a record like Again's that tells
// besides how far it had come.
func (j *Job) HandedBack() *Job {
	l := j.Again()
	l.Errs, l.keyed, l.started = j.Errs, j.keyed, j.started || j.Roomless
	return l
}

// Again returns a record like j's before it was accepted. It is in no group.
func (j *Job) Again() *Job {
	return &Job{
		Fn: j.Fn, Kind: j.Kind, Label: j.Label, Key: j.Key, KeyLimit: j.KeyLimit,
		Unique: j.Unique, UniquePolicy: j.UniquePolicy, UniqueFor: j.UniqueFor, Priority: j.Priority,
		MaxAttempts: j.MaxAttempts, Timeout: j.Timeout, Within: j.Within, Backoff: j.Backoff,
		Limiters: j.Limiters, Extra: j.Extra,
	}
}
