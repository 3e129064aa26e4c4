package core

import "time"

// Cancel settles a waiting job, or cancels the context of a running one, whose
// return then settles it. It reports false if there is no such job.
func (c *Core) Cancel(id uint64, now time.Duration) bool {
	if j, ok := c.live.Get(byID(id)); ok {
		return c.CancelJob(j, now)
	}
	if !c.sealed {
		if e, ok := c.lane(Normal).list.Remove(id); ok {
			j := plainJob(e)
			c.pending--
			c.held--
			c.settled(j, Cancelled)
			return true
		}
	}
	r := c.RunOf(id)
	if r != nil {
		c.interrupt(r, UserCancel, now)
	}
	return r != nil
}

// CancelJob is Cancel for a job with a record.
func (c *Core) CancelJob(j *Job, now time.Duration) bool {
	switch {
	case j.State >= Processed:
		return false
	case j.run != nil:
		c.interrupt(j.run, UserCancel, now)
	case c.sealed:
		return false
	default:
		c.drop(j)
		c.settled(j, Cancelled)
	}
	return true
}

// drop takes a waiting job out of wherever it waits.
func (c *Core) drop(j *Job) {
	switch j.State {
	case Delayed, Retrying:
		c.undelay(j)
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

// unplace takes a pending job out of its line.
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
		c.keys.get(j.Key).queue.remove(j)
		c.behind[High-j.Priority]--
		c.promote(j.Key)
	case atLimit:
		j.set.waitLists[High-j.Priority].remove(j)
		c.review(j.set)
	}
	c.leaveLane(j)
}

// unset takes out a job that was put aside: it still stands there, or by now in front of
// its lane.
func (c *Core) unset(j *Job) {
	if c.lane(j.Priority).front.remove(j) {
		return
	}
	if a := c.pausedKinds[j.Kind]; a != nil && a.remove(j) {
		return
	}
	c.pausedTasks[j.Task].remove(j)
}
