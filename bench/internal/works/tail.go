package works

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/bench/internal/peers"
	"github.com/a622d8ee/dray/bench/internal/report"
	"github.com/a622d8ee/dray/bench/internal/stat"
)

// The columns of tails.
const (
	tailP50 = iota
	tailP999
	tailMax
	smallestShare
)

const guardedAppend = "append under a mutex"

// tail is what producers have to expect of a single call, and of each other.
func tail(e *Env) Result {
	var r Result
	for _, producers := range []int{8, 64} {
		r.Merge(e.tails(producers))
	}
	return r
}

func (e *Env) tails(producers int) Result {
	length := time.Duration(e.pick(1000, 1000, 5)) * time.Millisecond // fairness is over a second
	cs := []contender{
		{guardedAppend, func() []float64 { return produceFor(length, producers, new(guarded).append) }},
		{peers.Dray.Name, func() []float64 {
			p := peers.NewDray(2)
			defer p.Close()
			ctx, job := context.Background(), func(context.Context) error { return nil }
			return produceFor(length, producers, func() { must(p.Queue.Enqueue(ctx, job)) })
		}},
	}
	s := e.measure(fmt.Sprintf("%d producers", producers), cs)
	t := report.Table{
		Title: fmt.Sprintf("What Enqueue costs its caller, %d producers", producers),
		Note: "Each call is timed; two workers run the jobs. The smallest share is that of the producer with the fewest calls, " +
			"1 being as many as all have on average. In brackets as a multiple of an append under a mutex.",
		Header: []string{"", "p50", "p99.9", "longest", "smallest share"},
	}
	for _, name := range s.names {
		t.Add(name, s.withRatio(name, tailP50), s.withRatio(name, tailP999), s.withRatio(name, tailMax),
			report.Ratio(s.median(name, smallestShare)))
	}
	r := Result{Tables: []report.Table{t}}
	r.AddRatio(fmt.Sprintf("tail p99.9, %d producers", producers), s.toBase(peers.Dray.Name, tailP999))
	r.AddRatio(fmt.Sprintf("smallest share, %d producers", producers), s.median(peers.Dray.Name, smallestShare))
	r.value(fmt.Sprintf("tail p50, %d producers", producers), "", s.median(peers.Dray.Name, tailP50))
	r.value(fmt.Sprintf("tail p99.9, %d producers", producers), "", s.median(peers.Dray.Name, tailP999))
	return r
}

// A guarded is a slice under a mutex: what one would write first.
type guarded struct {
	mu   sync.Mutex
	jobs []func() // guarded by mu
}

// append adds a job; at some length all are dropped, as if a consumer had come.
func (g *guarded) append() {
	g.mu.Lock()
	if len(g.jobs) == 1<<16 {
		g.jobs = g.jobs[:0]
	}
	g.jobs = append(g.jobs, nothing)
	g.mu.Unlock()
}

func nothing() {}

// produceFor has so many producers call one for so long, and returns the columns of tails.
func produceFor(length time.Duration, producers int, one func()) []float64 {
	var (
		producing sync.WaitGroup
		stopped   atomic.Bool
		start     = make(chan struct{})
		all       = make([]stat.Histogram, producers)
	)
	for i := range producers {
		producing.Go(func() {
			<-start
			for over := false; !over; over = stopped.Load() { // once at least
				begun := time.Now()
				one()
				all[i].Add(int64(time.Since(begun)))
			}
		})
	}
	timer := time.AfterFunc(length, func() { stopped.Store(true) }) // this goroutine might get no processor for a while
	defer timer.Stop()
	close(start)
	producing.Wait()
	return tailOf(all)
}

// tailOf returns the columns of what the producers have timed.
func tailOf(producers []stat.Histogram) []float64 {
	var sum stat.Histogram
	fewest := producers[0].Count()
	for i := range producers {
		sum.Merge(&producers[i])
		fewest = min(fewest, producers[i].Count())
	}
	share := float64(fewest) * float64(len(producers)) / float64(sum.Count())
	return []float64{sum.Quantile(0.5), sum.Quantile(0.999), float64(sum.Max()), share}
}
