package dray

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/a622d8ee/dray/internal/agenda"
	"github.com/a622d8ee/dray/internal/core"
)

// A periodicTask is one registered task. There may be a million, so what only
// some of them need is behind pointers. The fields of the first block are
// immutable, the others under Scheduler.mu.
type periodicTask struct {
	name   string
	fn     Func
	cfg    *taskConfig
	cal    *calendar     // nil for Every
	period time.Duration // of Every
	seq    uint64        // order of registration

	next    time.Duration // when the next run is due, on the task's own clock
	last    time.Duration // when the last one was, by the wall clock
	lastErr error
	due     uint64 // runs that came due: those enqueued, skipped and still waiting
	runs    uint64
	past    *past // nil until something out of the ordinary has happened
	active  *run  // runs that have not settled, the newest first

	hasNext, hasRun bool
	paused          bool
	armed           bool // next is in a timetable, and stands
	left            bool // next is in a timetable, and does not stand
	asking          bool // it is in Scheduler.asking
	inNext          bool // its Next is being called: if that takes the goroutine along, the successor knows
	lapsed          bool // whatever is due by now was missed
	gone            bool // unscheduled, or replaced
	broken          bool // lastErr is why the schedule has no next
	reset           bool // the clock was set back: ask from now on, whatever was due
}

// A calendar is what a task has whose schedule is not Every.
type calendar struct {
	when Schedule       // immutable
	loc  *time.Location // of the next run, as the schedule gave it
}

// past is what has become of runs besides being enqueued.
type past struct {
	owed                               []time.Time // runs that wait for the one before to settle
	overlapped, missed, refused, locks uint64
}

// A run is one run of a task, from when it is due.
type run struct {
	s    *Scheduler // immutable
	t    *periodicTask
	due  time.Time
	next *run // in the task's active list, under Scheduler.mu

	record core.Job // the queue's, from the offer until it has settled
	id     ID       // once accepted; under the engine's locks
	refuse error    // why the queue did not; written in the loop's step, read after
	end    outcome  // written before it goes into ended, read after

	offered  bool // it is being put before the queue; under Scheduler.mu, as are those below
	noted    bool // counted as a run
	unwanted bool // the next one has cancelled it
}

// PeriodicInfo is a periodic task as it was at one moment. Its books balance:
//
//	Due = Runs + Skipped + Waiting        Skipped = Overlapped + Missed + Refused
type PeriodicInfo struct {
	Name      string
	Schedule  string    // in words, if the schedule has a String method
	Next      time.Time // when it is due, jitter not included; zero while paused or for never
	Last      time.Time // when the last run was due; zero before the first
	LastError error     // of the last run that settled, or why the schedule has ended
	Running   bool      // a run is enqueued and has not settled
	Paused    bool

	Due     uint64 // came due, RunNow included
	Runs    uint64 // enqueued
	Skipped uint64 // due, and not enqueued, for one of the next three reasons
	Waiting int    // due, and waiting for room in the queue or for the run before

	Overlapped uint64 // skipped by the overlap policy
	Missed     uint64 // skipped by the policy for missed runs
	Refused    uint64 // skipped as another job holds the unique key, or the group takes no more jobs
	Locked     uint64 // enqueued, and left to another instance by the Locker
}

// Before orders tasks that are due together: as they were registered.
func (t *periodicTask) Before(o *periodicTask) bool { return t.seq < o.seq }

// key is when the next run is to be enqueued.
func (t *periodicTask) key() time.Duration { return after(t.next, t.cfg.jitter) }

// after is a sum that stops at the end of time.
func after(t, d time.Duration) time.Duration {
	if t > math.MaxInt64-d {
		return math.MaxInt64
	}
	return t + d
}

func (t *periodicTask) schedule() Schedule {
	if t.cal == nil {
		return every(t.period)
	}
	return t.cal.when
}

func (t *periodicTask) history() *past {
	if t.past == nil {
		t.past = new(past)
	}
	return t.past
}

func (t *periodicTask) owed() int {
	if t.past == nil {
		return 0
	}
	return len(t.past.owed)
}

// begin sets the first run.
func (s *Scheduler) begin(t *periodicTask, when Schedule) error {
	now := s.look()
	since := time.Duration(0) // the last run
	if last := t.cfg.lastRun; !last.IsZero() {
		since = max(s.at(now.wall).Sub(last), 0)
	}
	if e, ok := when.(every); ok {
		t.period = time.Duration(e)
		t.next, t.hasNext = after(now.mono-since, t.period), true
	} else {
		if z, ok := when.(*zoned); ok {
			when = z.with(t.cfg.dst)
		}
		t.cal = &calendar{when: when}
		next, err := ask(when, t.in(s.at(now.wall-since)), t.cfg.dst)
		if err != nil {
			return err
		}
		if next.IsZero() {
			return errors.New("the schedule has no time ahead")
		}
		s.setNext(t, next)
	}
	t.lapsed = !t.cfg.lastRun.IsZero() && t.key() <= now.of(t)
	return nil
}

