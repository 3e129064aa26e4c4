package core

import (
	"math"
	"time"

	"github.com/a622d8ee/dray/internal/sorted"
)

// Failure is a failed job that was kept. Its Job is a record of its own, as kept makes it, and not
// changed any more.
type Failure struct {
	Job    *Job
	At     time.Duration
	Number uint64 // from 1, in the order in which they failed
}

// failures are those that are kept: in their order, and by the IDs of their jobs. Numbers and not
// places say where a reader has come to, so that it can go on whatever was kept or dropped
// meanwhile. The zero value has none.
type failures struct {
	all  sorted.List[Failure]
	byID table[uint64, uint64]
	last uint64 // number
}

// get returns the kept failure of the job with that ID. Without one the number is 0, which none
// has.
func (f *failures) get(id uint64) (Failure, bool) {
	return f.all.Get(sorted.Key{Minor: f.byID.get(id)})
}

// drop forgets a failure that is kept.
func (f *failures) drop(kept Failure) {
	f.all.Delete(sorted.Key{Minor: kept.Number})
	f.byID.remove(kept.Job.ID)
}

// keep remembers a failed job, and forgets the oldest if there are too many. It is called before
// end, which empties the record.
func (c *Core) keep(j *Job, now time.Duration) {
	f := &c.failures
	if c.cfg.FailuresKept == 0 {
		return
	}
	// Room is made first, so that there are never more than are to be kept.
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

// Requeue accepts the job of a kept failure again, whatever the room, unless another one holds its
// unique key. It reports false if there is no such failure. The failure is forgotten only when the
// job is to be accepted: one that is turned away can be tried again.
//
// The new job has an ID, a deadline and attempts of its own. A job with ReplacePending takes the
// key from one that waits, as an offer would; from one that runs or waits for room it does not.
func (c *Core) Requeue(failed, id uint64, now time.Duration) (v Verdict, found bool) {
	f, ok := c.failures.get(failed)
	if !ok {
		return 0, false
	}
	j := f.Job.Again()
	if old := c.holder(j); old != nil {
		// As collide decides, but that nothing waits for room here and nothing is accepted beside
		// one that runs.
		if j.UniquePolicy != ReplacePending || !old.waiting() {
			c.reject(j, KeyTaken, now)
			return Duplicate, true
		}
	} else if s := c.heldSince(j.Unique, now); s != nil && s.id != failed { // its own period does not keep it out
		c.reject(j, KeyTaken, now)
		return Duplicate, true
	}
	c.failures.drop(f)
	c.takeOver(j, id, now)
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

// DropFailures forgets all of them, and returns how many there were. The numbers go on, for readers
// that are under way.
func (c *Core) DropFailures() int {
	n := c.failures.all.Len()
	c.failures = failures{last: c.failures.last}
	return n
}

// kept returns what a list of failures is to keep of j, which does not lead to the callers that
// were told of its end.
func (j *Job) kept() *Job {
	k := j.Again()
	k.ID, k.EnqueuedAt, k.Attempt, k.State = j.ID, j.EnqueuedAt, j.Attempt, Failed
	k.past = &past{errs: j.Errs(), stack: j.Stack()}
	return k
}

// HandedBack returns what a report is to keep of j: a record like Again's that tells besides how
// far it had come. One that took no room counts as started, as such a job takes none where it is
// restored either.
func (j *Job) HandedBack() *Job {
	l := j.Again()
	l.HasFailed(j.Errs()...)
	l.keyed, l.started = j.keyed, j.started || j.Roomless
	return l
}

// Again returns a record like j's before it was accepted. It is in no group, is the run of no task,
// and leads to no caller: what is left out here would keep these alive as long as a failure or a
// report is kept.
func (j *Job) Again() *Job {
	return &Job{Spec: j.Spec, Fn: j.Fn, Label: j.Label, HostData: j.HostData}
}

// Restore takes over a job that another queue left, whatever the room. Its State says whether
// it was Retrying, and it keeps its EnqueuedAt. The record of it there, nil if there was none
// and begun counts instead, says more: a job that took no room takes none here either, and one
// that held its place in its key does so here if there is one.
func (c *Core) Restore(j, old *Job, begun bool, id uint64, now time.Duration) {
	j.restored = true
	j.started = begun
	if old != nil {
		// The place in the key is taken before admit, which else would put the job behind its key.
		j.started = old.started
		if old.keyed && old.Key == j.Key && c.keyOf(j).taken < j.KeyLimit {
			c.keyOf(j).taken++
			j.keyed = true
		}
	}
	c.admit(j, id, now)
}
