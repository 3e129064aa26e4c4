// Package scheduler makes jobs of periodic tasks when they are due. There is no second queue
// before the queue: a run is a job from when it is due.
//
// Three kinds of goroutines are at work: the loop (Serve), which a supervisor restarts;
// helpers, which ask schedules, as these are foreign code and may never return; and the callers
// of the exported methods. What runs are about changes in ticks of the engine: see Scheduler
// for the locks.
package scheduler

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/background"
	"github.com/a622d8ee/dray/internal/calendar"
	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/sorted"
)

// A Host is the queue around a scheduler. All methods but Ask are called under Scheduler.mu or in a
// tick: they wait for nothing and call nothing of the Scheduler.
type Host interface {
	// Ask asks a schedule, which is user code, so it is called while no lock is held. It is
	// called on the caller's goroutine, or on one that may be lost; what the schedule throws is
	// the error.
	Ask(when calendar.Schedule, after time.Time, dst calendar.DST) (next time.Time, err error)
	// Caught returns what v is to be known as, which was recovered by the deferred function
	// that calls Caught. It stands for a panic of dray's own: Ask keeps those of schedules.
	Caught(v any) error

	// Record fills in the record of a run, but for its Ref and Task. If ended is not nil it is
	// called when the run has settled, or is handed back. Both are called in a tick, so they must
	// wait for nothing, as must all that follows: it tells observers.
	Record(j *core.Job, t *Task, due DueTime) (ended func(handedBack bool))
	// Scheduled tells of a task that was registered. It is called under mu, so that the events of
	// one name come in the order of the calls.
	Scheduled(name string, next time.Time)
	// Unscheduled tells of a task that was removed, or whose schedule has no further run.
	Unscheduled(name string)
	// Fired tells, in a tick, of a run that has become the job with that ID.
	Fired(name string, due DueTime, id uint64)
	// Skipped tells of n runs that are not made, the last of which was due at due. n is 0 if why is
	// core.ErrTimeout: then it is not known how many will be missed.
	Skipped(name string, due DueTime, n uint64, why error)
	// Ended tells, in a tick, of the end of a run that was a job, or that it is handed back.
	Ended(name string, id uint64, err error)
	// ClockJumped tells that the wall clock was set forward by that much, back if it is negative.
	ClockJumped(by time.Duration)
}

// Overlap says what becomes of a run that is due while the one before it has not settled. The
// values are those of dray.Overlap.
type Overlap uint8

// The overlap policies.
const (
	SkipOverlap    Overlap = iota // the new run is skipped
	QueueOverlap                  // one is postponed; those that are due besides are skipped
	AllowOverlap                  // it runs beside the others, and takes room if another of the task waits
	CancelPrevious                // those before it are cancelled, those postponed are skipped
)

// Options of a task. They are not changed any more, and so read without a lock; tasks without
// options share those of one. All but Own come from the TaskOptions of package dray.
type Options struct {
	Overlap  Overlap
	Missed   int            // so many of the newest missed runs are made up for
	Jitter   time.Duration  // by which each run is enqueued after it is due
	LastRun  time.Time      // when the task ran before it was registered; zero if it makes up for nothing
	Location *time.Location // which the schedule is asked with; nil: that of the process
	DST      calendar.DST   // besides what the schedule itself says
	Own      any            // the host's
}

// Zone is the location which the schedule is asked with.
func (o *Options) Zone() *time.Location {
	if o.Location == nil {
		return time.Local
	}
	return o.Location
}

// A Scheduler has the tasks of one queue. All methods may be called concurrently, if
// they do not say otherwise.
//
// There are two guards. mu guards when tasks are due: the timers, the questions, what is due and
// not a job yet. The engine's state guards what has become of runs. mu is taken before the
// engine's state, and never in a tick: a tick may serve a call that holds mu and waits for it. So
// the end of a run, which is told in a tick, changes what the state guards alone, and the next
// run can follow in the same tick. A change to the state that is asked for under mu may use both:
// the caller holds mu until it is made, on whatever goroutine that is. Foreign code is called
// while neither is held.
type Scheduler struct {
	host   Host           // immutable
	engine *engine.Engine // immutable
	clock  *clock.Clock   // immutable: the engine's
	wakeup chan struct{}  // immutable: to the loop; capacity 1, so that a signal sent while it is busy is not lost

	mu sync.Mutex
	// Guarded by mu:
	tasks       map[string]*Task   // by name; those that are gone are not in it
	listed      sorted.List[*Task] // the same, by their places
	count       uint64             // tasks ever registered: the seq of the last one
	intervals   taskTimers         // of Every, by the monotonic clock
	calendar    taskTimers         // of all others, by the wall clock
	due         []dueRuns          // from dueHead on, on their way to the queue, in order; those before are empty
	dueHead     int                // also moved in a tick, for a call that holds mu
	asker       asker              // the questions to schedules, and the helpers
	wordHelpers int                // goroutines that ask schedules for their words, at most maxHelpers
	replaced    map[string][]*Task // by name: those that were replaced, and of which runs are still to be found for the heir
	named       int                // calendar tasks in tasks
	looked      clock.Reading      // when the clocks were last compared; they are while there are calendar tasks
	reached     time.Duration      // what the wall clock had shown at most by then, but for what it was set back by for good
	grace       time.Duration      // how late calendar runs may be besides that are taken now, as a jump was noticed late
	begun       bool               // has served before; until then no interval has begun
	stopped     bool               // nothing comes due, until it serves again

	// Guarded by the engine's state:
	waitList   []*Task     // a run of theirs has ended, or a pause has; seen to at the end of the tick
	free       []*Run      // to be used again, at most maxFree, all zero
	unfinished []*lineage  // what they have to do takes several steps; see finish
	leaves     atomic.Bool // there are such; written in ticks, read by the loop

	Background background.Group // goroutines that foreign code keeps; it has a lock of its own, taken last
}

