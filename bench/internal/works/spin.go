package works

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/bench/internal/peers"
	"github.com/a622d8ee/dray/bench/internal/report"
)

// spin is work (c): jobs that compute for a while. How much of the processors'
// time is left for them?
func spin(e *Env) Result {
	lengths := []time.Duration{time.Microsecond, 10 * time.Microsecond, 100 * time.Microsecond}
	t := report.Table{
		Title: "Jobs that compute",
		Note: "Efficiency: the time that the same work takes in plain loops, one per processor, measured in the same round, " +
			"to the time that it takes as jobs. One producer, a worker per processor.",
		Header: []string{""},
	}
	var r Result
	var found []series
	for _, d := range lengths {
		s := e.spins(d)
		t.Header = append(t.Header, d.String())
		found = append(found, s)
		r.AddRatio(fmt.Sprintf("spin %v to the best peer", d), s.behindBest(peers.Dray.Name))
		r.value(fmt.Sprintf("spin %v", d), "", s.median(peers.Dray.Name, 0))
	}
	for _, name := range names(found)[1:] {
		row := []string{name}
		for _, s := range found {
			row = append(row, report.Percent(s.ratio(s.base, name, 0)))
		}
		t.Add(row...)
	}
	r.Tables = []report.Table{t}
	return r
}

// behindBest returns the time of one contender as a multiple of that of the best
// other one, the yardstick excepted.
func (s series) behindBest(name string) float64 {
	worst := 0.0
	for _, other := range s.names {
		if other != name && other != s.base && other != peers.DrayBlock.Name {
			worst = max(worst, s.ratio(name, other, 0))
		}
	}
	return worst
}

func (e *Env) spins(d time.Duration) series {
	n := e.pick(200, 50, 1) * int(time.Millisecond/d)
	loops := loopsFor(d)
	cs := []contender{{"plain loops", func() []float64 { return []float64{perJob(e.loops(loops, n, d), n)} }}}
	for _, m := range peers.Pools() {
		cs = append(cs, contender{m.Name, func() []float64 {
			p := m.New(e.Procs)
			defer p.Close()
			endToEnd(p, 1, 100)
			return []float64{perJob(spinning(p, loops, n), n)}
		}})
	}
	return e.measure(fmt.Sprintf("jobs of %v", d), cs)
}

// loops is the work without any queue. Its goroutines take shares of a tenth of a
// millisecond, so that when one loses its processor the others take over the remainder.
func (e *Env) loops(loops, n int, d time.Duration) time.Duration {
	var running sync.WaitGroup
	var taken atomic.Int64
	share := max(int64(100*time.Microsecond/d), 1)
	begun := time.Now()
	for range e.Procs {
		running.Go(func() {
			for taken.Add(share) <= int64(n) {
				for range share {
					mustCompute(loops)
				}
			}
		})
	}
	running.Wait()
	return time.Since(begun)
}

func spinning(p peers.Pool, loops, n int) time.Duration {
	var done sync.WaitGroup // at a microsecond or more per job it costs nothing
	done.Add(n)
	job := peers.NewJob(func() {
		mustCompute(loops)
		done.Done()
	})
	begun := time.Now()
	p.Enqueue(job, n)
	done.Wait()
	return time.Since(begun)
}

// compute keeps a processor busy. Each round needs the one before, so that no
// processor can do several at once, and it is always true that the last is not
// zero, which no compiler finds out.
func compute(loops int) bool {
	x := uint64(loops) | 1
	for range loops {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x != 0
}

// mustCompute is compute where only the time it takes is wanted.
func mustCompute(loops int) {
	if !compute(loops) {
		panic("bench: xorshift never gets to zero")
	}
}

// loopsFor returns how many loops take d. The fastest of several tries is the one
// that nothing disturbed.
func loopsFor(d time.Duration) int {
	const tries, loops = 20, 100_000
	best := time.Hour
	for range tries {
		begun := time.Now()
		mustCompute(loops)
		best = min(best, time.Since(begun))
	}
	return max(int(loops*d/max(best, 1)), 1)
}
