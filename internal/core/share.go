package core

import (
	"time"

	"github.com/a622d8ee/dray/internal/fifo"
)

// A Stretch is plain jobs at the front of the normal lane that workers claim by themselves.
type Stretch = fifo.Chunk[Job]

// Share lets each worker that runs a plain job claim the next one itself when that went
// well, from the stretch that it returns; nil if more has to be looked at between two
// jobs, or none is in line. No other method may be called before Unshare.
func (c *Core) Share() *Stretch {
	if !c.Easy() {
		return nil
	}
	return c.lanes[1].list.Open()
}

// Lease lets a worker claim from s, until Release.
func (c *Core) Lease(s *Stretch) { c.lanes[1].list.Lease(s) }

// Release ends that.
func (c *Core) Release(s *Stretch) { c.lanes[1].list.Release(s) }

// RenewLeases makes all leases worthless: who has one does not claim another job.
func (c *Core) RenewLeases() { c.lanes[1].list.Renew() }

// Unshare ends what Share began, and counts what was claimed: each claim settled the job
// that the worker had run before, and started another one. When the last of them started
// is asked for if it matters. It returns how many were claimed.
func (c *Core) Unshare() uint32 {
	n := c.lanes[1].list.Shut()
	if n > 0 {
		c.counts.Processed += uint64(n)
		c.pending -= n
		c.held -= n
		c.claimed = true
	}
	return uint32(n)
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

// Plain reports whether at r there is a plain job to which nothing has been done.
func (r *Run) Plain() bool { return r.plain }

// NextIsPlain reports whether the next to start is a plain job, which may be shared.
func (c *Core) NextIsPlain() bool { return c.Easy() && c.lanes[1].list.FirstIsBare() }

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
		c.noteTurn()
		c.counts.Processed += n
		c.lanes[1].turned = max(c.lanes[1].turned, began)
	}
}

// Full reports whether as many jobs run as may.
func (c *Core) Full() bool { return c.running >= c.Limit() }
