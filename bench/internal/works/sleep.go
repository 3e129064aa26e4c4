package works

import (
	"time"

	"github.com/a622d8ee/dray/bench/internal/peers"
	"github.com/a622d8ee/dray/bench/internal/report"
)

// sleep is work (f): many workers that are mostly asleep.
func sleep(e *Env) Result {
	workers := e.pick(10_000, 10_000, 100)
	n := e.pick(300_000, 100_000, 300)
	var cs []contender
	for _, m := range []peers.Maker{peers.Channel, peers.Dray, peers.PondGo, peers.Ants, peers.Go} {
		cs = append(cs, contender{m.Name, func() []float64 {
			p := m.New(workers)
			defer p.Close()
			sleepers(p, workers) // all workers started
			took := sleepers(p, n)
			return []float64{float64(n) / took.Seconds()}
		}})
	}
	s := e.measure("sleep", cs)
	t := report.Table{
		Title:  report.Count(float64(workers)) + " workers, jobs that sleep 1 ms",
		Note:   "More is better. A goroutine per job has no bound on its workers.",
		Header: []string{"", "jobs/s", "to the channel"},
	}
	for _, name := range s.names {
		t.Add(name, report.Count(s.median(name, 0)), report.Ratio(s.toBase(name, 0)))
	}
	r := Result{Tables: []report.Table{t}}
	r.AddRatio("sleep", s.toBase(peers.Dray.Name, 0))
	r.value("sleep", "", 1e9/s.median(peers.Dray.Name, 0))
	return r
}

func sleepers(p peers.Pool, n int) time.Duration {
	var done counter
	job := peers.NewJob(func() {
		time.Sleep(time.Millisecond) //nolint:forbidigo // it is the work
		done.add()
	})
	begun := time.Now()
	p.Enqueue(job, n)
	done.awaitAsleep(n)
	return time.Since(begun)
}
