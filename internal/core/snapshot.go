package core

import (
	"cmp"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/latency"
)

// Snapshot is the books at one moment. What was ever accepted is the sum of
// the jobs in every state: Accepted.
type Snapshot struct {
	Counts
	Pending, Delayed, Retrying, Running, Stuck int
	Workers, Idle, Capacity                    int
	Paused                                     bool
}

// Snapshot reads the books.
func (c *Core) Snapshot() Snapshot {
	return Snapshot{
		Counts:  c.counts,
		Pending: c.pending, Delayed: c.delayed, Retrying: c.retries, Running: c.running, Stuck: c.stuck,
		Workers: c.cfg.Workers, Idle: max(c.cfg.Workers-c.running, 0),
		Capacity: c.cfg.Capacity, Paused: c.paused,
	}
}

// Accepted sums up the jobs in every state.
func (s Snapshot) Accepted() uint64 {
	return s.Processed + s.Failed + s.Cancelled + s.Evicted +
		uint64(s.Pending) + uint64(s.Delayed) + uint64(s.Retrying) + uint64(s.Running)
}

// Latencies returns the statistics of waiting and of running, to be read only.
func (c *Core) Latencies() (wait, run *latency.Histogram) { return &c.wait, &c.run }

// Oldest returns since when the job of the lanes has been ready that has been so for
// longest: the first of each, and the first behind those that came back to its front.
func (c *Core) Oldest() (since time.Duration, ok bool) {
	for i := range c.lanes {
		for _, first := range []func() (time.Duration, bool){c.lanes[i].since, c.lanes[i].listSince} {
			if t, there := first(); there && (!ok || t < since) {
				since, ok = t, true
			}
		}
	}
	return since, ok
}

// Place returns what Position does for a job that others may stand behind. It
// has to look for the job in its lane.
func (c *Core) Place(j *Job) int {
	behind := 0
	l := c.lane(j.Priority)
	if j.State == Pending && j.place == inFront {
		behind = l.len() - 1 - l.front.place(j)
	}
	if j.State == Pending && j.place == inList {
		behind = l.len() - l.front.len()
		for e := range l.list.All() {
			if l.alive(e) {
				behind--
			}
			if e.Job == j {
				break
			}
		}
	}
	if j.State == Pending && j.place == inKey {
		q := &c.keys.get(j.Key).queue
		behind = q.len() - 1 - q.place(j)
	}
	return c.Position(j) - behind
}

// Position returns where the pending job j, which is the last of its line,
// stands, 1 for the next to start, as far as is decided now: behind all of its
// lane and of the lanes before it, and behind those before it in its key. It is
// 0 for a job that waits for its time.
func (c *Core) Position(j *Job) int {
	if j.State != Pending {
		return 0
	}
	n := 0
	for p := High; p >= j.Priority; p-- {
		n += c.lane(p).len()
	}
	if j.place == inKey {
		n += c.keys.get(j.Key).queue.len()
	}
	if j.place == behindLane {
		n += c.lane(j.Priority).behind.len()
	}
	return n
}

// RunningJobs returns what is running, the longest first.
func (c *Core) RunningJobs() []Info {
	var infos []Info
	for _, r := range c.runs {
		if r.ID != 0 {
			infos = append(infos, infoOfRun(r))
		}
	}
	slices.SortFunc(infos, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.StartedAt, b.StartedAt), cmp.Compare(a.ID, b.ID))
	})
	return infos
}

// WaitingJobs returns the waiting jobs in the order in which they will start, as
// far as is decided now: the lanes, then what is behind its key, of a paused kind
// or waits for a token, then what waits for its time. Plain jobs get a record of their own.
func (c *Core) WaitingJobs() []*Job {
	jobs := make([]*Job, 0, c.pending+c.waiting.Len())
	for i := range c.lanes {
		l := &c.lanes[i]
		jobs = append(jobs, l.front.all()...)
		for e := range l.list.All() {
			switch {
			case e.Job == nil:
				jobs = append(jobs, plainJob(e))
			case l.alive(e):
				jobs = append(jobs, e.Job)
			}
		}
		jobs = append(jobs, l.behind.all()...)
	}
	now, later := c.heldBack()
	jobs = append(jobs, now...)
	for _, it := range c.waiting.Sorted() {
		jobs = append(jobs, it.Value)
	}
	return append(jobs, later...)
}

// heldBack returns the pending jobs that are in no lane, by priority and turn;
// apart from the others those whose key is held by a job that waits for its time.
func (c *Core) heldBack() (now, later []*Job) {
	asleep := make(map[string]bool)
	for _, it := range c.waiting.Sorted() {
		if it.Value.keyed {
			asleep[it.Value.Key] = true
		}
	}
	for name, k := range c.keys.m {
		if asleep[name] {
			later = append(later, k.queue.all()...)
		} else {
			now = append(now, k.queue.all()...)
		}
	}
	for _, paused := range []map[string]*line{c.pausedKinds, c.pausedTasks} {
		for _, aside := range paused {
			now = append(now, aside.all()...)
		}
	}
	for _, l := range c.limits.m {
		for i := range l.lines {
			now = append(now, l.lines[i].all()...)
		}
	}
	for _, jobs := range [][]*Job{now, later} {
		slices.SortFunc(jobs, func(a, b *Job) int {
			return cmp.Or(cmp.Compare(b.Priority, a.Priority), byTurn(a, b))
		})
	}
	return now, later
}

// Describe returns j as it is now.
func Describe(j *Job) Info { return infoOfJob(j) }
