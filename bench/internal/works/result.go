package works

import (
	"fmt"
	"sync"
	"time"

	"github.com/a622d8ee/dray/bench/internal/peers"
	"github.com/a622d8ee/dray/bench/internal/report"
)

// result is work (e): submit a function, wait for what it returns.
func result(e *Env) Result {
	t := report.Table{
		Title: "Submit and wait for a result",
		Note: "Time per call, in brackets as a multiple of the channel's, which has a result channel made for each call. " +
			"The raw actor is a request and reply over two plain channels, the work done by the one actor.",
		Header: []string{"", "1 caller", "allocations", "bytes", "8 callers"},
	}
	one, eight := e.results(1), e.results(8)
	for _, name := range one.names {
		t.Add(name, one.withRatio(name, 0), report.Number(one.median(name, 1)),
			report.Number(one.median(name, 2)), eight.withRatio(name, 0))
	}
	r := Result{Tables: []report.Table{t}}
	r.AddRatio("result 1 caller", one.toBase("dray Run", 0))
	r.AddRatio("result 8 callers", eight.toBase("dray Run", 0))
	r.AddRatio("result allocations", one.median("dray Run", 1))
	r.value("result 1 caller", "", one.median("dray Run", 0))
	r.value("result 8 callers", "", eight.median("dray Run", 0))
	r.value("result allocations", "allocations", one.median("dray Run", 1))
	return r
}

func (e *Env) results(callers int) series {
	n := e.pick(100_000, 20_000, 80)
	var cs []contender
	for _, m := range peers.Callers() {
		cs = append(cs, contender{m.Name, func() []float64 {
			c := m.New(e.Procs)
			defer c.Close()
			calls(c, callers, n/10)
			before := memory()
			took := calls(c, callers, n)
			after := memory()
			return []float64{
				perJob(took, n),
				float64((after.Mallocs - before.Mallocs) / uint64(n)), // less than one each is another goroutine's
				float64((after.TotalAlloc - before.TotalAlloc) / uint64(n)),
			}
		}})
	}
	return e.measure(fmt.Sprintf("result, %d callers", callers), cs)
}

// calls returns how long n calls take, shared between so many callers.
func calls(c peers.Caller, callers, n int) time.Duration {
	var calling sync.WaitGroup
	begun := time.Now()
	for range callers {
		calling.Go(func() { c.Call(n / callers) })
	}
	calling.Wait()
	return time.Since(begun)
}
