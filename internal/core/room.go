package core

import "time"

// Room is for jobs that wait and have never started. A job that waits for a retry, or comes
// back from a shutdown, needs none: it was accepted, so there must be a place for it. Nor do
// roomless jobs.

// Overflow says what becomes of a job for which there is no room.
type Overflow uint8

// The overflow policies.
const (
	Reject Overflow = iota
	Block
	DropNewest
	DropOldest
)

// Room returns how many jobs may still be accepted. Callers that wait for room come first, so that
// is taken off for each of them. It is 0 also where more jobs wait than the capacity says, as
// Restore and Requeue ask for no room.
func (c *Core) Room() int {
	if c.cfg.Capacity < 0 {
		return int(^uint(0) >> 1)
	}
	return max(c.cfg.Capacity-c.held-c.blocked.len(), 0)
}

// occupy counts j, which has never started, against the capacity. Under DropOldest it is entered
// into the order in which jobs are evicted: that of acceptance.
func (c *Core) occupy(j *Job) {
	if j.Roomless {
		return
	}
	c.held++
	if c.cfg.Overflow == DropOldest {
		c.roomed.push(j, inRoom)
	}
}

// vacate makes the room of j, which occupied some, free again. It is called once for each: when it
// starts for the first time, or ends without that.
func (c *Core) vacate(j *Job) {
	if j.Roomless {
		return
	}
	c.held--
	if c.roomed.head == j || j.links[inRoom] != (neighbours{}) { // not a plain one, and something is dropped
		c.roomed.remove(j, inRoom)
	}
}

// overflow decides by the policy what becomes of an offer for which there is no room.
func (c *Core) overflow(j *Job, id uint64, now time.Duration) Verdict {
	switch c.cfg.Overflow {
	case Block:
		// It holds its unique key while it waits, or a second offer would be accepted before it. If
		// another job holds that, which j is to replace, it keeps it until j is admitted: j may be
		// withdrawn.
		if !c.unique.has(j.Unique) {
			c.hold(j)
		}
		c.block(j)
		return Waits
	case DropNewest:
		// It counts as accepted and evicted, but never is in any list. It replaces nothing.
		j.ID, j.EnqueuedAt, j.State = id, now, Pending
		c.spend(j)
		c.note(DidEnqueue, j, now)
		c.end(j, Evicted, ErrEvicted, 0)
		return Dropped
	case DropOldest:
		// If there is none, nothing that waits can make room: as with a capacity of 0.
		if old := c.oldest(); old != nil {
			c.evict(old, ErrEvicted)
			c.takeOver(j, id, now)
			return Accepted
		}
	}
	c.reject(j, NoRoom, now)
	return Full
}

// oldest finds the job to evict: of all that have never started, and so hold room, the one that was
// accepted first; nil if there is none. A plain one is taken out of its lane, and gets a record to
// be evicted with. It is O(1) but for the search of a chunk: plain jobs and records each know their
// first, and IDs say which of the two came before.
func (c *Core) oldest() *Job {
	l := &c.lane(Normal).list
	if e, ok := l.FirstBare(); ok && (c.roomed.head == nil || e.ID < c.roomed.head.ID) {
		l.Remove(e.ID)
		return plainJob(e)
	}
	return c.roomed.head
}

// plainJob makes a record of a plain job that waits. It is in no list: the caller has taken the job
// out, or only shows it.
func plainJob(e Entry) *Job {
	return &Job{Spec: PlainSpec, Fn: e.Fn, ID: e.ID, EnqueuedAt: e.At, State: Pending, readyAt: e.At}
}
