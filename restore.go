package dray

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
	"github.com/a622d8ee/dray/internal/errs"
)

// Restore takes over what another queue left: first Report.Interrupted, then
// Report.Waiting, in their order, with the options, attempts and times that they
// had and with new IDs, whatever room there is. What had started there takes no room
// here either. Report.Abandoned is left out, as those jobs may still be running.
//
// A job runs the function that it had, Leftover.Func: of a kind that is the handler of the
// other queue, whatever is registered here. The middleware of this queue goes around it, and
// that of the job's kind there; its rate limits are those that it had.
//
// A Leftover may be edited, and made by hand. Its JobInfo counts where it differs from
// the options that the job had; one made by hand gets the defaults of its kind on this
// queue, or of the queue, for what its JobInfo does not say, but no delay and no group.
// An EnqueuedAt that is zero or ahead is taken for now.
//
// Left out without an error are the jobs of calls of [Run], and of tasks that a caller
// has waited for or looked at ([Task.Wait], [Task.Done], [Task.Result]): they were told
// that the job will not run. Who waits for a task only after its job was restored is
// told [ErrShutdown], too, as its result is the other queue's.
//
// Errors, in which cases nothing was taken: [ErrClosed], also while the queue waits to be
// served again; [ErrNilFunc] if a Func is missing; [ErrUnknownKind] for a Kind, made by hand,
// that is not registered here ([Handle]); and others for a Priority, State or Attempt that
// there is not. Very many are taken a few at a time, so that no other call has to wait; if a
// shutdown is over before all are, an error that is ErrClosed says how many were left, which
// can be restored elsewhere. [ErrDuplicate] is joined for each job that was restored before or
// whose unique key is held here, all others having been taken; those stay in the report, to be
// restored once the key is free. Runs of a periodic task may have the same key, as one that was
// postponed is handed back whatever holds it.
func (q *Queue) Restore(r Report) error {
	left := r.left()
	jobs := make([]*core.Job, len(left))
	for i, l := range left {
		j, err := q.revive(l)
		if err != nil {
			return errs.Wrapf(err, "Restore: %s", nameIn(left, i, len(r.Interrupted)))
		}
		jobs[i] = j
	}
	defer q.accepted()
	return q.restoreAll(left, jobs, len(r.Interrupted))
}

// nameIn names the i-th of the jobs that a report has left, of which so many were interrupted: by
// its ID or, as one made by hand has none, by its place in the report.
func nameIn(left []Leftover, i, interrupted int) string {
	switch id := left[i].ID; {
	case id != 0:
		return fmt.Sprintf("job %d", id)
	case i < interrupted:
		return fmt.Sprintf("Interrupted[%d]", i)
	default:
		return fmt.Sprintf("Waiting[%d]", i-interrupted)
	}
}

// restoreAll takes over jobs, of which so many were interrupted. Once it has begun, only
// the end of a shutdown keeps it from taking all.
func (q *Queue) restoreAll(left []Leftover, jobs []*core.Job, interrupted int) error {
	var all []error
	i := 0
	err := engine.ErrBroken
	q.engine.InSlices(func(c *core.Core, _ time.Duration) (more bool) {
		if err = nil; c.Sealed() || i == 0 && q.engine.Closed() {
			err = ErrClosed
			return false
		}
		for end := min(i+engine.SlicedJobs, len(left)); i < end; i++ {
			l := left[i]
			begun := l.record == nil && (i < interrupted || l.Attempt > 0 || l.State == Retrying)
			if err := q.restore(c, l, jobs[i], begun); err != nil {
				all = append(all, errs.Wrapf(err, "Restore: %s", nameIn(left, i, interrupted)))
			}
		}
		return i < len(left)
	})
	if err != nil && i > 0 {
		err = errs.Wrapf(err, "Restore: the last %d jobs", len(left)-i)
	}
	if len(all) == 0 {
		return err
	}
	return errors.Join(append(all, err)...)
}

func (q *Queue) restore(c *core.Core, l Leftover, j *core.Job, begun bool) error {
	switch {
	case c.Holds(j.Unique, q.engine.Now()) || l.taken != nil && l.taken.Load():
		return ErrDuplicate
	case l.told != nil && !l.told.CompareAndSwap(false, true):
		return nil
	case l.taken != nil && l.taken.Swap(true): // by another queue, just now
		return ErrDuplicate
	}
	c.Restore(j, l.record, begun, q.engine.TakeID(), q.engine.Now())
	return nil
}

// revive makes a record for this queue of a job that another one left.
func (q *Queue) revive(l Leftover) (*core.Job, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	var j *core.Job
	if l.record != nil {
		j = l.record.Again()
		withFunc(j, l.Func)
		j.HasFailed(l.record.Errs()...)
		j.Label = l.Label
		spec := *j.Spec
		spec.Kind, spec.Key, spec.KeyLimit = l.Kind, l.Key, max(spec.KeyLimit, 1)
		spec.Priority = core.Priority(l.Priority)
		j.Spec = &spec
	}
	if l.record == nil || l.Kind != l.record.Kind {
		p, err := q.defaultsOf(l.Kind)
		if err != nil {
			return nil, err
		}
		if j == nil {
			j = q.handmade(l, p)
		}
	}
	j.Attempt = l.Attempt
	if now := q.engine.Now(); l.EnqueuedAt.IsZero() {
		j.EnqueuedAt = now
	} else {
		j.EnqueuedAt = min(q.ahead(l.EnqueuedAt), now)
	}
	if l.State == Retrying {
		j.State = core.Retrying
	}
	if !l.RunAt.IsZero() {
		j.RunAt = q.ahead(l.RunAt)
	}
	return j, nil
}