// in puts a time into the task's zone, to ask the schedule with.
func (t *periodicTask) in(at time.Time) time.Time {
	if t.cfg.loc != nil {
		return at.In(t.cfg.loc)
	}
	return at
}

// setNext takes over what the schedule of a calendar task gave.
func (s *Scheduler) setNext(t *periodicTask, next time.Time) {
	t.left = false
	t.hasNext = !next.IsZero()
	t.cal.loc = next.Location()
	t.next = next.Sub(s.zero) // of a time that is centuries ahead, as far as that goes
}

// nextOf returns when the next run is due by the wall clock as it is now.
func (s *Scheduler) nextOf(t *periodicTask, now clocks) time.Time {
	switch {
	case !t.hasNext:
		return time.Time{}
	case t.cal != nil:
		return s.at(t.next).In(t.cal.loc)
	}
	return s.at(now.wall).Add(t.next - now.mono)
}

func (s *Scheduler) info(t *periodicTask, now clocks) PeriodicInfo {
	i := PeriodicInfo{Name: t.name, LastError: t.lastErr, Paused: t.paused, Due: t.due, Runs: t.runs, Waiting: t.owed()}
	if v, ok := t.schedule().(fmt.Stringer); ok {
		i.Schedule = words(v)
	}
	if !t.paused {
		i.Next = s.nextOf(t, now)
	}
	if t.hasRun {
		i.Last = s.at(t.last)
	}
	if p := t.past; p != nil {
		i.Overlapped, i.Missed, i.Refused, i.Locked = p.overlapped, p.missed, p.refused, p.locks
		i.Skipped = p.overlapped + p.missed + p.refused
	}
	for r := t.active; r != nil; r = r.next {
		if r.noted {
			i.Running = true
		} else {
			i.Waiting++
		}
	}
	return i
}

// words asks foreign code for its name.
func words(v fmt.Stringer) (text string) {
	defer func() {
		if recover() != nil {
			text = ""
		}
	}()
	return v.String()
}

// A timetable holds the tasks of one clock that have a next run. Of a task that
// is paused, gone or moved the old entry stays in, until it comes up or too many
// do: see package agenda.
type timetable struct {
	agenda agenda.Agenda[*periodicTask]
	armed  int // entries that stand
}

// stands reports whether an entry still holds; one that does not is then taken out.
func stands(e agenda.Entry[*periodicTask]) bool {
	current := e.Item.key() == e.Due
	if current && !e.Item.armed {
		e.Item.left = false
	}
	return current && e.Item.armed
}

// first returns the earliest entry that stands.
func (tt *timetable) first() (agenda.Entry[*periodicTask], bool) {
	for {
		e, ok := tt.agenda.First()
		if !ok || stands(e) {
			return e, ok
		}
		tt.agenda.Drop()
	}
}

// pop disarms and returns the first task that is due by now.
func (tt *timetable) pop(now time.Duration) (*periodicTask, bool) {
	e, ok := tt.first()
	if !ok || e.Due > now {
		return nil, false
	}
	tt.agenda.Drop()
	tt.armed--
	e.Item.armed = false
	return e.Item, true
}

func (s *Scheduler) timetable(t *periodicTask) *timetable {
	if t.cal == nil {
		return &s.intervals
	}
	return &s.calendar
}

// arm enters t's next run, if it has one.
func (s *Scheduler) arm(t *periodicTask) {
	if t.armed || t.paused || t.gone || t.asking || !t.hasNext {
		return
	}
	tt := s.timetable(t)
	if s.begun && t.cal != nil && tt.armed == 0 {
		s.looked = s.look() // nobody has watched the clock up to here
	}
	if !t.left {
		tt.agenda.Add(t.key(), t)
	}
	t.armed, t.left = true, false
	tt.armed++
}

// sweepSlack keeps small timetables from being swept all the time.
const sweepSlack = 64

// disarm takes t's next run out.
func (s *Scheduler) disarm(t *periodicTask) {
	if !t.armed {
		return
	}
	t.armed, t.left = false, true
	tt := s.timetable(t)
	tt.armed--
	if tt.agenda.Len() > tt.armed+tt.armed/2+sweepSlack {
		tt.agenda.Sweep(stands)
	}
}

// TaskFrom returns, inside a run of a periodic task, the task's name and when the
// run was due. It reports false elsewhere, and once the attempt has ended.
func TaskFrom(ctx context.Context) (name string, due time.Time, ok bool) {
	c := contextOf(ctx)
	if c == nil {
		return "", time.Time{}, false
	}
	c.running(func(w *worker) {
		if w.run.Job == nil {
			return
		}
		if r, isRun := w.run.Job.Ref.(*run); isRun {
			name, due, ok = r.t.name, r.due, true
		}
	})
	return name, due, ok
}
