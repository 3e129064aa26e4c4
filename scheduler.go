package dray

import (
	"cmp"
	"context"
	"errors"
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

// A Scheduler makes jobs of periodic tasks when they are due. A run is a job of the
// queue, so a slow or failing task delays no other. It belongs to a queue
// ([Queue.Scheduler]) and runs while that does; all methods may be called at any
// time, concurrently. docs/scheduler.md explains its rules.
type Scheduler struct {
	// mu is taken before the engine's state, and never in a tick. What
	// is about runs is guarded by the engine's, so that the end of one, which is told
	// under these, can let the next one follow in the same step. Foreign code is called
	// while none is held.

	queue  *Queue        // immutable
	clock  *clock.Clock  // immutable: the queue's
	wakeup chan struct{} // to the loop; capacity 1
	plain  *taskConfig   // immutable: of tasks without options

	mu          sync.Mutex
	tasks       map[string]*periodicTask
	count       uint64    // tasks ever registered
	intervals   timetable // by the monotonic clock
	calendar    timetable // by the wall clock
	due         []dueRuns // from dueHead on, on their way to the queue: what a crash leaves there goes first
	dueHead     int
	asker       asker
	wordHelpers int           // goroutines that ask schedules for their words
	looked      clock.Reading // when the loop last compared the clocks
	grace       time.Duration // how late a calendar run may be besides, as a jump was noticed late
	begun       bool          // has served before
	stopped     bool          // nothing comes due, until it serves again

	// of the engine's state
	waitList []*periodicTask // a run of theirs has ended, for which others wait
	free     []*run          // to be used again, at most maxFree

	background background.Group // goroutines that foreign code keeps
}

func newScheduler(q *Queue) *Scheduler {
	s := &Scheduler{
		queue: q, clock: q.clock, wakeup: make(chan struct{}, 1), tasks: make(map[string]*periodicTask),
		plain: &taskConfig{policy: q.jobs, missed: RunOnce},
	}
	s.plain.template = q.newJob(context.Background(), nil, "", &s.plain.policy)
	q.step(func(*core.Core, time.Duration) { q.engine.FollowUp(s.followUp) })
	return s
}

// Schedule registers a task, or replaces the one of that name: the new one takes
// over the counts of the old one and its runs. Those that have become jobs go on, as
// they were made, and count as the runs before those of the new one; those that are due
// by the old schedule, and delayed by [WithJitter], postponed behind another, or not
// counted yet, are made by the new task, so that its own [WithLastRun] does nothing. A
// replaced task is not paused any more. Runs carry the name as their label unless an
// option gives another.
//
// A task with the schedule [Every] goes by the monotonic clock, any other by the
// wall clock. The scheduler keeps some rules whatever the schedule says: the zero
// time is never; a time that is not later than the one it was asked with ends the
// task; a time at which the clocks of its location show for the second time what
// they have shown before, because they were set back, is left out (see [DST]).
//
// Errors: [ErrNilFunc], [ErrClosed], an empty name, a schedule that is nil, that
// panics, that was made from arguments out of range, or that has no time ahead,
// or that of an option.
func (s *Scheduler) Schedule(name string, when Schedule, fn Func, opts ...TaskOption) error {
	for {
		replaces := s.has(name)
		t, err := s.newTask(name, when, fn, replaces, opts)
		if err != nil {
			return errs.Wrapf(err, "Schedule(%q)", name)
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
func (s *Scheduler) register(t *periodicTask, replaces bool) (done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := t.name
	if s.queue.engine.IsClosed() {
		return true, ErrClosed
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
	if e, ok := s.timetable(t).first(); ok && e.Item == t {
		s.poke() // the loop sleeps for longer than this
	}
	if s.queue.wants(TaskScheduled) {
		s.queue.emit(Event{Kind: TaskScheduled, Name: name, Next: t.nextOf(s.clock.Reference())})
	}
	return true, nil
}

func (s *Scheduler) poke() {
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// Unschedule removes a task; a run that has become a job goes on. Those that are due and
// delayed by [WithJitter], or postponed behind another ([Scheduler.RunNow]'s among them), are
// skipped, which one [TaskSkipped] with [ErrCancelled] tells (of a calendar task whose
// jitter is longer than its interval it counts the first that is delayed). What comes due while a task
// is paused counts for nothing if it is removed. It returns [ErrNotFound] if there is no
// task of that name.
func (s *Scheduler) Unschedule(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[name]
	if t == nil {
		return ErrNotFound
	}
	delete(s.tasks, name)
	dropped := s.takeUncounted(t)
	s.disarm(t)
	s.queue.step(func(c *core.Core, _ time.Duration) {
		for _, r := range t.postponed {
			dropped.add(r.at, 1, s.clock)
		}
		t.gone, t.postponed = true, nil
		c.ResumeTask(name)
		if dropped.total > 0 {
			s.emitSkipped(t, dropped.newest, dropped.total, ErrCancelled)
		}
	})
	s.queue.emit(Event{Kind: TaskUnscheduled, Name: name})
	return nil
}

// change makes a change to the task of that name, which both mu and the state guard.
func (s *Scheduler) change(name string, do func(t *periodicTask, c *core.Core, now time.Duration)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[name]
	if t == nil {
		return ErrNotFound
	}
	s.queue.step(func(c *core.Core, now time.Duration) { do(t, c, now) })
	s.poke()
	return nil
}

// RunNow makes a run besides those of the schedule, also while the task is paused.
// After nil it has become a job, or is postponed behind the run before
// ([QueueOverlap]): then it is run, or handed back by a shutdown, as any job, unless
// [Scheduler.Unschedule] comes before, the task is registered anew with
// [CancelPrevious], or another job has its unique key, or its group takes no more, when
// its turn comes (then it counts as refused; a shutdown hands it back all the same).
//
// Errors: [ErrNotFound] if there is no task of that name; [ErrClosed] once the
// queue's shutdown has begun; [ErrOverlap] if the overlap policy skips it;
// [ErrDuplicate], [ErrGroupDone], and under [AllowOverlap] [ErrQueueFull], where
// they refuse any job. What is not [ErrNotFound] or [ErrClosed] counts as skipped.
func (s *Scheduler) RunNow(name string) error {
	refused := engine.ErrBroken
	if err := s.change(name, func(t *periodicTask, c *core.Core, now time.Duration) {
		if refused = ErrClosed; !s.queue.engine.Closed() {
			t.due++
			refused = s.fire(c, t, dueRun{at: dueTime{moment: now}, manual: true}, now)
		}
	}); err != nil && s.queue.engine.IsClosed() {
		return ErrClosed
	} else if err != nil {
		return err
	}
	return refused
}

// Pause starts no more runs of a task until Resume, be it that they come due, wait
// in the queue, for another attempt or behind another run, or are made up for. What
// is running goes on. It returns [ErrNotFound] if there is no task of that name.
func (s *Scheduler) Pause(name string) error {
	return s.change(name, func(t *periodicTask, c *core.Core, _ time.Duration) {
		t.paused = true
		c.PauseTask(name)
		s.disarm(t)
	})
}

// Resume ends Pause: runs that waited then go on. Those that came due in between are
// missed ones. It returns [ErrNotFound] if there is no task of that name.
func (s *Scheduler) Resume(name string) error {
	return s.change(name, func(t *periodicTask, c *core.Core, _ time.Duration) {
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

// Preview returns the next n times at which a task will be due, fewer if it has no
// more, jitter not included; a paused one as if it were resumed. It asks the
// schedule on the caller's goroutine. It returns [ErrNotFound] if there is no task
// of that name.
func (s *Scheduler) Preview(name string, n int) ([]time.Time, error) {
	s.mu.Lock()
	t := s.tasks[name]
	if t == nil {
		s.mu.Unlock()
		return nil, ErrNotFound
	}
	next := t.nextOf(s.clock.Reference())
	s.mu.Unlock()
	if next.IsZero() || n <= 0 {
		return nil, nil
	}
	return append([]time.Time{next}, preview(t.schedule(), next, n-1, t.cfg.dst)...), nil
}

// Tasks returns all tasks, by their next run and then by name; those without one
// come last. Each is as it was at one moment; the books of all balance.
func (s *Scheduler) Tasks() []PeriodicInfo {
	infos := s.infos()
	slices.SortFunc(infos, func(a, b PeriodicInfo) int {
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

func (s *Scheduler) infos() []PeriodicInfo {
	s.mu.Lock()
	tasks := slices.Collect(maps.Values(s.tasks))
	s.mu.Unlock()
	infos := make([]PeriodicInfo, 0, len(tasks))
	described := make([]*periodicTask, 0, len(tasks))
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
	s.queue.step(func(*core.Core, time.Duration) { change() })
}

func (s *Scheduler) newTask(name string, when Schedule, fn Func, replaces bool, opts []TaskOption) (*periodicTask, error) {
	switch {
	case name == "":
		return nil, errors.New("empty name")
	case when == nil:
		return nil, errors.New("nil schedule")
	case fn == nil:
		return nil, ErrNilFunc
	}
	cfg, err := s.configure(name, opts)
	if err != nil {
		return nil, err
	}
	if b, ok := when.(calendar.Builtin); ok {
		if err := b.Check(); err != nil {
			return nil, err
		}
	}
	t := &periodicTask{name: name, fn: fn, cfg: cfg}
	return t, s.begin(t, when, replaces)
}

// configure adds the options up.
func (s *Scheduler) configure(name string, opts []TaskOption) (_ *taskConfig, err error) {
	defer optionThrew(&err)
	if len(opts) == 0 {
		return s.plain, nil
	}
	cfg := *s.plain
	for _, o := range opts {
		if o == nil {
			return nil, errors.New("nil option")
		}
		if err := o.applyTask(&cfg); err != nil {
			return nil, err
		}
	}
	if cfg.policy, err = s.queue.jobs.with(cfg.jobs); err == nil {
		err = cfg.policy.check(s.queue, 1)
	}
	cfg.jobs = nil
	cfg.template = s.queue.newJob(context.Background(), nil, "", &cfg.policy)
	cfg.jitter = jitterOf(name, cfg.spread)
	return &cfg, err
}
