package works

import (
	"context"
	"runtime"
	"time"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/bench/internal/peers"
	"github.com/a622d8ee/dray/bench/internal/report"
)

// cpu is what jobs cost in processor time, whatever the time on the clock: a queue
// can be fast by keeping processors busy that have nothing to do.
func cpu(e *Env) Result {
	var r Result
	r.Merge(e.cpuPerJob())
	r.Merge(e.oneProcessor())
	r.Merge(e.idle())
	return r
}

// cpuCells are those in which nothing waits for long, many producers contend, and
// everything contends.
func cpuCells() []setting { return []setting{{1, 2}, {8, 8}, {64, 64}} }

// cpuPerJob runs so many jobs that the system's account of processor time, which is
// exact to a few milliseconds, means something.
func (e *Env) cpuPerJob() Result {
	n := e.pick(4_000_000, 2_000_000, 640)
	t := report.Table{
		Title:  "Processor time of no-op jobs",
		Note:   "User and system time of the process per job, producers × workers; in brackets as a multiple of the channel's.",
		Header: []string{""},
	}
	return e.noopTable(t, "cpu", cpuCells(), n, noopCPU)
}

// noopTable fills a table with one value of no-op jobs in some cells, beside the channel's.
func (e *Env) noopTable(t report.Table, work string, cells []setting, n, column int) (r Result) {
	var found []series
	for _, c := range cells {
		s := e.cellOf(c, work, n, []peers.Maker{peers.Channel, peers.Dray})
		found = append(found, s)
		t.Header = append(t.Header, c.String())
		r.AddRatio(work+" "+c.typed(), s.toBase(peers.Dray.Name, column))
		r.value(work+" "+c.typed(), "", s.median(peers.Dray.Name, column))
	}
	for _, name := range names(found) {
		row := []string{name}
		for _, s := range found {
			row = append(row, s.withRatio(name, column))
		}
		t.Add(row...)
	}
	r.Tables = []report.Table{t}
	return r
}

// oneProcessor is no-op jobs at GOMAXPROCS=1, where a producer that is patient with
// a lock, or a worker that looks out for jobs, keeps from running what it waits for.
func (e *Env) oneProcessor() Result {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	n := e.pick(400_000, 200_000, 640)
	t := report.Table{
		Title:  "No-op jobs at GOMAXPROCS=1",
		Note:   "Time per job, producers × workers; in brackets as a multiple of the channel's.",
		Header: []string{""},
	}
	return e.noopTable(t, "one processor", []setting{{1, 2}, {8, 8}}, n, noopTime)
}

// idle is the processor time of queues that have run jobs and have none.
func (e *Env) idle() Result {
	const process, queue = "a process without a queue", "dray, idle"
	watch := time.Duration(e.pick(1000, 500, 2)) * time.Millisecond
	cs := []contender{{process, func() []float64 { return idleFor(watch, func() {}) }}}
	for _, v := range idlers() {
		cs = append(cs, contender{v.name, func() []float64 {
			p := peers.NewDray(2, v.options...)
			defer p.Close()
			p.Enqueue(peers.NewJob(func() {}), 1000)
			v.prepare(p.Queue)
			return idleFor(watch, func() { pause(10 * time.Millisecond) })
		}})
	}
	s := e.measureAll("idle", cs)
	t := report.Table{
		Title: "Processor time while there is nothing to do",
		Note: "User and system time of the process per second; what it is more than that of a process without a queue, " +
			"which has the runtime's own.",
		Header: []string{"", "per second", "more"},
	}
	for _, name := range s.names {
		t.Add(name, report.Ns(s.median(name, 0)), report.Ns(s.difference(name)))
	}
	r := Result{Tables: []report.Table{t}}
	r.AddRatio("idle share of a processor", max(s.difference(queue), 0)/float64(time.Second))
	r.value(queue, "", s.median(queue, 0))
	return r
}

// An idler is an idle queue with something that may keep it awake.
type idleQueue struct {
	name    string
	options []dray.Option
	prepare func(*dray.Queue)
}

func idlers() []idleQueue {
	nothing := func(context.Context) error { return nil }
	return []idleQueue{
		{"dray, idle", nil, func(*dray.Queue) {}},
		{"dray, a job due in an hour", nil, func(q *dray.Queue) {
			must(q.Enqueue(context.Background(), nothing, dray.WithDelay(time.Hour)))
			must(q.Pause()) // the end does not wait for it
		}},
		{"dray, a task due in an hour", []dray.Option{dray.WithPeriodic("idle", dray.Every(time.Hour), nothing)}, func(*dray.Queue) {}},
	}
}

// idleFor returns the processor time used per second, after things have settled.
func idleFor(watch time.Duration, settled func()) []float64 {
	settled()
	runtime.GC()
	before := cpuTime()
	begun := time.Now()
	pause(watch)
	return []float64{float64(cpuTime()-before) / time.Since(begun).Seconds()}
}
