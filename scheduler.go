package dray

import (
	"context"
	"errors"
	"time"

	"github.com/a622d8ee/dray/internal/calendar"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/jobctx"
	"github.com/a622d8ee/dray/internal/scheduler"
)

// A Scheduler makes jobs of periodic tasks when they are due. A run is a job of the
// queue, so a slow or failing task delays no other. It belongs to a queue
// ([Queue.Scheduler]) and runs while that does; all methods may be called at any
// time, concurrently. The zero value is not usable. docs/scheduler.md explains its rules.
type Scheduler struct {
	queue *Queue               // immutable
	tasks *scheduler.Scheduler // immutable
	plain *taskConfig          // immutable: of tasks without options
}

func newScheduler(q *Queue) *Scheduler {
	s := &Scheduler{queue: q, plain: &taskConfig{policy: q.jobs}}
	s.plain.Missed, s.plain.Own = int(RunOnce), s.plain
	s.plain.template = q.newJob(context.Background(), nil, &s.plain.policy)
	s.tasks = scheduler.New(taskHooks{s}, q.engine, q.clock)
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
	err := s.schedule(name, when, fn, opts)
	if err != nil {
		return errs.Wrapf(err, "Schedule(%q)", name)
	}
	return nil
}

func (s *Scheduler) schedule(name string, when Schedule, fn Func, opts []TaskOption) error {
	switch {
	case name == "":
		return errors.New("empty name")
	case isNil(when):
		return errors.New("nil schedule")
	case fn == nil:
		return ErrNilFunc
	}
	cfg, err := s.configure(name, opts)
	if err != nil {
		return err
	}
	return s.tasks.Schedule(name, when, core.Func(fn), &cfg.Options)
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
	cfg.template = s.queue.newJob(context.Background(), nil, &cfg.policy)
	cfg.Jitter, cfg.Own = jitterOf(name, cfg.spread), &cfg
	return &cfg, err
}

// Unschedule removes a task; a run that has become a job goes on. Those that are due and
// delayed by [WithJitter], or postponed behind another ([Scheduler.RunNow]'s among them), are
// skipped, which one [TaskSkipped] with [ErrCancelled] tells (of a calendar task whose jitter
// is longer than its interval it counts the first that is delayed). What comes due while a task
// is paused counts for nothing if it is removed. It returns [ErrNotFound] if there is no task
// of that name.
func (s *Scheduler) Unschedule(name string) error { return s.tasks.Unschedule(name) }

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
	defer s.queue.accepted()
	return s.tasks.RunNow(name)
}

// Pause starts no more runs of a task until Resume, be it that they come due, wait
// in the queue, for another attempt or behind another run, or are made up for. What
// is running goes on. It returns [ErrNotFound] if there is no task of that name.
func (s *Scheduler) Pause(name string) error { return s.tasks.Pause(name) }

// Resume ends Pause: runs that waited then go on. Those that came due in between are
// missed ones. It returns [ErrNotFound] if there is no task of that name.
func (s *Scheduler) Resume(name string) error { return s.tasks.Resume(name) }

// Preview returns the next n times at which a task will be due, fewer if it has no
// more, jitter not included; a paused one as if it were resumed. It asks the
// schedule on the caller's goroutine. It returns [ErrNotFound] if there is no task
// of that name.
func (s *Scheduler) Preview(name string, n int) ([]time.Time, error) {
	when, o, next, err := s.tasks.Next(name)
	if err != nil || next.IsZero() || n <= 0 {
		return nil, err
	}
	if now := s.queue.clock.Now(); next.Before(now) { // it is paused: what came due is missed
		interval, ok := when.(calendar.Every)
		if !ok {
			return preview(when, now.In(o.Zone()), n, DST(o.DST)), nil
		}
		d := time.Duration(interval)
		next = next.Add(now.Sub(next).Truncate(d) + d)
	}
	return append([]time.Time{next}, preview(when, next.In(o.Zone()), n-1, DST(o.DST))...), nil
}

// PeriodicInfo is a periodic task as it was at one moment. Its books balance:
//
//	Due = Runs + Skipped + Waiting        Skipped = Overlapped + Missed + Refused
//
// They go on when a task is replaced by one of its name.
type PeriodicInfo struct {
	Name      string
	Schedule  string    // in words, if the schedule has a String method that returns within a second
	Next      time.Time // when it is due, without jitter; zero while paused, hung (see LastError) or for never
	Last      time.Time // when the last run was due; zero before the first
	LastError error     // of the last run that settled, or why the schedule has ended; wraps ErrTimeout while its Next does not return
	Running   bool      // a run is enqueued and has not settled
	Paused    bool

	Due     uint64 // came due, RunNow included
	Runs    uint64 // enqueued: each is a job from then on
	Skipped uint64 // due, and not enqueued, for one of the next three reasons
	Waiting int    // due, and postponed until the run before has settled

	Overlapped uint64 // skipped by the overlap policy
	Missed     uint64 // skipped by the policy for missed runs
	Refused    uint64 // skipped as another job holds the unique key, its group takes no more, or, under AllowOverlap, the queue is full
	Locked     uint64 // enqueued, and left to another instance by the Locker
}

