package peers

import (
	"context"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/gammazero/workerpool"
	"github.com/panjf2000/ants/v2"
	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// The pools of others, as their documentation says to use them.
var (
	PondGo     = Maker{Name: "pond Go", New: func(workers int) Pool { return pondGo{pond.NewPool(workers)} }}
	PondSubmit = Maker{Name: "pond Submit", New: func(workers int) Pool { return pondSubmit{pond.NewPool(workers)} }}
	Ants       = Maker{Name: "ants", New: newAnts}
	WorkerPool = Maker{Name: "workerpool", New: func(workers int) Pool { return gammazero{workerpool.New(workers)} }}
	Conc       = Maker{Name: "conc", New: func(workers int) Pool { return concPool{pool.New().WithMaxGoroutines(workers)} }}
	ErrGroup   = Maker{Name: "errgroup", New: newErrGroup}
	Semaphore  = Maker{Name: "semaphore", New: newSemaphore}
)

// Pools returns all contenders that bound their workers, the yardstick first.
func Pools() []Maker {
	return []Maker{Channel, Dray, DrayBlock, PondGo, PondSubmit, Ants, WorkerPool, Conc, ErrGroup, Semaphore}
}

type pondGo struct{ pond.Pool }

func (p pondGo) Enqueue(j Job, n int) {
	for range n {
		check(p.Go(j.Plain))
	}
}

func (p pondGo) Close() { p.StopAndWait() }

type pondSubmit struct{ pond.Pool }

func (p pondSubmit) Enqueue(j Job, n int) {
	for range n {
		p.Submit(j.Plain)
	}
}

func (p pondSubmit) Close() { p.StopAndWait() }

type antsPool struct{ *ants.Pool }

func newAnts(workers int) Pool {
	p, err := ants.NewPool(workers)
	check(err)
	return antsPool{p}
}

func (p antsPool) Enqueue(j Job, n int) {
	for range n {
		check(p.Submit(j.Plain))
	}
}

func (p antsPool) Close() { check(p.ReleaseTimeout(time.Minute)) }

type gammazero struct{ *workerpool.WorkerPool }

func (p gammazero) Enqueue(j Job, n int) {
	for range n {
		p.Submit(j.Plain)
	}
}

func (p gammazero) Close() { p.StopWait() }

type concPool struct{ *pool.Pool }

func (p concPool) Enqueue(j Job, n int) {
	for range n {
		p.Go(j.Plain)
	}
}

func (p concPool) Close() { p.Wait() }

type errGroup struct{ *errgroup.Group }

func newErrGroup(workers int) Pool {
	g := errGroup{&errgroup.Group{}}
	g.SetLimit(workers)
	return g
}

func (g errGroup) Enqueue(j Job, n int) {
	for range n {
		g.Go(j.Err)
	}
}

func (g errGroup) Close() { check(g.Wait()) }

type limited struct {
	free    *semaphore.Weighted
	workers int64
}

func newSemaphore(workers int) Pool {
	return limited{semaphore.NewWeighted(int64(workers)), int64(workers)}
}

func (l limited) Enqueue(j Job, n int) {
	job := func() {
		j.Plain()
		l.free.Release(1)
	}
	for range n {
		check(l.free.Acquire(context.Background(), 1))
		go job()
	}
}

func (l limited) Close() { check(l.free.Acquire(context.Background(), l.workers)) }
