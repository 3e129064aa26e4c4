package dray

import (
	"context"
	"errors"
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

const (
	// handful is how many runs are put before the queue in one step.
	handful = 256

	// window bounds the runs that wait in the queue, so that a million tasks due at
	// once neither fill its memory nor its capacity: the others follow as they end.
	window = 1024

	// minRetry is how soon a queue that had no room is tried again, besides whenever
	// some runs have ended; without success it takes twice as long each time.
	minRetry = 5 * time.Millisecond
	maxRetry = time.Second
)

// A line is the runs of one priority that are due, in order, under Scheduler.mu.
type line struct {
	runs []*run
	head int // index of the first
}

// drop takes the first run out.
func (l *line) drop() {
	l.runs[l.head] = nil
	if l.head++; l.head == len(l.runs) {
		l.runs, l.head = l.runs[:0], 0
		if cap(l.runs) > window {
			l.runs = nil // a burst is over
		}
	}
}

// lineOf returns the line of t's runs.
func (s *Scheduler) lineOf(t *periodicTask) *line { return &s.lines[High-t.cfg.policy.priority] }

// feed puts the runs in line before the queue, as far as that has room.
func (s *Scheduler) feed() {
	s.cancelUnwanted()
	if s.queue.isClosed() {
		s.hungry.Store(false)
		return
	}
	hungry := false
	retry := min(max(2*s.retry, minRetry), maxRetry)
	for i := 0; i < len(s.lines) && !hungry; {
		offered, answers, all := s.feedFrom(&s.lines[i])
		if answers > 0 {
			retry = minRetry
		}
		hungry = !all
		if offered == 0 {
			i++
		}
	}
	s.hungry.Store(hungry)
	s.retry = retry
}

// feedFrom offers the first runs of a line, and sees to the answers, before
// anybody can look: a run that has begun is known to have.
func (s *Scheduler) feedFrom(l *line) (offered, answers int, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch := s.nextBatch(l)
	if len(batch) == 0 {
		return 0, 0, true
	}
	all = s.offer(batch)
	return len(batch), s.settleOffers(l), all
}

func (s *Scheduler) cancelUnwanted() {
	s.mu.Lock()
	ids := s.unwanted
	s.unwanted = nil
	s.mu.Unlock()
	for _, id := range ids {
		_ = s.queue.Cancel(id) // it may have settled by now, which is as good
	}
}

// nextBatch marks and returns the first runs of a line. Those that nobody wants
// any more are dropped.
func (s *Scheduler) nextBatch(l *line) []*run {
	now := s.at(s.look().wall)
	for l.head < len(l.runs) {
		r := l.runs[l.head]
		switch {
		case r.unwanted:
		case r.t.gone:
			r.t.unlink(r)
		case s.stale(r, now):
			r.refuse = ErrMissed
			s.refused(r)
		default:
			return s.mark(l.runs[l.head:min(l.head+handful, len(l.runs))], now)
		}
		l.drop()
	}
	return nil
}

// stale reports whether r has waited for room for longer than its task allows.
func (s *Scheduler) stale(r *run, now time.Time) bool {
	return r.t.cfg.missed == SkipMissed && s.hungry.Load() && now.Sub(r.due)-r.t.cfg.jitter > lateAfter
}

// mark copies the first runs of a line, up to one that is to be dropped; they are
// then on their way.
func (s *Scheduler) mark(runs []*run, now time.Time) []*run {
	s.batch = s.batch[:0]
	for _, r := range runs {
		if r.unwanted || r.t.gone || s.stale(r, now) {
			break
		}
		r.offered = true
		s.batch = append(s.batch, r)
	}
	return s.batch
}

// offer puts runs before the queue, in one step for all. It reports false if the
// queue took some at most.
func (s *Scheduler) offer(batch []*run) (all bool) {
	for _, r := range batch {
		r.makeRecord()
	}
	inQueue := s.inQueue
	s.queue.step(func(c *core.Core, now time.Duration) {
		if s.queue.mail.closed {
			return
		}
		share := shareOf(c)
		for i, r := range batch {
			hasRoom := c.Room() > 0 && (inQueue+i < c.Limit()+share || c.Ready() < share)
			if !hasRoom || !s.put(c, r, now) {
				return
			}
		}
		all = true
	})
	return all
}

// shareOf returns how many runs should wait in the queue, so that there is room
// for others. Where more of them do, because they wait for their next attempt,
// it is the jobs in line that count: a run goes where there is nobody to displace.
func shareOf(c *core.Core) int {
	if capacity := c.Snapshot().Capacity; capacity >= 0 {
		return min(window, max(capacity/2, 1))
	}
	return window
}

// put makes one offer. It reports false if there is no room.
func (s *Scheduler) put(c *core.Core, r *run, now time.Duration) bool {
	j, id := &r.record, s.queue.mail.lastID+1
	switch v, _ := c.Accept(j, id, now); v {
	case core.Accepted, core.Dropped:
		s.queue.mail.lastID = id
		r.id = ID(id)
		if s.queue.herald != nil {
			s.queue.herald.emit(TaskFired{moment(), r.t.name, r.due, r.id})
		}
		return true
	case core.Waits:
		c.Withdraw(j)
		return false
	case core.Full:
		return false
	case core.NoGroup:
		r.refuse = ErrGroupDone
		return true
	default:
		r.refuse = ErrDuplicate
		return true
	}
}

// settleOffers takes those runs out of a line that the queue has answered to, and
// returns how many there were.
func (s *Scheduler) settleOffers(l *line) (answers int) {
	for i := l.head; i < len(l.runs) && l.runs[i].offered; i++ {
		r := l.runs[i]
		r.offered = false
		switch {
		case r.refuse != nil:
			s.refused(r)
		case r.id != 0:
			s.note(r)
		default:
			continue
		}
		l.drop()
		answers++
	}
	return answers
}

// makeRecord makes the queue's record of the run.
func (r *run) makeRecord() {
	cfg, fn := r.t.cfg, r.t.fn
	if cfg.locker != nil {
		fn = r.underLock
	}
	p := &cfg.policy
	if p.delay > 0 || !p.runAt.IsZero() || cfg.template.Extra != nil { // a delay counts from now
		r.record = *r.s.queue.newJob(context.Background(), fn, "", p)
	} else {
		r.record = *cfg.template
		r.record.Fn = fn
	}
	r.record.Ref = r
	r.record.Unlisted = !p.set && cfg.overlap != CancelPrevious
	if r.record.Label == "" {
		r.record.Label = r.t.name
	}
}

// accepted is there for the engine; the scheduler sees to that itself.
func (r *run) accepted(ID) {}

// settled is told the end of the run, under the engine's locks.
func (r *run) settled(o outcome) {
	s, t := r.s, r.t
	r.end = o
	s.ended.mu.Lock()
	s.ended.runs = append(s.ended.runs, r) // from here on it may be somebody else's
	waiting := len(s.ended.runs)
	s.ended.mu.Unlock()
	if s.queue.herald != nil {
		s.queue.herald.emit(TaskEnded{moment(), t.name, o.id, o.err})
	}
	if t.cfg.follows() || s.hungry.Load() && waiting >= handful/4 {
		s.poke()
	}
}

// follows reports whether a run of the task may wait for the end of another.
func (c *taskConfig) follows() bool { return c.overlap == QueueOverlap || c.missed > RunOnce }

// underLock is the run of a task with a Locker.
func (r *run) underLock(ctx context.Context) error {
	held, unlock, err := r.t.cfg.locker.Lock(ctx, r.t.name, r.due)
	switch {
	case errors.Is(err, ErrLocked):
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		r.t.history().locks++
		r.s.tellSkipped(r.t, r.due, 1, ErrLocked)
		return nil
	case err != nil:
		return wrapf(err, "lock of task %q", r.t.name)
	}
	if unlock != nil {
		defer unlock()
	}
	if held == nil {
		held = ctx
	}
	return r.t.fn(held)
}
