package scheduler

import (
	"errors"
	"time"

	"github.com/a622d8ee/dray/internal/calendar"
	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/span"
	"github.com/a622d8ee/dray/internal/timerqueue"
)

// A Task is a registered task. There may be a million, so what only some of
// them need is behind pointers.
type Task struct {
	name   string // immutable, as are those up to seq
	fn     core.Func
	cfg    *Options
	cal    *wallTask     // nil for Every
	period time.Duration // of Every
	seq    uint64        // order of registration

	// guarded by Scheduler.mu
	next   time.Duration // when the next run is due, on the task's own clock
	asking *question     // its schedule is being asked
	armed  bool          // next is among the timers, and stands
	stale  bool          // next is among the timers, and does not stand
	saying *saying       // its schedule is being asked for its words
	reset  bool          // the clock was set back: ask from now on, whatever was due

	// of the engine's state
	last      time.Duration // when the last run was due, by the wall clock if that was named
	lastErr   error
	due       uint64 // runs that came due: those enqueued, skipped and postponed
	runs      uint64
	history   *history // nil until something out of the ordinary has happened
	active    *Run     // runs that have not settled, the newest first
	waiting   *Run     // the active one that takes no room, once there was one
	postponed []dueRun // runs that wait for another to settle
	hasRun    bool
	lastNamed bool // see DueTime

	// written under both, read under one
	heir    *heir // that has replaced it
	hasNext bool
	paused  bool
	late    bool // whatever is due by now was missed
	gone    bool // unscheduled, or replaced
	broken  bool // lastErr is why the schedule has no next
	hung    bool // its schedule does not return
}

// A wallTask is what a task has whose schedule is not Every.
type wallTask struct {
	when calendar.Schedule // immutable
	next time.Time         // the next run, as the schedule gave it; guarded by Scheduler.mu
}

// history is what has become of runs besides being enqueued.
type history struct {
	overlapped, missed, refused, locks uint64
}

// Before orders tasks that are due together: as they were registered.
func (t *Task) Before(o *Task) bool { return t.seq < o.seq }

// key is when the next run is to be enqueued.
func (t *Task) key() time.Duration { return span.Sum(t.next, t.cfg.Jitter) }

func (t *Task) schedule() calendar.Schedule {
	if t.cal == nil {
		return calendar.Every(t.period)
	}
	return t.cal.when
}

func (t *Task) past() *history {
	if t.history == nil {
		t.history = new(history)
	}
	return t.history
}

// current returns the task that t's runs are those of now: t itself, or that by which
// it was replaced. It is nil for one that is gone.
func (t *Task) current() *Task {
	for t.gone && t.heir != nil {
		t = t.heir.t
	}
	if t.gone {
		return nil
	}
	return t
}

// takeOver makes the runs and the counts of old those of t.
func (t *Task) takeOver(old *Task) {
	t.due, t.runs, t.history = old.due, old.runs, old.history
	t.last, t.hasRun, t.lastNamed = old.last, old.hasRun, old.lastNamed
	if !old.broken && !old.hung {
		t.lastErr = old.lastErr
	}
	for r := old.active; r != nil; r = r.next {
		r.t = t
	}
	t.active, t.waiting, t.postponed = old.active, old.waiting, old.postponed
	old.active, old.waiting, old.postponed, old.history = nil, nil, nil, nil
}

// begin sets the first run. A task that replaces another one makes up for nothing.
func (s *Scheduler) begin(t *Task, when calendar.Schedule, replaces bool) error {
	now := s.look()
	since := s.clock.Named(now.Wall)
	if last := t.cfg.LastRun; !last.IsZero() && last.Before(since) {
		since = last
	}
	if e, ok := when.(calendar.Every); ok {
		t.period = time.Duration(e)
		t.next, t.hasNext = span.Sum(span.Difference(now.Mono, s.clock.Named(now.Wall).Sub(since)), t.period), true
		if late := span.Difference(now.Mono, t.next); replaces && late >= 0 {
			t.next = span.Sum(now.Mono, t.period-late%t.period)
		}
	} else {
		if replaces {
			since = s.clock.Named(now.Wall)
		}
		if z, ok := when.(*calendar.Zoned); ok {
			when = z.With(t.cfg.DST)
		}
		t.cal = &wallTask{when: when}
		next, err := s.host.Ask(when, t.in(since), t.cfg.DST)
		if err != nil {
			return err
		}
		if next.IsZero() {
			return errors.New("the schedule has no time ahead")
		}
		s.setNext(t, next)
	}
	t.late = !t.cfg.LastRun.IsZero() && t.key() <= t.nowOf(now)
	return nil
}

// in puts a time into the task's zone, to ask the schedule with.
func (t *Task) in(at time.Time) time.Time {
	if t.cfg.Location != nil {
		return at.In(t.cfg.Location)
	}
	return at
}

