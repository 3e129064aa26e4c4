package scheduler

import (
	"time"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/timerqueue"
)

// An heir is the task by which another one was replaced.
type heir struct {
	t     *Task
	since time.Duration // by the clock of the one replaced, whose runs up to here are t's
}

// replace lets a task take over from another one of its name. That one stays in the
// timers, or is asked, until all runs have been found that were due by now.
func (s *Scheduler) replace(old, t *Task) {
	now := s.look()
	s.engine.Update(func(c *core.Core, _ time.Duration) {
		old.gone, old.heir = true, &heir{t, old.nowOf(now)}
		t.takeOver(old)
		if old.paused {
			old.paused = false
			c.ResumeTask(old.name)
			s.wait(t)
			old.late = old.hasNext && old.key() <= old.nowOf(now)
		}
	})
	if old.runsForHeir() && s.begun {
		s.arm(old)
		s.poke()
	} else {
		s.disarm(old)
	}
}

// keeps returns how many runs that are due together can matter to the one that makes
// them.
func (t *Task) keeps() int {
	if h := t.current(); h != nil {
		t = h
	}
	return max(t.cfg.Missed, 1)
}

// runsForHeir reports whether t has a next run that is its heir's.
func (t *Task) runsForHeir() bool { return t.heir != nil && t.hasNext && t.next <= t.heir.since }

// takeUncounted returns the runs of t that have come due and that the books do not have
// yet: they are made nowhere else then. While the scheduler is stopped, nothing comes due.
func (s *Scheduler) takeUncounted(t *Task) (found dueRuns) {
	for i := s.dueHead; i < len(s.due); i++ {
		if d := &s.due[i]; d.t.current() == t {
			found.add(d.newest, d.total, s.clock)
			d.total = 0
		}
	}
	now := s.look()
	switch {
	case !s.begun || s.isStopped() || t.paused || !t.hasNext:
	case t.asking != nil:
		if !t.asking.made {
			found.add(t.asking.known.newest, t.asking.known.total, s.clock)
		}
	case t.next > t.nowOf(now):
	case t.cal != nil:
		found.add(DueTime{Named: t.cal.next}, 1, s.clock)
	default:
		age := now.Mono - t.next
		found.add(DueTime{Moment: now.Mono - age%t.period}, uint64(age/t.period)+1, s.clock)
	}
	return found
}

// takeEarly takes the runs that are due by now and that jitter would delay.
func (s *Scheduler) takeEarly(now clock.Reading) {
	for _, t := range s.intervals.early(now) {
		s.takeInterval(t, now, t.cfg.Jitter)
		s.arm(t)
	}
	for _, t := range s.calendar.early(now) {
		s.ask(t)
	}
}

// early disarms and returns the tasks that have a run which jitter delays.
func (tt *taskTimers) early(now clock.Reading) (found []*Task) {
	tt.queue.Sweep(func(e timerqueue.Entry[*Task]) bool {
		t := e.Item
		if !stands(e) {
			return false
		}
		if t.cfg.Jitter == 0 || t.next > t.nowOf(now) {
			return true
		}
		t.armed = false
		tt.armed--
		found = append(found, t)
		return false
	})
	return found
}
