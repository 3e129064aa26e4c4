package dray

import (
	"context"
	"errors"
	"slices"
	"time"
)

// maxCatchUp bounds how many missed runs of a calendar schedule are counted one
// by one; after that it goes on from now. A day of a run each second.
const maxCatchUp = 86_400

// Serve enqueues runs as they come due, until ctx ends. It is for the queue's
// supervision tree; on its own it does nothing useful. One timer is armed, for
// the earliest task.
//
// A crash loses nothing and doubles nothing: a run that is due is in its task's
// toEnqueue from the moment that next moves on until the queue has accepted it.
func (s *Scheduler) Serve(ctx context.Context) error {
	s.adopt()
	timer := time.NewTimer(never)
	defer timer.Stop()
	for {
		timer.Reset(s.tick())
		select {
		case <-s.wakeup:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// adopt takes over the tasks: from New, whose intervals begin now, or from a
// predecessor, which may have died in a schedule's Next.
func (s *Scheduler) adopt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tasks {
		switch {
		case t.inNext:
			t.inNext, t.lastErr = false, ErrGoexit
			s.retire(t)
		case !s.begun && t.runs == 0 && t.cfg.lastRun.IsZero():
			t.lastErr = t.advance(time.Now())
			s.arm(t)
		}
	}
	s.begun = true
}

// retire removes a task that has no further run.
func (s *Scheduler) retire(t *periodicTask) {
	t.next = time.Time{}
	s.arm(t)
	s.queue.herald.emit(TaskUnscheduled{moment(), t.name})
}

// tick enqueues what is due, and returns how long nothing more is.
func (s *Scheduler) tick() time.Duration {
	for _, r := range s.collectDue() {
		s.enqueue(r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	due, ok := s.heap.Next()
	if !ok {
		return never
	}
	return due - s.queue.now()
}

// collectDue moves every task that is due on to its next run, and returns all
// runs that have to be enqueued.
func (s *Scheduler) collectDue() []*run {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		it, ok := s.heap.Pop(s.queue.now())
		if !ok {
			break
		}
		s.comeDue(it.Value)
	}
	var due []*run
	for _, t := range s.tasks {
		due = append(due, t.toEnqueue...)
	}
	slices.SortFunc(due, func(a, b *run) int { return a.due.Compare(b.due) })
	return due
}

// comeDue fires t for its next run, or for as many as its policy says if several
// are due by now.
func (s *Scheduler) comeDue(t *periodicTask) {
	now := time.Now()
	missed := !t.cfg.lastRun.IsZero() && t.runs == 0 && t.skipped == 0 // due before this process began
	var due []time.Time
	var err error
	for err == nil && !t.next.IsZero() && !t.next.After(now) {
		due = append(due, t.next)
		missed = missed || len(due) > 1
		err = s.step(t, &due, now)
	}
	if missed {
		keep := min(int(t.cfg.missed), len(due))
		for _, d := range due[:len(due)-keep] {
			s.skip(t, d, errMissed)
		}
		due = due[len(due)-keep:]
	}
	for _, d := range due {
		s.fire(t, d)
	}
	if err != nil {
		t.lastErr = err
	}
	if t.next.IsZero() {
		s.retire(t)
	}
	s.arm(t)
}

// step moves t on to the run after the last of due. Where that would take many
// steps it jumps, and counts what it jumped over as skipped.
func (s *Scheduler) step(t *periodicTask, due *[]time.Time, now time.Time) error {
	last := (*due)[len(*due)-1]
	if e, ok := t.when.(every); ok && len(*due) > max(int(t.cfg.missed), 1) {
		jumped, n := e.skipTo(last, now)
		t.skipped += n
		last = jumped
	}
	if len(*due) > maxCatchUp {
		last = now
	}
	return t.advance(last)
}

func (s *Scheduler) skip(t *periodicTask, due time.Time, why error) {
	t.skipped++
	s.queue.herald.emit(TaskSkipped{moment(), t.name, due, why})
}

// fire makes a run, if the overlap policy lets it.
func (s *Scheduler) fire(t *periodicTask, due time.Time) {
	if len(t.active)+len(t.toEnqueue) > 0 {
		switch t.cfg.overlap {
		case SkipOverlap:
			s.skip(t, due, errOverlap)
			return
		case QueueOverlap:
			if t.again {
				s.skip(t, due, errOverlap)
			}
			t.again = true
			return
		}
	}
	t.toEnqueue = append(t.toEnqueue, &run{s: s, t: t, due: due})
}

// enqueue offers a run to the queue, without waiting for room: the scheduler has
// others to attend to.
func (s *Scheduler) enqueue(r *run) {
	if r.t.cfg.overlap == CancelPrevious {
		s.cancelActive(r.t)
	}
	_, err := s.queue.enqueue(noWaiting, r.t.fn, "", r.t.jobs, r, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	r.t.toEnqueue = slices.DeleteFunc(r.t.toEnqueue, func(o *run) bool { return o == r })
	if err != nil && !errors.Is(err, ErrClosed) {
		if errors.Is(err, context.Canceled) {
			err = ErrQueueFull
		}
		s.skip(r.t, r.due, err)
	}
}

// noWaiting is a context that has ended: no call waits with it.
var noWaiting = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func (s *Scheduler) cancelActive(t *periodicTask) {
	s.mu.Lock()
	active := slices.Clone(t.active)
	s.mu.Unlock()
	for _, r := range active {
		_ = s.queue.Cancel(r.id) // it may have settled by now, which is as good
	}
}

// accepted is told that the queue has the run, under the engine's locks.
func (r *run) accepted(id ID) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	t := r.t
	r.id = id
	t.toEnqueue = slices.DeleteFunc(t.toEnqueue, func(o *run) bool { return o == r })
	t.active = append(t.active, r)
	t.runs++
	t.last = r.due
	r.s.queue.herald.emit(TaskFired{moment(), t.name, r.due, id})
}

// settled is told the end of the run, under the engine's locks.
func (r *run) settled(o outcome) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	t := r.t
	t.active = slices.DeleteFunc(t.active, func(o *run) bool { return o == r })
	t.lastErr = o.err
	r.s.queue.herald.emit(TaskEnded{moment(), t.name, r.id, o.err})
	if t.again && len(t.active) == 0 {
		t.again = false
		r.s.fire(t, time.Now())
		r.s.poke()
	}
}
