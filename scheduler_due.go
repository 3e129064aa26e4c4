package dray

import (
	"errors"
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

// comeDue is told of all runs of t that have come due since the last time, of
// which dues are the newest, and fires those that the policy for missed runs asks
// for. The newest is none of the missed ones if it is in time.
func (s *Scheduler) comeDue(t *periodicTask, total uint64, dues []time.Time, late time.Duration) {
	t.due += total
	keep := min(int(t.cfg.missed), len(dues))
	grace := lateAfter
	if t.cal != nil {
		grace += s.grace
	}
	if !t.lapsed && late <= grace {
		keep = max(keep, 1)
	}
	t.lapsed = false
	if skipped := total - uint64(keep); skipped > 0 {
		t.history().missed += skipped
		last := dues[max(len(dues)-keep-1, 0)]
		s.tellSkipped(t, last, skipped, ErrMissed)
	}
	dues = dues[len(dues)-keep:]
	if keep > 1 && t.cfg.overlap != AllowOverlap {
		s.owe(t, dues)
		return
	}
	for _, d := range dues {
		s.fire(t, d)
	}
}

// owe lets the runs follow each other, and what t has in hand: the newest of
// them, if an earlier catching up is not through.
func (s *Scheduler) owe(t *periodicTask, dues []time.Time) {
	h := t.history()
	h.owed = append(h.owed, dues...)
	if over := len(h.owed) - int(t.cfg.missed); over > 0 {
		h.missed += uint64(over)
		s.tellSkipped(t, h.owed[over-1], uint64(over), ErrMissed)
		h.owed = append(h.owed[:0], h.owed[over:]...)
	}
	s.payNext(t)
}

// payNext makes the next of the runs owed, if nothing is before it.
func (s *Scheduler) payNext(t *periodicTask) {
	if t.active != nil || t.owed() == 0 || t.gone {
		return
	}
	d := t.past.owed[0]
	t.past.owed = t.past.owed[1:]
	s.line(t, d)
}

// fire makes a run, if the overlap policy lets it.
func (s *Scheduler) fire(t *periodicTask, due time.Time) {
	if t.active == nil && t.owed() == 0 {
		s.line(t, due)
		return
	}
	switch t.cfg.overlap {
	case AllowOverlap:
		s.line(t, due)
	case CancelPrevious:
		s.cancelPrevious(t)
		s.line(t, due)
	case QueueOverlap:
		if t.owed() == 0 {
			h := t.history()
			h.owed = append(h.owed, due)
			return
		}
		fallthrough
	default:
		s.overlaps(t, due)
	}
}

func (s *Scheduler) overlaps(t *periodicTask, due time.Time) {
	t.history().overlapped++
	s.tellSkipped(t, due, 1, ErrOverlap)
}

// cancelPrevious cancels the runs that the queue has, and drops those that it
// has not got yet.
func (s *Scheduler) cancelPrevious(t *periodicTask) {
	if t.past != nil {
		for _, d := range t.past.owed {
			s.overlaps(t, d)
		}
		t.past.owed = nil
	}
	for r := t.active; r != nil; r = r.next {
		r.unwanted = true
		switch {
		case r.noted:
			s.unwanted = append(s.unwanted, r.id)
		case !r.offered:
			t.unlink(r)
			s.overlaps(t, r.due)
		}
	}
}

// line makes a run, and puts it in line for the queue.
func (s *Scheduler) line(t *periodicTask, due time.Time) {
	r := s.newRun()
	r.s, r.t, r.due, r.next = s, t, due, t.active
	t.active = r
	l := s.lineOf(t)
	l.runs = append(l.runs, r)
}

// newRun takes a run from those that are free. At the rates of a hundred thousand
// tasks, making new ones keeps the collector busy enough to be noticed as lateness.
func (s *Scheduler) newRun() *run {
	last := len(s.free) - 1
	if last < 0 {
		return new(run)
	}
	r := s.free[last]
	s.free[last], s.free = nil, s.free[:last]
	return r
}

// recycle frees a run that nobody knows any more: not the queue, which forgets a
// processed job, and not its line.
func (s *Scheduler) recycle(r *run) {
	if r.end.state == core.Processed && !r.offered && len(s.free) < window {
		*r = run{}
		s.free = append(s.free, r)
	}
}

// unlink takes r off the list of active runs; r.next stays as it is, for those
// who are walking the list.
func (t *periodicTask) unlink(r *run) {
	for p := &t.active; *p != nil; p = &(*p).next {
		if *p == r {
			*p = r.next
			return
		}
	}
}

// tellSkipped tells observers that n runs were skipped, the last of them due at due.
func (s *Scheduler) tellSkipped(t *periodicTask, due time.Time, n uint64, why error) {
	if s.queue.herald != nil {
		s.queue.herald.emit(TaskSkipped{moment(), t.name, due, why, n})
	}
}

// absorb takes note of the runs that have settled.
func (s *Scheduler) absorb() {
	s.ended.mu.Lock()
	ended := s.ended.runs
	s.ended.runs, s.ended.spare = s.ended.spare, nil
	s.ended.mu.Unlock()
	for _, r := range ended {
		s.note(r)
		s.inQueue--
		t := r.t
		t.unlink(r)
		if !t.broken {
			t.lastErr = r.end.err
		}
		s.recycle(r)
		s.payNext(t)
	}
	clear(ended)
	if cap(ended) <= window {
		s.ended.mu.Lock()
		s.ended.spare = ended[:0]
		s.ended.mu.Unlock()
	}
}

// note counts an accepted run.
func (s *Scheduler) note(r *run) {
	if r.noted {
		return
	}
	r.noted = true
	s.inQueue++
	t := r.t
	t.runs++
	t.last, t.hasRun = r.due.Sub(s.zero), true
	if r.unwanted {
		s.unwanted = append(s.unwanted, r.id)
	}
}

// refused counts a run that the queue will not have.
func (s *Scheduler) refused(r *run) {
	t := r.t
	t.unlink(r)
	h := t.history()
	if errors.Is(r.refuse, ErrMissed) {
		h.missed++
	} else {
		h.refused++
	}
	s.tellSkipped(t, r.due, 1, r.refuse)
	s.payNext(t)
}
