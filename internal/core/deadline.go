package core

import (
	"time"

	"github.com/a622d8ee/dray/internal/sorted"
	"github.com/a622d8ee/dray/internal/span"
)

// deadline returns until when j may take, if there is such a time.
func (j *Job) deadline() (at time.Duration, ok bool) {
	return span.Sum(j.EnqueuedAt, j.Within), j.Within > 0
}

// lateAt reports whether j's deadline is over at that time.
func (j *Job) lateAt(t time.Duration) bool {
	at, ok := j.deadline()
	return ok && t >= at
}

// Until returns when the context of the job at r ends by itself, and why.
func (r *Run) Until() (at time.Duration, cause Cause) {
	j := r.Job
	if j == nil {
		return 0, NotCancelled
	}
	if j.Timeout > 0 {
		at, cause = span.Sum(r.StartedAt, j.Timeout), TimedOut
	}
	if d, ok := j.deadline(); ok && (cause == NotCancelled || d < at) {
		at, cause = d, Expired
	}
	return at, cause
}

// watch sees to it that j does not outlive its deadline.
func (c *Core) watch(j *Job) {
	if at, ok := j.deadline(); ok {
		c.expiries.Put(sorted.Key{Major: int64(at), Minor: j.ID}, j)
	}
}

func (c *Core) unwatch(j *Job) {
	if at, ok := j.deadline(); ok {
		c.expiries.Delete(sorted.Key{Major: int64(at), Minor: j.ID})
	}
}

// expire ends a job whose deadline is over: at once if it waits; a running one is
// cancelled, and what it then returns decides.
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
