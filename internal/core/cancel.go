package core

import "time"

// Cancel settles a waiting job, or cancels the context of a running one, whose return then settles
// it. It reports false if there is no such job: it has settled, never was, or is in a report.
//
// It looks where that costs least first: records are known by their IDs, plain jobs that wait are
// found in their lane by it. A running plain job is known by its worker alone, so all places are
// looked through.
func (c *Core) Cancel(id uint64, now time.Duration) bool {
	if j, ok := c.live.Get(byID(id)); ok {
		return c.CancelJob(j, now)
	}
	// A plain job without a record stands in the normal lane, or runs. Of a report nothing is in a
	// lane any more.
	if e, ok := c.lane(Normal).list.Remove(id); ok {
		j := plainJob(e)
		c.pending--
		c.held--
		c.settled(j, Cancelled)
		return true
	}
	r := c.RunOf(id)
	if r != nil {
		c.interrupt(r, UserCancel, now)
	}
	return r != nil
}

// CancelJob is Cancel for a job with a record. Cancelling a job that runs a second time changes
// nothing, and is reported as true: its end is still to come.
func (c *Core) CancelJob(j *Job, now time.Duration) bool {
	switch {
	// The final states are the last ones.
	case j.State >= Processed:
		return false
	case j.run != nil:
		c.interrupt(j.run, UserCancel, now)
	// It is in a report, and may be restored: to settle it here would make two jobs of it.
	case c.sealed:
		return false
	default:
		c.drop(j)
		c.settled(j, Cancelled)
	}
	return true
}

// drop takes a waiting job out of wherever it waits, and out of what is counted of such jobs. It is
// still known by its ID, its key and its kind, and has its old State: end is to follow.
func (c *Core) drop(j *Job) {
	switch j.State {
	case Delayed, Retrying:
		c.undelay(j)
	// Pending: an offer is not dropped but withdrawn.
	default:
		c.pending--
		c.unplace(j)
	}
	if !j.started {
		c.vacate(j)
	}
	if j.interrupted {
		c.interrupted--
	}
}

// unplace takes a pending job out of its line. Each kind of line can do that without a search by
// place, but for what was put aside. Where others may move up by it they do.
func (c *Core) unplace(j *Job) {
	l := c.lane(j.Priority)
	switch j.place {
	case inList:
		l.list.RemoveJob(j.spot)
	case behindLane:
		l.behind.remove(j)
	case setAside:
		c.unset(j)
	case inKey:
		k := c.keys.get(j.Key)
		k.queue.remove(j)
		c.behind[High-j.Priority]--
		// j may have been the first, and the one behind it may allow more jobs at a time than j
		// did.
		c.promote(k)
	case atLimit:
		j.set.waitLists[High-j.Priority].remove(j)
		c.review(j.set)
	}
	c.leaveLane(j)
}

// unset takes out a job that was put aside: it still stands there, or by now in front of its lane.
// Its place is the same for all three, so that nothing has to be done for each job when a kind is
// resumed.
func (c *Core) unset(j *Job) {
	if c.lane(j.Priority).front.remove(j) {
		return
	}
	// The kind may have been paused only since, with j standing aside for its task.
	if a := c.pausedKinds[j.Kind]; a != nil && a.remove(j) {
		return
	}
	c.pausedTasks[j.Task].remove(j)
}
