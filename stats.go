package dray

import (
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/latency"
	"github.com/a622d8ee/dray/internal/span"
)

// Stats is the books of a queue at one moment. In each,
//
//	Enqueued = Processed + Failed + Cancelled + Evicted + Pending + Delayed + Retrying + Running
//
// The fields from Enqueued to Panicked only ever grow.
type Stats struct {
	Pending  int // in line, also behind their key or a paused kind; and jobs a shutdown interrupted
	Delayed  int // waiting for their time
	Retrying int // waiting for their next attempt
	Running  int
	Stuck    int // part of Running: past their cancelled context

	Enqueued  uint64 // accepted
	Processed uint64 // returned nil
	Failed    uint64 // out of attempts, or discarded
	Cancelled uint64 // by a user
	Evicted   uint64 // by an overflow policy, or replaced under their unique key

	Rejected uint64 // not accepted: ErrQueueFull, ErrDuplicate or ErrGroupDone
	Retried  uint64 // failed attempts that another one followed, or will
	Panicked uint64 // attempts that panicked

	Workers  int // that may run jobs at once
	Idle     int // of those, not running one
	Capacity int // of waiting jobs; Unbounded is -1
	Paused   bool
	Restarts uint64 // of owner, pool and scheduler after a crash

	OldestPending time.Duration // how long the job in line has been ready that waits the longest; 0 after the end
	Wait          Latency       // from being ready to the start, per attempt
	Run           Latency       // of attempts
}

// Latency sums up durations since the queue was made. The percentiles are at most
// 12.5 % too high; Max is exact. How plain jobs are sampled is in the package
// documentation.
type Latency struct {
	Count              uint64
	P50, P90, P99, Max time.Duration
}

// Stats returns one consistent snapshot. Its cost does not depend on the number of jobs.
func (q *Queue) Stats() Stats {
	r := q.newRequest()
	made := q.submit(r, r.readStats)
	s := r.stats
	if made {
		q.forget(r)
	}
	s.Restarts = q.tree.restarts()
	return s
}

func (e *engine) stats(c *core.Core, now time.Duration, s *Stats) {
	e.measureAll()
	b := c.Snapshot()
	*s = Stats{
		Pending: b.Pending, Delayed: b.Delayed, Retrying: b.Retrying, Running: b.Running, Stuck: b.Stuck,
		Enqueued: e.mail.lastID, Processed: b.Processed, Failed: b.Failed, Cancelled: b.Cancelled, Evicted: b.Evicted,
		Rejected: b.Rejected, Retried: b.Retried, Panicked: b.Panicked,
		Workers: b.Workers, Idle: b.Idle, Capacity: b.Capacity, Paused: b.Paused,
	}
	if since, ok := c.Oldest(); ok {
		s.OldestPending = max(span.Difference(now, since), 0)
	}
	wait, run := c.Latencies()
	s.Wait, s.Run = latencyOf(wait), latencyOf(run)
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
