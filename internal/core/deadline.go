package core

import (
	"time"

	"github.com/a622d8ee/dray/internal/sorted"
	"github.com/a622d8ee/dray/internal/span"
)

// deadline returns until when j may take, if there is such a time. It counts from the acceptance,
// over all attempts, and also where another queue accepted the job.
func (j *Job) deadline() (at time.Duration, ok bool) {
	return span.Sum(j.EnqueuedAt, j.Within), j.Within > 0
}

// lateAt reports whether j's deadline is over at that time. At the deadline itself it is.
func (j *Job) lateAt(t time.Duration) bool {
	at, ok := j.deadline()
	return ok && t >= at
}

// Until returns when the context of the attempt at j that begins then ends by itself, and why:
// NotCancelled if it does not. If the timeout and the deadline fall on the same time it is the timeout.
func (j *Job) Until(begun time.Duration) (at time.Duration, cause Cause) {
	if j == nil {
		return 0, NotCancelled
	}
	// The timeout counts from the start, the deadline from the acceptance: either may come first.
	if j.Timeout > 0 {
		at, cause = span.Sum(begun, j.Timeout), TimedOut
	}
	if d, ok := j.deadline(); ok && (cause == NotCancelled || d < at) {
		at, cause = d, Expired
	}
	return at, cause
}

// watch sees to it that j does not outlive its deadline. Its key among the others is fixed by
// what does not change once j is accepted, so unwatch finds it whatever has happened to j, and
// to watch a job twice is to watch it once.
func (c *Core) watch(j *Job) {
	if at, ok := j.deadline(); ok {
		c.expiries.Put(sorted.Key{Major: int64(at), Minor: j.ID}, j)
	}
}

// unwatch undoes watch, if the deadline has not been heeded yet.
func (c *Core) unwatch(j *Job) {
	if at, ok := j.deadline(); ok {
		c.expiries.Delete(sorted.Key{Major: int64(at), Minor: j.ID})
	}
}

// expire ends a job whose deadline is over: at once if it waits; a running one is cancelled, and
// what it then returns decides. One that is in a report is left alone, as its deadline goes on
// where it is restored.
func (c *Core) expire(j *Job, now time.Duration) {
	switch {
	case j.run != nil:
		c.interrupt(j.run, Expired, now)
	case !c.sealed:
		c.drop(j)
		j.addErr(ErrDeadline, nil)
		c.keep(j, now)
		c.end(j, Failed, ErrDeadline, 0)
	}
}
