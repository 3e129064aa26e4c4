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
//
// A task is registered once. One that replaces it is another Task, its heir: that takes over runs
// and books, while the old one stays as long as runs of it are still to be found. So a question
// or a timer that holds a Task never sees its schedule or its options change.
type Task struct {
	name   string // immutable, as are those up to place
	fn     core.Func
	cfg    *Options
	cal    *wallTask     // nil for Every
	period time.Duration // of Every
	seq    uint64        // order of registration
	place  uint64        // of the first task of its name: its seq. The tasks are listed by it

	// guarded by Scheduler.mu:
	next   time.Duration // when the next run is due, without jitter, on the task's own clock; if hasNext
	asking *question     // non-nil while its schedule is being asked for runs, or waits for that
	armed  bool          // next is among the timers, and stands
	stale  bool          // next is among the timers, and does not stand; never together with armed
	saying *saying       // non-nil while its schedule is being asked for its words, or waits for that
	reset  bool          // the clock was set back: ask from now on, whatever was due

	// guarded by the engine's state:
	last      time.Duration  // when the last run that became a job was due, if there were any; by the wall clock if lastIn is set
	lastIn    *time.Location // in which the schedule had named that; nil if it had not
	lastErr   error          // of the last run that settled, unless broken or hung is set: then of the schedule
	due       uint64         // runs that came due: those enqueued, skipped and postponed
	runs      uint64         // runs that became jobs
	history   *history       // nil until something out of the ordinary has happened
	active    *Run           // runs that are jobs and have not settled, the newest first
	waiting   *Run           // the newest of the active ones that take no room; nil once that has settled
	postponed []dueRun       // runs that wait for another to settle, the oldest first; nil if there are none
	lineage   *lineage       // of the task and those that it replaced, for their runs; nil once it is replaced

	// written under both guards, read under one of them; hasNext and late are guarded by
	// Scheduler.mu alone
	heir    *heir // that has replaced it; nil unless gone, and of one that was unscheduled
	hasNext bool  // its schedule has a next run
	paused  bool  // by Pause: nothing is armed, and no run of the schedule is made
	late    bool  // whatever is due by now was missed: of LastRun, a pause, a schedule that hung
	gone    bool  // unscheduled, or replaced; never taken back
	broken  bool  // lastErr is why the schedule has no next
	hung    bool  // its schedule does not return
}

// A lineage has the task that the runs of one are those of now, of which it was the first or an
// heir: so that a task is replaced at once, however many runs it has. It has what is done with them
// in several steps, too, and is guarded by the engine's state.
type lineage struct {
	task       *Task  // the last one, also if that is gone
	cancelUpTo uint64 // runs up to that ID are being cancelled; 0: none are
	left       bool   // it is in Scheduler.unfinished
}

// A wallTask is what a task has whose schedule is not Every.
type wallTask struct {
	// DST rules that the task adds to a Zoned schedule are in here already.
	when calendar.Schedule // immutable
	next time.Time         // the next run, as the schedule gave it; guarded by Scheduler.mu
}

// history is what has become of runs besides being enqueued: how many were skipped, by which
// policy, and how many jobs were left to another instance (locks). Most tasks have none.
type history struct {
	overlapped, missed, refused, locks uint64
}

// Before orders tasks that are due together: as they were registered. It reads what is immutable,
// as the timers compare tasks that have gone, too.
func (t *Task) Before(o *Task) bool { return t.seq < o.seq }

// key is when the next run is to be enqueued, on the task's own clock. It is what its timer is
// set to.
func (t *Task) key() time.Duration { return span.Sum(t.next, t.cfg.Jitter) }

// schedule returns what the task was registered with, but for the rules that it added.
func (t *Task) schedule() calendar.Schedule {
	if t.cal == nil {
		return calendar.Every(t.period)
	}
	return t.cal.when
}

// past returns the history, which is made when it is first written. It is called in a tick.
func (t *Task) past() *history {
	if t.history == nil {
		t.history = new(history)
	}
	return t.history
}