// New returns a scheduler without tasks, of a queue that has that engine and clock. It sets
// what the engine calls at the end of a tick, so an engine has one scheduler. Until Serve is
// called nothing comes due, but tasks may be registered, and RunNow makes jobs.
func New(h Host, e *engine.Engine, c *clock.Clock) *Scheduler {
	s := &Scheduler{
		host: h, engine: e, clock: c, wakeup: make(chan struct{}, 1),
		tasks: make(map[string]*Task), replaced: make(map[string][]*Task),
	}
	e.Update(func(*core.Core, time.Duration) { e.AfterUpdate(s.continuePostponed) })
	return s
}

// Schedule registers a task, or replaces the one of that name. It asks the schedule for its first
// run, on the caller's goroutine and so before mu is taken. What it asks depends on whether there
// is a task to replace: if that has changed by the time mu is held, it begins again. Each further
// round is due to another call that has succeeded.
func (s *Scheduler) Schedule(name string, when calendar.Schedule, fn core.Func, o *Options) error {
	if b, ok := when.(calendar.Builtin); ok {
		if err := b.Check(); err != nil {
			return err
		}
	}
	for {
		replaces, reached := s.has(name)
		t := &Task{name: name, fn: fn, cfg: o, lineage: new(lineage)}
		t.lineage.task = t
		if err := s.begin(t, when, replaces, reached); err != nil {
			return err
		}
		if done, err := s.register(t, replaces); done {
			return err
		}
	}
}

// has reports whether there is a task of that name, and what the wall clock has reached. The answer
// may be outdated when it is returned.
func (s *Scheduler) has(name string) (is bool, reached time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch(s.look())
	return s.tasks[name] != nil, s.reached
}

// register lets t take its place. It reports false if t was not made for that one, as
// tasks have come or gone since: then nothing has changed, and t is to be made anew.
func (s *Scheduler) register(t *Task, replaces bool) (done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := t.name
	if s.engine.IsClosed() {
		return true, errs.ErrClosed
	}
	if (s.tasks[name] != nil) != replaces {
		return false, nil
	}
	s.count++
	// of a replacement too: it stands behind all that are there
	t.seq, t.place = s.count, s.count
	now := s.look()
	s.watch(now) // a jump before concerns none that comes after it
	if old := s.tasks[name]; old != nil {
		t.place = old.place
		s.replace(old, t, now)
	}
	s.tasks[name] = t
	if t.cal != nil {
		s.named++
	}
	s.listed.Put(sorted.Key{Minor: t.place}, t)
	s.arm(t)
	s.handOver()
	if e, ok := s.timersOf(t).first(); ok && e.Item == t {
		s.poke() // the loop sleeps for longer than this
	}
	s.host.Scheduled(name, t.nextOf(s.clock.Reference()))
	return true, nil
}

