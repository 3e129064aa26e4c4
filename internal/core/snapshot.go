package core

import (
	"cmp"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/latency"
)

// Counts only ever grow. The first four are of jobs, each counted once, when it settles; the others
// of offers turned away, attempts that are followed by another one, and attempts that panicked.
type Counts struct {
	Processed, Failed, Cancelled, Evicted uint64
	Rejected, Retried, Panicked           uint64
}

// Snapshot is the books at one moment. What was ever accepted is the sum of the jobs in every
// state: Accepted. It is a copy, and stays as it is.
type Snapshot struct {
	Counts
	Pending, Delayed, Retrying, Running, Stuck int  // jobs; Stuck are of those Running
	Workers, Idle, Capacity                    int  // Idle is how many of Workers have no job
	Paused                                     bool // no job starts
}

// Snapshot reads the books, in O(1): all of it is counted as it happens. More jobs may run than
// there are workers, as some are lent for stuck ones: then none is idle.
func (c *Core) Snapshot() Snapshot {
	return Snapshot{
		Counts:  c.counts,
		Pending: c.pending, Delayed: c.delayed, Retrying: c.retries, Running: c.running, Stuck: c.stuck,
		Workers: c.cfg.Workers, Idle: max(c.cfg.Workers-c.running, 0),
		Capacity: c.cfg.Capacity, Paused: c.paused,
	}
}

// Accepted sums up the jobs in every state. When the mailbox has been collected it equals the ID
// that was given out last, as each accepted job gets the next one, and is in one state at a time.
func (s Snapshot) Accepted() uint64 {
	return s.Processed + s.Failed + s.Cancelled + s.Evicted +
		uint64(s.Pending) + uint64(s.Delayed) + uint64(s.Retrying) + uint64(s.Running)
}

// Latencies returns the statistics of waiting and of running, to be read only, and only while the
// state is held.
func (c *Core) Latencies() (wait, run *latency.Histogram) { return &c.wait, &c.run }

// Oldest returns since when the job of the lanes has been ready that has been so for longest: the
// first of each, and the first behind those that came back to its front. To look at all would cost
// too much, and in a lane those behind are younger as a rule.
func (c *Core) Oldest() (since time.Duration, ok bool) {
	for i := range c.lanes {
		l := &c.lanes[i]
		if j := l.front.first(); j != nil && (!ok || j.readyAt < since) {
			since, ok = j.readyAt, true
		}
		if t, there := l.listSince(); there && (!ok || t < since) {
			since, ok = t, true
		}
	}
	return since, ok
}

// RunningJobs returns what is running, the longest first.
func (c *Core) RunningJobs() (infos []Info) {
	for _, r := range c.byStart() {
		infos = append(infos, infoOfRun(r))
	}
	return infos
}

// byStart returns the places that have a job, the longest first; the IDs decide where jobs started
// at the same time. It looks at all places, and sorts them.
func (c *Core) byStart() (runs []*Run) {
	c.updateRuns()
	for _, r := range c.runs {
		if r.ID != 0 {
			runs = append(runs, r)
		}
	}
	slices.SortFunc(runs, func(a, b *Run) int {
		return cmp.Or(cmp.Compare(a.StartedAt, b.StartedAt), cmp.Compare(a.ID, b.ID))
	})
	return runs
}

// Describe returns j as it is now.
func Describe(j *Job) Info { return infoOfJob(j) }
