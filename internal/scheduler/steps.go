package scheduler

import (
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

// This file has what is done with the runs of a task where these may be very many: in several steps
// of the engine, so that others have their turn between them.

// leave says that more is to be done with the runs of a task: see finish. It is called in a tick.
func (s *Scheduler) leave(l *lineage) {
	if !l.left {
		l.left = true
		s.unfinished = append(s.unfinished, l)
		s.leaves.Store(true)
		s.poke()
	}
}

// finish goes on with what steps have left, until nothing is. It is called by the loop, which
// begins with it after a crash, too, and by calls, as the loop may not run: what is to be done next
// stays the first until a step has left nothing of it. It is not called in a tick, nor under mu.
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
		l := s.unfinished[0]
		if s.finishSome(c, l.task, now) {
			l.left = false
			s.unfinished[0], s.unfinished = nil, s.unfinished[1:]
		}
		return true
	})
}

// finishSome reports whether nothing of t, which may be gone, is left. When all are cancelled that
// were to be, the run follows that has them cancelled.
func (s *Scheduler) finishSome(c *core.Core, t *Task, now time.Duration) bool {
	if t.lineage.cancelUpTo == 0 {
		s.goOn(c, t, now)
	} else if s.cancelSome(c, t, now); t.lineage.cancelUpTo == 0 && len(t.postponed) > 0 {
		s.follow(c, t, now)
	}
	return t.lineage.cancelUpTo == 0 && !s.mayGoOn(c, t)
}

// cancelPrevious cancels the runs that are jobs, very many in several steps, and drops those that
// are postponed. It does not wait for them to end: one that ignores its context goes on beside the
// next. But the next one is no job before all are cancelled: it is to be postponed if done is false.
func (s *Scheduler) cancelPrevious(c *core.Core, t *Task, now time.Duration) (done bool) {
	for _, r := range t.postponed {
		_ = s.overlaps(t, r)
	}
	t.postponed = nil
	t.lineage.cancelUpTo = s.engine.LastID()
	if s.cancelSome(c, t, now); t.lineage.cancelUpTo > 0 {
		s.leave(t.lineage)
	}
	return t.lineage.cancelUpTo == 0
}

// cancelSome cancels some of the runs up to cancelUpTo, the newest first, and says there how far it
// has come. The list does not change meanwhile: Settled, which takes a run out, is called at the end
// of the tick. So those that it looks at once more in the next step are few: those that run.
func (s *Scheduler) cancelSome(c *core.Core, t *Task, now time.Duration) {
	l, n := t.lineage, 0
	for r := t.active; r != nil; r = r.next {
		if r.record.ID > l.cancelUpTo {
			continue
		}
		if n == cancelAtOnce {
			l.cancelUpTo = r.record.ID
			return
		}
		c.CancelJob(&r.record, now)
		n++
	}
	l.cancelUpTo = 0
}
