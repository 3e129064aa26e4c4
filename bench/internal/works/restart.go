package works

import (
	"errors"
	"time"

	"github.com/a622d8ee/dray/bench/internal/peers"
	"github.com/a622d8ee/dray/bench/internal/report"
	"github.com/a622d8ee/dray/bench/internal/stat"
)

// restart is work (g): how long a service is down that crashes.
func restart(e *Env) Result {
	panics := e.restarts("panic", func() error { panic("bench") })
	fails := e.restarts("error", func() error { return errors.New("bench") })
	t := report.Table{
		Title: "Restart of a crashed child",
		Note: "From just before the panic or the return of an error to the first line of the next run; in brackets as a multiple " +
			"of a goroutine that is recovered by hand and starts its successor. dray and suture capture the stack of a panic.",
		Header: []string{"", "panic, p50", "panic, p99", "error, p50", "error, p99"},
	}
	for _, name := range panics.names {
		t.Add(name, panics.withRatio(name, 0), panics.withRatio(name, 1), fails.withRatio(name, 0), fails.withRatio(name, 1))
	}
	return Result{Tables: []report.Table{t}, Ratios: map[string]float64{
		"restart panic to suture": panics.ratio("dray", "suture", 0),
		"restart error to suture": fails.ratio("dray", "suture", 0),
	}}
}

func (e *Env) restarts(what string, end func() error) series {
	n := e.pick(5000, 1000, 5)
	var cs []contender
	for _, m := range peers.Supervisors() {
		cs = append(cs, contender{m.Name, func() []float64 {
			took := downtimes(m, n+n/10, end)[n/10:]
			return []float64{stat.Quantile(took, 0.5), stat.Quantile(took, 0.99)}
		}})
	}
	return e.measure("restart after "+what, cs)
}

// downtimes crashes a child n times.
func downtimes(m peers.SupervisorMaker, n int, end func() error) []float64 {
	var (
		up      = make(chan time.Time)
		die     = make(chan struct{})
		crashed time.Time // written by the child before it crashes, read after its successor is up
	)
	stop := m.Start(func(stopped <-chan struct{}) error {
		now := time.Now()
		select {
		case up <- now:
		case <-stopped:
			return nil
		}
		select {
		case <-die:
			crashed = time.Now()
			return end()
		case <-stopped:
			return nil
		}
	})
	defer stop()
	<-up
	took := make([]float64, 0, n)
	for range n {
		settle() // the supervisor has nothing left to do for the last one
		die <- struct{}{}
		took = append(took, float64((<-up).Sub(crashed).Nanoseconds()))
	}
	return took
}