// check says what is wrong with a leftover, whatever the queue.
func (l Leftover) check() error {
	switch {
	case l.Func == nil:
		return ErrNilFunc
	case l.Priority < Low || l.Priority > High:
		return fmt.Errorf("dray: no such priority: %v", l.Priority)
	case l.State > Stuck:
		return fmt.Errorf("dray: its state is %v", l.State)
	case l.Attempt < 0 || l.Attempt == math.MaxInt:
		return fmt.Errorf("dray: attempt %d", l.Attempt)
	}
	return nil
}

// defaultsOf returns those of a kind, or of the queue for none.
func (q *Queue) defaultsOf(kind string) (policy, error) {
	if kind == "" {
		return q.jobs, nil
	}
	q.kindsMu.RLock()
	defer q.kindsMu.RUnlock()
	p, ok := q.kinds[kind]
	if !ok {
		return policy{}, errs.Wrapf(ErrUnknownKind, "%q", kind)
	}
	return p, nil
}

// handmade makes a record of a leftover that dray did not make.
func (q *Queue) handmade(l Leftover, p policy) *core.Job {
	p.delay, p.runAt, p.group, p.values, p.spec = 0, time.Time{}, nil, false, nil
	if l.Label != "" {
		p.label = l.Label
	}
	if l.Key != "" {
		p.key = l.Key
	}
	if l.Priority != Normal {
		p.priority = l.Priority
	}
	j := q.newJob(context.Background(), l.Func, &p)
	if l.LastError != nil {
		j.HasFailed(l.LastError)
	}
	return j
}

// Failure is a failed job that was kept: see [Queue.Failures].
type Failure struct {
	JobInfo
	Err      error     // of the last attempt
	Errs     []error   // of all attempts, the last 10 of them, oldest first
	Stack    []byte    // of the panic, if that was how it ended
	FailedAt time.Time // when it settled
}

// Failures returns the last failed jobs, newest first, as many as
// [WithFailuresKept] says, 100 by default. Beyond that each new one takes the place of the
// oldest, which is forgotten: no event tells it, and it cannot be requeued any more.
// Stats.Failed counts all that failed, and each is in a [JobFailed] event and in the log.
func (q *Queue) Failures() []Failure {
	var kept []Failure
	before := uint64(math.MaxUint64)
	page := make([]Failure, 0, engine.SlicedReads)
	for more := true; more; {
		page = page[:0]
		q.update(func(c *core.Core, _ time.Duration) {
			at := q.clock.Reference()
			for _, f := range c.FailuresBefore(before, engine.SlicedReads) {
				before = f.Number
				page = append(page, Failure{
					JobInfo: infoOf(at, core.Describe(f.Job)), Err: f.Job.LastErr(), Errs: slices.Clone(f.Job.Errs()),
					Stack: f.Job.Stack(), FailedAt: at.Tell(f.At),
				})
			}
		})
		kept = append(kept, page...) // not in the update: to let it grow takes as long as there are many
		more = len(page) == engine.SlicedReads
	}
	return kept
}

// Requeue enqueues a kept failure again, with the options it had but no delay and no group, and
// forgets the failure. It counts as a new job and gets a new ID, as the old one has settled;
// there is always room for it, though [DropOldest] may evict it later as any other. Errors, in
// which case nothing is changed: [ErrNotFound] if no failure with that ID is kept,
// [ErrDuplicate] if another job holds its unique key and is not to be replaced, [ErrClosed], also
// while the queue waits to be served again.
func (q *Queue) Requeue(id ID) error {
	defer q.accepted()
	return q.updateOpen(func(c *core.Core) error { return q.requeue(c, id) })
}

// RequeueAll is [Queue.Requeue] for all failures that are kept at the call, the oldest
// first; of very many a few at a time, so that no other call has to wait. It returns how many were
// enqueued. Those whose unique key is taken are kept, and give an error that is
// [ErrDuplicate] and joins one for each of them. If the queue is closed meanwhile the
// others are kept, too: [ErrClosed].
func (q *Queue) RequeueAll() (requeued int, err error) {
	defer q.accepted()
	var all []error
	var after, upTo uint64
	q.engine.InSlices(func(c *core.Core, _ time.Duration) (more bool) {
		if q.engine.Closed() {
			all = append(all, ErrClosed)
			return false
		}
		if upTo == 0 {
			upTo = c.LastFailure()
		}
		for range engine.SlicedJobs {
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
	v, found := c.Requeue(uint64(id), q.engine.LastID()+1, q.engine.Now())
	switch {
	case !found:
		return ErrNotFound
	case v == core.Duplicate:
		return ErrDuplicate
	}
	q.engine.TakeID()
	return nil
}

// DropFailure forgets a kept failure. It returns [ErrNotFound] if none with that ID
// is kept. The job stays counted in Stats.Failed.
func (q *Queue) DropFailure(id ID) error {
	found := false
	q.update(func(c *core.Core, _ time.Duration) { found = c.DropFailure(uint64(id)) })
	if !found {
		return ErrNotFound
	}
	return nil
}

// DropFailures forgets all kept failures, and returns how many there were.
func (q *Queue) DropFailures() int {
	return q.count(func(c *core.Core, _ time.Duration) int { return c.DropFailures() })
}
