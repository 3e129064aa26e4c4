package scheduler

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
)

// dueRuns is the runs of a task that have come due since the last time. total is exact, while all
// has no more than can matter: a million missed runs take no more memory than the few that are
// made up for.
type dueRuns struct {
	t      *Task  // that they were found for; its heir makes them if it was replaced
	total  uint64 // 0: nothing is to be done, as Unschedule has told of them
	newest DueTime
	all    []DueTime     // the newest of them in order, as many as can matter; nil if newest is all that does
	before DueTime       // the run before those, if they are not all: the last that is skipped may be none of them
	late   time.Duration // by which the newest is, jitter taken off; negative if that would still delay it
	grace  time.Duration // by which the newest may be late besides, as a jump of the clock was noticed late
	missed bool          // the newest is a missed one too, however late it is
}

// add adds n runs, the last of which was due at last. all is not kept: it is for counting alone.
func (d *dueRuns) add(last DueTime, n uint64, c *clock.Clock) {
	if n > 0 && (d.total == 0 || last.Tell(c).After(d.newest.Tell(c))) {
		d.newest = last
	}
	d.total += n
}

// A dueRun is a single one, that is made or postponed.
type dueRun struct {
	at     DueTime
	manual bool // by RunNow, so that a pause does not concern it
	inTime bool // it is no missed one, and was due alone
}

// What others have to wait for is done in steps of the engine of a bounded length.
const (
	runsAtOnce   = 256 // due runs that are looked at in one, and one task's besides
	goOnAtOnce   = 64  // postponed runs of a task that are made
	cancelAtOnce = 64  // runs of a task that are cancelled
)

// handOver makes jobs of what has come due. What is left in s.due if the engine crashes, or if
// the queue takes no jobs, is made the next time. It is called under mu, and not in a tick. It
// waits for one tick for each runsAtOnce of them, between which the queue serves others.
func (s *Scheduler) handOver() {
	// It ends when nothing is left, or when a round has brought nothing: the queue is closed or
	// broken.
	for before := -1; s.dueHead < len(s.due) && s.dueHead != before; {
		before = s.dueHead
		s.engine.Update(func(c *core.Core, now time.Duration) {
			for n := 0; n < runsAtOnce; {
				if s.dueHead == len(s.due) || s.engine.Closed() {
					return
				}
				// It is taken out before it is made: what panics half-way must not be made a
				// second time.
				d := s.due[s.dueHead]
				s.due[s.dueHead] = dueRuns{}
				s.dueHead++
				n += max(len(d.all), 1)
				s.makeDue(c, d, now)
			}
		})
	}
	if s.dueHead == len(s.due) {
		s.due, s.dueHead = s.due[:0], 0
		if cap(s.due) > 2*tasksAtOnce {
			s.due = nil // a burst is over
		}
	}
}

// makeDue makes those of the runs that the policy for missed ones asks for, in a tick, and counts
// all. The newest is no missed one if it is in time: then it is made whatever the policy is, as
// one of those that the policy keeps.
func (s *Scheduler) makeDue(c *core.Core, d dueRuns, now time.Duration) {
	// Runs that an old registration had due are made by the new one, by its policies.
	t := d.t.current()
	if t == nil { // Unschedule has told it
		return
	}
	all := d.all
	if all == nil { // one run matters at most
		all = []DueTime{d.newest}
	}
	// From here on each run is counted exactly once: as missed, as postponed, or by fire.
	t.due += d.total
	// As many as would be made up for if all were missed; they are the newest.
	keep := min(t.cfg.Missed, len(all))
	inTime := !d.missed && !t.paused && d.late <= lateAfter+d.grace // paused: a task that has taken the run over since
	if inTime {
		keep = max(keep, 1)
	}
	// The newest of those that are skipped stands for all in the event.
	if skipped := d.total - uint64(keep); skipped > 0 {
		last := d.before
		if some := len(all) - keep; some > 0 {
			last = all[some-1]
		}
		s.miss(t, last, skipped)
	}
	// From here on all has the runs that are made, the oldest first.
	all = all[len(all)-keep:]
	// Several are made up for one after the other: fire would treat the second as overlapping the
	// first.
	if keep > 1 {
		s.makeUp(c, t, all, now)
		return
	}
	for _, at := range all {
		_ = s.fire(c, t, dueRun{at: at, inTime: inTime}, now) // it is counted as what it is
	}
}

// miss counts n runs as missed, the last of which was due at last, and tells it.
func (s *Scheduler) miss(t *Task, last DueTime, n uint64) {
	t.past().missed += n
	s.emitSkipped(t, last, n, errs.ErrMissed)
}

