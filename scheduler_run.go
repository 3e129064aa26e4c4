package dray

import (
	"context"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
	"github.com/a622d8ee/dray/internal/jobctx"
)

// A run is one run of a task that is a job. It belongs to the engine's state.
type run struct {
	s          *Scheduler
	t          *periodicTask // whose run it is: of two registrations the later one
	due        dueTime
	next, prev *run // in the task's active list

	record core.Job // the queue's
	lock   *runLock // nil without a Locker
}

// maxFree bounds the runs that are kept to be used again. At the rates of a hundred
// thousand tasks, making new ones keeps the collector busy enough to be noticed as
// lateness.
const maxFree = 1024

func (s *Scheduler) newRun() *run {
	last := len(s.free) - 1
	if last < 0 {
		return new(run)
	}
	r := s.free[last]
	s.free[last], s.free = nil, s.free[:last]
	return r
}

// recycle frees a run that nobody knows any more: the queue forgets a processed job.
func (s *Scheduler) recycle(r *run) {
	*r = run{}
	if len(s.free) < maxFree {
		s.free = append(s.free, r)
	}
}

// link makes r the newest of its task's active runs.
func (r *run) link() {
	if r.next = r.t.active; r.next != nil {
		r.next.prev = r
	}
	r.t.active = r
}

func (r *run) unlink() {
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		r.t.active = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	r.prev, r.next = nil, nil
}

// waits reports whether a run of t that takes no room has not started yet.
func (t *periodicTask) waits() bool { return t.waiting != nil && t.waiting.record.Waits() }

// makeRecord makes the queue's record of the run.
func (r *run) makeRecord(manual bool) {
	cfg, fn := r.t.cfg, r.t.fn
	if cfg.locker != nil {
		r.lock = &runLock{
			task: r.t.name, locker: cfg.locker, due: r.due, clock: r.s.clock, fn: fn, attempts: cfg.policy.maxAttempts, s: r.s, t: r.t,
		}
		fn = r.lock.run
	}
	p := &cfg.policy
	if p.delay > 0 || !p.runAt.IsZero() || cfg.template.Extra != nil { // a delay counts from now
		r.record = *r.s.queue.newJob(context.Background(), fn, "", p)
	} else {
		r.record = *cfg.template
		r.record.Fn = fn
	}
	x := extraOf(&r.record)
	if x == nil {
		x = &extra{fn: fn}
	}
	x.task, x.due, x.clock = r.t.name, r.due, r.s.clock
	x.attach(&r.record)
	r.record.Ref = r
	if !manual {
		r.record.Task = r.t.name
	}
	if r.record.Label == "" {
		r.record.Label = r.t.name
	}
}

// Accepted is there for the engine; the scheduler sees to that itself.
func (r *run) Accepted(uint64) {}

// Settled is told the end of the run, or that it is handed back.
func (r *run) Settled(o engine.Outcome) {
	s, t := r.s, r.t
	r.unlink()
	if t.waiting == r {
		t.waiting = nil
	}
	handedBack := o.State < core.Processed
	if !handedBack && !t.broken && !t.hung {
		t.lastErr = o.Err
	}
	s.queue.emit(Event{Kind: TaskEnded, Name: t.name, Job: JobInfo{ID: ID(o.ID)}, Err: o.Err})
	if r.lock != nil {
		r.lock.runEnded(handedBack)
	}
	s.wait(t)
	if o.State == core.Processed {
		s.recycle(r)
	}
}

// TaskFrom returns, inside a run of a periodic task, the task's name and when the
// run was due, also after a [Queue.Restore] and a [Queue.Requeue]. It reports false
// elsewhere, and once the attempt has ended.
func TaskFrom(ctx context.Context) (name string, due time.Time, ok bool) {
	c := jobctx.From(ctx)
	if c == nil {
		return "", time.Time{}, false
	}
	engine.WhileRunning(c, func(_ engine.Host, r *core.Run) {
		if x := extraOf(r.Job); x != nil && x.task != "" {
			name, due, ok = x.task, x.due.tell(x.clock), true
		}
	})
	return name, due, ok
}
