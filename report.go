package dray

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

// Report says what a shutdown left: every job that was accepted and has not
// settled is in exactly one of its lists.
type Report struct {
	// Waiting were accepted, have not finished and do not run, in the order in which they
	// would have started.
	Waiting []Leftover
	// Interrupted were running when the shutdown, or the end of a Serve, cancelled them,
	// returned an error, and have not started since.
	Interrupted []Leftover
	// Abandoned are still running at the end.
	Abandoned []JobInfo
}

// Leftover is a job that was handed back. Another queue takes it by
// [Queue.Restore], with the options and attempts that it had.
type Leftover struct {
	JobInfo
	Func Func

	record *core.Job    // nil for one that dray did not make
	taken  *atomic.Bool // by a Restore; nil as record
	told   *atomic.Bool // its caller was told that it will not run, or it was restored; nil if none waits
}

// leave closes the books: it collects what is left, and tells those who wait
// for the result of one of these jobs that there will be none. Only a queue knows of
// restarts.
func (e *engine) leave(restarts uint64) (r Report, last Event) {
	e.stuck.Finish()
	e.step(func(c *core.Core, now time.Duration) {
		e.stuck.Close()
		books := e.stats(c, now)
		e.release() // the mailbox is closed, and says so at once, however long this takes
		books.Restarts = restarts
		waiting, cut := c.Left()
		left := c.Seal(now)
		e.base.Store(&queueValues{context.Background()}) // what still runs has a page with its own
		r = e.reportOf(c, left)
		last = stopped(books, waiting, cut)
		for _, j := range left {
			handBack(c, j)
		}
	})
	// Nothing follows any more. An engine is kept by jobs that do not return: it must not
	// lead to the queue, which keeps the report.
	e.step(func(*core.Core, time.Duration) {
		e.followUp = func(*core.Core, time.Duration) { e.runsEnded = false }
	})
	return r, last
}

// emitLast tells what leave has returned, unless that is not to be told, and nothing after
// it. The books are those of now, as what still runs may have ended meanwhile, and that is told.
func (e *engine) emitLast(last Event, tell bool) {
	if !tell {
		e.bus.Close()
		return
	}
	e.step(func(c *core.Core, now time.Duration) {
		books := e.stats(c, now)
		books.Restarts, books.OldestPending = last.Stats.Restarts, last.Stats.OldestPending
		last.Stats = &books
		e.bus.Last(e.complete(last))
	})
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

// promised is an ending that somebody may wait for.
type promised interface {
	// handedBack returns what becomes true when it is told that the job will not run
	// any more, or by a Restore that runs it after all: whichever is first.
	handedBack() *atomic.Bool
}

// stopped is the event that a run has ended.
func stopped(books Stats, waiting, cut int) Event {
	return Event{Kind: QueueStopped, Stats: &books, Waiting: waiting - cut, Interrupted: cut, Abandoned: books.Running}
}

// reportOf makes a report of what waits and of what runs.
func (e *engine) reportOf(c *core.Core, waiting []*core.Job) (r Report) {
	at := e.clock.Reference()
	for _, j := range waiting {
		l := Leftover{JobInfo: infoOf(at, core.Describe(j)), Func: funcOf(j), record: j.HandedBack(), taken: new(atomic.Bool)}
		if p, ok := j.Ref.(promised); ok {
			l.told = p.handedBack()
		}
		if j.WasCut() {
			r.Interrupted = append(r.Interrupted, l)
		} else {
			r.Waiting = append(r.Waiting, l)
		}
	}
	for _, i := range c.RunningJobs() {
		r.Abandoned = append(r.Abandoned, infoOf(at, i))
	}
	return r
}

// left returns the jobs of a report that may be run elsewhere, in their order.
func (r Report) left() []Leftover { return slices.Concat(r.Interrupted, r.Waiting) }
