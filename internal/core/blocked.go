package core

import "time"

// Admit accepts the completion jobs of groups, and the callers that wait for room
// as far as there is some. It returns how many IDs it used, from the given one on.
func (c *Core) Admit(id uint64, now time.Duration) (used uint64) {
	for {
		used += c.admitCompleted(id+used, now)
		j := c.blocked.first()
		if j == nil || c.cfg.Capacity >= 0 && c.held >= c.cfg.Capacity {
			return used
		}
		c.unblock(j)
		if c.admitBlocked(j, id+used, now) {
			c.effect(Effect{Kind: WasAdmitted, Job: j})
			used++
		} else {
			c.quit(j)
			c.effect(Effect{Kind: WasRefused, Job: j, Why: KeyTaken})
		}
	}
}

// admitBlocked admits a job that has waited for room, unless another one got its
// unique key in the meantime.
func (c *Core) admitBlocked(j *Job, id uint64, now time.Duration) bool {
	if old := c.unique.get(j.Unique); c.replaced(j) && old != nil {
		v, done := c.collide(j, old, id, now)
		if v == Kept {
			c.reject(j, KeyTaken, now) // its caller was to hear of a job of its own
		}
		if done {
			return v == Accepted
		}
	}
	c.admit(j, id, now)
	return true
}

// Blocked reports whether Admit has something to do, or callers wait for room.
func (c *Core) Blocked() bool { return c.blocked.len()+len(c.completed) > 0 }

// block lets an offer wait for room.
func (c *Core) block(j *Job) {
	j.State = Blocked
	c.blocked.push(j)
	if j.Group != nil {
		j.Group.offers.push(j, alike)
	}
}

// unblock undoes block.
func (c *Core) unblock(j *Job) {
	j.State = Offered
	c.blocked.remove(j)
	if j.Group != nil {
		j.Group.offers.remove(j, alike)
	}
}

// Withdraw takes back an offer that waits for room. It reports false if the job
// was accepted in the meantime.
func (c *Core) Withdraw(j *Job) bool {
	if j.State != Blocked {
		return false
	}
	c.unblock(j)
	c.release(j)
	c.quit(j)
	return true
}

// Reject turns away a job that waits for room.
func (c *Core) Reject(j *Job, now time.Duration) {
	c.Withdraw(j)
	c.reject(j, NoRoom, now)
}

// Refuse turns away every caller that waits for room, because there will be none.
func (c *Core) Refuse() {
	for j := c.blocked.first(); j != nil; j = c.blocked.first() {
		c.unblock(j)
		c.release(j)
		c.quit(j)
		c.effect(Effect{Kind: WasRefused, Job: j, Why: NoIntake})
	}
}
