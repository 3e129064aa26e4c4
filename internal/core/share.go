package core

// This file has how workers claim jobs without the core. In a tick the core opens a chunk to
// them (Share) and at the beginning of the next one counts what was claimed (Unshare): so
// between the two it is behind, and not to be changed; in a tick it is up to date, and its
// rules need not know of claims.
//
// What a claim means is fixed beforehand: the job that the worker had has ended well, and the
// next in line has started. So running stays as it is, pending and held go down by one,
// processed up by one. All else that a start or an end can set off has to be ruled out, by
// Sharable for the core and by light for a record.

import (
	"time"

	"github.com/a622d8ee/dray/internal/fifo"
)

// A Chunk is jobs at the front of a lane that workers claim by themselves: plain
// ones, and light ones with a record.
type Chunk = fifo.Chunk[Job]

// Share lets each worker that runs such a job claim the next one itself when that went well, from
// the chunk that it returns; nil if more has to be looked at between two jobs, or none is in line.
//
// Until Unshare the core must not be changed. It may be read, but does not know of claims: what
// stands in line may be less by then, so that Ready is too high and Room too low, and which job
// runs where may have changed.
//
// If they are to know the IDs of plain jobs it is a chunk for which RunOf says them.
func (c *Core) Share(identified bool, now time.Duration) *Chunk {
	p, ok := c.only(now)
	if !ok {
		return nil
	}
	// The last lane's start is brought up to date while it is known which it was.
	if p != c.shared {
		c.noteStart()
		c.shared = p
	}
	if identified {
		return c.lane(p).list.OpenRun(c.light)
	}
	return c.lane(p).list.Open(c.light)
}

// only returns the priority of which alone jobs are to start until something changes, if there is
// one. Others may stand in line, and count as high only later: at c.aged. It is asked again in each
// tick, so what changes in a tick needs no further thought; c.aged is among the times that Next
// reports.
func (c *Core) only(now time.Duration) (p Priority, ok bool) {
	c.aged = 0
	if c.inLanes() == 0 || !c.Sharable() {
		return 0, false
	}
	first := 0
	// It ends, as some lane has jobs.
	for c.lanes[first].len() == 0 {
		first++
	}
	for i := range c.lanes {
		if i != first && c.behind[i] > 0 {
			return 0, false // it may have been first of its priority for long when its turn comes
		}
	}
	p = High - Priority(first) //nolint:gosec // of three
	if c.inLanes() == c.lanes[first].len() {
		return p, true
	}
	// Nothing stands before the lists: see Sharable.
	h := c.heads([3]*Job{})
	if !h.alone(first, now) {
		return 0, false
	}
	// A lower priority counts as high as the first when it has aged once for each step between
	// them.
	for i := first + 1; i < len(c.lanes); i++ {
		if at := h.since[i] + ageing*time.Duration(i-first); h.there[i] && (c.aged == 0 || at < c.aged) {
			c.aged = at
		}
	}
	return p, true
}

// Crowded reports whether jobs stand behind their keys, so that the end of a job with a key may let
// one into its lane.
func (c *Core) Crowded() bool { return c.behind[0]+c.behind[1]+c.behind[2] > 0 }

// Sharing returns the priority of the jobs that are shared, or were last.
func (c *Core) Sharing() Priority { return c.shared }

// light reports whether no rule has to be looked at before a job in line starts nor after a good
// end of it, but for whether its kind is paused, which Reconsider has asked again. One with a
// key has its place there already. What stands behind it would come to the end of the lane, so it
// misses nothing until the next Unshare.
func (c *Core) light(j *Job) bool {
	return j.Within == 0 && j.Unique == "" && j.set == nil && j.Group == nil &&
		j.Ref == nil && j.Task == "" && !j.Roomless && !j.interrupted && c.asideOf(j) == nil
}

// Lease lets a worker claim from s, until Release. Any list can use the chunk again, so that it
// need not be known from which lane it came.
func (c *Core) Lease(s *Chunk) { c.lanes[1].list.Lease(s) }

// Release ends that: the worker is back, and does not look at the chunk again.
func (c *Core) Release(s *Chunk) { c.lanes[1].list.Release(s) }

// RenewLeases makes all leases worthless: a worker that has one claims no other job by it. It is
// called between Unshare and Share, and copies one chunk for each lane at most.
func (c *Core) RenewLeases() {
	for i := range c.lanes {
		c.lanes[i].list.Renew()
	}
}