// setNext takes over what the schedule of a calendar task gave.
func (s *Scheduler) setNext(t *Task, next time.Time) {
	t.stale = false
	t.hasNext = !next.IsZero()
	t.cal.next = next
	t.next = s.clock.WallOf(next) // of a time that is centuries away, as far as that goes
}

// nextOf returns when the next run is due by the wall clock as it is now.
func (t *Task) nextOf(now *clock.Reference) time.Time {
	switch {
	case !t.hasNext || t.hung:
		return time.Time{}
	case t.cal != nil:
		return t.cal.next
	}
	return now.Tell(t.next)
}

func (t *Task) setLast(due DueTime, c *clock.Clock) {
	t.last, t.hasRun, t.lastNamed = due.Moment, true, !due.Named.IsZero()
	if t.lastNamed {
		t.last = c.WallOf(due.Named)
	}
}

// info returns what is known of t without asking its schedule, in a tick, under mu.
func (s *Scheduler) info(t *Task, now *clock.Reference) Info {
	i := Info{
		Name: t.name, LastError: t.lastErr, Paused: t.paused, Running: t.active != nil,
		Due: t.due, Runs: t.runs, Waiting: len(t.postponed),
	}
	if !t.paused {
		i.Next = t.nextOf(now)
	}
	switch {
	case t.lastNamed:
		i.Last = s.clock.Named(t.last)
	case t.hasRun:
		i.Last = now.Tell(t.last)
	}
	if p := t.history; p != nil {
		i.Overlapped, i.Missed, i.Refused, i.Locked = p.overlapped, p.missed, p.refused, p.locks
		i.Skipped = p.overlapped + p.missed + p.refused
	}
	return i
}

// A taskTimers holds the tasks of one clock that have a next run. Of a task that
// is paused, gone or moved the old entry stays in, until it comes up or too many
// do: see package timerqueue.
type taskTimers struct {
	queue timerqueue.Queue[*Task]
	armed int // entries that stand
}

// stands reports whether an entry still holds; one that does not is then taken out.
func stands(e timerqueue.Entry[*Task]) bool {
	current := e.Item.key() == e.Due
	if current && !e.Item.armed {
		e.Item.stale = false
	}
	return current && e.Item.armed
}

// first returns the earliest entry that stands.
func (tt *taskTimers) first() (timerqueue.Entry[*Task], bool) {
	for {
		e, ok := tt.queue.First()
		if !ok || stands(e) {
			return e, ok
		}
		tt.queue.Drop()
	}
}

// pop disarms and returns the first task that is due by now.
func (tt *taskTimers) pop(now time.Duration) (*Task, bool) {
	e, ok := tt.first()
	if !ok || e.Due > now {
		return nil, false
	}
	tt.drop(e.Item)
	return e.Item, true
}

// drop disarms t, whose entry is the first.
func (tt *taskTimers) drop(t *Task) {
	tt.queue.Drop()
	tt.armed--
	t.armed = false
}

func (s *Scheduler) timersOf(t *Task) *taskTimers {
	if t.cal == nil {
		return &s.intervals
	}
	return &s.calendar
}

// arm enters t's next run, if it has one.
func (s *Scheduler) arm(t *Task) {
	if t.armed || t.paused || t.gone && !t.runsForHeir() || t.asking != nil || !t.hasNext {
		return
	}
	tt := s.timersOf(t)
	if s.begun && t.cal != nil && tt.armed == 0 {
		s.looked = s.look() // the clock was not watched up to here
	}
	if !t.stale {
		tt.queue.Add(t.key(), t)
	}
	t.armed, t.stale = true, false
	tt.armed++
}

// sweepAlways is how few timers are swept for each task that is taken out, so that
// nothing of it is kept: some microseconds. A larger one is when a third of it is such
// tasks.
const sweepAlways = 1024

// disarm takes t's next run out.
func (s *Scheduler) disarm(t *Task) {
	if !t.armed {
		return
	}
	t.armed, t.stale = false, true
	tt := s.timersOf(t)
	tt.armed--
	if n := tt.queue.Len(); n <= sweepAlways || n > tt.armed+tt.armed/2 {
		tt.queue.Sweep(stands)
	}
}

// Name is the name of the task.
func (t *Task) Name() string { return t.name }

// Func is what a run of the task calls.
func (t *Task) Func() core.Func { return t.fn }

// Options are those of the task, not to be changed.
func (t *Task) Options() *Options { return t.cfg }

// LeftToAnother is told that the run of t that was due then has been left to another instance.
func (s *Scheduler) LeftToAnother(t *Task, due DueTime) {
	s.engine.Update(func(*core.Core, time.Duration) {
		if t := t.current(); t != nil {
			t.past().locks++
		}
		s.emitSkipped(t, due, 1, errs.ErrLocked)
	})
}
