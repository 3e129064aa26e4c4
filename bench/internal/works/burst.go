package works

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/a622d8ee/dray/bench/internal/peers"
	"github.com/a622d8ee/dray/bench/internal/report"
)

// burst is work (b): jobs that are all enqueued before the first one starts.
func burst(e *Env) Result {
	n := e.pick(1_000_000, 1_000_000, 1000)
	one, eight := e.bursts(n, 1), e.bursts(n, 8)
	t := report.Table{
		Title: "A burst of " + report.Count(float64(n)) + " into a queue that starts nothing",
		Note: "The channel has room for all, made beforehand. " +
			"pond and workerpool cannot be paused: their workers are held by a job that waits. " +
			"A goroutine per job waits by itself; there are a tenth of them.",
		Header: []string{"", "per enqueue, 1 producer", "8 producers", "memory per waiting job", "allocations per job"},
	}
	for _, name := range one.names {
		t.Add(name, one.withRatio(name, 0), eight.withRatio(name, 0),
			report.Bytes(one.median(name, 1)), report.Number(one.median(name, 2)))
	}
	return Result{Tables: []report.Table{t}, Ratios: map[string]float64{
		"burst enqueue":             one.toBase(peers.Dray.Name, 0),
		"burst enqueue 8 producers": eight.toBase(peers.Dray.Name, 0),
		"burst bytes":               one.median(peers.Dray.Name, 1),
	}}
}

func (e *Env) bursts(n, producers int) series {
	var cs []contender
	for _, m := range []peers.Maker{roomFor(n), peers.Dray, peers.PondGo, peers.WorkerPool, peers.Go} {
		n := n
		if m.Name == peers.Go.Name {
			n /= 10 // each has a stack of its own: a million would not fit everywhere
		}
		cs = append(cs, contender{m.Name, func() []float64 { return burstOf(m, n, producers) }})
	}
	return e.measure(fmt.Sprintf("burst, %d producers", producers), cs)
}

// roomFor makes channels that nobody has to wait for.
func roomFor(n int) peers.Maker {
	return peers.Maker{Name: base, New: func(workers int) peers.Pool { return peers.NewChannel(workers, n) }}
}

// burstWorkers is enough to drain a burst; they do not matter before that.
const burstWorkers = 2

// burstOf returns the time, the bytes and the allocations per job.
func burstOf(m peers.Maker, n, producers int) []float64 {
	before := memory()
	p := m.New(burstWorkers)
	defer p.Close()
	job, release := hold(p, m)
	defer release()
	at := memory()
	took := produce(p, job, producers, n)
	mallocs := memory().Mallocs - at.Mallocs
	return []float64{perJob(took, n), grown(before, collected(), n), float64(mallocs) / float64(n)}
}

// produce returns how long it takes so many producers to enqueue n jobs together.
func produce(p peers.Pool, job peers.Job, producers, n int) time.Duration {
	if producers == 1 { // no change of goroutine on the bill
		begun := time.Now()
		p.Enqueue(job, n)
		return time.Since(begun)
	}
	var producing sync.WaitGroup
	begun := time.Now()
	for range producers {
		producing.Go(func() { p.Enqueue(job, n/producers) })
	}
	producing.Wait()
	return time.Since(begun)
}

// hold sees to it that p starts nothing, or where there are no workers to hold
// that nothing gets on, and returns the job to be enqueued meanwhile.
func hold(p peers.Pool, m peers.Maker) (job peers.Job, release func()) {
	var done counter
	gate := make(chan struct{})
	if m.Name == peers.Go.Name {
		return peers.NewJob(func() { <-gate }), func() { close(gate) }
	}
	return done.job(), holdWorkers(p, gate)
}

// holdWorkers is hold for pools with burstWorkers workers.
func holdWorkers(p peers.Pool, gate chan struct{}) (release func()) {
	if h, ok := p.(peers.Holder); ok {
		h.Hold()
		return h.Release
	}
	var held sync.WaitGroup
	held.Add(burstWorkers)
	p.Enqueue(peers.NewJob(func() { held.Done(); <-gate }), burstWorkers)
	held.Wait()
	return func() { close(gate) }
}

func memory() (m runtime.MemStats) {
	runtime.ReadMemStats(&m)
	return m
}

// collected is memory without garbage.
func collected() runtime.MemStats {
	runtime.GC()
	return memory()
}

// grown returns the bytes per job that the heap and the stacks have grown by.
func grown(before, after runtime.MemStats, n int) float64 {
	used := func(m runtime.MemStats) float64 { return float64(m.HeapAlloc) + float64(m.StackInuse) }
	return (used(after) - used(before)) / float64(n)
}
