package scheduler

import (
	"cmp"
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

// This file has what is done with the runs of a task where these may be very many: in several steps
// of the engine, so that others have their turn between them.

// leave has the loop go on with a task in the next step: see finish. It is called in a tick.
func (s *Scheduler) leave(t *Task) {
	if !t.left {
		t.left = true
		s.unfinished = append(s.unfinished, t)
		s.leaves.Store(true)
		s.poke()
	}
}

// finish goes on with what steps have left, until nothing is. It is called by the loop, which
// begins with it after a crash, too: a task stays the first until a step has left nothing of it.
func (s *Scheduler) finish() {
	if !s.leaves.Load() {
		return
	}
	s.engine.InSlices(func(c *core.Core, now time.Duration) (more bool) {
		if len(s.unfinished) == 0 {
			s.unfinished = nil
			s.leaves.Store(false)
			return false
		}
		t := s.unfinished[0]
		if s.finishSome(c, cmp.Or(t.current(), t), now) {
			t.left = false
			s.unfinished[0], s.unfinished = nil, s.unfinished[1:]
		}
		return true
	})
}

// finishSome reports whether nothing of t is left.
func (s *Scheduler) finishSome(c *core.Core, t *Task, now time.Duration) bool {
	if t.cancelUpTo > 0 {
		s.cancelSome(c, t, now)
	} else {
		s.goOn(c, t, now)
	}
	return t.cancelUpTo == 0 && !s.mayGoOn(c, t)
}

// cancelPrevious cancels the runs that are jobs, very many in several steps, and drops those that
// are postponed. It does not wait for them to end: one that ignores its context goes on beside the
// next.
func (s *Scheduler) cancelPrevious(c *core.Core, t *Task, now time.Duration) {
	for _, r := range t.postponed {
		_ = s.overlaps(t, r)
	}
	t.postponed = nil
	t.cancelUpTo = s.engine.LastID()
	if s.cancelSome(c, t, now); t.cancelUpTo > 0 {
		s.leave(t)
	}
}

// cancelSome cancels some of the runs up to cancelUpTo, the newest first, and says there how far it
// has come. The list does not change meanwhile: Settled, which takes a run out, is called at the end
// of the tick. So those that it looks at once more in the next step are few: newer ones, and those
// that run.
func (s *Scheduler) cancelSome(c *core.Core, t *Task, now time.Duration) {
	n := 0
	for r := t.active; r != nil; r = r.next {
		if r.record.ID > t.cancelUpTo {
			continue
		}
		if n == cancelAtOnce {
			t.cancelUpTo = r.record.ID
			return
		}
		c.CancelJob(&r.record, now)
		n++
	}
	t.cancelUpTo = 0
}
