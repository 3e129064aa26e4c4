package scheduler

import (
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/background"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/guard"
	"github.com/a622d8ee/dray/internal/span"
)

const (
	// AskLimit is how long a schedule's Next may take before its task is said to be
	// hung: far more than any computation of a time takes. Tasks waits as long for words.
	AskLimit = time.Second

	// stallAfter is how long one schedule keeps the others waiting: then another
	// helper asks these. It is more than asksAtOnce take, so that it is rarely too soon.
	stallAfter = 25 * time.Millisecond

	// asksAtOnce and askTime bound how long one schedule is asked for missed runs
	// before others have their turn.
	asksAtOnce = 4096
	askTime    = 5 * time.Millisecond

	// maxHelpers bounds the goroutines that schedules which do not return can keep.
	maxHelpers = 64

	// maxCounted bounds how many missed runs of a calendar task are counted: one a
	// second for 115 days. What is beyond is skipped but for the newest.
	maxCounted = 10_000_000
)

// A question is that the schedule of a task is asked for all that is due, and for what comes
// then. Schedules are foreign code, so helpers ask them: goroutines of which there is one at a
// time, unless a schedule keeps it. While a task has a question it is not armed.
type question struct {
	t *Task // immutable

	// guarded by Scheduler.mu; a helper that has the question reads known, from, keep, now and by
	// without it, as they are not changed meanwhile
	known   dueRuns       // what is due for sure, as asking began with it; total is 0 if nothing is
	made    bool          // known has become a run
	again   bool          // another question follows, as the clock was set back
	back    time.Time     // to when the clock was set back: the question that follows, or this one if nothing is known, begins there
	reached time.Time     // what is due by then is looked for in any case, as the clock was set back since; zero: nothing
	from    time.Time     // what it is asked with if nothing is known; zero: now
	keep    int           // how many of the newest runs can matter
	now     time.Time     // when a helper was last given it
	by      time.Time     // what is due by then is looked for
	began   time.Duration // when a helper was last given it, or it began to wait for one; by the monotonic clock

	// owned by the helper that has the question; guarded by Scheduler.mu while none has
	result dueResult
}

// An asker is the questions of a scheduler, guarded by its mu. A question goes from waiting or
// behind to asked (take), and from there to answered or, if there is more to ask, to behind
// (takeBack). It is in one of the lists for as long as its task's field asking leads to it. Those
// that catch up come last: they may ask very often, and their runs are late anyway.
type asker struct {
	waiting []*question // for a helper: those whose tasks are in time
	behind  []*question // for a helper, if no other does: those that catch up
	asked   []*question // a helper has them, one each
	helpers int         // goroutines that ask, those that a schedule keeps included; at most maxHelpers
	crashed error       // a panic of dray's own on a helper, for the loop to panic with; nil for none
}

// each calls do with each question. do may add to the lists, which it then does not see.
func (a *asker) each(do func(*question)) {
	for _, q := range slices.Concat(a.asked, a.waiting, a.behind) {
		do(q)
	}
}

// dieOfCrash panics on the loop's goroutine with what a helper has panicked with, once. A helper
// has no supervisor; the loop has one, which then knows of it and starts a successor.
func (a *asker) dieOfCrash() {
	if p := a.crashed; p != nil {
		a.crashed = nil
		panic(p)
	}
}

// ask has the schedule of t asked, whose next run is due or counts no more (reset). It is called
// under mu, with t disarmed and without a question. It starts no helper: seeToAsking is to
// follow.
func (s *Scheduler) ask(t *Task) {
	now := s.look()
	// It begins to wait here. take sets began anew, when its schedule is asked.
	q := &question{t: t, began: now.Mono}
	if !t.reset { // else nothing is known to be due, and total stays 0
		late := span.Difference(now.Wall, t.key())
		q.known = dueRuns{t: t, total: 1, newest: DueTime{Named: t.cal.next}, late: late, grace: s.grace, missed: t.late}
	}
	t.asking = q
	// A task that has missed runs may have to be asked millions of times: the others go first.
	if q.known.missed || q.known.late > lateAfter {
		s.asker.behind = append(s.asker.behind, q)
	} else {
		s.asker.waiting = append(s.asker.waiting, q)
	}
}

// unasked returns how many questions wait for a helper.
func (a *asker) unasked() int { return len(a.waiting) + len(a.behind) }

// take gives the next one to a helper: there has to be one. It starts the time that its schedule
// has.
func (a *asker) take(now time.Duration) *question {
	from := &a.waiting
	if len(a.waiting) == 0 {
		from = &a.behind
	}
	q := (*from)[0]
	// The slot is cleared, as the array behind the slice is kept until the list is empty.
	(*from)[0], *from = nil, (*from)[1:]
	if len(*from) == 0 {
		*from = nil
	}
	q.began = now
	a.asked = append(a.asked, q)
	return q
}

// makeKnown makes the run that was due for sure, without waiting for an answer. It does nothing
// the second time, nor for a task whose runs a pause holds up. handOver is to follow.
func (s *Scheduler) makeKnown(q *question) {
	// During a pause nothing is made; of a task that was unscheduled, Unschedule has told of the
	// run.
	if q.known.total == 0 || q.made || q.t.paused || q.t.current() == nil {
		return
	}
	q.made = true
	s.due = append(s.due, q.known)
}

