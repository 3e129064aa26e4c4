package scheduler

import (
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/span"
	"github.com/a622d8ee/dray/internal/timerqueue"
)

// An heir is the task by which another one was replaced.
type heir struct {
	t     *Task
	since time.Duration // by the clock of the one replaced, which finds the runs up to here for t
}

// replace lets a task take over from another one of its name, under mu. That one stays in the
// timers, or is asked, until all runs have been found that were due by now. The alternative, to
// find them here, would have to wait for its schedule, which is foreign code and may not return.
func (s *Scheduler) replace(old, t *Task, now clock.Reading) {
	since, paused := old.upTo(now, s.reached), old.paused
	s.engine.Update(func(c *core.Core, _ time.Duration) {
		// since is on the clock of the old task, whose runs it bounds; the heir may go by the
		// other clock.
		old.gone, old.heir = true, &heir{t, since}
		// In the same tick as gone: a run that ends finds its task either before the change or
		// after it.
		t.takeOver(old)
		// The heir is not paused. What the pause held up is missed, as after Resume.
		if old.paused {
			old.paused = false
			c.ResumeTask(old.name)
		}
		s.wait(t) // its overlap policy may let more runs go on
	})
	if old.cal != nil {
		s.named--
	}
	// Before the first Serve nothing has come due.
	if !s.begun {
		s.disarm(old)
		return
	}
	if old.runsForHeir() {
		s.replaced[old.name] = append(s.replaced[old.name], old)
		if paused {
			s.armAfterPause(old, since, now)
		} else {
			s.arm(old)
		}
		s.poke()
	} else {
		s.disarm(old)
	}
	s.beginAfter(t, now)
}

// beginAfter lets t, which replaces another task, begin after now. Its first run was looked for
// before that, so it may be due by now: then it was one of the other task.
func (s *Scheduler) beginAfter(t *Task, now clock.Reading) {
	upTo := t.upTo(now, s.reached)
	if t.next > upTo {
		return
	}
	if t.cal == nil {
		t.next = span.Sum(upTo, t.period-(upTo-t.next)%t.period)
		return
	}
	t.reset = true
	s.ask(t)
	t.asking.from = s.clock.Named(upTo)
	s.poke()
}

// forget takes a task out of replaced if all of its runs have been found.
func (s *Scheduler) forget(t *Task) {
	if !t.gone || t.asking != nil || t.runsForHeir() {
		return
	}
	left := slices.DeleteFunc(s.replaced[t.name], func(o *Task) bool { return o == t })
	if s.replaced[t.name] = left; len(left) == 0 {
		delete(s.replaced, t.name)
	}
}

// keeps returns how many runs that are due together can matter to the one that makes
// them: at least one, which is made if it is in time, whatever the policy for missed ones.
func (t *Task) keeps() int {
	if h := t.current(); h != nil {
		t = h
	}
	return max(t.cfg.Missed, 1)
}

// runsForHeir reports whether t has a next run that is its heir's: one that was due, but for
// jitter, when it was replaced.
func (t *Task) runsForHeir() bool { return t.heir != nil && t.hasNext && t.next <= t.heir.since }

// takeUncounted returns the runs of t, and of the tasks that it has replaced, that have come due and
// that the books do not have yet: they are made nowhere else then. It is called under mu, before t
// is gone.
func (s *Scheduler) takeUncounted(t *Task) (found dueRuns) {
	// What a crash, or a closed queue, has left on its way; the entries stay, empty.
	for i := s.dueHead; i < len(s.due); i++ {
		if d := &s.due[i]; d.t.current() == t {
			found.add(d.newest, d.total, s.clock)
			d.total = 0
		}
	}
	s.addUncounted(&found, t, t.upTo(s.look(), s.reached))
	for _, old := range s.replaced[t.name] {
		s.addUncounted(&found, old, old.heir.since)
	}
	return found
}

// addUncounted adds the runs of t that have come due by then and that nothing has taken yet. While
// the scheduler is stopped, nothing comes due. No schedule is asked: of a calendar task it finds the
// one run that is known.
func (s *Scheduler) addUncounted(found *dueRuns, t *Task, by time.Duration) {
	switch {
	// None of its runs has come due: what a pause holds up counts for nothing if the task is
	// removed.
	case !s.begun || s.isStopped() || t.paused || !t.hasNext:
	// The rest of the answer is dropped when it comes, as t is gone by then.
	case t.asking != nil:
		if !t.asking.made {
			found.add(t.asking.known.newest, t.asking.known.total, s.clock)
		}
	case t.next > by:
	// Its jitter delays it, or the loop has not come to it.
	case t.cal != nil:
		found.add(DueTime{Named: t.cal.next}, 1, s.clock)
	default:
		// All that are due, by arithmetic: the newest is at the last point of the grid up to then.
		age := by - t.next
		found.add(DueTime{Moment: by - age%t.period}, uint64(age/t.period)+1, s.clock)
	}
}

// takeEarly takes the runs that are due by now and that jitter would delay. It costs O(n) of n
// timers, and is for the end of a run of the queue alone.
func (s *Scheduler) takeEarly(now clock.Reading) {
	for _, t := range s.intervals.early(now, s.reached) {
		s.takeInterval(t, now, t.cfg.Jitter)
		s.arm(t)
		s.forget(t)
	}
	for _, t := range s.calendar.early(now, s.reached) {
		s.ask(t)
	}
}

// early disarms and returns the tasks that have a run which jitter delays. Those without jitter
// were taken before, by takeDue. It sweeps out what does not stand, as it looks at each entry
// anyway.
func (tt *taskTimers) early(now clock.Reading, reached time.Duration) (found []*Task) {
	tt.queue.Sweep(func(e timerqueue.Entry[*Task]) bool {
		t := e.Item
		if !stands(e) {
			return false
		}
		if t.cfg.Jitter == 0 || t.next > t.upTo(now, reached) {
			return true
		}
		// As drop does, but for the entry, which Sweep takes out.
		t.armed = false
		tt.armed--
		found = append(found, t)
		return false
	})
	return found
}
