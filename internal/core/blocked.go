package core

import (
	"slices"
	"time"
)

// Admit accepts the completion jobs of groups, and the callers that wait for room
// as far as there is some. It returns how many IDs it used, from the given one on.
func (c *Core) Admit(id uint64, now time.Duration) (used uint64) {
	for {
		used += c.admitCompleted(id+used, now)
		if len(c.blocked) == 0 || c.cfg.Capacity >= 0 && c.held >= c.cfg.Capacity {
			return used
		}
		j := c.blocked[0]
		c.blocked[0], c.blocked = nil, c.blocked[1:]
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
	j.State = Offered
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
func (c *Core) Blocked() bool { return len(c.blocked)+len(c.completed) > 0 }

// Withdraw takes back an offer that waits for room. It reports false if the job
// was accepted in the meantime.
func (c *Core) Withdraw(j *Job) bool {
	i := slices.Index(c.blocked, j)
	if i < 0 {
		return false
	}
	c.blocked = slices.Delete(c.blocked, i, i+1)
	j.State = Offered
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
	for _, j := range c.blocked {
		j.State = Offered
		c.release(j)
		c.quit(j)
		c.effect(Effect{Kind: WasRefused, Job: j, Why: NoIntake})
	}
	c.blocked = nil
}
