package dray

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
)

// Failure is a failed job that was kept: see [Queue.Failures].
type Failure struct {
	JobInfo
	Err      error     // of the last attempt
	Errs     []error   // of all attempts, the last 10 of them, oldest first
	Stack    []byte    // of the panic, if that was how it ended
	FailedAt time.Time // when it settled
}

// Failures returns the last failed jobs, newest first, as many as
// [WithFailuresKept] says.
func (q *Queue) Failures() []Failure {
	var kept []Failure
	before := uint64(math.MaxUint64)
	q.inSlices(func(c *core.Core, _ time.Duration) (more bool) {
		at := q.clock.Reference()
		page := c.FailuresBefore(before, slicedReads)
		for _, f := range page {
			before = f.Number
			kept = append(kept, Failure{
				JobInfo: infoOf(at, core.Describe(f.Job)), Err: f.Job.LastErr(), Errs: slices.Clone(f.Job.Errs),
				Stack: f.Job.Stack, FailedAt: at.Tell(f.At),
			})
		}
		return len(page) == slicedReads
	})
	return kept
}

// Requeue enqueues a kept failure again, with the options it had but no delay and
// no group, and forgets the failure. It counts as a new job and gets a new ID, as
// the old one has settled; there is always room for it, though [DropOldest] may
// evict it later as any other. Errors, in which case
// nothing is changed: [ErrNotFound] if no failure with that ID is kept,
// [ErrDuplicate] if another job holds its unique key and is not to be replaced,
// [ErrClosed].
func (q *Queue) Requeue(id ID) error {
	return q.stepOpen(func(c *core.Core) error { return q.requeue(c, id) })
}

// RequeueAll is [Queue.Requeue] for all failures that are kept at the call, the oldest
// first; of very many a few at a time, so that nobody has to wait. It returns how many were
// enqueued. Those whose unique key is taken are kept, and give an error that is
// [ErrDuplicate] and joins one for each of them. If the queue is closed meanwhile the
// others are kept, too: [ErrClosed].
func (q *Queue) RequeueAll() (requeued int, err error) {
	var all []error
	var after, upTo uint64
	q.inSlices(func(c *core.Core, _ time.Duration) (more bool) {
		if q.mail.closed {
			all = append(all, ErrClosed)
			return false
		}
		if upTo == 0 {
			upTo = c.LastFailure()
		}
		for range slicedJobs {
			f, ok := c.FailureAfter(after)
			if !ok || f.Number > upTo {
				return false
			}
			after = f.Number
			if err := q.requeue(c, ID(f.Job.ID)); err != nil {
				all = append(all, errs.Wrapf(err, "RequeueAll: job %d", f.Job.ID))
				continue
			}
			requeued++
		}
		return true
	})
	return requeued, errors.Join(all...)
}

func (q *Queue) requeue(c *core.Core, id ID) error {
	v, found := c.Requeue(uint64(id), q.mail.lastID+1, q.now())
	switch {
	case !found:
		return ErrNotFound
	case v == core.Duplicate:
		return ErrDuplicate
	}
	q.mail.lastID++
	return nil
}

// DropFailure forgets a kept failure. It returns [ErrNotFound] if none with that ID
// is kept. The job stays counted in Stats.Failed.
func (q *Queue) DropFailure(id ID) error {
	found := false
	q.step(func(c *core.Core, _ time.Duration) { found = c.DropFailure(uint64(id)) })
	if !found {
		return ErrNotFound
	}
	return nil
}

// DropFailures forgets all kept failures, and returns how many there were.
func (q *Queue) DropFailures() int {
	return q.count(func(c *core.Core, _ time.Duration) int { return c.DropFailures() })
}
