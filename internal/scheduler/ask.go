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
	// hung: far more than any computation of a time, and not yet long for a person.
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

// A question is that the schedule of a task is asked for all that is due, and for
// what comes then. Schedules are foreign code, so helpers ask them: goroutines of
// which there is one at a time, unless a schedule keeps it.
type question struct {
	t *Task // immutable

	// guarded by Scheduler.mu
	known dueRuns       // what is due for sure, as asking began with it; total is 0 if nothing is, or once it is made
	made  bool          // known has become a run
	keep  int           // how many of the newest runs can matter
	until time.Time     // runs that are due later are another task's; zero if none are
	began time.Duration // when a helper was last given it, or it began to wait for one; by the monotonic clock

	// the helper's that has it
	result dueResult
}

// A dueResult is what asking a schedule for all that is due has brought so far.
type dueResult struct {
	begun bool // next is what was known
	done  bool
	total uint64        // of the runs due
	dues  []DueTime     // the newest of them, as many as can matter
	late  time.Duration // by which the newest is
	first time.Time     // the answer to the first question
	next  time.Time
	err   error
}

// An asker is the questions of a scheduler, under its lock.
type asker struct {
	waiting []*question // for a helper: those whose tasks are in time
	behind  []*question // for a helper, if no other does: those that catch up
	asked   []*question // a helper has them, one each
	helpers int
	crashed error // of a helper, for the loop to die of
}

func (a *asker) each(do func(*question)) {
	for _, q := range slices.Concat(a.asked, a.waiting, a.behind) {
		do(q)
	}
}

func (a *asker) dieOfCrash() {
	if p := a.crashed; p != nil {
		a.crashed = nil
		panic(p)
	}
}

// ask has the schedule of t asked, whose next run is due or counts no more.
func (s *Scheduler) ask(t *Task) {
	now := s.look()
	q := &question{t: t, began: now.Mono}
	if !t.reset {
		late := span.Difference(now.Wall, t.key())
		q.known = dueRuns{t: t, total: 1, newest: DueTime{Named: t.cal.next}, late: late, missed: t.late}
	}
	t.asking = q
	if q.known.missed || q.known.late > lateAfter {
		s.asker.behind = append(s.asker.behind, q)
	} else {
		s.asker.waiting = append(s.asker.waiting, q)
	}
}

// unasked returns how many questions wait for a helper.
func (a *asker) unasked() int { return len(a.waiting) + len(a.behind) }

// take gives the next one to a helper.
func (a *asker) take(now time.Duration) *question {
	from := &a.waiting
	if len(a.waiting) == 0 {
		from = &a.behind
	}
	q := (*from)[0]
	(*from)[0], *from = nil, (*from)[1:]
	if len(*from) == 0 {
		*from = nil
	}
	q.began = now
	a.asked = append(a.asked, q)
	return q
}

// makeKnown makes the run that was due for sure, without waiting for an answer.
func (s *Scheduler) makeKnown(q *question) {
	if q.known.total == 0 || q.made || q.t.paused || q.t.gone && q.t.heir == nil {
		return
	}
	q.made = true
	s.due = append(s.due, q.known)
}

// seeToAsking starts a helper if one is needed, and deals with schedules that do not
// return: a run that is due in time is made after a moment, and after AskLimit the
// task is hung.
func (s *Scheduler) seeToAsking(now time.Duration) {
	a := &s.asker
	stalled := 0
	for _, q := range a.asked {
		since := span.Difference(now, q.began)
		if since < stallAfter {
			continue
		}
		stalled++
		if !q.known.missed && q.known.late <= lateAfter {
			s.makeKnown(q)
		}
		if since >= AskLimit {
			s.hang(q)
		}
	}
	if a.helpers == maxHelpers && stalled == maxHelpers {
		for _, q := range slices.Concat(a.waiting, a.behind) {
			if span.Difference(now, q.began) >= AskLimit {
				s.hang(q)
			}
		}
	}
	if a.unasked() > 0 && stalled == a.helpers && a.helpers < maxHelpers {
		a.helpers++
		helper := s.Background.Add("a schedule")
		guard.Go(func() { s.help(helper) })
	}
	s.handOver()
}

// sleep returns for how long no schedule needs to be looked after. A helper may take a
// question at any time, so while one is not known to hang it is looked after regularly.
func (a *asker) sleep(now time.Duration) time.Duration {
	d := span.Never
	hung := 0
	for _, q := range a.asked {
		if q.t.hung {
			hung++
		} else if left := span.Difference(span.Sum(q.began, AskLimit), now); left > 0 {
			d = min(d, left)
		}
	}
	if a.helpers > hung {
		return min(d, stallAfter)
	}
	if a.helpers == maxHelpers {
		for _, q := range slices.Concat(a.waiting, a.behind) {
			if left := span.Difference(span.Sum(q.began, AskLimit), now); left > 0 {
				d = min(d, left)
			}
		}
	}
	return d
}

// hang says that a schedule does not return.
func (s *Scheduler) hang(q *question) {
	t := q.t
	if t.hung {
		return
	}
	s.makeKnown(q)
	s.underBoth(func() {
		t.hung = true
		t.lastErr = errs.Wrapf(core.ErrTimeout, "the schedule of task %q has not returned", t.name)
	})
	if !t.gone {
		s.emitSkipped(t, q.known.newest, 0, core.ErrTimeout)
	}
}

