package stalls

import (
	"time"

	"github.com/a622d8ee/dray/bench/internal/report"
	"github.com/a622d8ee/dray/bench/internal/stat"
	"github.com/a622d8ee/dray/bench/internal/works"
)

// costGrowth is the bar: what a call costs at the large size, to the small one.
const costGrowth = 2

// A cost is that of a call which concerns one job.
type cost struct {
	name  string
	sizes sizes
	// of returns the time per call in nanoseconds, at so many jobs, waiters or limiters.
	of func(n int) float64
}

func costs(c Config) []cost {
	return []cost{
		{"KeepExisting duplicate", c.Growth, duplicates(false)},
		{"KeepExisting duplicate, EnqueueSync", c.Growth, duplicates(true)},
		{"Block admission", c.Growth, admissions},
		{"DropOldest", c.Growth, dropOldest},
		{"Cancel(id), plain job", c.Growth, cancelPlain},
		{"Cancel(id), job with a key", c.Growth, cancelKeyed},
		{"withdrawn waiter", c.Growth, withdrawn},
		{"withdrawn waiter, by waiters", c.Waiters, withdrawnOf},
		{"EnqueueSync", c.Growth, enqueueSync},
		{"Stats", c.Growth, stats},
		{"shutdown, by limiters", c.Limiters, shutdown},
	}
}

// growths measures all costs, the small and the large size in turns.
func growths(c Config) works.Result {
	t := report.Table{
		Title: "What calls cost as the queue gets longer",
		Note: "Time per call at the small and the large number of waiting jobs (or waiters, or limiters: then of the shutdown for " +
			"each), and the median of the ratios within the rounds. Bar: at most " + report.Number(costGrowth) + " times.",
		Header: []string{"", "", "small", "", "large", "ratio", ""},
	}
	var r works.Result
	for _, cost := range costs(c) {
		if !c.wanted(growthPrefix + cost.name) {
			continue
		}
		var small, large []float64
		for round := range c.Rounds {
			c.say("\r\033[K%s, round %d of %d", cost.name, round+1, c.Rounds)
			for i := range 2 {
				if (i+round)%2 == 0 {
					small = append(small, cost.at(cost.sizes.small))
				} else {
					large = append(large, cost.at(cost.sizes.large))
				}
			}
		}
		ratio := stat.Median(stat.Ratios(large, small))
		t.Add(cost.name, at(cost.sizes.small), report.Ns(stat.Median(small)), at(cost.sizes.large), report.Ns(stat.Median(large)),
			report.Ratio(ratio), met(ratio <= costGrowth))
		r.AddRatio(growthPrefix+cost.name, ratio)
	}
	c.say("\r\033[K")
	r.Tables = []report.Table{t}
	return r
}

// at measures once, under the watch that ends a program which hangs.
func (c cost) at(n int) float64 {
	fresh()
	return works.Watched(c.name, func() []float64 { return []float64{c.of(n)} })[0]
}

// The calls of one measurement: as many as there is time for, since one call may take
// a millisecond where it looks at a million jobs.
const (
	mostCalls  = 5000
	longestRun = 40 * time.Millisecond
)

// perCall returns the time of one of up to limit calls, after some to warm up.
func perCall(limit int, call func(i int)) float64 {
	warm := limit / 10
	for i := range warm {
		call(i)
	}
	begun, n := time.Now(), 0
	for n < limit-warm {
		call(warm + n)
		n++
		if n%16 == 0 && time.Since(begun) > longestRun {
			break
		}
	}
	return float64(time.Since(begun).Nanoseconds()) / float64(max(n, 1))
}

// perTimedCall is perCall for calls that need something done beforehand, which is not
// timed: call returns how long what counts has taken.
func perTimedCall(limit int, call func(i int) time.Duration) float64 {
	var sum time.Duration
	begun, n := time.Now(), 0
	for n < limit {
		sum += call(n)
		n++
		if time.Since(begun) > 2*longestRun {
			break
		}
	}
	return float64(sum.Nanoseconds()) / float64(max(n, 1))
}
