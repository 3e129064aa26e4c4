package scheduler

import (
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
)

// A Run is one run of a task that is a job. It belongs to the engine's state: its fields are read
// and written in ticks alone, but for the record, which the worker that runs the job may read.
type Run struct {
	s          *Scheduler // set when it is made, for Settled
	of         *lineage   // whose run it is
	due        DueTime
	next, prev *Run // in the task's active list

	record core.Job              // the queue's; beside the run, so that one allocation serves for both
	ended  func(handedBack bool) // the host's, of the end of the run; nil for none
}

// maxFree bounds the runs that are kept to be used again. At the rates of a hundred
// thousand tasks, making new ones keeps the collector busy enough to be noticed as
// lateness. The price is the memory of these, some 500 bytes each.
const maxFree = 1024

// newRun returns a run that is zero.
func (s *Scheduler) newRun() *Run {
	// The one freed last, whose memory is most likely to be in a cache.
	last := len(s.free) - 1
	if last < 0 {
		return new(Run)
	}
	r := s.free[last]
	s.free[last], s.free = nil, s.free[:last]
	return r
}

// recycle frees a run that nothing refers to any more: the queue forgets a processed job, while
// others may be kept, a failed one among the failures, one that is handed back in the report. It
// is cleared at once, so that what is free keeps neither a function nor a task.
func (s *Scheduler) recycle(r *Run) {
	*r = Run{}
	// Beyond that it is left to the collector.
	if len(s.free) < maxFree {
		s.free = append(s.free, r)
	}
}

// link makes r the newest of its task's active runs. O(1), as unlink: a task may have very many.
func (r *Run) link() {
	t := r.of.task
	if r.next = t.active; r.next != nil {
		r.next.prev = r
	}
	t.active = r
}

// unlink takes r out of the list of the task that it belongs to by now.
func (r *Run) unlink() {
	// The list is doubly linked, so that this is O(1) also where a task has very many runs.
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		r.of.task.active = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	r.prev, r.next = nil, nil
}

// waits reports whether a run of t that takes no room has not started yet. Then the next one
// takes room.
func (t *Task) waits() bool { return t.waiting != nil && t.waiting.record.Waits() }

// Accepted is there for the engine, as a run is a Completion; the scheduler sees to that itself.
func (r *Run) Accepted(uint64) {}

// Settled is told the end of the run, or that it is handed back. The engine calls it in a tick,
// once, as the last thing that is done with the job, so the record is free from here on. It does
// not take mu: a call may hold that and wait for this tick. What follows, the next run, comes at
// the end of the tick.
func (r *Run) Settled(o engine.Outcome) {
	s, t := r.s, r.of.task
	r.unlink()
	if t.waiting == r {
		t.waiting = nil
	}
	// The error of a schedule that has ended, or that hangs, is not hidden by runs that settle
	// later.
	handedBack := o.State < core.Processed
	if !handedBack && !t.broken && !t.hung {
		t.lastErr = o.Err
	}
	s.host.Ended(t.name, o.ID, o.Err)
	if r.ended != nil {
		r.ended(handedBack)
	}
	s.wait(t)
	// Of others the core may keep the record, of which the run is part.
	if o.State == core.Processed {
		s.recycle(r)
	}
}

// TaskName returns the task whose run j is; nothing if it is none, or has settled other than
// well. It is called in a tick, before Settled, as that may free the record.
func TaskName(j *core.Job) string {
	if j == nil {
		return ""
	}
	if r, ok := j.Ref.(*Run); ok {
		return r.of.task.name
	}
	return ""
}
