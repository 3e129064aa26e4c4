package dray

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/timerheap"
)

// A Scheduler enqueues the runs of periodic tasks when they are due. A run is a
// job of the queue, so a slow or failing task delays no other. It belongs to a
// queue ([Queue.Scheduler]) and runs while that does; all methods may be called
// at any time, concurrently.
//
// Locks: a task's run is told of its end under the locks of the engine, so the
// scheduler calls the engine only while it does not hold mu.
type Scheduler struct {
	queue  *Queue        // immutable
	wakeup chan struct{} // to the loop; capacity 1

	mu    sync.Mutex
	tasks map[string]*periodicTask
	heap  timerheap.Heap[*periodicTask] // tasks that have a next run, by when that is enqueued
	begun bool                          // has served before
}

// A periodicTask is one registered task, under Scheduler.mu.
type periodicTask struct {
	name   string
	when   Schedule
	fn     Func
	jobs   policy
	cfg    taskConfig
	jitter time.Duration
	item   timerheap.Item[*periodicTask]

	next      time.Time // when the next run is due; zero for never
	inNext    bool      // its Next is being asked: if that takes the goroutine along, the successor knows
	toEnqueue []*run    // due, and not accepted by the queue yet
	active    []*run    // accepted, and not settled yet
	again     bool      // QueueOverlap: a run is owed when the active one settles
	paused    bool
	last      time.Time
	lastErr   error
	runs      uint64
	skipped   uint64
}

// A run is one run of a task, from when it is due.
type run struct {
	s   *Scheduler
	t   *periodicTask
	due time.Time
	id  ID // once accepted
}

// PeriodicInfo is a periodic task as it was at one moment.
type PeriodicInfo struct {
	Name      string
	Next      time.Time // when it is due, jitter not included; zero while paused or for never
	Last      time.Time // when the last run was due; zero before the first
	LastError error     // of the last run that settled
	Runs      uint64    // enqueued
	Skipped   uint64    // due, and not enqueued: overlapping, missed, or refused by the queue
	Running   bool      // a run is enqueued and has not settled
	Paused    bool
}

var (
	errOverlap = errors.New("dray: the run before has not settled")
	errMissed  = errors.New("dray: missed")
)

func newScheduler(q *Queue) *Scheduler {
	return &Scheduler{queue: q, wakeup: make(chan struct{}, 1), tasks: make(map[string]*periodicTask)}
}

// Schedule registers a task, or replaces the one of that name; runs of the old
// one that were enqueued go on. Its runs carry the name as their label unless an
// option gives another. Errors: [ErrNilFunc], [ErrClosed], an empty name, a
// schedule that is nil, that panics, or that has no time ahead, or that of an option.
func (s *Scheduler) Schedule(name string, when Schedule, fn Func, opts ...TaskOption) error {
	t, err := s.newTask(name, when, fn, opts)
	if err != nil {
		return fmt.Errorf("dray: Schedule(%q): %w", name, err)
	}
	if s.queue.isClosed() {
		return ErrClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(name)
	s.tasks[name] = t
	s.arm(t)
	s.poke()
	s.queue.herald.emit(TaskScheduled{moment(), name, t.next})
	return nil
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
	t := &periodicTask{name: name, when: when, fn: fn, cfg: taskConfig{missed: RunOnce}}
	for _, o := range opts {
		if o == nil {
			return nil, errors.New("nil option")
		}
		if err := o.applyTask(&t.cfg); err != nil {
			return nil, err
		}
	}
	var err error
	if t.jobs, err = s.queue.jobs.with(t.cfg.jobs); err != nil {
		return nil, err
	}
	t.jobs.label = cmp.Or(t.jobs.label, name)
	t.jitter = jitterOf(name, t.cfg.jitter)
	return t, t.begin()
}

// begin sets the first run.
func (t *periodicTask) begin() error {
	from := time.Now()
	if !t.cfg.lastRun.IsZero() && t.cfg.lastRun.Before(from) {
		from = t.cfg.lastRun
	}
	if err := t.advance(from); err != nil {
		return err
	}
	if t.next.IsZero() {
		return errors.New("the schedule has no time ahead")
	}
	return nil
}

// advance sets next to the first time after the given one. The schedule is
// foreign code: it is contained, and held to its word.
func (t *periodicTask) advance(after time.Time) (err error) {
	t.inNext = true
	defer func() {
		if v := recover(); v != nil {
			t.inNext = false
			t.next, err = time.Time{}, newPanicError(v)
		}
	}()
	t.next = t.when.Next(after)
	t.inNext = false
	if !t.next.IsZero() && !t.next.After(after) {
		next := t.next
		t.next = time.Time{}
		return fmt.Errorf("the schedule says %v comes after %v", next, after)
	}
	return nil
}

// arm puts t into the heap if it has a next run.
func (s *Scheduler) arm(t *periodicTask) {
	t.item.Value = t
	if t.next.IsZero() || t.paused {
		s.heap.Remove(&t.item)
		return
	}
	s.heap.Add(&t.item, s.queue.since(t.next)+t.jitter)
}

// forget removes the task of that name, and reports whether there was one.
func (s *Scheduler) forget(name string) bool {
	t, ok := s.tasks[name]
	if ok {
		s.heap.Remove(&t.item)
		delete(s.tasks, name)
		t.toEnqueue, t.again = nil, false
	}
	return ok
}

func (s *Scheduler) poke() {
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// Unschedule removes a task; a run that was enqueued goes on. It returns
// [ErrNotFound] if there is no task of that name.
func (s *Scheduler) Unschedule(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.forget(name) {
		return ErrNotFound
	}
	s.queue.herald.emit(TaskUnscheduled{moment(), name})
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
	do(t)
	s.poke()
	return nil
}

// RunNow enqueues a run besides those of the schedule, subject to the overlap
// policy. It returns [ErrNotFound] if there is no task of that name, and
// [ErrClosed] once the queue's shutdown has begun.
func (s *Scheduler) RunNow(name string) error {
	if s.queue.isClosed() {
		return ErrClosed
	}
	return s.change(name, func(t *periodicTask) { s.fire(t, time.Now()) })
}

// Pause starts no more runs of a task until Resume. It returns [ErrNotFound] if
// there is no task of that name.
func (s *Scheduler) Pause(name string) error {
	return s.change(name, func(t *periodicTask) { t.paused = true; s.arm(t) })
}

// Resume ends Pause. Runs that came due in between are treated by the policy for
// missed ones. It returns [ErrNotFound] if there is no task of that name.
func (s *Scheduler) Resume(name string) error {
	return s.change(name, func(t *periodicTask) { t.paused = false; s.arm(t) })
}

// Tasks returns all tasks, by their next run and then by name; those without one
// come last.
func (s *Scheduler) Tasks() []PeriodicInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	infos := make([]PeriodicInfo, 0, len(s.tasks))
	for _, t := range s.tasks {
		infos = append(infos, t.info())
	}
	slices.SortFunc(infos, func(a, b PeriodicInfo) int {
		if a.Next.IsZero() != b.Next.IsZero() {
			return cmp.Compare(b.Next.Unix(), a.Next.Unix())
		}
		return cmp.Or(a.Next.Compare(b.Next), cmp.Compare(a.Name, b.Name))
	})
	return infos
}

func (t *periodicTask) info() PeriodicInfo {
	i := PeriodicInfo{
		Name: t.name, Next: t.next, Last: t.last, LastError: t.lastErr,
		Runs: t.runs, Skipped: t.skipped, Running: len(t.active) > 0, Paused: t.paused,
	}
	if t.paused {
		i.Next = time.Time{}
	}
	return i
}
