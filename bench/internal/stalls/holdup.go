package stalls

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/bench/internal/report"
	"github.com/a622d8ee/dray/bench/internal/stat"
	"github.com/a622d8ee/dray/bench/internal/works"
)

// The bar of hold-ups: the longest call of a plain Enqueue beside any other call at
// the large number of jobs, and how many times that at the small one.
const (
	longestHoldUp  = float64(time.Millisecond)
	holdUpGrowth   = 2
	leastOfTables  = float64(100 * time.Microsecond) // the noise: less counts as this much in the tables' ratios
	leastOfTheGate = longestHoldUp                   // and in those of the gate, on machines that do other things too
)

// interval is the time between two calls of the producer. What holds it up for longer
// than that does not escape it, and so few jobs do not fill the queue.
const interval = 20 * time.Microsecond

// longestCall calls enqueue again and again while during runs, and returns how long
// the longest of the calls took. Between two calls the producer yields, so that
// the Go scheduler never finds it in a call when it takes its processor away.
func longestCall(enqueue, during func()) time.Duration {
	var (
		over   atomic.Bool
		begun  = make(chan struct{})
		result = make(chan time.Duration)
	)
	go func() {
		longest := timed(enqueue)
		close(begun)
		for !over.Load() {
			for last := time.Now(); time.Since(last) < interval; {
				runtime.Gosched()
			}
			longest = max(longest, timed(enqueue))
		}
		result <- longest
	}()
	<-begun
	during()
	over.Store(true)
	return <-result
}

func timed(f func()) time.Duration {
	begun := time.Now()
	f()
	return time.Since(begun)
}

// A phase is what happened while a call, or its control, ran.
type phase struct {
	longest float64 // call of Enqueue, in nanoseconds
	took    time.Duration
	ended   float64 // jobs per millisecond
}

// watch runs during with a producer beside it.
func (s *state) watch(during func()) (p phase) {
	var ended int64
	p.longest = float64(longestCall(s.enqueue, func() {
		before := s.ended.Load()
		p.took = timed(during)
		ended = s.ended.Load() - before
	}))
	p.ended = float64(ended) / (float64(p.took) / float64(time.Millisecond))
	return p
}

// An allocation is what a call has allocated, and how long it took.
type allocation struct {
	bytes, objects uint64
	took           time.Duration
}

// longestControl bounds the control of calls that take seconds.
const longestControl = 2 * time.Second

// measured runs a call and returns what it allocated.
func measured(call func()) (a allocation) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a.took = timed(call)
	runtime.ReadMemStats(&after)
	a.bytes, a.objects = after.TotalAlloc-before.TotalAlloc, after.Mallocs-before.Mallocs
	return a
}

// repeat is the control: it allocates as much in as many objects, and lasts as long,
// but has nothing to do with the queue. It returns the last of the objects, so that the
// compiler does not leave them out.
func (a allocation) repeat() (last []byte) {
	begun := time.Now()
	for range a.objects {
		last = make([]byte, a.bytes/max(a.objects, 1))
	}
	pause(min(a.took, longestControl) - time.Since(begun))
	return last
}

// pause leaves the processors to others.
func pause(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // time is what is measured here
}

// A holdUp is what the runs of one scenario at one size came to.
type holdUp struct{ call, control []phase }

// longest is the median of the longest calls, less that of the control's.
func (h holdUp) longest() float64 {
	of := func(ps []phase) (longest []float64) {
		for _, p := range ps {
			longest = append(longest, p.longest)
		}
		return longest
	}
	return max(stat.Median(of(h.call))-stat.Median(of(h.control)), 0)
}

// ended is the median of the jobs that ended per millisecond.
func ended(ps []phase) float64 {
	var all []float64
	for _, p := range ps {
		all = append(all, p.ended)
	}
	return stat.Median(all)
}

func took(ps []phase) float64 {
	var all []float64
	for _, p := range ps {
		all = append(all, float64(p.took))
	}
	return stat.Median(all)
}

// holdUpOf runs a scenario with so many jobs. A first run tells how much the call
// allocates, which the control of the others repeats.
func (c Config) holdUpOf(s scenario, n int) (h holdUp) {
	margin := s.margin(n)
	st := s.prepare(n, margin)
	st.ready()
	a := measured(st.call)
	st.end()
	for run := 0; run < c.Runs; {
		c.say("\r\033[K%s, %s jobs, run %d of %d", s.name, report.Count(float64(n)), run+1, c.Runs)
		fresh()
		p := works.Watched(s.name, func() compared { return a.compare(s.prepare(n, margin+min(a.took, longestControl))) })
		if p.late {
			margin *= 2
			continue
		}
		h.call, h.control = append(h.call, p.call), append(h.control, p.control)
		run++
	}
	return h
}

// compared is a call and its control on one queue.
type compared struct {
	call, control phase
	late          bool // the jobs were due before the call could be watched: there is no call
}

// compare runs the control, then the call.
func (a allocation) compare(s *state) (p compared) {
	defer s.end()
	p.control = s.watch(func() { s.garbage = a.repeat() })
	if p.late = s.late(); !p.late {
		s.ready()
		p.call = s.watch(s.call)
	}
	return p
}

// holdUps measures all scenarios.
func holdUps(c Config) works.Result {
	t := report.Table{
		Title: "How long a plain Enqueue is held up by other calls",
		Note: fmt.Sprintf("The longest of the calls that a producer makes every %v meanwhile, median over %d runs, less that of a "+
			"control that allocates as much and lasts as long. Ratios count less than %s as that. Jobs that end per millisecond "+
			"while the call runs, and while its control does: %d workers, jobs that sleep 1 ms. "+
			"Bars: at most %s at the large size, and %s times that at the small one.",
			interval, c.Runs, report.Ns(leastOfTables), workers, report.Ns(longestHoldUp), report.Number(holdUpGrowth)),
		Header: []string{"", at(c.Waiting.small), at(c.Waiting.large), "", "ratio", "", "the call takes", "jobs ended/ms", "without"},
	}
	var r works.Result
	for _, s := range scenarios() {
		if !c.wanted(stallPrefix + s.name) {
			continue
		}
		small, large := c.holdUpOf(s, c.Waiting.small), c.holdUpOf(s, c.Waiting.large)
		a, b := small.longest(), large.longest()
		ratio := max(b, leastOfTables) / max(a, leastOfTables)
		t.Add(s.name, report.Ns(a), report.Ns(b), met(b <= longestHoldUp), report.Ratio(ratio), met(ratio <= holdUpGrowth),
			report.Ns(took(large.call)), report.Number(ended(large.call)), report.Number(ended(large.control)))
		r.AddRatio(stallPrefix+s.name, max(b, leastOfTheGate)/max(a, leastOfTheGate))
	}
	c.say("\r\033[K")
	r.Tables = []report.Table{t}
	return r
}

func at(n int) string { return "at " + report.Count(float64(n)) }