// Unshare ends what Share began, and counts what was claimed: each claim settled the job that the
// worker had run before, and started another one. When the last of them started is asked for if it
// matters. It returns how many were claimed, and whether there may be records among them: then
// EndedWell is to be called for each place where another job runs by now, and then Claimed. Without
// a Share before it does nothing.
func (c *Core) Unshare() (claimed uint32, records bool) {
	c.aged = 0
	n, records := c.lane(c.shared).list.Shut()
	if n > 0 {
		// As if all were plain and had never started. What is different about records Claimed puts
		// right.
		c.counts.Processed += uint64(n)
		c.pending -= n
		c.held -= n
		c.claimed = true
	}
	return uint32(n), records
}

// EndedWell says that the job at r has ended well, and that another one was claimed there. It
// leaves the place as that of a plain job, for Claimed to say if it is a record's. It is called
// before Claimed for that place, or the record that has just been claimed would be taken for the
// one that has ended.
func (c *Core) EndedWell(r *Run) {
	if r.Job != nil && r.Job.Timeout > 0 {
		c.deadlines.Remove(&r.deadline)
	}
	c.succeed(r.Job)
	r.Job, r.plain = nil, true
}

// Claimed takes in the records that were claimed: at gives the place where the one from a slot
// runs, and since when; nil if it has ended well. It is called once all workers show what they have
// claimed: see fifo.List.Shut.
func (c *Core) Claimed(at func(slot uint32) (*Run, time.Duration)) {
	c.lane(c.shared).list.Claimed(func(slot uint32, j *Job) {
		c.leaveLane(j)
		// Unshare has taken off room for each. A record that had started before had none, so that
		// is undone; of another one vacate takes it off again, and with it the record from those
		// that hold room.
		if c.held++; !j.started {
			j.started = true
			c.vacate(j)
		}
		r, began := at(slot)
		if r == nil {
			c.succeed(j)
			return
		}
		j.State, j.run = Running, r
		r.ID, r.Fn, r.Job, r.plain = j.ID, j.Fn, j, false
		r.Enqueued, r.StartedAt = j.EnqueuedAt, began
		c.limitTime(r)
	})
}

// succeed ends a job that another one was claimed after, as which it is counted already. A plain
// one, nil, needs nothing more than that.
func (c *Core) succeed(j *Job) {
	if j != nil {
		j.run = nil
		c.end(j, Processed, nil, 0)
		c.counts.Processed--
	}
}

// noteStart brings the shared lane up to date, after what was claimed from it. When the last of
// these started is asked of the engine, which may have to wait for workers: so only where lanes are
// compared, and once.
func (c *Core) noteStart() {
	if c.claimed {
		c.claimed = false
		l := c.lane(c.shared)
		l.started = max(l.started, c.cfg.LastStart())
	}
}

// GoesOn says which plain job runs at r by now, where an earlier one did. It counts nothing:
// Unshare has.
func (*Core) GoesOn(r *Run, fn Func, id uint64, enqueued, started time.Duration) {
	r.ID, r.Fn, r.Enqueued, r.StartedAt = id, fn, enqueued, started
}

// Light reports whether at r there is a job that others may be claimed after: a plain or a
// light one, to which nothing has been done.
func (c *Core) Light(r *Run) bool {
	return r.plain || r.Job != nil && r.Cause == NotCancelled && c.light(r.Job)
}

// NextIsLight reports whether the next to start is a job which may be shared.
func (c *Core) NextIsLight(now time.Duration) bool {
	p, ok := c.only(now)
	return ok && c.lane(p).list.FirstIsSharable(c.light)
}

// Watches reports whether observers want to know of such effects.
func (c *Core) Watches(kind EffectKind) bool { return c.cfg.Watched.has(kind) }

// updateRuns has GoesOn called for each place whose worker has claimed plain jobs since the core
// last knew. It is called before anything looks at which job runs where, and not in other steps, as
// it looks at all workers.
func (c *Core) updateRuns() {
	if c.cfg.UpdateRuns != nil {
		c.cfg.UpdateRuns()
	}
}

// Finished counts jobs that were started and have ended well without the core, the last of which
// started at began. They were never pending here: a producer gave them to a worker that was lent to
// it.
func (c *Core) Finished(n uint64, began time.Duration) {
	if n > 0 {
		c.counts.Processed += n
		c.lanes[1].started = max(c.lanes[1].started, began)
	}
}

// Full reports whether as many jobs run as may. More may, after a Resize to fewer.
func (c *Core) Full() bool { return c.running >= c.Limit() }

// MoreInLine reports whether there is anything in line besides what is shared. It is asked while
// something is.
func (c *Core) MoreInLine() bool { return c.inLanes() > c.lane(c.shared).list.Opened() }

// MoreToShare reports whether there may be another chunk behind the one that is shared. It is asked
// while one is.
func (c *Core) MoreToShare() bool {
	l := c.lane(c.shared)
	return l.list.More() || c.inLanes() > l.len()
}
