package core

// A unique key is taken by one job at a time: its holder (Core.unique). That is the job accepted last with it,
// but for AcceptAnyway, until it settles, or an offer that waits for room. A job that lost its key to another
// one while it ran is replaced: it may end, but does not go on. After the end of its holder a key may stay
// taken for the rest of a period: that is a uniqueHold, which has no job. A key has a holder or a hold, never
// both.

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

// A uniqueHold is a unique key that stays taken though its job has settled. It keeps nothing of
// that job.
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

// spend lets j's unique key stay taken until its period is over, which began when j was accepted.
// Only the key and the ID are kept. That time may have passed: then the next Advance frees it. j
// was the holder, so there is no other hold of that key.
func (c *Core) spend(j *Job) {
	if j.UniqueFor <= 0 {
		return
	}
	s := &uniqueHold{key: j.Unique, id: j.ID, until: span.Sum(j.EnqueuedAt, j.UniqueFor)}
	c.uniqueHolds.put(j.Unique, s)
	c.uniqueEnds.Put(s.freed(), s)
}

// forget frees a unique key that no job holds. Both lists of holds are changed together: a hold
// that one had alone would end that of a later job.
func (c *Core) forget(unique string) {
	if s := c.uniqueHolds.get(unique); s != nil {
		c.uniqueEnds.Delete(s.freed())
		c.uniqueHolds.remove(unique)
	}
}

// collideHeld applies the unique policy of a job whose key is still taken by one that has settled:
// there is nothing left to be replaced. What is kept is told by its ID alone, which is all that is
// known of it.
func (c *Core) collideHeld(j *Job, s *uniqueHold, now time.Duration) (Verdict, *Job) {
	if j.UniquePolicy == KeepExisting {
		return Kept, &Job{ID: s.id, State: Processed}
	}
	c.reject(j, KeyTaken, now)
	return Duplicate, nil
}

// collide applies the unique policy of a job whose key old holds. If that does not decide the
// matter, it is not done: then room decides, and with its admission j takes the key over.
func (c *Core) collide(j, old *Job, id uint64, now time.Duration) (v Verdict, done bool) {
	switch {
	case j.UniquePolicy == ReplacePending && (old.State == Running || old.State == Blocked):
		// A running one has seen the old payload; this one waits besides. One that
		// waits for room is there to be replaced only once it has got it.
		return Accepted, false
	case j.UniquePolicy == ReplacePending:
		c.evict(old, ErrReplaced)
		j.started = old.started // one out, one in: it needs no more room than the other did
		j.Roomless = j.Roomless || old.Roomless
		c.admit(j, id, now)
		return Accepted, true
	case old.State == Blocked, j.UniquePolicy == RejectDuplicate: // nothing has been accepted yet that could be kept
		c.reject(j, KeyTaken, now)
		return Duplicate, true
	default:
		return Kept, true
	}
}

// holder returns the job that has j's unique key, if any.
func (c *Core) holder(j *Job) *Job {
	if j.Unique == "" {
		return nil
	}
	return c.unique.get(j.Unique)
}

// hold makes j the holder of its unique key, in place of any other job or hold. A job that held it
// is replaced from here on.
func (c *Core) hold(j *Job) {
	if j.Unique != "" {
		c.unique.put(j.Unique, j)
		c.forget(j.Unique)
	}
}

// release gives the unique key up. It reports false if j did not hold it any more: then the key is
// another job's, and j has no say in it. Nor has a job without a unique key.
func (c *Core) release(j *Job) bool {
	if c.holder(j) != j {
		return false
	}
	c.unique.remove(j.Unique)
	return true
}

// replaced reports whether another job took over j's unique key while j was running, so that j is
// not to run again. While j is accepted and has not settled, nothing else takes its key away.
func (c *Core) replaced(j *Job) bool { return j.Unique != "" && c.unique.get(j.Unique) != j }

// Holds reports whether the given unique key is taken, by a job or for the rest of a period.
func (c *Core) Holds(unique string, now time.Duration) bool {
	return c.unique.has(unique) || c.heldSince(unique, now) != nil
}