// help asks schedules until none waits, or one ends the goroutine.
func (s *Scheduler) help(g *background.Guest) {
	var q *question
	defer func() {
		s.helperEnds(q, recover())
		g.Leave()
	}()
	for q = s.nextQuestion(nil); q != nil; q = s.nextQuestion(q) {
		g.Rename("schedule of task " + q.t.name)
		q.ask(s)
		guard.Unlabel() // for the next schedule, which is other code
	}
}

// nextQuestion takes one back from a helper, and gives it another one, if there is any.
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
	q := a.take(s.look().Mono)
	q.keep = q.t.keeps()
	if h := q.t.heir; h != nil {
		q.until = s.clock.Named(h.since)
	}
	return q
}

// takeBack takes a question from its helper: it is answered, or goes on later.
func (s *Scheduler) takeBack(q *question) {
	a := &s.asker
	i := slices.Index(a.asked, q)
	if i < 0 {
		return
	}
	a.asked = slices.Delete(a.asked, i, i+1)
	if q.result.done || q.t.current() == nil {
		s.answered(q)
		return
	}
	q.began = s.look().Mono
	a.behind = append(a.behind, q)
}

// helperEnds is called at the end of a helper's goroutine, which a schedule, that had
// q then, or a panic of dray's own may have brought about.
func (s *Scheduler) helperEnds(q *question, thrown any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asker.helpers--
	switch {
	case thrown != nil:
		s.asker.crashed = s.host.Caught(thrown)
		if q != nil {
			q.result = dueResult{}
			s.takeBack(q)
		}
	case q != nil:
		q.result.next, q.result.err, q.result.done = time.Time{}, errs.ErrGoexit, true
		s.takeBack(q)
	}
	s.poke()
}

// ask asks for some of what is due, and what comes then.
func (q *question) ask(s *Scheduler) {
	t, r := q.t, &q.result
	begin, now := time.Now(), s.clock.Named(s.look().Wall)
	if q.known.total == 0 {
		r.next, r.err = s.host.Ask(t.cal.when, t.in(now), t.cfg.DST)
		r.done = true
		return
	}
	if !r.begun {
		r.begun, r.next = true, q.known.newest.Named
	}
	for range asksAtOnce {
		late := span.Difference(now.Sub(r.next), t.cfg.Jitter)
		ahead := late < 0 || !q.until.IsZero() && r.next.After(q.until)
		if r.err != nil || r.next.IsZero() || ahead && r.total > 0 {
			r.done = true
			return
		}
		if r.total == maxCounted {
			r.next, r.err = s.lastBefore(t, q.by(now), r.next)
		}
		r.add(late, q.keep)
		if r.err == nil {
			r.next, r.err = s.host.Ask(t.cal.when, r.next, t.cfg.DST)
		}
		if r.total == 1 {
			r.first = r.next
		}
		if time.Since(begin) > askTime {
			return
		}
	}
}

// by returns the time up to which runs are due.
func (q *question) by(now time.Time) time.Time {
	by := now.Add(-q.t.cfg.Jitter)
	if !q.until.IsZero() && by.After(q.until) {
		return q.until
	}
	return by
}

// lastBefore returns one of the newest runs of t that are due by then. The one due at
// from is one of them.
func (s *Scheduler) lastBefore(t *Task, by, from time.Time) (time.Time, error) {
	for d := time.Microsecond; d > 0 && by.Add(-d).After(from); d *= 2 {
		next, err := s.host.Ask(t.cal.when, t.in(by.Add(-d)), t.cfg.DST)
		if err != nil || !next.IsZero() && !next.After(by) {
			return next, err
		}
	}
	return from, nil
}

// add notes that next is due, and that only so many of the newest can matter.
func (r *dueResult) add(late time.Duration, keep int) {
	r.total++
	r.late = late
	if len(r.dues) >= 2*keep {
		r.dues = append(r.dues[:0], r.dues[len(r.dues)-keep+1:]...)
	}
	r.dues = append(r.dues, DueTime{Named: r.next})
}

// answered does what follows from an answer.
func (s *Scheduler) answered(q *question) {
	t, r := q.t, &q.result
	t.asking = nil
	if t.current() == nil {
		if t.heir != nil { // else Unschedule has told it
			s.takeDueOf(q, false)
			s.handOver()
		}
		return
	}
	hung := t.hung
	if hung {
		s.underBoth(func() { t.hung, t.lastErr = false, nil })
	}
	next := r.next
	switch {
	case q.known.total == 0: // there is nothing but the next one
	case t.paused || s.isStopped(): // it is asked again, and what is due by then is missed
		next = q.known.newest.Named
		if q.made {
			next = r.first
		}
		if !next.IsZero() {
			r.err = nil
		}
	default:
		s.takeDueOf(q, hung)
	}
	t.reset = false
	s.setNext(t, next)
	t.late = t.hasNext && hung && t.key() <= s.look().Wall
	if r.err != nil {
		s.underBoth(func() { t.lastErr, t.broken = r.err, true })
	}
	if !t.hasNext && !t.gone {
		s.host.Unscheduled(t.name)
	}
	s.arm(t)
	s.handOver()
	s.poke()
}

// takeDueOf takes what is due by an answer, but for what has been made before.
func (s *Scheduler) takeDueOf(q *question, missed bool) {
	r := &q.result
	if q.made && r.total > 0 {
		if uint64(len(r.dues)) == r.total {
			r.dues = r.dues[1:]
		}
		r.total--
	}
	if r.total == 0 {
		return
	}
	s.due = append(s.due, dueRuns{
		t: q.t, total: r.total, newest: r.dues[len(r.dues)-1], all: r.dues, late: r.late, missed: missed || q.known.missed,
	})
}
