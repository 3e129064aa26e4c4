// Package clock tells people times: inside, a moment is a distance by the monotonic clock,
// from when its Clock was made. It is told as the wall clock shows it when it is told: one of
// 10 s ago is 10 s before now, however the wall clock was set since. So all times that are told
// at one time agree with that clock and with one another.
package clock

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/span"
)

// A Clock tells the times of a queue, pool or supervisor. It is safe for concurrent use.
type Clock struct {
	origin time.Time                 // immutable: moments are counted from here
	zero   time.Time                 // immutable: the origin by the wall clock, in local time
	set    func() time.Duration      // immutable once used; by tests alone: how far the wall clock was set
	last   atomic.Pointer[Reference] // what moments are told by
}

// New returns a clock, whose origin is now.
func New() *Clock {
	epoch := time.Now()
	c := &Clock{origin: epoch, zero: epoch.Round(0)}
	c.last.Store(&Reference{moment: epoch})
	return c
}

// A Reading is both clocks at one moment, counted from the origin. They run apart when the
// wall clock is set, and while the machine sleeps: the monotonic one then stands still,
// on Linux at least.
type Reading struct{ Mono, Wall time.Duration }

// A Reference is both clocks at one moment, and that as a time. It is not changed.
type Reference struct {
	Reading
	moment time.Time
}

// unsteady is by how much the clocks may run apart before moments are told otherwise:
// more than lies between the two readings of which each look consists, so that what is
// told twice is told the same, and no more than is ever seen.
const unsteady = time.Millisecond

// Origin returns from when moments are counted.
func (c *Clock) Origin() time.Time { return c.origin }

// Skew has the wall clock, as far as c reads it, run ahead of the machine's by what f
// returns. It is for tests, before the clock is used.
func (c *Clock) Skew(f func() time.Duration) { c.set = f }

// Look reads both clocks, once.
func (c *Clock) Look() Reference {
	t := time.Now()
	r := Reference{Reading{Mono: t.Sub(c.origin), Wall: t.Round(0).Sub(c.zero)}, t}
	if by := c.skew(); by != 0 {
		r.Wall, r.moment = span.Sum(r.Wall, by), t.Round(0).Add(by)
	}
	r.Wall = min(r.Wall, math.MaxInt64-1) // what is 292 years away, or more, is not due
	return r
}

func (c *Clock) skew() time.Duration {
	if c.set == nil {
		return 0
	}
	return c.set()
}

// Reference is what to tell moments by now. Of one that is kept all times agree
// exactly, of two that were made one after the other, within a millisecond.
func (c *Clock) Reference() *Reference {
	r, now := c.last.Load(), c.Look()
	if r.agrees(now.Reading) {
		return r
	}
	return c.renew(r)
}

// renew looks again, as a goroutine may have been held up in the middle of a look.
func (c *Clock) renew(r *Reference) *Reference {
	now := c.Look()
	if r.agrees(now.Reading) {
		return r
	}
	c.last.Store(&now)
	return &now
}

func (r *Reference) agrees(now Reading) bool {
	return span.Difference(span.Difference(now.Wall, r.Wall), span.Difference(now.Mono, r.Mono)).Abs() <= unsteady
}

// Tell tells a moment. Where the machine has a monotonic clock, the time that is told
// has its reading too, so that time.Until and the like are right whatever comes.
func (r *Reference) Tell(moment time.Duration) time.Time {
	return r.moment.Add(span.Difference(moment, r.Mono))
}

// Tell tells a moment by the reference of now.
func (c *Clock) Tell(moment time.Duration) time.Time { return c.Reference().Tell(moment) }

// TellTime tells a moment that was read off the machine's clocks.
func (c *Clock) TellTime(t time.Time) time.Time { return c.Tell(t.Sub(c.origin)) }

// Now tells the moment that it is.
func (c *Clock) Now() time.Time { return c.TellTime(time.Now()) }

// Named is a time that counts by the wall clock, which shows it so long after the origin.
func (c *Clock) Named(wall time.Duration) time.Time { return c.zero.Add(wall) }

// WallOf returns when the wall clock shows t; one that is centuries away, as far as that goes.
func (c *Clock) WallOf(t time.Time) time.Duration { return t.Sub(c.zero) }

// Until returns how far t is away, by the wall clock unless t has a reading of the
// monotonic one; a time beyond 292 years away is as far.
func (c *Clock) Until(t time.Time) time.Duration {
	if by := c.skew(); by != 0 {
		return t.Sub(time.Now().Round(0).Add(by))
	}
	return time.Until(t)
}