// makeUp makes several runs, behind those of an earlier time that are still to be made: at once if
// they may overlap, as far as there is room, and else one after the other. Of those that then wait
// the newest stay. So at most Options.Missed wait, besides those of RunNow and one that was in time.
func (s *Scheduler) makeUp(c *core.Core, t *Task, all []DueTime, now time.Duration) {
	t.postponed = slices.Grow(t.postponed, len(all))
	for _, at := range all {
		t.postponed = append(t.postponed, dueRun{at: at})
	}
	s.goOn(c, t, now)
	if !t.lineage.left { // else the rest is being made
		s.postponeAtMost(t, t.cfg.Missed)
	}
}

// postponeAtMost drops the oldest of the runs postponed that are made up for, down to limit. RunNow's
// take no place among these, nor does the one that was in time. What it drops counts as missed.
func (s *Scheduler) postponeAtMost(t *Task, limit int) {
	// How many there are beyond the limit.
	over := -limit
	for _, r := range t.postponed {
		if !r.manual && !r.inTime {
			over++
		}
	}
	if over <= 0 {
		return
	}
	var last DueTime
	dropped := uint64(0)
	t.postponed = slices.DeleteFunc(t.postponed, func(r dueRun) bool {
		if dropped == uint64(over) || r.manual || r.inTime {
			return false
		}
		dropped++
		last = r.at
		return true
	})
	s.miss(t, last, dropped)
}

// hasRoom reports whether another run of t would be accepted. One run that waits takes no room;
// those besides it do, or a task under AllowOverlap could fill the memory.
func (s *Scheduler) hasRoom(c *core.Core, t *Task) bool { return !t.waits() || c.Room() > 0 }

// goOn makes the next of the runs postponed, if nothing is before it: one, or under AllowOverlap
// as many as there is room for, very many in several steps. It is called in a tick, when a run of t
// has settled, a pause has ended, or runs were postponed. A run that is refused is counted, and the
// next one follows.
func (s *Scheduler) goOn(c *core.Core, t *Task, now time.Duration) {
	for n := 0; s.mayGoOn(c, t); n++ {
		if n == goOnAtOnce {
			s.leave(t.lineage)
			return
		}
		s.follow(c, t, now)
	}
}

// follow makes the first of the runs postponed.
func (s *Scheduler) follow(c *core.Core, t *Task, now time.Duration) {
	r := t.postponed[0]
	t.postponed = t.postponed[1:]
	if len(t.postponed) == 0 { // the array goes: most tasks have nothing postponed most of the time
		t.postponed = nil
	}
	_ = s.enqueue(c, t, r, now)
}

// mayGoOn reports whether the first of the runs postponed may be made. What was due first is made
// first: a run that a pause holds up holds up those behind it, also RunNow's. Under AllowOverlap a
// pause holds them up as jobs: they are being made, and RunNow's must not wait for its end.
func (s *Scheduler) mayGoOn(c *core.Core, t *Task) bool {
	overlap := t.cfg.Overlap == AllowOverlap
	switch {
	case len(t.postponed) == 0, t.gone, t.paused && !t.postponed[0].manual && !overlap:
		return false
	}
	return (t.active == nil || overlap) && s.hasRoom(c, t)
}

// fire makes a run, if the overlap policy lets it, and says why it is skipped if not. It is
// called in a tick, for a run that t.due counts already. After nil the run is a job, or is
// postponed.
func (s *Scheduler) fire(c *core.Core, t *Task, r dueRun, now time.Duration) error {
	// Something postponed counts as a run before this one: it was due earlier, and would be
	// overtaken.
	if t.active == nil && len(t.postponed) == 0 {
		return s.enqueue(c, t, r, now)
	}
	switch t.cfg.Overlap {
	case AllowOverlap:
		if len(t.postponed) == 0 || !s.mayGoOn(c, t) {
			return s.enqueue(c, t, r, now)
		}
		t.postponed = append(t.postponed, r) // behind those that were due before it
		if !t.lineage.left {                 // else these are being made, in several steps
			s.goOn(c, t, now)
		}
		return nil
	case CancelPrevious:
		// The new run is a job at once, beside those that have been cancelled and have not
		// returned.
		if s.cancelPrevious(c, t, now) {
			return s.enqueue(c, t, r, now)
		}
		t.postponed = append(t.postponed, r)
		return nil
	case QueueOverlap: // of several that come due meanwhile the first waits
		if len(t.postponed) == 0 {
			t.postponed = append(t.postponed, r)
			return nil
		}
		fallthrough
	default:
		return s.overlaps(t, r)
	}
}

// overlaps counts a run as skipped by the overlap policy, tells it, and returns why.
func (s *Scheduler) overlaps(t *Task, r dueRun) error {
	t.past().overlapped++
	s.emitSkipped(t, r.at, 1, errs.ErrOverlap)
	return errs.ErrOverlap
}

