package dray

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Scheduler enqueues the runs of periodic tasks when they are due. A run is a
// job of the queue, so a slow or failing task delays no other. It belongs to a
// queue ([Queue.Scheduler]) and runs while that does; all methods may be called
// at any time, concurrently. docs/scheduler.md explains its rules.
//
// Locks: the end of a run is told under the locks of the engine, and goes into
// ended, whose lock is held for an append. So mu is never needed there, and the
// engine is called only while mu is not held, nor is it when a schedule is asked.
type Scheduler struct {
	queue  *Queue               // immutable
	wakeup chan struct{}        // to the loop; capacity 1
	zero   time.Time            // immutable: the queue's epoch by the wall clock, in local time
	plain  *taskConfig          // immutable: of tasks without options
	skew   func() time.Duration // immutable; set by tests alone: how far the wall clock was set
	hungry atomic.Bool          // runs wait for room in the queue; set by the loop, read as runs end

	mu        sync.Mutex
	tasks     map[string]*periodicTask
	count     uint64          // tasks ever registered
	intervals timetable       // by the monotonic clock
	calendar  timetable       // by the wall clock
	asking    []*periodicTask // neither armed nor idle: their schedules are to be asked
	lines     [3]line         // runs that are due, by priority
	unwanted  []ID            // runs to cancel
	batch     []*run          // the loop's: on their way to the queue
	retry     time.Duration   // the loop's: when a queue without room is tried again
	inQueue   int             // runs accepted and not settled
	free      []*run          // to be used again, at most window
	looked    clocks          // when the loop last compared the clocks
	grace     time.Duration   // how late a calendar run may be besides, as a jump was noticed late
	begun     bool            // has served before

	ended endedRuns
}

// endedRuns is where settled runs wait to be taken note of.
type endedRuns struct {
	mu    sync.Mutex
	runs  []*run // appended under the engine's locks, taken whole under Scheduler.mu
	spare []*run // empty, for the next
}

func newScheduler(q *Queue) *Scheduler {
	s := &Scheduler{
		queue: q, wakeup: make(chan struct{}, 1), zero: q.epoch.Round(0), tasks: make(map[string]*periodicTask),
		plain: &taskConfig{policy: q.jobs, missed: RunOnce},
	}
	s.plain.template = q.newJob(context.Background(), nil, "", &s.plain.policy)
	return s
}

// Schedule registers a task, or replaces the one of that name; runs of the old
// one that were enqueued go on. Its runs carry the name as their label unless an
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
	t, err := s.newTask(name, when, fn, opts)
	if err != nil {
		return wrapf(err, "Schedule(%q)", name)
	}
	if s.queue.isClosed() {
		return ErrClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(name)
	s.count++
	t.seq = s.count
	s.tasks[name] = t
	s.arm(t)
	if e, _ := s.timetable(t).first(); e.Item == t {
		s.poke() // the loop sleeps for longer than this
	}
	if s.queue.herald != nil {
		s.queue.herald.emit(TaskScheduled{moment(), name, s.nextOf(t, s.look())})
	}
	return nil
}

// forget removes the task of that name, and reports whether there was one.
func (s *Scheduler) forget(name string) bool {
	t, ok := s.tasks[name]
	if ok {
		delete(s.tasks, name)
		s.disarm(t)
		t.gone = true
		if t.past != nil {
			t.past.owed = nil
		}
	}
	return ok
}

func (s *Scheduler) poke() {
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// Unschedule removes a task; a run that was enqueued goes on, one that is due and
// was not is dropped. It returns [ErrNotFound] if there is no task of that name.
func (s *Scheduler) Unschedule(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.forget(name) {
		return ErrNotFound
	}
	if s.queue.herald != nil {
		s.queue.herald.emit(TaskUnscheduled{moment(), name})
	}
	return nil
}

// change makes a change to the task of that name.
func (s *Scheduler) change(name string, do func(*periodicTask)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tasks[name]
	if !ok {
		return ErrNotFound
	}
	s.absorb()
	do(t)
	s.poke()
	return nil
}

// RunNow enqueues a run besides those of the schedule, subject to the overlap
// policy, also while the task is paused. It returns [ErrNotFound] if there is no
// task of that name, and [ErrClosed] once the queue's shutdown has begun.
func (s *Scheduler) RunNow(name string) error {
	if s.queue.isClosed() {
		return ErrClosed
	}
	return s.change(name, func(t *periodicTask) {
		t.due++
		s.fire(t, s.at(s.look().wall))
	})
}

// Pause starts no more runs of a task until Resume. It returns [ErrNotFound] if
// there is no task of that name.
func (s *Scheduler) Pause(name string) error {
	return s.change(name, func(t *periodicTask) { t.paused = true; s.disarm(t) })
}

// Resume ends Pause. Runs that came due in between are missed ones. It returns
// [ErrNotFound] if there is no task of that name.
func (s *Scheduler) Resume(name string) error {
	return s.change(name, func(t *periodicTask) {
		if !t.paused {
			return
		}
		t.paused = false
		t.lapsed = t.hasNext && t.key() <= s.look().of(t)
		s.arm(t)
	})
}

// Preview returns the next n times at which a task will be due, fewer if it has no
// more, jitter not included; a paused one as if it were resumed. It returns
// [ErrNotFound] if there is no task of that name.
func (s *Scheduler) Preview(name string, n int) ([]time.Time, error) {
	s.mu.Lock()
	t, ok := s.tasks[name]
	if !ok {
		s.mu.Unlock()
		return nil, ErrNotFound
	}
	next, has := s.nextOf(t, s.look()), t.hasNext
	s.mu.Unlock()
	if !has || n <= 0 {
		return nil, nil
	}
	return append([]time.Time{next}, preview(t.schedule(), next, n-1, t.cfg.dst)...), nil
}

// Tasks returns all tasks, by their next run and then by name; those without one
// come last.
func (s *Scheduler) Tasks() []PeriodicInfo {
	infos := s.infos()
	slices.SortFunc(infos, func(a, b PeriodicInfo) int {
		if a.Next.IsZero() != b.Next.IsZero() {
			return cmp.Compare(b.Next.Unix(), a.Next.Unix())
		}
		return cmp.Or(a.Next.Compare(b.Next), cmp.Compare(a.Name, b.Name))
	})
	return infos
}

func (s *Scheduler) infos() []PeriodicInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.absorb()
	now := s.look()
	infos := make([]PeriodicInfo, 0, len(s.tasks))
	for _, t := range s.tasks {
		infos = append(infos, s.info(t, now))
	}
	return infos
}

func (s *Scheduler) newTask(name string, when Schedule, fn Func, opts []TaskOption) (*periodicTask, error) {
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
	if b, ok := when.(builtin); ok {
		if err := b.check(); err != nil {
			return nil, err
		}
	}
	t := &periodicTask{name: name, fn: fn, cfg: cfg}
	return t, s.begin(t, when)
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