// Tasks returns all tasks, by their next run and then by name; those without one
// come last. Each is as it was at one moment; the books of all balance. Tasks that are
// registered or removed while it collects, 128 at a time, may be missing.
func (s *Scheduler) Tasks() []PeriodicInfo {
	n, tasks := s.tasks.Tasks()
	infos := make([]PeriodicInfo, 0, n)
	for t := range tasks {
		infos = append(infos, PeriodicInfo(t))
	}
	return infos
}

// taskHooks is a queue as its scheduler sees it.
type taskHooks struct{ s *Scheduler }

// Ask asks a schedule.
func (taskHooks) Ask(when calendar.Schedule, after time.Time, dst calendar.DST) (time.Time, error) {
	return ask(when, after, DST(dst))
}

// Caught returns the panic that is being recovered.
func (taskHooks) Caught(v any) error { return newPanicError(v) }

// Record fills in the record of a run.
func (h taskHooks) Record(j *core.Job, t *scheduler.Task, due scheduler.DueTime) (ended func(handedBack bool)) {
	cfg := t.Options().Own.(*taskConfig) //nolint:forcetypeassert // configure's
	fn := Func(t.Func())
	var l *runLock
	if cfg.locker != nil {
		l = newRunLock(h.s.tasks, t, cfg, due, h.s.queue.clock)
		fn, ended = l.run, l.runEnded
	}
	p := &cfg.policy
	if p.delay > 0 || !p.runAt.IsZero() || cfg.template.HostData != nil { // a delay counts from now
		*j = *h.s.queue.newJob(context.Background(), fn, p)
	} else {
		*j = *cfg.template
		j.Fn = core.Func(fn)
	}
	x := dataOf(j)
	if x == nil {
		x = &jobData{fn: fn}
	}
	x.task, x.due, x.clock, x.lock = t.Name(), due, h.s.queue.clock, l
	x.attach(j)
	return ended
}

// Scheduled tells observers of a new task.
func (h taskHooks) Scheduled(name string, next time.Time) {
	h.s.queue.emit(Event{Kind: TaskScheduled, Name: name, Next: next})
}

// Unscheduled tells observers of the end of a task.
func (h taskHooks) Unscheduled(name string) {
	h.s.queue.emit(Event{Kind: TaskUnscheduled, Name: name})
}

// Fired tells observers of a run that is a job.
func (h taskHooks) Fired(name string, due scheduler.DueTime, id uint64) {
	if h.s.queue.wants(TaskFired) {
		h.s.queue.emit(Event{Kind: TaskFired, Name: name, Due: due.Tell(h.s.queue.clock), Job: JobInfo{ID: ID(id)}})
	}
}

// Skipped tells observers that n runs were skipped, the last of them due at due.
func (h taskHooks) Skipped(name string, due scheduler.DueTime, n uint64, why error) {
	if h.s.queue.wants(TaskSkipped) {
		h.s.queue.emit(Event{Kind: TaskSkipped, Name: name, Due: due.Tell(h.s.queue.clock), Err: why, Count: n})
	}
}

// Ended tells observers of the end of a run.
func (h taskHooks) Ended(name string, id uint64, err error) {
	h.s.queue.emit(Event{Kind: TaskEnded, Name: name, Job: JobInfo{ID: ID(id)}, Err: err})
}

// ClockJumped tells observers that the clock was set.
func (h taskHooks) ClockJumped(by time.Duration) { h.s.queue.emit(Event{Kind: ClockJumped, By: by}) }

// TaskFrom returns, inside a run of a periodic task, the task's name and when the
// run was due, also after a [Queue.Restore] and a [Queue.Requeue]. It reports false
// elsewhere, and once the attempt has ended.
func TaskFrom(ctx context.Context) (name string, due time.Time, ok bool) {
	c := jobctx.From(ctx)
	if c == nil {
		return "", time.Time{}, false
	}
	engine.WhileRunning(c, func(_ engine.Host, r *core.Run) {
		if x := dataOf(r.Job); x != nil && x.task != "" {
			name, due, ok = x.task, x.due.Tell(x.clock), true
		}
	})
	return name, due, ok
}
