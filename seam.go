package dray

import (
	"math"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/goid"
	"github.com/a622d8ee/dray/internal/guard"
	"github.com/a622d8ee/dray/internal/seam"
)

// This file has what package draytest does to a queue that users of dray cannot.

func init() { seam.Inside = func(queue any) seam.Queue { return inside{queue.(*Queue)} } } //nolint:forcetypeassert // draytest gives one

// inside is a queue as the test kit sees it.
type inside struct{ q *Queue }

func (i inside) Fault(f func(at string)) {
	i.q.setFault(f)
}

func (i inside) Endure() {
	cfg := i.q.treeConfig()
	cfg.limit = math.MaxInt
	tree, err := newSupervisor(cfg)
	if err != nil {
		panic(err)
	}
	i.q.tree = tree
}

func (i inside) Rest() { i.q.scheduler.rest() }

func (i inside) Entries() (all, armed int) {
	s := i.q.scheduler
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.intervals.agenda.Len(), s.intervals.armed
}

func (i inside) Poke() { i.q.poke() }

func (i inside) Witness(w seam.Witness) {
	i.q.witness = &w
	i.q.plain = false // every job takes the way that the witness stands at
}

func (i inside) Skew(f func() time.Duration) { i.q.clock.Skew(f) }

func (i inside) Started() bool {
	i.q.life.mu.Lock()
	defer i.q.life.mu.Unlock()
	return i.q.life.serving
}

func (i inside) Closing() bool {
	i.q.life.mu.Lock()
	defer i.q.life.mu.Unlock()
	return i.q.life.closing
}

// RunNext lends a worker to the queue for one attempt, which it claims here, so
// that the doors stay closed to all others.
func (i inside) RunNext() bool {
	if i.Started() {
		panic("dray: the queue runs its jobs itself")
	}
	e := i.q.engine
	w := e.newWorker(0)
	claimed := false
	e.step(func(c *core.Core, now time.Duration) {
		if e.mail.closed {
			return
		}
		c.Advance(now)
		c.Halt(false)
		c.Open()
		c.Join(&w.run)
		if claimed = c.Claim(&w.run, now); claimed {
			e.start(w)
		} else {
			c.Leave(&w.run)
		}
		c.Halt(true)
	})
	if !claimed {
		return false
	}
	done := make(chan struct{})
	guard.Go(func() { w.lend(done) })
	<-done
	return true
}

// lend is main for a worker that somebody waits for.
func (w *worker) lend(done chan struct{}) {
	defer func() {
		if w.left {
			close(done)
		} else {
			guard.Go(func() { w.lend(done) }) // after a Goexit
		}
	}()
	w.goid.Store(uint64(goid.Current()))
	for !w.left {
		w.serve()
	}
}

// setFault has f called between any two steps.
func (e *engine) setFault(f func(at string)) {
	if f == nil {
		e.fault.Store(nil)
		return
	}
	e.fault.Store(&f)
}
