package scheduler

import (
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
)

// A Run is one run of a task that is a job. It belongs to the engine's state.
type Run struct {
	s          *Scheduler
	t          *Task // whose run it is: of two registrations the later one
	due        DueTime
	next, prev *Run // in the task's active list

	record core.Job              // the queue's
	ended  func(handedBack bool) // the host's, of the end of the run; nil for none
}

// maxFree bounds the runs that are kept to be used again. At the rates of a hundred
// thousand tasks, making new ones keeps the collector busy enough to be noticed as
// lateness.
const maxFree = 1024

func (s *Scheduler) newRun() *Run {
	last := len(s.free) - 1
	if last < 0 {
		return new(Run)
	}
	r := s.free[last]
	s.free[last], s.free = nil, s.free[:last]
	return r
}

// recycle frees a run that nothing refers to any more: the queue forgets a processed job.
func (s *Scheduler) recycle(r *Run) {
	*r = Run{}
	if len(s.free) < maxFree {
		s.free = append(s.free, r)
	}
}

// link makes r the newest of its task's active runs.
func (r *Run) link() {
	if r.next = r.t.active; r.next != nil {
		r.next.prev = r
	}
	r.t.active = r
}

func (r *Run) unlink() {
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
func (t *Task) waits() bool { return t.waiting != nil && t.waiting.record.Waits() }

// Accepted is there for the engine; the scheduler sees to that itself.
func (r *Run) Accepted(uint64) {}

// Settled is told the end of the run, or that it is handed back.
func (r *Run) Settled(o engine.Outcome) {
	s, t := r.s, r.t
	r.unlink()
	if t.waiting == r {
		t.waiting = nil
	}
	handedBack := o.State < core.Processed
	if !handedBack && !t.broken && !t.hung {
		t.lastErr = o.Err
	}
	s.host.Ended(t.name, o.ID, o.Err)
	if r.ended != nil {
		r.ended(handedBack)
	}
	s.wait(t)
	if o.State == core.Processed {
		s.recycle(r)
	}
}

// TaskName returns the task whose run j is; nothing if it is none.
func TaskName(j *core.Job) string {
	if j == nil {
		return ""
	}
	if r, ok := j.Ref.(*Run); ok {
		return r.t.name
	}
	return ""
}
