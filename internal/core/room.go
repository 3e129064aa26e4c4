package core

// Room returns how many jobs may still be accepted.
func (c *Core) Room() int {
	if c.cfg.Capacity < 0 {
		return int(^uint(0) >> 1)
	}
	return max(c.cfg.Capacity-c.held-len(c.blocked), 0)
}

// occupy counts j, which has never started, against the capacity.
func (c *Core) occupy(j *Job) {
	if j.Roomless {
		return
	}
	c.held++
	if c.cfg.Overflow != DropOldest {
		return
	}
	j.older = c.youngest
	if c.youngest == nil {
		c.eldest = j
	} else {
		c.youngest.younger = j
	}
	c.youngest = j
}

// vacate makes the room of j, which occupied some, free again.
func (c *Core) vacate(j *Job) {
	if j.Roomless {
		return
	}
	c.held--
	if j.older == nil && j.younger == nil && c.eldest != j {
		return // it is not in the list: a plain one, or nothing is dropped
	}
	if j.older == nil {
		c.eldest = j.younger
	} else {
		j.older.younger = j.younger
	}
	if j.younger == nil {
		c.youngest = j.older
	} else {
		j.younger.older = j.older
	}
	j.older, j.younger = nil, nil
}

// oldest finds the job to evict: of all that have never started, and so hold
// room, the one that was accepted first. A plain one is taken out of its lane.
func (c *Core) oldest() *Job {
	if e, ok := c.oldestPlain(); ok && (c.eldest == nil || e.ID < c.eldest.ID) {
		c.lane(Normal).list.Remove(e.ID)
		return plainJob(e)
	}
	return c.eldest
}

// oldestPlain returns the first plain job, unless it is younger than a record that
// holds room: all plain jobs behind one that has stood there since its acceptance are.
func (c *Core) oldestPlain() (Entry, bool) {
	l := c.lane(Normal)
	for e := range l.list.All() {
		if e.Job == nil {
			return e, true
		}
		if e.Job.prompt && !e.Job.started && !e.Job.Roomless && l.alive(e) {
			break
		}
	}
	return Entry{}, false
}

// plainJob makes a record of a plain job that waits.
func plainJob(e Entry) *Job {
	return &Job{Fn: e.Fn, MaxAttempts: 1, ID: e.ID, EnqueuedAt: e.At, State: Pending, readyAt: e.At}
}
