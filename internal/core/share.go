package core

import (
	"time"

	"github.com/a622d8ee/dray/internal/fifo"
)

// A Stretch is jobs at the front of the normal lane that workers claim by themselves: plain
// ones, and light ones with a record.
type Stretch = fifo.Chunk[Job]

// Share lets each worker that runs such a job claim the next one itself when that went
// well, from the stretch that it returns; nil if more has to be looked at between two
// jobs, or none is in line. No other method may be called before Unshare.
//
// If they are to know the IDs of plain jobs it is a stretch for which RunOf says them.
func (c *Core) Share(identified bool) *Stretch {
	switch {
	case !c.Easy():
		return nil
	case identified:
		return c.lanes[1].list.OpenRun(c.light)
	default:
		return c.lanes[1].list.Open(c.light)
	}
}

// light reports whether no rule has to be looked at before a job in line starts nor after a good
// end of it, but for whether its kind is paused, which Reconsider has asked again. One with a
// key has its place there already; whether others stand behind it says Heeds.
func (c *Core) light(j *Job) bool {
	return j.Within == 0 && j.Unique == "" && j.set == nil && j.Group == nil &&
		j.Ref == nil && j.Task == "" && !j.Roomless && !j.cut && c.asideOf(j) == nil
}

// Heeds reports whether each claim is to be told, by another Unshare: as callers wait for room,
// or jobs behind their key.
func (c *Core) Heeds() bool { return c.Blocked() || c.behind != [3]int{} }

// Lease lets a worker claim from s, until Release.
func (c *Core) Lease(s *Stretch) { c.lanes[1].list.Lease(s) }

// Release ends that.
func (c *Core) Release(s *Stretch) { c.lanes[1].list.Release(s) }

// RenewLeases makes all leases worthless: who has one does not claim another job.
func (c *Core) RenewLeases() { c.lanes[1].list.Renew() }

// Unshare ends what Share began, and counts what was claimed: each claim settled the job
// that the worker had run before, and started another one. When the last of them started
// is asked for if it matters. It returns how many were claimed, and whether there may be
// records among them: then Follow is to be called for each place where another job runs by
// now, and then Claimed.
func (c *Core) Unshare() (claimed uint32, records bool) {
	n, records := c.lanes[1].list.Shut()
	if n > 0 {
		c.counts.Processed += uint64(n)
		c.pending -= n
		c.held -= n
		c.claimed = true
	}
	return uint32(n), records
}

// Follow says that the job at r has ended well, and that another one was claimed there.
func (c *Core) Follow(r *Run) {
	if r.Job != nil && r.Job.Timeout > 0 {
		c.deadlines.Remove(&r.deadline)
	}
	c.succeed(r.Job)
	r.Job, r.plain = nil, true
}

// Claimed takes in the records that were claimed: at gives the place where the one from a
// slot runs, and since when; nil if it has ended well.
func (c *Core) Claimed(at func(slot uint32) (*Run, time.Duration)) {
	c.lanes[1].list.Claimed(func(slot uint32, j *Job) {
		c.leaveLane(j)
		if c.held++; !j.started { // as Unshare has counted
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

// succeed ends a job that another one was claimed after, as which it is counted already.
func (c *Core) succeed(j *Job) {
	if j != nil {
		j.run = nil
		c.end(j, Processed, nil, 0)
		c.counts.Processed--
	}
}

// noteTurn brings the normal lane up to date, after what was claimed from it.
func (c *Core) noteTurn() {
	if c.claimed {
		c.claimed = false
		c.lanes[1].turned = max(c.lanes[1].turned, c.cfg.LastStart())
	}
}

// GoesOn says which plain job runs at r by now, where an earlier one did.
func (*Core) GoesOn(r *Run, fn Func, id uint64, enqueued, started time.Duration) {
	r.ID, r.Fn, r.Enqueued, r.StartedAt = id, fn, enqueued, started
}

// Light reports whether at r there is a job that others may be claimed after: a plain or a
// light one, to which nothing has been done.
func (c *Core) Light(r *Run) bool {
	return r.plain || r.Job != nil && r.Cause == NotCancelled && c.light(r.Job)
}

// NextIsLight reports whether the next to start is a job which may be shared.
func (c *Core) NextIsLight() bool { return c.Easy() && c.lanes[1].list.FirstIsEasy(c.light) }

// Watches reports whether somebody wants to know of such effects.
func (c *Core) Watches(kind EffectKind) bool { return c.cfg.Watched.has(kind) }

func (c *Core) updateRuns() {
	if c.cfg.UpdateRuns != nil {
		c.cfg.UpdateRuns()
	}
}

// Finished counts plain jobs that were started and have ended well without the core, the
// last of which started at began.
func (c *Core) Finished(n uint64, began time.Duration) {
	if n > 0 {
		c.counts.Processed += n
		c.lanes[1].turned = max(c.lanes[1].turned, began)
	}
}

// Full reports whether as many jobs run as may.
func (c *Core) Full() bool { return c.running >= c.Limit() }

// MoreToShare reports whether there may be another stretch behind the one that is shared.
func (c *Core) MoreToShare() bool { return c.lanes[1].list.More() }
