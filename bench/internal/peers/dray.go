package peers

import (
	"context"
	"sync/atomic"

	"github.com/a622d8ee/dray"
)

// DrayPool is a queue of dray as a contender.
type DrayPool struct{ Queue *dray.Queue }

// Dray is the library under test, its options the defaults but for the
// capacity: it is unbounded as that of most peers, so that no producer is refused.
var Dray = Maker{Name: "dray", New: func(workers int) Pool { return NewDray(workers) }}

// DrayBlock is bounded like the channel, and makes producers wait like it.
var DrayBlock = Maker{Name: "dray, Block at 1024", New: func(workers int) Pool {
	return NewDray(workers, dray.WithCapacity(chanCapacity), dray.WithOverflow(dray.Block))
}}

// NewDray returns a started queue.
func NewDray(workers int, opts ...dray.Option) *DrayPool {
	all := append([]dray.Option{dray.WithWorkers(workers), dray.WithCapacity(dray.Unbounded)}, opts...)
	q, err := dray.New(all...)
	check(err)
	check(q.Start())
	latest.Store(q)
	return &DrayPool{q}
}

// latest is the queue that was made last, for Latest.
var latest atomic.Pointer[dray.Queue]

// Latest describes the queue of dray that was made last, to find out why a run
// does not end.
func Latest() string {
	if q := latest.Load(); q != nil {
		return q.String()
	}
	return "none"
}

// Enqueue implements [Pool].
func (p *DrayPool) Enqueue(j Job, n int) {
	ctx := context.Background()
	for range n {
		check(p.Queue.Enqueue(ctx, j.Ctx))
	}
}

// Hold implements [Holder].
func (p *DrayPool) Hold() { check(p.Queue.Pause()) }

// Release implements [Holder].
func (p *DrayPool) Release() { check(p.Queue.Resume()) }

// Close implements [Pool].
func (p *DrayPool) Close() {
	_, err := p.Queue.Shutdown(context.Background())
	check(err)
}
