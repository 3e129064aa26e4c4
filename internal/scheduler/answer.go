package scheduler

import (
	"cmp"
	"time"

	"github.com/a622d8ee/dray/internal/span"
)

// A dueResult is what asking a schedule for all that is due has brought so far. Between two
// slices it is kept, so that the next one goes on where the last has ended.
type dueResult struct {
	begun  bool          // next is what was known
	done   bool          // there is nothing more to ask
	total  uint64        // of the runs due, that which was known included
	dues   []DueTime     // the newest of them in order, as many as can matter, and perhaps as many again
	before DueTime       // the run before those, if they are not all
	late   time.Duration // by which the newest is, jitter taken off
	first  time.Time     // the answer to the first question: what comes after the run that was known
	next   time.Time     // what the schedule has named last, which may be due or not; zero for never
	err    error         // why next is zero; nil if the schedule has no further time
}

// ask asks for some of what is due, and what comes then. It is called by the helper that has q,
// without a lock, and calls foreign code: it may never return, or end the goroutine. After
// asksAtOnce answers, or askTime, it returns for others to have their turn; result.done tells
// whether there is more to ask.
func (q *question) ask(s *Scheduler) {
	t, r := q.t, &q.result
	// What comes due while the slice lasts is found by the next, or later; or it is due for a task that
	// replaces this one meanwhile.
	begin, now := time.Now(), q.now
	// The clock was set back, or the task has come a moment late: nothing is known to be due, and only
	// what comes from then on counts.
	if q.known.total == 0 {
		r.next, r.err = s.host.Ask(t.cal.when, t.in(cmp.Or(q.from, now)), t.cfg.DST)
		r.done = true
		return
	}
	// The first slice begins with the run that is known, the others where the last has ended.
	if !r.begun {
		r.begun, r.next = true, q.known.newest.Named
	}
	for range asksAtOnce {
		// The first, which is known, is due whatever the clock shows by now: it may have been set
		// back since, or the run is made before its jitter has ended.
		late := span.Difference(now.Sub(r.next), t.cfg.Jitter)
		ahead := r.next.After(q.by)
		if r.err != nil || r.next.IsZero() || ahead && r.total > 0 {
			r.done = true
			return
		}
		// It goes on near the end instead. From here on total says less than are due.
		if r.total == maxCounted {
			r.next, r.err = s.lastBefore(t, q.by, r.next)
			late = span.Difference(now.Sub(r.next), t.cfg.Jitter) // that of a newer run
		}
		// It is due, so it counts, before anything is asked that may throw.
		r.add(late, q.keep)
		if r.err != nil {
			r.next, r.done = time.Time{}, true
			return
		}
		r.next, r.err = s.host.Ask(t.cal.when, t.in(r.next), t.cfg.DST)
		// If known is made before the answer is used, the task goes on from here.
		if r.total == 1 {
			r.first = r.next
		}
		if time.Since(begin) > askTime {
			return
		}
	}
}

// lastBefore returns one of the newest runs of t that are due by then. The one due at from is one
// of them, which it returns with an error, too. It asks from ever further back, by twice as much
// each time, until a run is found after that: some fifty questions at most, whatever the schedule.
// It is called without a lock, as ask.
func (s *Scheduler) lastBefore(t *Task, by, from time.Time) (time.Time, error) {
	for d := time.Microsecond; d > 0 && by.Add(-d).After(from); d *= 2 {
		next, err := s.host.Ask(t.cal.when, t.in(by.Add(-d)), t.cfg.DST)
		if err != nil {
			return from, err
		}
		if !next.IsZero() && !next.After(by) {
			return next, nil
		}
	}
	return from, nil
}

// add notes that next is due, and that only so many of the newest can matter. It lets the list
// become twice as long before it moves the newest to its beginning: O(1) for each run, and no
// allocation.
func (r *dueResult) add(late time.Duration, keep int) {
	r.total++
	r.late = late
	if len(r.dues) >= 2*keep {
		r.before = r.dues[len(r.dues)-keep]
		r.dues = append(r.dues[:0], r.dues[len(r.dues)-keep+1:]...)
	}
	r.dues = append(r.dues, DueTime{Named: r.next})
}

// answered does what follows from an answer, or from the end of a question whose task has gone.
// It is called under mu, on the goroutine of the helper. The task has no question after it, and
// is armed again if it has a next run.
func (s *Scheduler) answered(q *question) {
	t, r := q.t, &q.result
	s.watch(s.look()) // what it has answered may be from before a jump, and what follows is from after it
	t.asking = nil
	if t.current() == nil { // Unschedule has told it
		return
	}
	// Kept, as it is cleared next: what a schedule that hung says was due was missed.
	hung := t.hung
	if hung { // it has returned after all
		s.underBoth(func() { t.hung, t.lastErr = false, nil })
	}
	// In all cases the task goes on with next. What differs is whether runs are made, and which
	// comes next.
	next := r.next
	switch {
	case q.known.total == 0: // there is nothing but the next one
	case t.paused && q.reached.IsZero() || s.isStopped(): // it is asked again, and what is due by then is missed
		next = q.known.newest.Named
		if q.made {
			next = r.first
		}
		if !next.IsZero() { // an error of what was asked beyond it comes again when that is asked again
			r.err = nil
		}
	default:
		s.takeDueOf(q, hung)
	}
	if q.again && r.err == nil {
		t.reset = true
		s.ask(t)
		t.asking.back = q.back
		s.handOver()
		s.poke()
		return
	}
	t.reset = false
	// The run is in s.due and next is the one after it: between the two nothing can panic.
	s.setNext(t, next)
	// While the schedule was asked more may have come due; of one that hung that was missed as
	// well.
	t.late = t.hasNext && hung && t.next <= s.look().Wall
	if r.err != nil {
		s.underBoth(func() { t.lastErr, t.broken = r.err, true })
	}
	if !t.hasNext && !t.gone { // of one that was replaced the heir goes on
		s.host.Unscheduled(t.name)
	}
	s.arm(t)
	s.forget(t)
	s.handOver()
	s.poke()
}

// takeDueOf takes what is due by an answer, but for what has been made before: that is the first
// one, the oldest, which is in dues only if all are. The runs are missed if that is said, or was
// known.
func (s *Scheduler) takeDueOf(q *question, missed bool) {
	r := &q.result
	if q.made && r.total > 0 {
		// Else it is among those that were too many to be kept.
		if uint64(len(r.dues)) == r.total {
			r.dues = r.dues[1:]
		}
		r.total--
	}
	if r.total == 0 {
		return
	}
	s.due = append(s.due, dueRuns{
		t: q.t, total: r.total, newest: r.dues[len(r.dues)-1], all: r.dues, before: r.before, late: r.late,
		grace: q.known.grace, missed: missed || q.known.missed,
	})
}
