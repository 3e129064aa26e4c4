// Package scheduler makes jobs of periodic tasks when they are due. There is no second queue
// before the queue: a run is a job from when it is due.
package scheduler

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/background"
	"github.com/a622d8ee/dray/internal/calendar"
	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
	"github.com/a622d8ee/dray/internal/errs"
)

// A Host is the queue around a scheduler.
type Host interface {
	// Ask asks a schedule, which is user code. It is called on the caller's goroutine, or on one
	// that may be lost; what it throws is the error.
	Ask(when calendar.Schedule, after time.Time, dst calendar.DST) (next time.Time, err error)
	// Caught returns what v is to be known as, which was recovered by the deferred function
	// that calls Caught.
	Caught(v any) error

	// Record fills in the record of a run, but for its Ref and Task. If ended is not nil it is
	// called when the run has settled, or is handed back. Both are called in a tick, so they must
	// wait for nothing, as must all that follows: it tells observers.
	Record(j *core.Job, t *Task, due DueTime) (ended func(handedBack bool))
	Scheduled(name string, next time.Time)
	Unscheduled(name string)
	Fired(name string, due DueTime, id uint64)
	Skipped(name string, due DueTime, n uint64, why error)
	Ended(name string, id uint64, err error)
	ClockJumped(by time.Duration)
}

// Overlap says what becomes of a run that is due while the one before it has not settled.
type Overlap uint8

// The overlap policies.
const (
	SkipOverlap Overlap = iota
	QueueOverlap
	AllowOverlap
	CancelPrevious
)

// Options of a task. They are not changed any more; tasks without options share those of one.
type Options struct {
	Overlap  Overlap
	Missed   int           // so many of the newest missed runs are made up for
	Jitter   time.Duration // by which each run is enqueued after it is due
	LastRun  time.Time
	Location *time.Location
	DST      calendar.DST
	Own      any // the host's
}

// A Scheduler has the tasks of one queue. All methods may be called concurrently, if
// they do not say otherwise.
type Scheduler struct {
	// mu is taken before the engine's state, and never in a tick. What
	// is about runs is guarded by the engine's, so that the end of one, which is told
	// under these, can let the next one follow in the same step. Foreign code is called
	// while none is held.

	host   Host           // immutable
	engine *engine.Engine // immutable
	clock  *clock.Clock   // immutable: the engine's
	wakeup chan struct{}  // to the loop; capacity 1

	mu          sync.Mutex
	tasks       map[string]*Task
	count       uint64     // tasks ever registered
	intervals   taskTimers // by the monotonic clock
	calendar    taskTimers // by the wall clock
	due         []dueRuns  // from dueHead on, on their way to the queue: what a crash leaves there goes first
	dueHead     int
	asker       asker
	wordHelpers int           // goroutines that ask schedules for their words
	looked      clock.Reading // when the loop last compared the clocks
	grace       time.Duration // how late a calendar run may be besides, as a jump was noticed late
	begun       bool          // has served before
	stopped     bool          // nothing comes due, until it serves again

	// of the engine's state
	waitList []*Task // a run of theirs has ended, for which others wait
	free     []*Run  // to be used again, at most maxFree

	Background background.Group // goroutines that foreign code keeps; it has a lock of its own
}

// New returns a scheduler without tasks, of a queue that has that engine and clock.
func New(h Host, e *engine.Engine, c *clock.Clock) *Scheduler {
	s := &Scheduler{host: h, engine: e, clock: c, wakeup: make(chan struct{}, 1), tasks: make(map[string]*Task)}
	e.Update(func(*core.Core, time.Duration) { e.AfterUpdate(s.continuePostponed) })
	return s
}

// Schedule registers a task, or replaces the one of that name.
func (s *Scheduler) Schedule(name string, when calendar.Schedule, fn core.Func, o *Options) error {
	if b, ok := when.(calendar.Builtin); ok {
		if err := b.Check(); err != nil {
			return err
		}
	}
	for {
		replaces := s.has(name)
		t := &Task{name: name, fn: fn, cfg: o}
		if err := s.begin(t, when, replaces); err != nil {
			return err
		}
		if done, err := s.register(t, replaces); done {
			return err
		}
	}
}

func (s *Scheduler) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tasks[name] != nil
}

