package scheduler

import (
	"context"
	"time"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/span"
)

const (
	// lateAfter is when a run counts as missed: far more than a busy machine delays
	// a goroutine, and too little to matter to anything that is scheduled.
	lateAfter = time.Second

	// tasksAtOnce is how many tasks that are due are taken at a time: enough for the
	// lock not to matter, and not so many that a call waits long for it.
	tasksAtOnce = 1024
)

// Serve is the scheduler as a child of its queue, until ctx ends: meanwhile runs become jobs as
// they come due. One timer is armed, for the earliest task. A supervisor calls it again after a
// crash; two calls must not overlap.
//
// A crash loses nothing and doubles nothing: a run is in Scheduler.due from the
// moment that the task's next one is known until it is a job, and a task has a
// question for as long as its next run is not known.
func (s *Scheduler) Serve(ctx context.Context) error {
	s.adopt()
	// Set before each wait. Since Go 1.23 no tick of an earlier setting can come after Reset.
	timer := time.NewTimer(span.Never)
	defer timer.Stop()
	for {
		// All that is due is taken before it sleeps, in portions, between which other calls get mu.
		// A very short interval brings more each time.
		for more := true; more && ctx.Err() == nil; {
			s.finish()
			more = s.collect()
		}
		// What changes from here on leaves a signal in wakeup, which has room for one, so it is
		// not slept over.
		var due <-chan time.Time // nil while nothing is planned: with a timer set the runtime reads the clock whenever goroutines change
		if d := s.sleep(); d < span.Never {
			timer.Reset(d)
			due = timer.C
		}
		select {
		case <-s.wakeup:
		case <-due:
		case <-ctx.Done():
			// Only an end that was asked for stops it. After a crash what comes due waits for the
			// successor.
			s.Stop()
			return nil
		}
	}
}

// adopt takes over the tasks: from New, whose intervals begin now, or from a predecessor, which
// may have died between two steps. Nothing has to be repaired then: the next collect goes on from
// what is in the timers, the questions and due.
func (s *Scheduler) adopt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = false
	now := s.look()
	if s.begun {
		return
	}
	s.begun = true
	// The intervals of tasks without LastRun begin now, so that the time before the first start
	// counts for nothing. Those with it count from there, and calendar tasks have their next run
	// anyway.
	for _, t := range s.tasks {
		if t.cal == nil && t.cfg.LastRun.IsZero() {
			s.disarm(t)
			t.next, t.stale = span.Sum(now.Mono, t.period), false
			s.arm(t)
		}
	}
}

// Stop lets nothing come due any more, until Serve is called again. The tasks stay as they are:
// what would have come due meanwhile is missed then. Answers of schedules that come later make
// no runs.
func (s *Scheduler) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
}

// Finish makes jobs of the runs that are due by now, also those that jitter delays, and
// lets nothing come due after that: the intake of the queue is about to close. It does not wait for
// schedules. Of a calendar task with several such runs it makes the one that is known, the oldest.
func (s *Scheduler) Finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun && !s.isStopped() {
		now := s.look()
		// The order matters: what takeDue and takeEarly ask, makeKnown finds among the questions.
		for s.takeDue(now) {
		}
		s.takeEarly(now)
		s.asker.each(s.makeKnown)
		s.handOver()
	}
	s.stopped = true
}

// collect does what is due, for some tasks. It reports whether there are more.
//
// The clocks are compared before anything is taken: a clock that was set back changes what is
// due, and one that was set forward by how much a run may be late.
func (s *Scheduler) collect() (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A panic of dray's own on a helper is to end this goroutine, as that is the one with a
	// supervisor.
	s.asker.dieOfCrash()
	if s.isStopped() {
		return false
	}
	now := s.look()
	s.watch(now)
	if more = s.takeDue(now); !more {
		s.grace = 0 // all that it holds for has been taken
	}
	s.handOver()
	s.seeToAsking(now.Mono)
	return more
}

// takeDue takes some tasks that are due, and reports whether there were any. Runs of intervals go
// to s.due at once. Of calendar tasks one run is known to be due; it waits in a question until
// the schedule has said what is due besides. A task costs O(log n) of n timers.
func (s *Scheduler) takeDue(now clock.Reading) (some bool) {
	for range tasksAtOnce {
		e, ok := s.intervals.first()
		if !ok || e.Due > now.Mono {
			break
		}
		some = true
		t := e.Item
		s.takeInterval(t, now, 0)
		// A task that was replaced goes on until its last run before that is found.
		if t.gone && !t.runsForHeir() {
			s.intervals.drop(t)
			s.forget(t)
		} else {
			// The entry is still the first one. To move it costs less than Drop and Add.
			s.intervals.queue.Postpone(t.key())
		}
	}
	for range tasksAtOnce {
		t, ok := s.calendar.pop(now.Wall)
		if !ok {
			break
		}
		some = true
		s.ask(t)
	}
	return some
}

// takeInterval takes the runs of a task of Every that are due, and those whose jitter ends in
// that time (early), at a cost that does not depend on how many they are. At least one has to be
// due by then. It moves t.next on, but not the timer. Nothing between the change of next and the
// end can panic, so a crash does not come between.
func (s *Scheduler) takeInterval(t *Task, now clock.Reading, early time.Duration) {
	// By how much the first is late; negative, by at most early, if its jitter has not ended.
	late := span.Difference(now.Mono, t.key())
	n := int64(span.Sum(late, early) / t.period) // due besides the first, and later
	// What is due after the replacement is the heir's own.
	if t.gone {
		n = min(n, int64(span.Difference(t.heir.since, t.next)/t.period))
	}
	newest := t.next + t.period*time.Duration(n)
	t.next, t.stale = span.Sum(newest, t.period), false
	due := dueRuns{
		t: t, total: uint64(n) + 1, newest: DueTime{Moment: newest},
		late: late - t.period*time.Duration(n), missed: t.late,
	}
	// With a single run that matters, newest says all: the usual case allocates nothing.
	keep := min(int64(t.keeps()), n+1)
	if keep > 1 {
		due.all = make([]DueTime, keep)
		for i := range due.all {
			due.all[i].Moment = newest - t.period*time.Duration(keep-1-int64(i))
		}
	}
	due.before.Moment = newest - t.period*time.Duration(keep)
	t.late = false
	s.due = append(s.due, due)
}
