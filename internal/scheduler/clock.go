package scheduler

import (
	"math"
	"time"

	"github.com/a622d8ee/dray/internal/calendar"
	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/span"
)

// nowOf returns what the clock shows that the task goes by: next and key are to be compared with
// that alone.
func (t *Task) nowOf(now clock.Reading) time.Duration {
	if t.cal == nil {
		return now.Mono
	}
	return now.Wall
}

// look reads both clocks.
func (s *Scheduler) look() clock.Reading { return s.clock.Look().Reading }

// A DueTime is when a run is due: at a time that its schedule has named, which stays
// that, or else, by Every and RunNow, at a moment, which is told as any other. Named is zero then.
type DueTime struct {
	Named  time.Time     // of a calendar task; not changed by a clock that is set later
	Moment time.Duration // since the clock's origin, by the monotonic clock
}

// Tell returns the time that users see. Of a moment it depends on how the wall clock is set when it
// is called.
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
	// the 500 ppm of NTP), and less than clocks are set by. In a longer time, in which the clocks
	// were not watched, one of slewing is allowed for besides.
	jumpTolerance = time.Second
	slewing       = 1000

	// repeatWithin is how far the clock may be set back and still be trusted to
	// have been right before: its times are then not repeated. Beyond, it was wrong
	// before, and the new time counts at once. The three hours are those of Vixie cron.
	repeatWithin = 3 * time.Hour
)

// watch compares the clocks, and has those tasks asked anew that a clock set back concerns, paused
// ones, too. One set forward needs no more than the policy for missed runs, which applies to
// whatever came due. It costs a look at all tasks only if the clock was set back.
func (s *Scheduler) watch(now clock.Reading) {
	if now == s.looked {
		return
	}
	// How long ago the last look was; what the clocks would show if the one had not been set since; and
	// by how much it was.
	slept := now.Mono - s.looked.Mono
	unset := clock.Reading{Mono: now.Mono, Wall: s.looked.Wall + slept}
	by := now.Wall - unset.Wall
	reached := max(s.reached, unset.Wall)
	s.looked, s.reached = now, max(s.reached, now.Wall)
	if isSetBackFar(by) {
		s.reached = now.Wall
	}
	if by.Abs() <= jumpTolerance+slept/slewing || s.named == 0 {
		return
	}
	s.grace = min(slept, watchInterval) // what was due in that time was not jumped over, but overslept
	s.host.ClockJumped(by)
	if by > 0 {
		return
	}
	// A task that is not asked anew keeps its next run, and waits until the clock has caught up
	// with it.
	for _, t := range s.tasks {
		s.setBack(t, by, t.upTo(unset, reached))
	}
	for _, found := range s.replaced {
		for _, t := range found {
			s.setBack(t, by, t.upTo(unset, reached))
		}
	}
}

// setBack has t asked anew, from the time to which the clock was set, if it is to repeat the times between
// which that was set back. What had come due, until then, is looked for before, also of times that are not
// repeated, and what jitter delays, as the clock no longer says when that ends. If a question is
// under way its answer counts, as it was asked when the run was due, and another one follows.
func (s *Scheduler) setBack(t *Task, by, then time.Duration) {
	repeats := t.repeats(by)
	if t.cal == nil || !t.hasNext || !repeats && !isSetBackFar(by) {
		return
	}
	if t.heir != nil {
		then = min(then, t.heir.since)
	}
	due := true
	if t.asking == nil {
		if due = t.next <= then; !due && !repeats {
			return
		}
		t.reset = !due
		t.late = t.late || due && t.paused
		s.disarm(t)
		s.ask(t)
	}
	t.asking.again = due && repeats && !t.gone
	if at := s.clock.Named(then); due && at.After(t.asking.reached) {
		t.asking.reached = at
	}
	if repeats {
		t.asking.back = s.clock.Named(s.looked.Wall)
	}
}

// isSetBackFar reports whether a clock that was set by so much was wrong before.
func isSetBackFar(by time.Duration) bool { return by < -repeatWithin-jumpTolerance }

// repeats reports whether the times between which the clock was set back are to count again for
// t. Those of At never do: they are given one by one, to run once each.
func (t *Task) repeats(by time.Duration) bool {
	if t.cal == nil {
		return false
	}
	_, once := t.cal.when.(calendar.At)
	return !once && (isSetBackFar(by) || t.repeatsFolds())
}

// upTo returns by when, on its own clock, what comes due of t has: by now, or by the time that the
// wall clock had reached before it was set back by little, as that is not repeated.
func (t *Task) upTo(now clock.Reading, reached time.Duration) time.Duration {
	if t.cal == nil || t.repeatsFolds() {
		return t.nowOf(now)
	}
	return max(now.Wall, reached)
}

// repeatsFolds reports whether a time that exists twice runs twice, by an option of
// the task or of its schedule. t has to be a calendar task.
func (t *Task) repeatsFolds() bool {
	z, ok := t.cal.when.(*calendar.Zoned)
	return t.cfg.DST&calendar.RepeatFold != 0 || ok && z.DST&calendar.RepeatFold != 0
}

// sleep returns for how long there is nothing to do, so long as nothing wakes the loop: until the
// earliest run, the next comparison of the clocks, or the next look at schedules that do not
// return. It is negative or 0 if something is due already.
func (s *Scheduler) sleep() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Nothing comes due until Serve is called again.
	if s.isStopped() {
		return span.Never
	}
	now := s.look()
	d := s.asker.sleep(now.Mono)
	if e, ok := s.intervals.first(); ok {
		d = min(d, span.Difference(e.Due, now.Mono))
	}
	e, ok := s.calendar.first()
	if ok || s.named > 0 { // paused ones, too: what comes due in the pause does by the clock of then
		d = min(d, watchInterval)
	}
	if ok && e.Due < math.MaxInt64 { // else it is not due in the time that can be told
		d = min(d, span.Difference(e.Due, now.Wall))
	}
	return d
}

// isStopped reports whether nothing comes due: after the scheduler has been told to stop, or
// while the queue takes no jobs. What would have, has when that is over. It is called under mu,
// and not in a tick: it locks the mailbox, which a tick may hold.
func (s *Scheduler) isStopped() bool { return s.stopped || s.engine.IsClosed() }