// register lets t take its place. It reports false if t was not made for that one, as
// tasks have come or gone since.
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
	t.seq = s.count
	if old := s.tasks[name]; old != nil {
		s.replace(old, t)
	}
	s.tasks[name] = t
	s.arm(t)
	s.handOver()
	if e, ok := s.timersOf(t).first(); ok && e.Item == t {
		s.poke() // the loop sleeps for longer than this
	}
	s.host.Scheduled(name, t.nextOf(s.clock.Reference()))
	return true, nil
}

func (s *Scheduler) poke() {
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// Unschedule removes a task.
func (s *Scheduler) Unschedule(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[name]
	if t == nil {
		return errs.ErrNotFound
	}
	delete(s.tasks, name)
	dropped := s.takeUncounted(t)
	s.disarm(t)
	s.engine.Update(func(c *core.Core, _ time.Duration) {
		for _, r := range t.postponed {
			dropped.add(r.at, 1, s.clock)
		}
		t.gone, t.postponed = true, nil
		c.ResumeTask(name)
		if dropped.total > 0 {
			s.emitSkipped(t, dropped.newest, dropped.total, core.ErrCancelled)
		}
	})
	s.host.Unscheduled(name)
	return nil
}

// change makes a change to the task of that name, which both mu and the state guard.
func (s *Scheduler) change(name string, do func(t *Task, c *core.Core, now time.Duration)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[name]
	if t == nil {
		return errs.ErrNotFound
	}
	s.engine.Update(func(c *core.Core, now time.Duration) { do(t, c, now) })
	s.poke()
	return nil
}

// RunNow makes a run besides those of the schedule, also while the task is paused.
func (s *Scheduler) RunNow(name string) error {
	refused := engine.ErrBroken
	if err := s.change(name, func(t *Task, c *core.Core, now time.Duration) {
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

// Pause starts no more runs of a task until Resume.
func (s *Scheduler) Pause(name string) error {
	return s.change(name, func(t *Task, c *core.Core, _ time.Duration) {
		t.paused = true
		c.PauseTask(name)
		s.disarm(t)
	})
}

// Resume ends Pause.
func (s *Scheduler) Resume(name string) error {
	return s.change(name, func(t *Task, c *core.Core, _ time.Duration) {
		if !t.paused {
			return
		}
		t.paused = false
		c.ResumeTask(name)
		s.wait(t)
		t.late = t.hasNext && t.key() <= t.nowOf(s.look())
		s.arm(t)
	})
}

// Next returns the schedule of a task, how it is to be asked, and when it is due next.
func (s *Scheduler) Next(name string) (when calendar.Schedule, dst calendar.DST, next time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[name]
	if t == nil {
		return nil, 0, time.Time{}, errs.ErrNotFound
	}
	return t.schedule(), t.cfg.DST, t.nextOf(s.clock.Reference()), nil
}

// Info is a task as it was at one moment: dray.PeriodicInfo has what the fields are.
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

// Tasks returns all tasks, by their next run and then by name; those without one
// come last. Each is as it was at one moment; the books of all balance.
func (s *Scheduler) Tasks() []Info {
	infos := s.infos()
	slices.SortFunc(infos, func(a, b Info) int {
		if a.Next.IsZero() != b.Next.IsZero() {
			if a.Next.IsZero() {
				return 1
			}
			return -1
		}
		return cmp.Or(a.Next.Compare(b.Next), cmp.Compare(a.Name, b.Name))
	})
	return infos
}

// infosAtOnce is for how many tasks the engine is held up at a time.
const infosAtOnce = 256

func (s *Scheduler) infos() []Info {
	s.mu.Lock()
	tasks := slices.Collect(maps.Values(s.tasks))
	s.mu.Unlock()
	infos := make([]Info, 0, len(tasks))
	described := make([]*Task, 0, len(tasks))
	for some := range slices.Chunk(tasks, infosAtOnce) {
		s.mu.Lock()
		s.underBoth(func() {
			now := s.clock.Reference()
			for _, t := range some {
				if !t.gone {
					infos, described = append(infos, s.info(t, now)), append(described, t)
				}
			}
		})
		s.mu.Unlock()
	}
	s.describe(described, infos)
	return infos
}

// underBoth makes a change to what both mu, which is held, and the engine's state guard.
func (s *Scheduler) underBoth(change func()) {
	s.engine.Update(func(*core.Core, time.Duration) { change() })
}

// Entries returns how many entries the timer queue of intervals has, and how many of them stand.
func (s *Scheduler) Entries() (all, armed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.intervals.queue.Len(), s.intervals.armed
}
