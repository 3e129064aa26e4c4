package works

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/a622d8ee/dray/bench/internal/peers"
	"github.com/a622d8ee/dray/bench/internal/report"
)

// burst is work (b): jobs that are all enqueued before the first one starts.
func burst(e *Env) Result {
	n := e.pick(1_000_000, 1_000_000, 1000)
	warm, warm8 := e.bursts(n, 1, warmHeap), e.bursts(n, 8, warmHeap)
	cold := e.bursts(n, 1, coldHeap)
	t := report.Table{
		Title: "A burst of " + report.Count(float64(n)) + " into a queue that starts nothing",
		Note: "Warm: the process has the memory already, and a live heap of which the burst is a small part, so that no collection " +
			"runs meanwhile. Cold: the heap is small and its free memory is the system's, so page faults and collections are in " +
			"the time. " +
			"The channel has room for all, made beforehand.",
		Header: []string{"", "warm, 1 producer", "warm, 8 producers", "cold, 1 producer", "memory per waiting job", "allocations per job"},
	}
	for _, name := range warm.names {
		t.Add(name, warm.withRatio(name, 0), warm8.withRatio(name, 0), cold.withRatio(name, 0),
			report.Bytes(warm.median(name, 1)), report.Number(warm.median(name, 2)))
	}
	r := Result{Tables: []report.Table{t}}
	for what, s := range map[string]series{"burst warm": warm, "burst warm 8 producers": warm8, "burst cold": cold} {
		r.AddRatio(what, s.toBase(peers.Dray.Name, 0))
		r.value(what, "", s.median(peers.Dray.Name, 0))
	}
	r.AddRatio("burst bytes", warm.median(peers.Dray.Name, 1))
	r.value("burst bytes", "B", warm.median(peers.Dray.Name, 1))
	if e.Only == nil || e.Only.MatchString(peers.Go.Name) {
		r.Tables = append(r.Tables, e.burstOfGoroutines(n/10))
	}
	return r
}

func (e *Env) bursts(n, producers int, h heap) series {
	var cs []contender
	for _, m := range []peers.Maker{roomFor(n), peers.Dray, peers.PondGo, peers.WorkerPool} {
		cs = append(cs, contender{m.Name, func() []float64 {
			defer h()()
			return burstOf(m, n, producers)
		}})
	}
	return e.measure(fmt.Sprintf("burst, %d producers", producers), cs)
}

// burstOfGoroutines comes last and by itself: the runtime keeps what it knows of
// a hundred thousand goroutines for good, and the larger heap would spare those
// that come after it their collections. A million would not fit everywhere.
func (e *Env) burstOfGoroutines(n int) report.Table {
	var cs []contender
	for _, m := range []peers.Maker{roomFor(n), peers.Go} {
		cs = append(cs, contender{m.Name, func() []float64 { return burstOf(m, n, 1) }})
	}
	s := e.measure("burst of goroutines", cs)
	t := report.Table{
		Title:  "A burst of " + report.Count(float64(n)) + " goroutines that wait",
		Header: []string{"", "per job", "memory per waiting job", "allocations per job"},
	}
	for _, name := range s.names {
		t.Add(name, s.withRatio(name, 0), report.Bytes(s.median(name, 1)), report.Number(s.median(name, 2)))
	}
	return t
}

// A heap brings the process's memory into a state that does not depend on which
// contender ran before, as the memory that one has used is page faults and
// collections that the next one is spared. The function it returns ends the state.
type heap func() (end func())

// warmSize is more than twice what any contender needs for a burst.
const warmSize = 64 << 20

func warmHeap() (end func()) {
	live := touched(warmSize)
	runtime.KeepAlive(touched(warmSize)) // mapped, and free after the collection
	runtime.GC()
	return func() { runtime.KeepAlive(live) }
}

func coldHeap() (end func()) {
	debug.FreeOSMemory()
	return func() {}
}

// touched returns memory that the system has really given.
func touched(size int) []byte {
	b := make([]byte, size)
	for i := 0; i < len(b); i += 4096 { // no system has smaller pages
		b[i] = 1
	}
	return b
}

// roomFor makes channels on which no send has to wait.
func roomFor(n int) peers.Maker {
	return peers.Maker{Name: base, New: func(workers int) peers.Pool { return peers.NewChannel(workers, n) }}
}

// burstWorkers is enough to drain a burst; they do not matter before that.
const burstWorkers = 2

// burstOf returns the time, the bytes and the allocations per job.
func burstOf(m peers.Maker, n, producers int) []float64 {
	before := collected() // the garbage of the run before is not this one's
	p := m.New(burstWorkers)
	defer p.Close()
	job, release := hold(p, m)
	defer release()
	at := memory()
	took := produce(p, job, producers, n)
	mallocs := memory().Mallocs - at.Mallocs
	return []float64{perJob(took, n), heapGrowth(before, collected(), n), float64(mallocs) / float64(n)}
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

// heapGrowth returns the bytes per job that the heap and the stacks have grown by.
func heapGrowth(before, after runtime.MemStats, n int) float64 {
	used := func(m runtime.MemStats) float64 { return float64(m.HeapAlloc) + float64(m.StackInuse) }
	return (used(after) - used(before)) / float64(n)
}