// seeToAsking starts a helper if one is needed, and deals with schedules that do not
// return: a run that is due in time is made after a moment, and after AskLimit the
// task is hung. The loop calls it in each collect, and asker.sleep says when the next has to be.
func (s *Scheduler) seeToAsking(now time.Duration) {
	a := &s.asker
	stalled := 0
	for _, q := range a.asked {
		since := span.Difference(now, q.began)
		if since < stallAfter {
			continue
		}
		stalled++
		// A late run waits for the answer: only that says whether a newer one is due, which would
		// be made instead.
		if !q.known.missed && q.known.late <= lateAfter {
			s.makeKnown(q)
		}
		if since >= AskLimit {
			s.hang(q)
		}
	}
	// All helpers that there may be are kept: a schedule that waits for one is as good as hung.
	if a.helpers == maxHelpers && stalled == maxHelpers {
		for _, q := range slices.Concat(a.waiting, a.behind) {
			if span.Difference(now, q.began) >= AskLimit {
				s.hang(q)
			}
		}
	}
	// A helper that is not stalled takes the next question by itself: another is needed if all are.
	if a.unasked() > 0 && stalled == a.helpers && a.helpers < maxHelpers {
		// Counted before it runs, so that the next call does not start another one.
		a.helpers++
		helper := s.Background.Add("a schedule")
		guard.Go(func() { s.help(helper) })
	}
	s.handOver()
}

// sleep returns for how long no schedule needs to be looked after: span.Never if there are no
// questions. A helper may take a question at any time, so while one is not known to hang it is
// looked after regularly.
func (a *asker) sleep(now time.Duration) time.Duration {
	d := span.Never
	// Helpers that are known to hang need no look: answered wakes the loop if one of them returns.
	hung := 0
	for _, q := range a.asked {
		// Not one that hung before, and has been asked anew.
		if q.t.hung && span.Difference(now, q.began) >= AskLimit {
			hung++
		} else if left := span.Difference(span.Sum(q.began, AskLimit), now); left > 0 {
			d = min(d, left)
		}
	}
	if a.helpers > hung {
		return min(d, stallAfter)
	}
	// What waits becomes hung in its time, too.
	if a.helpers == maxHelpers {
		for _, q := range slices.Concat(a.waiting, a.behind) {
			if left := span.Difference(span.Sum(q.began, AskLimit), now); left > 0 {
				d = min(d, left)
			}
		}
	}
	return d
}

// hang says that a schedule does not return, once: in its task's error, and in an event that
// counts no run. The question stays where it is, and the helper with it. If the call returns
// after all, answered ends this.
func (s *Scheduler) hang(q *question) {
	t := q.t
	if t.hung {
		return
	}
	// The run is due whatever the schedule says next. What comes after it is missed until that
	// returns.
	s.makeKnown(q)
	s.underBoth(func() {
		t.hung = true
		t.lastErr = errs.Wrapf(core.ErrTimeout, "the schedule of task %q has not returned", t.name)
	})
	if !t.gone {
		s.emitSkipped(t, q.known.newest, 0, core.ErrTimeout)
	}
}

// help asks schedules until none waits, or one ends the goroutine. q is what the deferred
// function finds if that has happened: nil once the last question was taken back.
func (s *Scheduler) help(g *background.Guest) {
	var q *question
	defer func() {
		s.helperEnds(q, recover())
		g.Leave()
	}()
	for q = s.nextQuestion(nil); q != nil; q = s.nextQuestion(q) {
		// For a shutdown that has waited in vain, and names what has kept it.
		g.Rename("schedule of task " + q.t.name)
		q.ask(s)
		guard.Unlabel() // for the next schedule, which is other code
	}
}

// nextQuestion takes one back from a helper, and gives it another one, if there is any. Nil
// ends the helper. While the scheduler is stopped it gives none: they wait for Serve.
func (s *Scheduler) nextQuestion(last *question) *question {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &s.asker
	if last != nil {
		s.takeBack(last)
	}
	if a.unasked() == 0 || s.isStopped() {
		return nil
	}
	now := s.look()
	q := a.take(now.Mono)
	q.now = s.clock.Named(now.Wall)
	// Each time anew: the task may have been replaced since the question was made, or was last
	// asked.
	q.keep = q.t.keeps()
	q.by = q.now.Add(-q.t.cfg.Jitter)
	// What the old schedule names after this is not due any more: the new one is in force.
	if h := q.t.heir; h != nil {
		if since := s.clock.Named(h.since); q.by.After(since) {
			q.by = since
		}
	}
	if q.again || q.by.Before(q.reached) { // what is due after that is for the question that follows
		q.by = q.reached
	}
	if q.known.total == 0 && !q.back.IsZero() {
		q.from = q.back
	}
	return q
}

// takeBack takes a question from its helper: it is answered, or goes on later. One that is not
// asked was taken back before: its helper has crashed after that.
func (s *Scheduler) takeBack(q *question) {
	a := &s.asker
	// O(maxHelpers): there is one question for each helper.
	i := slices.Index(a.asked, q)
	if i < 0 {
		return
	}
	a.asked = slices.Delete(a.asked, i, i+1)
	if q.result.done || q.t.current() == nil {
		s.answered(q)
		return
	}
	// Behind those that catch up too, so that a task with millions of missed runs delays no other.
	q.began = s.look().Mono
	a.behind = append(a.behind, q)
}

// helperEnds is called at the end of a helper's goroutine, which a schedule, that had q then, or
// a panic of dray's own may have brought about. A panic of a schedule does not come here, as
// Host.Ask makes it an error; what comes here with nothing thrown and a question is a Goexit.
func (s *Scheduler) helperEnds(q *question, thrown any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asker.helpers--
	switch {
	case thrown != nil:
		s.asker.crashed = s.host.Caught(thrown)
		if q != nil {
			q.result = dueResult{} // it may be half-written: the schedule is asked from the start
			s.takeBack(q)
		}
	case q != nil:
		q.result.next, q.result.err, q.result.done = time.Time{}, errs.ErrGoexit, true
		s.takeBack(q)
	}
	// The loop starts another helper, if something waits, and panics if this one has.
	s.poke()
}
