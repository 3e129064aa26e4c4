package dray

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

// Report says what a shutdown left: every job that was accepted and has not
// settled is in exactly one of its lists.
type Report struct {
	Waiting     []Leftover // accepted, never finished, not running: in the order in which they would have started
	Interrupted []Leftover // were running when the shutdown, or the end of a Serve, cancelled them; returned an error, and have not started since
	Abandoned   []JobInfo  // still running at the end
}

// Leftover is a job that was handed back. Another queue takes it by
// [Queue.Restore], with the options and attempts that it had.
type Leftover struct {
	JobInfo
	Func Func

	record *core.Job    // nil for one that dray did not make
	taken  *atomic.Bool // by a Restore; nil as record
}

// leave closes the books: it collects what is left, and tells those who wait
// for the result of one of these jobs that there will be none. Only a queue knows of
// restarts.
func (e *engine) leave(restarts uint64, tell bool) Report {
	var r Report
	e.step(func(c *core.Core, now time.Duration) {
		books := e.stats(c, now)
		books.Restarts = restarts
		left := c.Seal(now)
		r = e.reportOf(c, left)
		if tell {
			e.herald.emit(stopped(r, books))
		}
		for _, j := range left {
			handBack(c, j)
		}
	})
	return r
}

// handBack tells those who have to do with a job that it is in a report.
func handBack(c *core.Core, j *core.Job) {
	if end, ok := j.Ref.(ending); ok {
		end.settled(outcome{id: ID(j.ID), state: j.State, err: ErrShutdown})
	}
	if g := groupOf(j.Group); g != nil {
		g.add(ErrShutdown)
		c.HandBack(j)
	}
}

// stopped is the event of that name.
func stopped(r Report, books Stats) QueueStopped {
	return QueueStopped{
		happened: moment(), Stats: books,
		Waiting: len(r.Waiting), Interrupted: len(r.Interrupted), Abandoned: len(r.Abandoned),
	}
}

// reportOf makes a report of what waits and of what runs.
func (e *engine) reportOf(c *core.Core, waiting []*core.Job) (r Report) {
	for _, j := range waiting {
		l := Leftover{JobInfo: e.jobInfo(core.Describe(j)), Func: funcOf(j), record: j.HandedBack(), taken: new(atomic.Bool)}
		if j.WasCut() {
			r.Interrupted = append(r.Interrupted, l)
		} else {
			r.Waiting = append(r.Waiting, l)
		}
	}
	for _, i := range c.RunningJobs() {
		r.Abandoned = append(r.Abandoned, e.jobInfo(i))
	}
	return r
}

// left returns the jobs of a report that may be run elsewhere, in their order.
func (r Report) left() []Leftover { return slices.Concat(r.Interrupted, r.Waiting) }

// Restore takes over what another queue left: first Report.Interrupted, then
// Report.Waiting, in their order, with the options, attempts and times that they
// had and with new IDs, whatever room there is. Report.Abandoned is left out, as
// those jobs may still be running.
//
// Errors: [ErrClosed], and [ErrNilFunc] if a Func is missing, in which cases
// nothing was taken; [ErrDuplicate] for each job that was restored before or
// whose unique key is held here, all others having been taken.
func (q *Queue) Restore(r Report) error {
	left := r.left()
	for _, l := range left {
		if l.Func == nil {
			return wrapf(ErrNilFunc, "Restore: job %d", l.ID)
		}
	}
	return q.stepOpen(func(c *core.Core) error {
		var errs []error
		for _, l := range left {
			errs = append(errs, q.restore(c, l))
		}
		return errors.Join(errs...)
	})
}

func (q *Queue) restore(c *core.Core, l Leftover) error {
	j := q.revive(l)
	if c.Holds(j.Unique, q.now()) || l.taken != nil && l.taken.Swap(true) {
		return wrapf(ErrDuplicate, "Restore: job %d", l.ID)
	}
	q.mail.lastID++
	c.Restore(j, l.record, q.mail.lastID, q.now())
	return nil
}

// revive makes a record for this queue of a job that another one left.
func (q *Queue) revive(l Leftover) *core.Job {
	j := &core.Job{
		Fn: l.Func, Kind: l.Kind, Label: l.Label, Key: l.Key, KeyLimit: 1,
		Priority: core.Priority(l.Priority), MaxAttempts: 1,
	}
	if l.record != nil {
		j = l.record.Again()
		withFunc(j, l.Func)
		j.Errs = l.record.Errs
	}
	j.Attempt = l.Attempt
	j.EnqueuedAt = q.ahead(l.EnqueuedAt)
	if !l.RunAt.IsZero() {
		j.RunAt = q.ahead(l.RunAt)
		if l.State == Retrying {
			j.State = core.Retrying
		}
	}
	return j
}
