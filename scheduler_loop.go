package dray

import (
	"context"
	"time"
)

const (
	// lateAfter is when a run counts as missed: far more than a busy machine delays
	// a goroutine, and too little to matter to anything that is scheduled.
	lateAfter = time.Second

	// maxCatchUp bounds how many missed runs of a calendar task are counted one by
	// one, a week of a run each minute; after that it goes on from now.
	maxCatchUp = 10_000

	// sheaf is how many tasks are taken at once: enough for the lock not to matter,
	// and not so many that anybody waits long for it.
	sheaf = 1024
)

// Serve enqueues runs as they come due, until ctx ends. It is for the queue's
// supervision tree; on its own it does nothing useful. One timer is armed, for
// the earliest task.
//
// A crash loses nothing and doubles nothing: a task is in asking while its
// schedule is asked, and a run is in its line from the moment that the next one
// is known until the queue has accepted it.
func (s *Scheduler) Serve(ctx context.Context) error {
	s.adopt()
	timer := time.NewTimer(never)
	defer timer.Stop()
	for {
		s.tick()
		timer.Reset(s.sleep())
		select {
		case <-s.wakeup:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// adopt takes over the tasks: from New, whose intervals begin now, or from a
// predecessor, which may have died in a schedule's Next or between two steps.
func (s *Scheduler) adopt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.look()
	if !s.begun {
		s.begun = true
		s.looked = now
		for _, t := range s.tasks {
			if t.cal == nil && t.cfg.lastRun.IsZero() {
				s.disarm(t)
				t.next, t.left = after(now.mono, t.period), false
				s.arm(t)
			}
		}
	}
	for i := range s.lines {
		s.settleOffers(&s.lines[i])
	}
	for _, t := range s.asking {
		if t.inNext { // it took the goroutine along
			p := prospect{err: ErrGoexit}
			if due := s.nextOf(t, now); !t.reset && !due.After(s.at(now.wall)) {
				p.dues, p.total = []time.Time{due}, 1
			}
			s.proceed(t, p)
			break
		}
	}
}

// tick does all that is due by now.
func (s *Scheduler) tick() {
	now := s.look()
	for more := true; more; {
		more = s.collect(now)
		for s.askNext(now) {
		}
		s.feed()
	}
}

// collect takes note of what has ended, and moves a sheaf of the tasks that are
// due on to their next run. It reports whether there are more.
func (s *Scheduler) collect(now clocks) (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.absorb()
	s.watch(now)
	for range sheaf {
		e, ok := s.intervals.first()
		if !ok || e.Due > now.mono {
			break
		}
		more = true
		s.intervalDue(e.Item, now)
		s.intervals.agenda.Postpone(e.Item.key())
	}
	for range sheaf {
		t, ok := s.calendar.pop(now.wall)
		if !ok {
			break
		}
		more = true
		s.letAsk(t)
	}
	return more
}

// intervalDue fires a task of Every that is due.
func (s *Scheduler) intervalDue(t *periodicTask, now clocks) {
	late := now.mono - t.cfg.jitter - t.next
	n := int64(late / t.period) // due besides the first, and later
	newest := t.next + t.period*time.Duration(n)
	t.next, t.left = after(newest, t.period), false
	wall := s.at(now.wall - (now.mono - newest))
	if n == 0 && !t.lapsed && late <= lateAfter {
		t.due++
		s.fire(t, wall)
		return
	}
	keep := min(int64(t.cfg.keeps()), n+1)
	dues := make([]time.Time, 0, keep)
	for i := keep - 1; i >= 0; i-- {
		dues = append(dues, wall.Add(-t.period*time.Duration(i)))
	}
	s.comeDue(t, uint64(n)+1, dues, late-t.period*time.Duration(n))
}

// letAsk puts t among those whose schedules are asked.
func (s *Scheduler) letAsk(t *periodicTask) {
	if !t.asking {
		t.asking = true
		s.asking = append(s.asking, t)
	}
}

// A prospect is what asking a schedule for all that is due has brought.
type prospect struct {
	dues  []time.Time   // the newest runs due, at least one unless there are none
	total uint64        // of the runs due
	late  time.Duration // of the newest
	next  time.Time
	err   error
}

// askNext asks the schedule of one task, without a lock, and does what follows.
func (s *Scheduler) askNext(now clocks) bool {
	s.mu.Lock()
	if len(s.asking) == 0 {
		s.mu.Unlock()
		return false
	}
	t := s.asking[0]
	t.inNext = true
	next := s.nextOf(t, now)
	s.mu.Unlock()

	p := t.ask(next, s.at(now.wall))

	s.mu.Lock()
	defer s.mu.Unlock()
	s.proceed(t, p)
	return true
}

// ask finds out what is due by now, from next on, and what comes then. While t is
// asking, nobody changes what this reads.
func (t *periodicTask) ask(next, now time.Time) (p prospect) {
	if t.reset {
		p.next, p.err = ask(t.cal.when, t.in(now), t.cfg.dst)
		return p
	}
	for p.next = next; p.err == nil && !p.next.IsZero(); p.next, p.err = ask(t.cal.when, p.next, t.cfg.dst) {
		late := now.Sub(p.next) - t.cfg.jitter
		if late < 0 {
			break
		}
		if p.total == maxCatchUp {
			p.next, p.err = ask(t.cal.when, t.in(now), t.cfg.dst)
			break
		}
		p.add(late, t.cfg.keeps())
	}
	return p
}

// add notes that next is due, and that only so many of the newest are of interest.
func (p *prospect) add(late time.Duration, keep int) {
	p.total++
	p.late = late
	if len(p.dues) >= 2*keep {
		p.dues = append(p.dues[:0], p.dues[len(p.dues)-keep+1:]...)
	}
	p.dues = append(p.dues, p.next)
}

// keeps returns how many runs that are due together can be of interest.
func (c *taskConfig) keeps() int { return min(max(int(c.missed), 1), maxCatchUp) }

// proceed does what follows from the prospect of a task that was asking.
func (s *Scheduler) proceed(t *periodicTask, p prospect) {
	s.asking[0] = nil
	if s.asking = s.asking[1:]; len(s.asking) == 0 {
		s.asking = nil
	}
	t.asking, t.inNext, t.reset = false, false, false
	if t.gone {
		return
	}
	if p.total > 0 {
		s.comeDue(t, p.total, p.dues, p.late)
	}
	s.setNext(t, p.next)
	if p.err != nil {
		t.lastErr, t.broken = p.err, true
	}
	if !t.hasNext && s.queue.herald != nil {
		s.queue.herald.emit(TaskUnscheduled{moment(), t.name})
	}
	s.arm(t)
}