// poke has the loop look again. It never waits: if a signal is there already, the loop has yet to
// look, and will see what this one is about, as that was changed before.
func (s *Scheduler) poke() {
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// Unschedule removes a task. Its runs that are jobs go on; those that are due and no jobs yet are
// dropped, and told of in one event. After it returns no further run of the task is made.
func (s *Scheduler) Unschedule(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[name]
	if t == nil {
		return errs.ErrNotFound
	}
	delete(s.tasks, name)
	s.listed.Delete(sorted.Key{Minor: t.place})
	if t.cal != nil {
		s.named--
	}
	// What is due is taken before the task is gone, also of those that it has replaced.
	dropped := s.takeUncounted(t)
	s.disarm(t)
	delete(s.replaced, name)
	s.engine.Update(func(c *core.Core, _ time.Duration) {
		for _, r := range t.postponed {
			dropped.add(r.at, 1, s.clock)
		}
		// ResumeTask: runs that are jobs, and that a pause holds up, are jobs like any other from
		// here on.
		t.gone, t.postponed = true, nil
		c.ResumeTask(name)
		if dropped.total > 0 {
			s.emitSkipped(t, dropped.newest, dropped.total, core.ErrCancelled)
		}
	})
	s.host.Unscheduled(name)
	return nil
}

// change makes a change to the task of that name, which both mu and the state guard. do is called
// in a tick, on the owner's goroutine if one runs; mu is held for it by the caller. If rules of
// the engine are broken it may not be called, and there is no error. The loop is woken, as do may
// have changed when it is to look next; what takes several steps is done when change returns. The
// error is errs.ErrNotFound if there is no such task.
func (s *Scheduler) change(name string, do func(t *Task, c *core.Core, now time.Duration)) error {
	defer s.finish()
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[name]
	if t == nil {
		return errs.ErrNotFound
	}
	s.watch(s.look()) // what came due in a pause did so by the clock of then
	s.engine.Update(func(c *core.Core, now time.Duration) { do(t, c, now) })
	s.poke()
	return nil
}

// RunNow makes a run besides those of the schedule, also while the task is paused. It counts as
// due, so that the books balance even if the overlap policy then skips it. Of a closed queue the
// error is errs.ErrClosed, also if there is no such task.
func (s *Scheduler) RunNow(name string) error {
	// what is returned if the change is not made
	refused := engine.ErrBroken
	if err := s.change(name, func(t *Task, c *core.Core, now time.Duration) {
		// Closed is for ticks: IsClosed would wait for the mailbox, which this tick may hold.
		if refused = errs.ErrClosed; !s.engine.Closed() {
			t.due++
			refused = s.fire(c, t, dueRun{at: DueTime{Moment: now}, manual: true}, now)
		}
	}); err != nil && s.engine.IsClosed() {
		return errs.ErrClosed
	} else if err != nil {
		return err
	}
	return refused
}

// Pause starts no more runs of a task until Resume. The schedule goes on: what comes due
// meanwhile is found by Resume, and is missed. So the timer is disarmed, but next stays as it is.
func (s *Scheduler) Pause(name string) error {
	return s.change(name, func(t *Task, c *core.Core, _ time.Duration) {
		t.paused = true
		c.PauseTask(name)
		s.disarm(t)
	})
}

// Resume ends Pause. Runs that wait in the queue or are postponed go on in the tick of the call.
func (s *Scheduler) Resume(name string) error {
	return s.change(name, func(t *Task, c *core.Core, _ time.Duration) {
		if t.paused {
			t.paused = false
			c.ResumeTask(name)
			s.wait(t)
			now := s.look()
			s.armAfterPause(t, t.upTo(now, s.reached), now)
		}
	})
}

// armAfterPause arms t after a pause. If a run came due in it all that are due by then are missed, even
// one that is less than lateAfter late, or that jitter still delays. If a question is under way this has
// no effect, as its answer sets late anew. If the clock was set back in the pause it is not waited for
// until it shows the times again.
func (s *Scheduler) armAfterPause(t *Task, by time.Duration, now clock.Reading) {
	t.late = t.hasNext && t.next <= by
	if t.late && t.asking == nil && by > t.nowOf(now) {
		s.ask(t)
		t.asking.reached = s.clock.Named(by)
	}
	s.arm(t)
}

// Next returns the schedule of a task, its options, and when it is due next, as if it were not
// paused; zero if never, or if the schedule hangs. It asks nothing, as the schedule may block.
func (s *Scheduler) Next(name string) (when calendar.Schedule, o *Options, next time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[name]
	if t == nil {
		return nil, nil, time.Time{}, errs.ErrNotFound
	}
	return t.schedule(), t.cfg, t.nextOf(s.clock.Reference()), nil
}

// Info is a task as it was at one moment: dray.PeriodicInfo has what the fields are, and is
// converted from it, so the two have the same fields in the same order.
type Info struct {
	Name      string
	Schedule  string
	Next      time.Time
	Last      time.Time
	LastError error
	Running   bool
	Paused    bool

	Due     uint64
	Runs    uint64
	Skipped uint64
	Waiting int

	Overlapped uint64
	Missed     uint64
	Refused    uint64
	Locked     uint64
}

// underBoth makes a change to what both mu, which is held, and the engine's state guard. It is
// used for fields that are read under one of the two: each reader then sees them change under its
// own guard.
func (s *Scheduler) underBoth(change func()) {
	s.engine.Update(func(*core.Core, time.Duration) { change() })
}

// Entries returns how many entries the timer queue of intervals has, and how many of them stand.
// It is there for tests, which check that entries which do not stand are swept out.
func (s *Scheduler) Entries() (all, armed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.intervals.queue.Len(), s.intervals.armed
}
