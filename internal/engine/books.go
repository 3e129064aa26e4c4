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

// ReadBooks has f look at one consistent snapshot, on the caller's goroutine. What it is given is
// valid until it returns. It costs the same whatever the number of jobs.
func (e *Engine) ReadBooks(f func(*Books)) {
	r := e.newRequest()
	if e.submit(r, r.readBooks) {
		f(&r.books)
		e.forget(r)
	}
}

// Read reads the books in an update.
func (e *Engine) Read(c *core.Core, now time.Duration, b *Books) {
	e.measureAll()
	b.Snapshot, b.Enqueued, b.Oldest = c.Snapshot(), e.mail.lastID, 0
	if since, ok := c.Oldest(); ok {
		b.Oldest = max(span.Difference(now, since), 0)
	}
	wait, run := c.Latencies()
	b.Wait.read(wait)
	b.Run.read(run)
}

var percentiles = [...]float64{0.5, 0.9, 0.99}

// read sums h up. It looks at the buckets between the smallest and the largest value, once for
// all percentiles.
func (l *Latency) read(h *latency.Histogram) {
	*l = Latency{Count: h.Count()}
	if l.Count == 0 {
		return
	}
	var p [3]time.Duration
	h.Quantiles(percentiles[:], p[:])
	l.P50, l.P90, l.P99, l.Max = p[0], p[1], p[2], h.Max()
}
