package works

import (
	"runtime"
	"time"

	"github.com/a622d8ee/dray/bench/internal/peers"
	"github.com/a622d8ee/dray/bench/internal/report"
)

// burst is work (b): jobs that are all enqueued before the first one starts.
func burst(e *Env) Result {
	n := e.pick(1_000_000, 1_000_000, 1000)
	room := peers.Maker{Name: base, New: func(workers int) peers.Pool { return peers.NewChannel(workers, n) }}
	goroutines := min(n, 100_000) // each has a stack of its own: a million would not fit everywhere
	s := e.measure("burst", []contender{
		{base, func() []float64 { return burstOf(room, n) }},
		{peers.Dray.Name, func() []float64 { return burstOf(peers.Dray, n) }},
		{peers.PondGo.Name, func() []float64 { return burstOf(peers.PondGo, n) }},
		{peers.WorkerPool.Name, func() []float64 { return burstOf(peers.WorkerPool, n) }},
		{peers.Go.Name, func() []float64 { return burstOf(peers.Go, goroutines) }},
	})
	t := report.Table{
		Title: "A burst of " + report.Count(float64(n)) + " into a queue that starts nothing",
		Note: "The channel has room for all, made beforehand: its memory is there before the first job is. " +
			"pond and workerpool cannot be paused: their workers are held by a job that waits. " +
			"A goroutine per job waits by itself; there are a tenth of them.",
		Header: []string{"", "per enqueue", "to the channel", "memory per waiting job", "allocations per job"},
	}
	for _, name := range s.names {
		t.Add(name, report.Ns(s.median(name, 0)), report.Ratio(s.ratio(name, base, 0)),
			report.Bytes(s.median(name, 1)), report.Number(s.median(name, 2)))
	}
	return Result{Tables: []report.Table{t}, Ratios: map[string]float64{
		"burst enqueue": s.ratio(peers.Dray.Name, base, 0),
		"burst bytes":   s.median(peers.Dray.Name, 1),
	}}
}

// burstWorkers is enough to drain a burst; they do not matter before that.
const burstWorkers = 2

// burstOf returns the time, the bytes and the allocations per job.
func burstOf(m peers.Maker, n int) []float64 {
	before := memory()
	p := m.New(burstWorkers)
	defer p.Close()
	job, release := hold(p, m)
	defer release()
	at := memory()
	begun := time.Now()
	p.Enqueue(job, n)
	took := time.Since(begun)
	mallocs := memory().Mallocs - at.Mallocs
	runtime.GC()
	return []float64{perJob(took, n), grown(before, memory(), n), float64(mallocs) / float64(n)}
}

// hold sees to it that p starts nothing, or where it has no workers to hold that
// nothing gets on, and returns the job to be enqueued meanwhile.
func hold(p peers.Pool, m peers.Maker) (job peers.Job, release func()) {
	var done counter
	if h, ok := p.(peers.Holder); ok {
		h.Hold()
		return done.job(), h.Release
	}
	gate := make(chan struct{})
	held := peers.NewJob(func() { <-gate })
	if m.Name == peers.Go.Name {
		return held, func() { close(gate) }
	}
	p.Enqueue(held, burstWorkers)
	return done.job(), func() { close(gate) }
}

func memory() (m runtime.MemStats) {
	runtime.ReadMemStats(&m)
	return m
}

// grown returns the bytes per job that the heap and the stacks have grown by.
func grown(before, after runtime.MemStats, n int) float64 {
	used := func(m runtime.MemStats) float64 { return float64(m.HeapAlloc) + float64(m.StackInuse) }
	return (used(after) - used(before)) / float64(n)
}
