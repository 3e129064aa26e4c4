package core

// Room returns how many jobs may still be accepted.
func (c *Core) Room() int {
	if c.cfg.Capacity < 0 {
		return int(^uint(0) >> 1)
	}
	return max(c.cfg.Capacity-c.held-c.blocked.len(), 0)
}

// occupy counts j, which has never started, against the capacity.
func (c *Core) occupy(j *Job) {
	if j.Roomless {
		return
	}
	c.held++
	if c.cfg.Overflow == DropOldest {
		c.roomed.push(j, inRoom)
	}
}

// vacate makes the room of j, which occupied some, free again.
func (c *Core) vacate(j *Job) {
	if j.Roomless {
		return
	}
	c.held--
	if c.roomed.head == j || j.links[inRoom] != (neighbours{}) { // not a plain one, and something is dropped
		c.roomed.remove(j, inRoom)
	}
}

// oldest finds the job to evict: of all that have never started, and so hold
// room, the one that was accepted first. A plain one is taken out of its lane.
func (c *Core) oldest() *Job {
	l := &c.lane(Normal).list
	if e, ok := l.FirstBare(); ok && (c.roomed.head == nil || e.ID < c.roomed.head.ID) {
		l.Remove(e.ID)
		return plainJob(e)
	}
	return c.roomed.head
}

// plainJob makes a record of a plain job that waits.
func plainJob(e Entry) *Job {
	return &Job{Fn: e.Fn, MaxAttempts: 1, ID: e.ID, EnqueuedAt: e.At, State: Pending, readyAt: e.At}
}
