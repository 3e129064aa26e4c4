package core

// A unique key is taken by one job at a time: its holder (Core.unique). That is the job
// accepted last with it, but for AcceptAnyway, until it settles, or an offer that waits for
// room. A job that lost its key to another one while it ran is replaced: it may end, but does
// not go on.
//
// Besides, a key may be taken for the period of a job, from its acceptance on, whatever becomes
// of it and of those that take the key over: that is a uniqueHold, which has no job. While
// there is a holder that alone decides, so that a hold matters once there is none.

import (
	"errors"
	"time"

	"github.com/a622d8ee/dray/internal/sorted"
	"github.com/a622d8ee/dray/internal/span"
)

// ErrEvicted is why a job was dropped for want of room.
var ErrEvicted = errors.New("dray: evicted")

// ErrReplaced is why a job was evicted whose unique key another one took over.
var ErrReplaced error = replaced{}

type replaced struct{}

func (replaced) Error() string { return "dray: replaced under its unique key" }
func (replaced) Unwrap() error { return ErrEvicted }

// A uniqueHold is a unique key that stays taken for a period, also when its job has settled. It
// keeps nothing of that job.
type uniqueHold struct {
	key   string
	id    uint64 // of the job
	until time.Duration
}

// freed is where s is among others of its like.
func (s *uniqueHold) freed() sorted.Key { return sorted.Key{Major: int64(s.until), Minor: s.id} }

// heldSince returns what keeps a unique key taken that no job holds, or nil. A hold whose time is
// over counts no more, whether Advance has removed it yet or not.
func (c *Core) heldSince(unique string, now time.Duration) *uniqueHold {
	if unique == "" {
		return nil
	}
	if s := c.uniqueHolds.get(unique); s != nil && s.until > now {
		return s
	}
	return nil
}

// spend lets j's unique key be taken until its period is over, which begins when j is accepted.
// Only the key and the ID are kept. That time may have passed, if j is restored: then the next
// Advance frees it. Of the periods of several jobs only the one that ends last matters.
func (c *Core) spend(j *Job) {
	if j.Unique == "" || j.UniqueFor <= 0 {
		return
	}
	s := &uniqueHold{key: j.Unique, id: j.ID, until: span.Sum(j.EnqueuedAt, j.UniqueFor)}
	if other := c.uniqueHolds.get(j.Unique); other != nil {
		if other.until > s.until {
			return
		}
		// Both lists are changed together: a hold that one had alone would end that of a later job.
		c.uniqueEnds.Delete(other.freed())
	}
	c.uniqueHolds.put(j.Unique, s)
	c.uniqueEnds.Put(s.freed(), s)
}

// collideHeld is clash for a key whose period alone keeps it taken: there is nothing left to be
// replaced. What is kept is told by its ID alone, which is all that is known of it.
func (c *Core) collideHeld(j *Job, s *uniqueHold, now time.Duration) (Verdict, *Job) {
	if j.UniquePolicy == KeepExisting {
		return Kept, &Job{Spec: PlainSpec, ID: s.id, State: Processed}
	}
	c.reject(j, KeyTaken, now)
	return Duplicate, nil
}

// clash applies the unique policy of a job whose key is taken, by a job or for a period. If
// that does not decide the matter, it is not done: then room decides, and with its admission j
// takes the key over.
func (c *Core) clash(j *Job, now time.Duration) (v Verdict, existing *Job, done bool) {
	if old := c.holder(j); old != nil {
		v, done = c.collide(j, old, now)
		return v, old, done
	}
	if s := c.heldSince(j.Unique, now); s != nil {
		v, existing = c.collideHeld(j, s, now)
		return v, existing, true
	}
	return Accepted, nil, false
}

// collide is clash for a key that old holds.
func (c *Core) collide(j, old *Job, now time.Duration) (v Verdict, done bool) {
	switch {
	case j.UniquePolicy == ReplacePending:
		return Accepted, false
	case old.State == Blocked, j.UniquePolicy == RejectDuplicate: // nothing has been accepted yet that could be kept
		c.reject(j, KeyTaken, now)
		return Duplicate, true
	default:
		return Kept, true
	}
}

// makesWay reports whether j needs no more room than the job that it is to replace: one out,
// one in. One that has started has none to leave, though it waits.
func (c *Core) makesWay(j *Job) bool {
	old := c.holder(j)
	return old != nil && old.waiting() && !old.started
}

// takeOver admits j, for which there is room, and evicts the job that waits with its unique
// key, if there is one. One that runs has seen the old payload, so j waits besides. One that
// waits for room is there to be replaced only once it has got it.
func (c *Core) takeOver(j *Job, id uint64, now time.Duration) {
	if old := c.holder(j); old != nil && old.waiting() {
		c.evict(old, ErrReplaced)
		j.Roomless = j.Roomless || old.Roomless && !old.started
	}
	c.admit(j, id, now)
}

// holder returns the job that has j's unique key, if any.
func (c *Core) holder(j *Job) *Job {
	if j.Unique == "" {
		return nil
	}
	return c.unique.get(j.Unique)
}

// hold makes j the holder of its unique key, in place of any other job. A job that held it is
// replaced from here on.
func (c *Core) hold(j *Job) {
	if j.Unique != "" {
		c.unique.put(j.Unique, j)
	}
}

// release gives the unique key up, if j holds it yet: else it is another job's, and j has no say in
// it. Nor has a job without a unique key.
func (c *Core) release(j *Job) {
	if c.holder(j) == j {
		c.unique.remove(j.Unique)
	}
}

// replaced reports whether another job took over j's unique key while j was running, so that j is
// not to run again. While j is accepted and has not settled, nothing else takes its key away.
func (c *Core) replaced(j *Job) bool { return j.Unique != "" && c.unique.get(j.Unique) != j }

// Holds reports whether the given unique key is taken, by a job or for the rest of a period.
func (c *Core) Holds(unique string, now time.Duration) bool {
	return c.unique.has(unique) || c.heldSince(unique, now) != nil
}
