package core

import (
	"math"
	"time"

	"github.com/a622d8ee/dray/internal/sorted"
)

// Failure is a failed job that was kept.
type Failure struct {
	Job    *Job
	At     time.Duration
	Number uint64 // from 1, in the order in which they failed
}

// failures are those that are kept: in their order, and by the IDs of their jobs.
type failures struct {
	all  sorted.List[Failure]
	byID table[uint64, uint64]
	last uint64 // number
}

func (f *failures) get(id uint64) (Failure, bool) {
	return f.all.Get(sorted.Key{Minor: f.byID.get(id)})
}

func (f *failures) drop(kept Failure) {
	f.all.Delete(sorted.Key{Minor: kept.Number})
	f.byID.remove(kept.Job.ID)
}

// keep remembers a failed job, and forgets the oldest if there are too many.
func (c *Core) keep(j *Job, now time.Duration) {
	f := &c.failures
	if c.cfg.FailuresKept == 0 {
		return
	}
	if _, oldest, _ := f.all.First(); f.all.Len() >= c.cfg.FailuresKept {
		f.drop(oldest)
	}
	f.last++
	f.all.Put(sorted.Key{Minor: f.last}, Failure{Job: j.kept(), At: now, Number: f.last})
	f.byID.put(j.ID, f.last)
}

// LastFailure returns the number of the newest failure, kept or not.
func (c *Core) LastFailure() uint64 { return c.failures.last }

// FailuresBefore returns so many of the kept failures at most, newest first: those before
// that number.
func (c *Core) FailuresBefore(number uint64, limit int) (kept []Failure) {
	for _, f := range c.failures.all.Before(sorted.Key{Minor: number}) {
		if len(kept) == limit {
			break
		}
		kept = append(kept, f)
	}
	return kept
}

// FailureAfter returns the oldest kept failure behind that number.
func (c *Core) FailureAfter(number uint64) (f Failure, ok bool) {
	for _, f := range c.failures.all.After(sorted.Key{Minor: number}) {
		return f, true
	}
	return f, false
}

// Failures returns the kept failures, newest first.
func (c *Core) Failures() []Failure { return c.FailuresBefore(math.MaxUint64, math.MaxInt) }

// Requeue accepts the job of a kept failure again, whatever the room, unless
// another one holds its unique key. It reports false if there is no such failure.
func (c *Core) Requeue(failed, id uint64, now time.Duration) (v Verdict, found bool) {
	f, ok := c.failures.get(failed)
	if !ok {
		return 0, false
	}
	j := f.Job.Again()
	if old := c.holder(j); old != nil {
		if j.UniquePolicy != ReplacePending || old.State == Blocked || old.State == Running {
			c.reject(j, KeyTaken, now)
			return Duplicate, true
		}
		c.evict(old, ErrReplaced)
	} else if s := c.heldSince(j.Unique, now); s != nil && s.id != failed { // its own period does not keep it out
		c.reject(j, KeyTaken, now)
		return Duplicate, true
	}
	c.failures.drop(f)
	c.admit(j, id, now)
	return Accepted, true
}

// DropFailure forgets a kept failure. It reports false if there is none of that ID.
func (c *Core) DropFailure(failed uint64) bool {
	f, ok := c.failures.get(failed)
	if ok {
		c.failures.drop(f)
	}
	return ok
}

// DropFailures forgets all of them, and returns how many there were.
func (c *Core) DropFailures() int {
	n := c.failures.all.Len()
	c.failures = failures{last: c.failures.last}
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
		Limiters: j.Limiters, HostData: j.HostData,
	}
}
