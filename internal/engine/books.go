package engine

import (
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/latency"
	"github.com/a622d8ee/dray/internal/span"
)

// Books is what the engine knows of its jobs at one moment.
type Books struct {
	core.Snapshot
	Enqueued  uint64
	Oldest    time.Duration // how long the job in line has been ready that waits the longest
	Wait, Run Latency
}

// Latency sums up durations. The percentiles are at most 12.5 % too high; Max is exact.
type Latency struct {
	Count              uint64
	P50, P90, P99, Max time.Duration
}

// Books returns one consistent snapshot. Its cost does not depend on the number of jobs.
func (e *Engine) Books() Books {
	r := e.newRequest()
	made := e.submit(r, r.readBooks)
	b := r.books
	if made {
		e.forget(r)
	}
	return b
}

// Read reads the books in an update.
func (e *Engine) Read(c *core.Core, now time.Duration, b *Books) {
	e.measureAll()
	*b = Books{Snapshot: c.Snapshot(), Enqueued: e.mail.lastID}
	if since, ok := c.Oldest(); ok {
		b.Oldest = max(span.Difference(now, since), 0)
	}
	wait, run := c.Latencies()
	b.Wait, b.Run = latencyOf(wait), latencyOf(run)
}

var percentiles = [...]float64{0.5, 0.9, 0.99}

func latencyOf(h *latency.Histogram) Latency {
	if h.Count() == 0 {
		return Latency{}
	}
	var p [3]time.Duration
	h.Quantiles(percentiles[:], p[:])
	return Latency{Count: h.Count(), P50: p[0], P90: p[1], P99: p[2], Max: h.Max()}
}
