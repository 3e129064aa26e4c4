package core

import "time"

// Admit accepts the completion jobs of groups, and the callers that wait for room as far as there
// is some. It returns how many IDs it used, from the given one on. It is called after each change
// while Blocked says so, so that nothing waits beside room.
//
// Completion jobs come first each time: an offer that is refused here may be the last that its
// group has waited for.
func (c *Core) Admit(id uint64, now time.Duration) (used uint64) {
	for {
		used += c.admitCompleted(id+used, now)
		j := c.blocked.first()
		// Not Room, which has the callers that wait taken off already.
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

// admitBlocked admits a job that has waited for room, unless its unique key was taken in the
// meantime: then its unique policy decides anew, by what the other job is doing now, if it has
// not settled and left a period. If it reports false the job was not accepted, and does not
// wait any more.
func (c *Core) admitBlocked(j *Job, id uint64, now time.Duration) bool {
	// Most often j holds its key itself: it took it when it began to wait (overflow). It did not if
	// another job had it, which j is to replace.
	if c.replaced(j) {
		v, _, done := c.clash(j, now)
		if v == Kept {
			c.reject(j, KeyTaken, now) // its caller was to hear of a job of its own
		}
		if done {
			return false
		}
	}
	c.takeOver(j, id, now)
	return true
}

// Blocked reports whether Admit has something to do, or callers wait for room.
func (c *Core) Blocked() bool { return c.blocked.len()+len(c.completed) > 0 }

// block lets an offer wait for room, in the order of offers. Its group knows it, so as not to be
// complete before, and to turn it away if it is cancelled.
func (c *Core) block(j *Job) {
	j.State = Blocked
	c.blocked.push(j)
	if j.Group != nil {
		j.Group.offers.push(j, alike)
	}
}

// unblock undoes block. What becomes of the job, its unique key and its membership is the caller's
// affair.
func (c *Core) unblock(j *Job) {
	j.State = Offered
	c.blocked.remove(j)
	if j.Group != nil {
		j.Group.offers.remove(j, alike)
	}
}

// Withdraw takes back an offer that waits for room. It reports false if the job was accepted or
// refused in the meantime: then the effect that says so has been made, and the caller gets that
// answer.
func (c *Core) Withdraw(j *Job) bool {
	if j.State != Blocked {
		return false
	}
	c.unblock(j)
	c.release(j)
	c.quit(j)
	return true
}

// Reject turns away a job that waits for room, or an offer that was not made for want of it. No
// effect tells its caller, as that is the one that calls.
func (c *Core) Reject(j *Job, now time.Duration) {
	c.Withdraw(j)
	c.reject(j, NoRoom, now)
}

// Refuse turns away every caller that waits for room, because there will be none. It is called when
// the queue closes, and is not bounded: there are as many as callers.
func (c *Core) Refuse() {
	for j := c.blocked.first(); j != nil; j = c.blocked.first() {
		c.unblock(j)
		c.release(j)
		c.quit(j)
		c.effect(Effect{Kind: WasRefused, Job: j, Why: NoIntake})
	}
}