// enqueue makes a job of a run, and says why it is refused if it is. A run takes no room,
// unless another one of its task, which it overlaps, waits without taking any. So a full queue
// takes every due run, and each task adds one at most to what the capacity bounds.
func (s *Scheduler) enqueue(c *core.Core, t *Task, due dueRun, now time.Duration) error {
	r := s.makeRun(t, due)
	r.record.Roomless = !t.waits()
	// The ID is taken only once the job is accepted, so a refusal leaves no gap.
	id := s.engine.LastID() + 1
	if err := s.offer(c, &r.record, id, now); err != nil {
		t.past().refused++
		s.emitSkipped(t, r.due, 1, err)
		return err
	}
	s.enqueued(r, id)
	return nil
}

// makeRun returns a run with the record of the job that it is to be. It is not linked to its task
// yet, so one that is refused is left to the collector. RunNow's has no Task in its record, by
// which the core knows what a pause holds up.
func (s *Scheduler) makeRun(t *Task, due dueRun) *Run {
	r := s.newRun()
	r.s, r.of, r.due = s, t.lineage, due.at
	r.ended = s.host.Record(&r.record, t, due.at)
	r.record.Ref = r
	if !due.manual {
		r.record.Task = t.name
	}
	if r.record.Label == "" {
		r.record.Label = t.name
	}
	return r
}

// enqueued is what follows once a run is a job with that ID: it takes the ID, and is counted.
func (s *Scheduler) enqueued(r *Run, id uint64) {
	t := r.of.task
	s.engine.TakeID()
	r.link()
	if r.record.Roomless {
		t.waiting = r
	}
	t.runs++
	t.setLast(r.due, s.clock)
	s.host.Fired(t.name, r.due, id)
}

// offer has the core accept a job under that ID, and translates a refusal. One that is dropped,
// as the queue does with new ones where it is full, was accepted and settles in the same tick.
func (s *Scheduler) offer(c *core.Core, j *core.Job, id uint64, now time.Duration) error {
	switch v, _ := c.Accept(j, id, now); v {
	case core.Accepted, core.Dropped:
		return nil
	case core.Waits: // which a run does not: it is like one that Reject refuses
		c.Reject(j, now)
		return errs.ErrQueueFull
	case core.Full:
		return errs.ErrQueueFull
	case core.NoGroup:
		return errs.ErrGroupDone
	default: // another job has its unique key, or had it within the key's period
		return errs.ErrDuplicate
	}
}

// emitSkipped tells observers that n runs were skipped, the last of them due at due.
func (s *Scheduler) emitSkipped(t *Task, due DueTime, n uint64, why error) {
	s.host.Skipped(t.name, due, n, why)
}

// wait has the runs looked at that t has postponed, at the end of the tick: not at once, as it is
// also called while the effects of the core are being carried out. It is called in a tick.
func (s *Scheduler) wait(t *Task) {
	if len(t.postponed) > 0 {
		s.waitList = append(s.waitList, t)
		s.engine.CallAfterUpdate()
	}
}

// continuePostponed lets runs follow those that have ended in this tick. The engine calls it at
// the end of a tick in which wait was called, with the mailbox held, as jobs are accepted. A task
// may have been replaced since it was noted: then the heir has its runs.
func (s *Scheduler) continuePostponed(c *core.Core, now time.Duration) {
	for len(s.waitList) > 0 {
		t := s.waitList[0].current()
		s.waitList[0], s.waitList = nil, s.waitList[1:]
		if t != nil {
			s.goOn(c, t, now)
		}
	}
	s.waitList = nil
}

// HandBack makes jobs of all runs that are due or postponed, so that a shutdown which is about to
// make its report hands them back like those that wait in the queue. What is postponed has been
// accepted, so nothing is asked any more. Finish has to be called before, and the queue closed:
// after HandBack nothing may come due. All is done in one tick, in the order in which tasks were registered.
func (s *Scheduler) HandBack() {
	s.finish() // the loop may have been stopped before it had
	s.mu.Lock()
	defer s.mu.Unlock()
	// Sorted, so that the report does not depend on the order of a map.
	tasks := slices.SortedFunc(maps.Values(s.tasks), func(a, b *Task) int { return cmp.Compare(a.seq, b.seq) })
	s.engine.Update(func(c *core.Core, now time.Duration) {
		s.engine.Release()                    // who enqueues hears at once that the queue is closed, however long this takes
		for _, d := range s.due[s.dueHead:] { // of a queue that has failed before it took them
			s.makeDue(c, d, now)
		}
		s.due, s.dueHead = nil, 0
		for _, t := range tasks {
			for _, due := range t.postponed {
				r, id := s.makeRun(t, due), s.engine.LastID()+1
				c.AcceptAnyway(&r.record, id, now)
				s.enqueued(r, id)
			}
			t.postponed = nil
		}
	})
}