// current returns the task that t's runs are those of now: t itself, or that by which it was
// replaced, or that by which this was, and so on. It is nil if the last of them is gone. It is
// called under one of the guards.
func (t *Task) current() *Task {
	// A task whose heir was replaced as well is the beginning of a chain.
	for t.gone && t.heir != nil {
		t = t.heir.t
	}
	if t.gone {
		return nil
	}
	return t
}

// takeOver makes the runs and the counts of old those of t, in a tick. An error of the old schedule
// is not taken over, as t has another schedule.
func (t *Task) takeOver(old *Task) {
	t.due, t.runs, t.history = old.due, old.runs, old.history
	t.last, t.lastIn = old.last, old.lastIn
	if !old.broken && !old.hung {
		t.lastErr = old.lastErr
	}
	// The end of runs is the heir's: the overlap policy counts them as its own.
	t.lineage = old.lineage
	t.lineage.task = t
	t.active, t.waiting, t.postponed = old.active, old.waiting, old.postponed
	old.active, old.waiting, old.postponed, old.history, old.lineage = nil, nil, nil, nil, nil
}

// begin sets the first run. A task that replaces another one makes up for nothing. It is called
// before t is registered, so that no guard is needed, and calls the schedule on the caller's
// goroutine. An error is that of the schedule, or that there is no run ahead.
func (s *Scheduler) begin(t *Task, when calendar.Schedule, replaces bool, reached time.Duration) error {
	now := s.look()
	since := s.clock.Named(now.Wall) // from when on runs count; a LastRun that is ahead counts as now
	if last := t.cfg.LastRun; !last.IsZero() && last.Before(since) {
		since = last
	}
	if e, ok := when.(calendar.Every); ok {
		// since is put on the monotonic clock by its distance from now: a run that is already
		// past is due at once, with those after it.
		t.period = time.Duration(e)
		t.next, t.hasNext = span.Sum(span.Difference(now.Mono, s.clock.Named(now.Wall).Sub(since)), t.period), true
		// The runs before now were found for the task that is replaced: the next one on the grid
		// counts.
		if late := span.Difference(now.Mono, t.next); replaces && late >= 0 {
			t.next = span.Sum(now.Mono, t.period-late%t.period)
		}
	} else {
		if z, ok := when.(*calendar.Zoned); ok {
			// A copy: the same schedule may be given to several tasks, with other rules.
			when = z.With(t.cfg.DST)
		}
		t.cal = &wallTask{when: when}
		if replaces {
			since = s.clock.Named(t.upTo(now, reached))
		}
		next, err := s.host.Ask(when, t.in(since), t.cfg.DST)
		if err != nil {
			return err
		}
		// A schedule that has ended is an error of the call, while one that ends later is an event.
		if next.IsZero() {
			return errors.New("the schedule has no time ahead")
		}
		s.setNext(t, next)
	}
	// What came due between LastRun and now was missed, also if that was less than lateAfter ago.
	t.late = !t.cfg.LastRun.IsZero() && t.next <= t.nowOf(now)
	return nil
}

// in puts a time into the task's zone, to ask the schedule with: schedules of other libraries may
// go by the zone of the time that they are given, and answer in another one.
func (t *Task) in(at time.Time) time.Time { return at.In(t.cfg.Zone()) }

// setNext takes over what the schedule of a calendar task gave; zero is never again. The task must
// not be armed: its entry among the timers, if there is one, is that of the run before.
func (s *Scheduler) setNext(t *Task, next time.Time) {
	t.stale = false
	t.hasNext = !next.IsZero()
	t.cal.next = next
	t.next = s.clock.WallOf(next) // of a time that is centuries away, as far as that goes
}

// nextOf returns when the next run is due by the wall clock as it is now, without jitter; zero if
// there is none, or if its schedule hangs, so that next is a run that was due already. It is
// called under mu.
func (t *Task) nextOf(now *clock.Reference) time.Time {
	switch {
	// Of one that hangs next is a run that has come due.
	case !t.hasNext || t.hung:
		return time.Time{}
	case t.cal != nil:
		return t.cal.next
	}
	return now.Tell(t.next)
}

