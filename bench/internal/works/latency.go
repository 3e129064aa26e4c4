package works

import (
	"runtime"
	"time"

	"github.com/a622d8ee/dray/bench/internal/peers"
	"github.com/a622d8ee/dray/bench/internal/report"
	"github.com/a622d8ee/dray/bench/internal/stat"
)

// latency is work (d): from enqueue to start, when there is nothing else to do.
func latency(e *Env) Result {
	waits := e.latencies("waits", e.pick(20_000, 5_000, 20), (*idler).thenWait)
	goesOn := e.latencies("goes on", e.pick(1000, 200, 2), (*idler).thenGoOn) // a job takes a millisecond
	var r Result
	for column, what := range []string{"latency p50", "latency p99"} {
		r.AddRatio(what, waits.toBase(peers.Dray.Name, column))
		r.value(what, "", waits.median(peers.Dray.Name, column))
	}
	r.Tables = []report.Table{
		latencyTable("the caller waits for the job", "So the worker can have the caller's processor.", waits),
		latencyTable("the caller goes on",
			"So another processor has to come for the worker, which takes the Go scheduler its time.", goesOn),
	}
	return r
}

// latencyPools are the contenders. A goroutine per job is a limit: no queue at all.
func latencyPools() []peers.Maker {
	return []peers.Maker{peers.Channel, peers.Dray, peers.PondGo, peers.Ants, peers.WorkerPool, peers.Conc, peers.Go}
}

func (e *Env) latencies(what string, n int, one func(*idler, peers.Pool)) series {
	var cs []contender
	for _, m := range latencyPools() {
		cs = append(cs, contender{m.Name, func() []float64 {
			p := m.New(e.Procs)
			defer p.Close()
			var i idler
			i.init()
			for range n + n/10 {
				one(&i, p)
			}
			took := i.took[n/10:]
			return []float64{stat.Quantile(took, 0.5), stat.Quantile(took, 0.99), stat.Quantile(took, 0.999)}
		}})
	}
	return e.measure("latency, the caller "+what, cs)
}

// An idler enqueues one job at a time into an idle pool.
type idler struct {
	job     peers.Job
	started time.Time // by the job, read after done
	done    chan struct{}
	took    []float64
}

func (i *idler) init() {
	i.done = make(chan struct{}, 1)
	i.job = peers.NewJob(func() {
		i.started = time.Now()
		i.done <- struct{}{}
	})
}

// thenWait waits for the job, as a caller does that needs what it did.
func (i *idler) thenWait(p peers.Pool) {
	begun := time.Now()
	p.Enqueue(i.job, 1)
	<-i.done
	i.took = append(i.took, float64(i.started.Sub(begun).Nanoseconds()))
	settle()
}

// thenGoOn keeps its processor, as a caller does that has more to do.
func (i *idler) thenGoOn(p peers.Pool) {
	begun := time.Now()
	p.Enqueue(i.job, 1)
	for len(i.done) == 0 {
		continue
	}
	<-i.done
	i.took = append(i.took, float64(i.started.Sub(begun).Nanoseconds()))
	settle()
}

// settleTime is long enough for a worker to do what there is to do after a job
// and to go to sleep, and short enough for the processor to stay awake.
const settleTime = 20 * time.Microsecond

// settle lets all others run until they have nothing left to do.
func settle() {
	for begun := time.Now(); time.Since(begun) < settleTime; {
		runtime.Gosched()
	}
}

func latencyTable(title, note string, s series) report.Table {
	t := report.Table{
		Title:  "Enqueue to start on an idle queue: " + title,
		Note:   note + " In brackets as a multiple of the channel's.",
		Header: []string{"", "p50", "p99", "p99.9"},
	}
	for _, name := range s.names {
		t.Add(name, s.withRatio(name, 0), s.withRatio(name, 1), s.withRatio(name, 2))
	}
	return t
}
