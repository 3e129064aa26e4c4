package works

import (
	"sync"
	"time"

	"github.com/a622d8ee/dray/bench/internal/peers"
	"github.com/a622d8ee/dray/bench/internal/plot"
	"github.com/a622d8ee/dray/bench/internal/report"
)

// The columns of growth.
const (
	enqueueing = iota
	draining
	together
	bytesWaiting
)

// growth is work (i): does a job cost more when many others wait?
func growth(e *Env) Result {
	waiting := []int{10_000, 100_000, 1_000_000, 10_000_000}[:e.pick(4, 3, 1)]
	makers := []func(n int) peers.Maker{
		roomFor,
		func(int) peers.Maker { return peers.Dray },
		func(int) peers.Maker { return peers.PondGo },
	}
	var cs []contender
	for _, w := range waiting {
		for _, maker := range makers {
			m := maker(w)
			cs = append(cs, contender{waitingName(m.Name, w), func() []float64 { return e.fillAndDrain(m, w) }})
		}
	}
	s := e.measure("growth", cs)
	first, last := waiting[0], waiting[len(waiting)-1]
	r := Result{
		Tables: []report.Table{growthTable(s, waiting)},
		Plots:  map[string]plot.Chart{"growth": growthPlot(s, waiting)},
	}
	r.AddRatio("growth", s.ratio(waitingName(peers.Dray.Name, last), waitingName(peers.Dray.Name, first), together))
	r.value("fill and drain "+report.Count(float64(last)), "", s.median(waitingName(peers.Dray.Name, last), together))
	return r
}

func waitingName(name string, waiting int) string {
	return name + ", " + report.Count(float64(waiting))
}

// growthNames are the contenders' names, for the columns of table and plot.
var growthNames = []string{base, peers.Dray.Name, peers.PondGo.Name}

// fillAndDrain lets so many jobs wait, then lets them run: as often as it takes
// for the small numbers to be measured over as many jobs as the large ones.
func (e *Env) fillAndDrain(m peers.Maker, waiting int) []float64 {
	times := max(e.pick(1_000_000, 200_000, 1)/waiting, 1)
	before := collected() // the garbage of the run before is not this one's
	p := m.New(burstWorkers)
	defer p.Close()
	sum := make([]float64, bytesWaiting+1)
	for i := range times {
		f := fill{pool: p, waiting: waiting}
		enqueue := f.enqueue()
		if i == 0 {
			sum[bytesWaiting] = heapGrowth(before, collected(), waiting)
		}
		drain := f.drain()
		sum[enqueueing] += perJob(enqueue, waiting*times)
		sum[draining] += perJob(drain, waiting*times)
		sum[together] += perJob(enqueue+drain, waiting*times)
	}
	return sum
}

// A fill is a number of jobs that wait, and then run.
type fill struct {
	pool    peers.Pool
	waiting int
	done    counter
	last    sync.WaitGroup
	release func()
}

func (f *fill) enqueue() time.Duration {
	f.release = holdWorkers(f.pool, make(chan struct{}))
	f.last.Add(1)
	lastJob := peers.NewJob(func() { f.done.add(); f.last.Done() })
	begun := time.Now()
	f.pool.Enqueue(f.done.job(), f.waiting-1)
	f.pool.Enqueue(lastJob, 1)
	return time.Since(begun)
}

func (f *fill) drain() time.Duration {
	begun := time.Now()
	f.release()
	f.last.Wait()
	f.done.await(f.waiting)
	return time.Since(begun)
}

func growthTable(s series, waiting []int) report.Table {
	t := report.Table{
		Title: "From ten thousand waiting jobs to ten million",
		Note: "Time per job to enqueue it while nothing starts, and to run it afterwards, with two workers; memory per waiting job. " +
			"The channel has room for all.",
		Header: []string{"waiting"},
	}
	for _, name := range growthNames {
		t.Header = append(t.Header, name+": enqueue", "run", "both", "memory")
	}
	for _, w := range waiting {
		row := []string{report.Count(float64(w))}
		for _, name := range growthNames {
			n := waitingName(name, w)
			row = append(row, report.Ns(s.median(n, enqueueing)), report.Ns(s.median(n, draining)),
				report.Ns(s.median(n, together)), report.Bytes(s.median(n, bytesWaiting)))
		}
		t.Add(row...)
	}
	return t
}

func growthPlot(s series, waiting []int) plot.Chart {
	c := plot.Chart{
		Title: "Enqueue and run a job, by the number of waiting jobs", XLabel: "waiting jobs", YLabel: "ns per job, log scale",
	}
	for _, w := range waiting {
		c.X = append(c.X, report.Count(float64(w)))
	}
	for _, name := range growthNames {
		series := plot.Series{Name: name, Bold: name == peers.Dray.Name}
		for _, w := range waiting {
			series.Y = append(series.Y, s.median(waitingName(name, w), together))
		}
		c.Series = append(c.Series, series)
	}
	return c
}
