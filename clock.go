package dray

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

// A clock tells people the times of a queue, pool or supervisor. Inside, a moment is
// a distance by the monotonic clock. It is told as the wall clock shows it when it is
// told: one of 10 s ago is 10 s before now, however the wall clock was set since. So
// all times that are told at one time agree with that clock and with one another.
type clock struct {
	epoch time.Time                 // immutable: moments are counted from here
	zero  time.Time                 // immutable: the epoch by the wall clock, in local time
	set   func() time.Duration      // immutable; by tests alone: how far the wall clock was set
	last  atomic.Pointer[reference] // what moments are told by
}

func newClock() *clock {
	epoch := time.Now()
	c := &clock{epoch: epoch, zero: epoch.Round(0)}
	c.last.Store(&reference{moment: epoch})
	return c
}

// clocks is both clocks at one moment, counted from the epoch. They run apart when the
// wall clock is set, and while the machine sleeps: the monotonic one then stands still,
// on Linux at least.
type clocks struct{ mono, wall time.Duration }

// A reference is both clocks at one moment, and that as a time. It is not changed.
type reference struct {
	clocks
	moment time.Time
}

// unsteady is by how much the clocks may run apart before moments are told otherwise:
// more than lies between the two readings of which each look consists, so that what is
// told twice is told the same, and no more than anybody sees.
const unsteady = time.Millisecond

// look reads both clocks, once.
func (c *clock) look() reference {
	t := time.Now()
	r := reference{clocks{mono: t.Sub(c.epoch), wall: t.Round(0).Sub(c.zero)}, t}
	if by := c.skew(); by != 0 {
		r.wall, r.moment = plus(r.wall, by), t.Round(0).Add(by)
	}
	r.wall = min(r.wall, math.MaxInt64-1) // what is 292 years away, or more, is not due
	return r
}

func (c *clock) skew() time.Duration {
	if c.set == nil {
		return 0
	}
	return c.set()
}

// reference is what to tell moments by now. Of one that is kept all times agree
// exactly, of two that were made one after the other, within unsteady.
func (c *clock) reference() *reference {
	r, now := c.last.Load(), c.look()
	if r.agrees(now.clocks) {
		return r
	}
	return c.renew(r)
}

// renew looks again, as a goroutine may have been held up in the middle of a look.
func (c *clock) renew(r *reference) *reference {
	now := c.look()
	if r.agrees(now.clocks) {
		return r
	}
	c.last.Store(&now)
	return &now
}

func (r *reference) agrees(now clocks) bool {
	return minus(minus(now.wall, r.wall), minus(now.mono, r.mono)).Abs() <= unsteady
}

// tell tells a moment. Where the machine has a monotonic clock, the time that is told
// has its reading too, so that time.Until and the like are right whatever comes.
func (r *reference) tell(moment time.Duration) time.Time {
	return r.moment.Add(minus(moment, r.mono))
}

// tell tells a moment by the reference of now.
func (c *clock) tell(moment time.Duration) time.Time { return c.reference().tell(moment) }

// tellTime tells a moment that was read off the machine's clocks.
func (c *clock) tellTime(t time.Time) time.Time { return c.tell(t.Sub(c.epoch)) }

// now tells the moment that it is.
func (c *clock) now() time.Time { return c.tellTime(time.Now()) }

// named is a time that counts by the wall clock.
func (c *clock) named(wall time.Duration) time.Time { return c.zero.Add(wall) }

// until returns how far t is away, by the wall clock unless t has a reading of the
// monotonic one; a time beyond 292 years away is as far.
func (c *clock) until(t time.Time) time.Duration {
	if by := c.skew(); by != 0 {
		return t.Sub(time.Now().Round(0).Add(by))
	}
	return time.Until(t)
}

// ahead returns when t is on the core's clock: as far from now as it is by the wall
// clock, whatever that did since the epoch.
func (e *engine) ahead(t time.Time) time.Duration { return core.Sum(e.now(), e.clock.until(t)) }
