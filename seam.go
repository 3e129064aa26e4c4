package dray

import (
	"math"
	"time"

	"github.com/a622d8ee/dray/internal/seam"
)

// This file has what package draytest does to a queue that users of dray cannot.

func init() { seam.Inside = func(queue any) seam.Queue { return inside{queue.(*Queue)} } } //nolint:forcetypeassert // draytest gives one

// inside is a queue as the test kit sees it.
type inside struct{ q *Queue }

func (i inside) Fault(f func(at string)) {
	i.q.engine.SetFault(f)
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

func (i inside) Poke() { i.q.engine.Poke() }

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
	return i.q.engine.RunNext()
}
