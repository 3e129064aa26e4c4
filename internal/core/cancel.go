package core

import (
	"cmp"
	"slices"
	"time"
)

// Cancel settles a waiting job, or cancels the context of a running one, whose
// return then settles it. It reports false if there is no such job.
func (c *Core) Cancel(id uint64, now time.Duration) bool {
	if j := c.find(id); j != nil {
		return c.CancelJob(j, now)
	}
	if r := c.RunOf(id); r != nil {
		c.interrupt(r, UserCancel, now)
		return true
	}
	if c.sealed {
		return false
	}
	e, ok := c.lane(Normal).list.Remove(id)
	if ok {
		j := plainJob(e)
		c.pending--
		c.held--
		c.settled(j, Cancelled)
	}
	return ok
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

// CancelAll is Cancel for every job that matches, in the order of their IDs. It
// returns how many there were. It looks at all jobs that have a record.
func (c *Core) CancelAll(match func(*Job) bool, now time.Duration) (n int) {
	var found []*Job
	for _, j := range c.live.m {
		if match(j) {
			found = append(found, j)
		}
	}
	slices.SortFunc(found, func(a, b *Job) int { return cmp.Compare(a.ID, b.ID) })
	for _, j := range found {
		if c.CancelJob(j, now) {
			n++
		}
	}
	return n
}

// CancelKey is Cancel for all jobs of a key.
func (c *Core) CancelKey(key string, now time.Duration) int {
	return c.CancelAll(func(j *Job) bool { return key != "" && j.Key == key }, now)
}

// CancelKind is Cancel for all jobs of a kind.
func (c *Core) CancelKind(kind string, now time.Duration) int {
	return c.CancelAll(func(j *Job) bool { return kind != "" && j.Kind == kind }, now)
}

// find returns the job with a record that has the given ID and is not running.
func (c *Core) find(id uint64) *Job {
	if j := c.live.get(id); j != nil || c.unlisted == 0 {
		return j
	}
	for i := range c.lanes {
		for e := range c.lanes[i].list.All() {
			if e.Job != nil && e.Job.ID == id && c.lanes[i].alive(e) {
				return e.Job
			}
		}
		for _, j := range c.lanes[i].behind.jobs {
			if j.ID == id && j.place == behindLane {
				return j
			}
		}
	}
	return nil
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
	if j.Unlisted {
		c.unlisted--
	}
}

// unplace takes a pending job out of its line.
func (c *Core) unplace(j *Job) {
	l := c.lane(j.Priority)
	p := j.place
	c.leaveLane(j)
	switch p {
	case inList:
		l.bury()
	case behindLane:
		l.behind.leave()
	case inFront:
		l.front.leave()
	case inKey:
		c.keys.get(j.Key).queue.leave()
		c.promote(j.Key)
	case withKind:
		c.pausedKinds[j.Kind].leave()
	case withTask:
		c.pausedTasks[j.Task].leave()
	case atLimit:
		j.set.lines[High-j.Priority].leave()
		c.review(j.set)
	}
}
