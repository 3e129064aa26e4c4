package works

import (
	"fmt"
	"sync"
	"time"

	"github.com/a622d8ee/dray/bench/internal/peers"
	"github.com/a622d8ee/dray/bench/internal/plot"
	"github.com/a622d8ee/dray/bench/internal/report"
	"github.com/a622d8ee/dray/bench/internal/stat"
)

// A setting is a number of producers and of workers.
type setting struct{ producers, workers int }

// String returns the setting as the tables show it, such as 1×2.
func (s setting) String() string { return fmt.Sprintf("%d×%d", s.producers, s.workers) }

// typed returns it as it is typed on a command line, such as 1x2.
func (s setting) typed() string { return fmt.Sprintf("%dx%d", s.producers, s.workers) }

func settings() (all []setting) {
	for _, producers := range []int{1, 8, 64} {
		for _, workers := range []int{2, 8, 64} {
			all = append(all, setting{producers, workers})
		}
	}
	return all
}

// noop is work (a): jobs that do nothing, end to end.
func noop(e *Env) Result {
	cells, found := []setting{}, []series{}
	for _, c := range settings() {
		if e.Cells == nil || e.Cells.MatchString(c.typed()) {
			cells = append(cells, c)
			found = append(found, e.noopCell(c))
		}
	}
	r := Result{Plots: map[string]plot.Chart{"noop": noopPlot(cells, found)}}
	for i, c := range cells {
		r.AddRatio("noop "+c.typed(), found[i].toBase(peers.Dray.Name, noopTime))
		r.value("noop "+c.typed(), "", found[i].median(peers.Dray.Name, noopTime))
	}
	noopMeans(&r, cells)
	r.Tables = []report.Table{noopTable(cells, found), noopPeers(cells, found)}
	return r
}

// noopMeans adds the geometric means of the cells with one producer and with many,
// if all were measured. 64×2 is in neither, as its ratio is that of the Go scheduler,
// which has to take the processors from 64 producers.
func noopMeans(r *Result, cells []setting) {
	one, many := []float64{}, []float64{}
	for _, c := range cells {
		switch ratio := r.Ratios["noop "+c.typed()]; {
		case c.producers == 1:
			one = append(one, ratio)
		case c != setting{64, 2}:
			many = append(many, ratio)
		}
	}
	if len(cells) == len(settings()) {
		r.AddRatio("noop, mean of 1 producer", stat.Geomean(one))
		r.AddRatio("noop, mean of many producers", stat.Geomean(many))
	}
}

// The columns of no-op jobs.
const (
	noopTime = iota
	noopCPU
)

func (e *Env) noopCell(c setting) series {
	return e.cellOf(c, "no-op", e.pick(200_000, 100_000, 640), peers.Pools())
}

// cellOf measures n no-op jobs in one setting.
func (e *Env) cellOf(c setting, what string, n int, makers []peers.Maker) series {
	var cs []contender
	for _, m := range makers {
		cs = append(cs, contender{m.Name, func() []float64 {
			p := m.New(c.workers)
			defer p.Close()
			endToEnd(p, c.producers, n/10) // workers started, memory allocated
			used := cpuTime()
			took := endToEnd(p, c.producers, n)
			return []float64{perJob(took, n), perJob(cpuTime()-used, n)}
		}})
	}
	return e.measure(what+" "+c.String(), cs)
}

func perJob(d time.Duration, n int) float64 { return float64(d.Nanoseconds()) / float64(n) }

// endToEnd returns how long n jobs take from the first that is enqueued to the
// last that ends. Each producer's last job tells when it runs: with most
// contenders that is the end. With those that keep no order others are still to
// come, and are counted until none is.
func endToEnd(p peers.Pool, producers, n int) time.Duration {
	var (
		done      counter
		last      sync.WaitGroup
		producing sync.WaitGroup
		job       = done.job()
		lastJob   = peers.NewJob(func() { done.add(); last.Done() })
		start     = make(chan struct{})
		each      = n / producers
	)
	last.Add(producers)
	for range producers {
		producing.Go(func() {
			<-start
			p.Enqueue(job, each-1)
			p.Enqueue(lastJob, 1)
		})
	}
	begun := time.Now()
	close(start)
	last.Wait()
	done.await(each * producers)
	took := time.Since(begun)
	producing.Wait()
	return took
}

func noopTable(cells []setting, found []series) report.Table {
	t := report.Table{
		Title:  "No-op jobs, end to end",
		Note:   "Time per job, producers × workers; in brackets as a multiple of the channel's.",
		Header: []string{""},
	}
	for _, c := range cells {
		t.Header = append(t.Header, c.String())
	}
	for _, name := range names(found) {
		row := []string{name}
		for _, s := range found {
			row = append(row, s.withRatio(name, 0))
		}
		t.Add(row...)
	}
	return t
}

func names(found []series) []string {
	if len(found) == 0 {
		return nil
	}
	return found[0].names
}

func noopPeers(cells []setting, found []series) report.Table {
	t := report.Table{
		Title:  "No-op jobs: dray as a multiple of each",
		Header: []string{"dray to"},
	}
	for _, c := range cells {
		t.Header = append(t.Header, c.String())
	}
	for _, name := range names(found) {
		if name == peers.Dray.Name {
			continue
		}
		row := []string{name}
		for _, s := range found {
			row = append(row, report.Ratio(s.ratio(peers.Dray.Name, name, 0)))
		}
		t.Add(row...)
	}
	return t
}

func noopPlot(cells []setting, found []series) plot.Chart {
	c := plot.Chart{
		Title: "No-op jobs, end to end: time per job", XLabel: "producers × workers", YLabel: "ns per job, log scale",
	}
	for _, s := range cells {
		c.X = append(c.X, s.String())
	}
	for _, name := range names(found) {
		series := plot.Series{Name: name, Bold: name == peers.Dray.Name}
		for _, s := range found {
			series.Y = append(series.Y, s.median(name, 0))
		}
		c.Series = append(c.Series, series)
	}
	return c
}
