package scheduler

import (
	"math"
	"time"

	"github.com/a622d8ee/dray/internal/calendar"
	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/span"
)

// nowOf returns what the clock shows that the task goes by.
func (t *Task) nowOf(now clock.Reading) time.Duration {
	if t.cal == nil {
		return now.Mono
	}
	return now.Wall
}

func (s *Scheduler) look() clock.Reading { return s.clock.Look().Reading }

// A DueTime is when a run is due: at a time that its schedule has named, which stays
// that, or else, by Every and RunNow, at a moment, which is told as any other.
type DueTime struct {
	Named  time.Time
	Moment time.Duration
}

// Tell tells it.
func (d DueTime) Tell(c *clock.Clock) time.Time {
	if d.Named.IsZero() {
		return c.Tell(d.Moment)
	}
	return d.Named
}

const (
	// watchInterval is how often the clocks are compared while a task goes by the
	// wall clock, and so the longest that a change of it goes unnoticed. A look
	// costs a microsecond.
	watchInterval = time.Minute

	// jumpTolerance is more than a clock is slewed by in a watchInterval (30 ms at
	// the 500 ppm of NTP), and less than clocks are set by.
	jumpTolerance = time.Second

	// repeatWithin is how far the clock may be set back and still be trusted to
	// have been right before: its times are then not repeated. Beyond, it was wrong
	// before, and the new time counts at once. The three hours are those of Vixie cron.
	repeatWithin = 3 * time.Hour
)

// watch compares the clocks, and has those tasks asked anew that a clock set back
// concerns. One set forward needs no more than the policy for missed runs, which
// applies to whatever came due.
func (s *Scheduler) watch(now clock.Reading) {
	if now == s.looked {
		return
	}
	by, slept := now.Wall-s.looked.Wall-(now.Mono-s.looked.Mono), now.Mono-s.looked.Mono
	s.looked, s.grace = now, 0
	if by.Abs() <= jumpTolerance || s.calendar.armed == 0 {
		return
	}
	s.grace = slept // what was due in that time was not jumped over, but overslept
	s.host.ClockJumped(by)
	if by > 0 {
		return
	}
	for _, t := range s.tasks {
		if t.repeats(by) {
			s.disarm(t)
			t.reset = true
			s.ask(t)
		}
	}
}

// repeats reports whether the times between which the clock was set back are to
// count again for t. Those of At never do.
func (t *Task) repeats(by time.Duration) bool {
	if t.cal == nil || !t.hasNext || t.asking != nil {
		return false
	}
	_, once := t.cal.when.(calendar.At)
	return !once && (by < -repeatWithin-jumpTolerance || t.repeatsFolds())
}

// repeatsFolds reports whether a time that exists twice runs twice, by an option of
// the task or of its schedule.
func (t *Task) repeatsFolds() bool {
	z, ok := t.cal.when.(*calendar.Zoned)
	return t.cfg.DST&calendar.RepeatFold != 0 || ok && z.DST&calendar.RepeatFold != 0
}

// sleep returns for how long there is nothing to do.
func (s *Scheduler) sleep() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isStopped() {
		return span.Never
	}
	now := s.look()
	d := s.asker.sleep(now.Mono)
	if e, ok := s.intervals.first(); ok {
		d = min(d, span.Difference(e.Due, now.Mono))
	}
	if e, ok := s.calendar.first(); ok {
		d = min(d, watchInterval)
		if e.Due < math.MaxInt64 { // else it is not due in the time that can be told
			d = min(d, span.Difference(e.Due, now.Wall))
		}
	}
	return d
}

// isStopped reports whether nothing comes due: after the scheduler has been told to
// stop, or while the queue takes no jobs. What would have, has when that is over.
func (s *Scheduler) isStopped() bool { return s.stopped || s.engine.IsClosed() }