// setLast notes when the run was due that has become a job last. Of a named time it keeps what
// the wall clock shows then, and where, as a time.Time would take three words.
func (t *Task) setLast(due DueTime, c *clock.Clock) {
	t.last, t.lastIn = due.Moment, nil
	if !due.Named.IsZero() {
		t.last, t.lastIn = c.WallOf(due.Named), due.Named.Location()
	}
}

// info returns what is known of t without asking its schedule, in a tick, under mu. All fields
// are read in the one tick, so Due = Runs + Skipped + Waiting holds.
func (s *Scheduler) info(t *Task, now *clock.Reference) Info {
	i := Info{
		Name: t.name, LastError: t.lastErr, Paused: t.paused, Running: t.active != nil,
		Due: t.due, Runs: t.runs, Waiting: len(t.postponed),
	}
	if !t.paused {
		i.Next = t.nextOf(now)
	}
	switch {
	case t.lastIn != nil:
		i.Last = s.clock.Named(t.last).In(t.lastIn)
	case t.runs > 0:
		i.Last = now.Tell(t.last)
	}
	if p := t.history; p != nil {
		i.Overlapped, i.Missed, i.Refused, i.Locked = p.overlapped, p.missed, p.refused, p.locks
		// A run that was left to another instance has been a job: it is none of these.
		i.Skipped = p.overlapped + p.missed + p.refused
	}
	return i
}

// A taskTimers holds the tasks of one clock that have a next run. Of a task that is paused, gone
// or moved the old entry stays in, until it comes up or too many do: see package timerqueue. An
// entry stands if its task is armed and it is for the task's key. While a task is stale, there is
// an entry for its key that arm can use again.
type taskTimers struct {
	queue timerqueue.Queue[*Task] // which may have entries that do not stand
	armed int                     // entries that stand: as many as tasks of this clock that are armed
}

// stands reports whether an entry still holds. One that does not is then taken out: the caller
// has to do that, as the task is told that nothing of it is in any more.
func stands(e timerqueue.Entry[*Task]) bool {
	// A task that has moved on has another key: then there is a newer entry for it, or none.
	current := e.Item.key() == e.Due
	if current && !e.Item.armed {
		e.Item.stale = false
	}
	return current && e.Item.armed
}

// first returns the earliest entry that stands. It drops those before it, which costs O(log n)
// for each, once.
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

// drop disarms t, whose entry is the first. It does not make t stale, as the entry is out.
func (tt *taskTimers) drop(t *Task) {
	tt.queue.Drop()
	tt.armed--
	t.armed = false
}

// timersOf returns the timers of the clock that t goes by.
func (s *Scheduler) timersOf(t *Task) *taskTimers {
	if t.cal == nil {
		return &s.intervals
	}
	return &s.calendar
}

// arm enters t's next run, if it has one and may run: not while it is paused or its schedule is
// being asked, nor once it is gone, but for the runs that are its heir's. It may be called again.
func (s *Scheduler) arm(t *Task) {
	if t.armed || t.paused || t.gone && !t.runsForHeir() || t.asking != nil || !t.hasNext {
		return
	}
	tt := s.timersOf(t)
	// After a pause the entry may still be where it was: then it stands again, at no cost.
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

// disarm takes t's next run out of those that stand. Its entry stays, until there are so many such
// that a sweep, which costs O(n), pays: O(1) a call on average where there are many tasks.
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

// Name is the name of the task. It is immutable, as are Func and Options: they may be read
// without a lock.
func (t *Task) Name() string { return t.name }

// Func is what a run of the task calls.
func (t *Task) Func() core.Func { return t.fn }

// Options are those of the task, not to be changed.
func (t *Task) Options() *Options { return t.cfg }

// LeftToAnother is told that the run of t that was due then has been left to another instance. It
// is called on the worker of the run, outside of a tick. The run stays a job, which ends well, so
// it is counted beside the books; t may have been replaced since, and then its heir counts it.
func (s *Scheduler) LeftToAnother(t *Task, due DueTime) {
	s.engine.Update(func(*core.Core, time.Duration) {
		if t := t.current(); t != nil {
			t.past().locks++
		}
		s.emitSkipped(t, due, 1, errs.ErrLocked)
	})
}
