package works

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/bench/internal/peers"
	"github.com/a622d8ee/dray/bench/internal/report"
	"github.com/a622d8ee/dray/bench/internal/stat"
)

// schedule is the work of schedulers: many periodic tasks.
func schedule(e *Env) Result {
	var r Result
	r.Merge(e.tasks(e.pick(10_000, 10_000, 50), max(e.Rounds/3, 1)))
	if e.Size == Full {
		r.Merge(e.tasks(100_000, 1))
	}
	return r
}

// lateness is a hundred thousand tasks, bare timers beside dray alone, while
// Tasks is read every second, as a page that shows them does.
func lateness(e *Env) Result {
	few := *e
	few.Rounds = max(e.Rounds/3, 1)
	n := e.pick(100_000, 100_000, 50)
	var cs []contender
	for _, m := range append(peers.Schedulers()[:2], peers.WatchedScheduler) {
		cs = append(cs, contender{m.Name, func() []float64 {
			s := m.New(n)
			begun := time.Now()
			for i := range n {
				s.Add(i, peers.Grid{First: begun.Add(time.Hour), Every: time.Hour}, nothing)
			}
			adding := time.Since(begun)
			s.Start()
			s.Close()
			return few.dueTasks(m, n, adding)
		}})
	}
	s := few.measureAll("lateness", cs)
	t := report.Table{
		Title: "Lateness at " + report.Count(float64(n)) + " tasks",
		Note: report.Count(firingsPerSecond) + " runs are due each second; in brackets as a multiple of time.AfterFunc's. " +
			"CPU is that of the process, per run that was due.",
		Header: []string{"", "p50", "p99", "started", "CPU per run"},
	}
	var r Result
	for _, name := range s.names {
		t.Add(name, s.withRatio(name, 0), s.withRatio(name, 1), report.Percent(s.median(name, 2)), s.withRatio(name, 3))
	}
	r.Tables = []report.Table{t}
	for column, what := range []string{"lateness p50", "lateness p99"} {
		r.AddRatio(what+", Tasks read", s.toBase(peers.WatchedScheduler.Name, column))
		r.value(what+", Tasks read", "", s.median(peers.WatchedScheduler.Name, column))
	}
	return r
}

// The columns of tasks.
const (
	addBefore = iota
	addRunning
	removeRunning
	perTask
	lateP50
	lateP99
	started
	cpuPerRun
)

// firingsPerSecond is what the tasks come to together. It keeps no processor
// busy, unless a firing costs more the more tasks there are.
const firingsPerSecond = 5000

// tasks has few rounds, as they take long, and lateness has thousands of samples in one.
func (e *Env) tasks(n, rounds int) Result {
	few := *e
	few.Rounds = rounds
	var cs []contender
	for _, m := range peers.Schedulers() {
		if m.Linear && n > 10_000 {
			continue
		}
		cs = append(cs, contender{m.Name, func() []float64 {
			idle, took := idleTasks(m, n)
			return append(idle, few.dueTasks(m, n, took)...)
		}})
	}
	s := few.measure("schedule, "+report.Count(float64(n))+" tasks", cs)
	r := Result{Tables: []report.Table{tasksTable(s, n)}}
	r.AddRatio("schedule late p99 "+report.Count(float64(n)), s.toBase("dray", lateP99))
	r.value("schedule late p99 "+report.Count(float64(n)), "", s.median("dray", lateP99))
	r.value("schedule add "+report.Count(float64(n)), "", s.median("dray", addBefore))
	return r
}

func tasksTable(s series, n int) report.Table {
	t := report.Table{
		Title: report.Count(float64(n)) + " periodic tasks",
		Note: "Lateness from when a run is due to its first line, with " + report.Count(firingsPerSecond) + " runs due each second; " +
			"of those that were started at all within the time and a second more. CPU is that of the process, per run that was due. " +
			"go-quartz looks at all tasks to add one, and takes no part with more than ten thousand.",
		Header: []string{
			"", "add before the start", "add while running", "remove", "memory per task",
			"late, p50", "late, p99", "started", "CPU per run",
		},
	}
	for _, name := range s.names {
		m := func(column int) float64 { return s.median(name, column) }
		t.Add(name, report.Ns(m(addBefore)), report.Ns(m(addRunning)), report.Ns(m(removeRunning)), report.Bytes(m(perTask)),
			report.Ns(m(lateP50)), report.Ns(m(lateP99)), report.Percent(m(started)), report.Ns(m(cpuPerRun)))
	}
	return t
}

// idleTasks returns what it costs to have tasks that are not due yet, and how
// long it took to add them.
func idleTasks(m peers.SchedulerMaker, n int) (columns []float64, adding time.Duration) {
	later := peers.Grid{First: time.Now().Add(time.Hour), Every: time.Hour}
	before := memory()
	s := m.New(n)
	defer s.Close()
	begun := time.Now()
	for i := range n {
		s.Add(i, later, nothing)
	}
	adding = time.Since(begun)
	s.Start()
	bytes := heapGrowth(before, collected(), n)
	some := min(n, 50)
	begun = time.Now()
	for i := range some {
		s.Remove(i)
	}
	removed := time.Since(begun)
	begun = time.Now()
	for i := range some {
		s.Add(i, later, nothing)
	}
	return []float64{perJob(adding, n), perJob(time.Since(begun), some), perJob(removed, some), bytes}, adding
}

// dueTasks lets some of n tasks come due, none of them twice. Adding them is
// expected to take as long as it took before.
func (e *Env) dueTasks(m peers.SchedulerMaker, n int, adding time.Duration) []float64 {
	every := time.Duration(n) * time.Second / firingsPerSecond
	length := min(every, time.Duration(e.pick(4000, 2000, 10))*time.Millisecond)
	due := int(int64(n) * int64(length) / int64(every))
	late := make([]atomic.Int64, n)
	s := m.New(n)
	defer s.Close()
	begin := time.Now().Add(2*adding + time.Duration(e.pick(500, 300, 5))*time.Millisecond)
	for i := range n {
		when := peers.Grid{First: begin.Add(every * time.Duration(i) / time.Duration(n)), Every: every}
		s.Add(i, when, func() { late[i].CompareAndSwap(0, max(int64(time.Since(when.First)), 1)) })
	}
	s.Start()
	pause(time.Until(begin))
	used := cpuTime()
	pause(time.Until(begin.Add(length)))
	used = cpuTime() - used
	awaitStarted(late[:due])
	return append(latenesses(late[:due]), float64(used)/float64(due))
}

// awaitStarted gives tasks that are late a second more.
func awaitStarted(late []atomic.Int64) {
	for begun := time.Now(); time.Since(begun) < time.Second; {
		missing := false
		for i := range late {
			missing = missing || late[i].Load() == 0
		}
		if !missing {
			return
		}
		pause(time.Millisecond)
	}
}

// latenesses returns p50, p99, and the share of tasks that were started.
func latenesses(late []atomic.Int64) []float64 {
	var took []float64
	for i := range late {
		if l := late[i].Load(); l > 0 {
			took = append(took, float64(l))
		}
	}
	share := float64(len(took)) / math.Max(float64(len(late)), 1)
	return []float64{stat.Quantile(took, 0.5), stat.Quantile(took, 0.99), share}
}

// pause leaves the processors to others.
func pause(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // time is what is measured here
}
