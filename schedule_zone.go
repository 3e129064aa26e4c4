package dray

import (
	"errors"
	"fmt"
	"time"
)

// DST says what a calendar schedule makes of the days on which the clocks
// change. The zero value is: a time that does not exist, because the clocks go
// forward over it, runs at the moment they do; a time that exists twice, because
// they go back, runs the first time alone. The values may be combined with |.
// docs/scheduler.md has the table.
//
// It is also a [TaskOption], which adds to what the task's schedule says. For a
// schedule that is not dray's own, [RepeatFold] switches off the scheduler's
// guard, which suppresses repeated times; SkipGap can do nothing there.
type DST uint8

// The rules other than the default. A time skipped by SkipGap is not due at all,
// so it counts as neither run nor missed.
const (
	SkipGap    DST = 1 << iota // a time that does not exist is left out
	RepeatFold                 // a time that exists twice runs twice; also after the clock was set back
)

func (d DST) applyTask(c *taskConfig) error { c.dst |= d; return d.check() }

func (d DST) check() error {
	if d > SkipGap|RepeatFold {
		return fmt.Errorf("dray: DST(%d): no such rule", uint8(d))
	}
	return nil
}

// zoned is the schedule of InZone.
type zoned struct {
	wall Schedule
	loc  *time.Location
	dst  DST
}

// InZone makes a schedule for a time zone from one that knows nothing of zones.
// The latter is asked and answers in readings of a clock on the wall, written as
// times in UTC, where each exists and exists once; dray finds the moments at
// which the clocks of loc show them. So any library's schedule that is right in
// UTC becomes right everywhere, on the days on which the clocks change as well:
// see [DST].
//
// A schedule all of whose times SkipGap leaves out is an error when it is given to a
// task, found out after some thousand years of them, and so are a nil schedule or
// location, and an unknown DST.
func InZone(wall Schedule, loc *time.Location, dst ...DST) Schedule {
	z := &zoned{wall: wall, loc: loc}
	for _, d := range dst {
		z.dst |= d
	}
	return z
}

func (z *zoned) String() string { return fmt.Sprintf("%v %v", z.wall, z.loc) }

func (z *zoned) check() error {
	switch {
	case z.wall == nil:
		return errors.New("nil schedule")
	case z.loc == nil:
		return errors.New("nil location")
	}
	if b, ok := z.wall.(builtin); ok {
		if err := b.check(); err != nil {
			return err
		}
	}
	return z.dst.check()
}

// with returns z with more rules.
func (z *zoned) with(dst DST) *zoned {
	more := *z
	more.dst |= dst
	return &more
}

// Next returns the zero time also where the search fails; ask sees why.
func (z *zoned) Next(after time.Time) time.Time {
	next, _ := z.search(after)
	return next
}

// maxStretches bounds a search: that is some 2,500 years of two changes each. The
// calendar repeats after 400, so a schedule all of whose times SkipGap leaves out
// is found to have none.
const maxStretches = 10_000

// errEndless is what becomes of a search for something that does not come.
var errEndless = errors.New("all of a thousand times and more are left out by the rules for clocks that change")

// search goes through the stretches of time in which the zone's offset is the
// same, until one shows the next reading that the schedule wants. Readings that
// are far ahead it goes to at once, as changes of the clocks do not matter before.
func (z *zoned) search(after time.Time) (time.Time, error) {
	t := after.In(z.loc).Round(0)
	from := z.turn(t)
	next, err := advance(z.wall, from)
	for range maxStretches {
		if err != nil || next.IsZero() {
			return time.Time{}, err
		}
		if far := next.Add(-longestFold); far.After(t) && z.unrepeatable(from, t) {
			t = far.In(z.loc)
		}
		end, ends := stretchEnd(t)
		at := next.Add(-offset(t)).In(z.loc)
		if !ends || at.Before(end) {
			return at, nil
		}
		leaves, enters := end.UTC().Add(offset(t)), reading(end)
		gap := next.Before(enters)
		switch {
		case gap && z.dst&SkipGap == 0:
			return end, nil
		case gap, z.dst&RepeatFold != 0 && enters.Before(leaves) && !enters.After(from):
			from = enters.Add(-1)
			next, err = advance(z.wall, from)
		}
		t = end
	}
	return time.Time{}, errEndless
}

// turn returns the reading up to which all have had their turn at t.
func (z *zoned) turn(t time.Time) time.Time {
	shown := reading(t)
	if high, ok := shownBefore(t); ok && z.dst&RepeatFold == 0 && high.After(shown) {
		return high
	}
	return shown
}

// unrepeatable reports whether no reading up to from is shown at t or later, or
// does not count if it is.
func (z *zoned) unrepeatable(from, t time.Time) bool {
	return z.dst&RepeatFold == 0 || from.Add(longestFold).Before(t)
}

// offset is what the clocks of t's zone are ahead of UTC at t.
func offset(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}

// reading is what the clocks of t's zone show at t, written as a time in UTC.
func reading(t time.Time) time.Time { return t.UTC().Add(offset(t)) }

// longestFold is more than any clock was ever set back by law, which is a day, where
// the date line was moved; and more than any is ahead of UTC or behind.
const longestFold = 48 * time.Hour

// stretchEnd returns a later time up to which the offset that is in force at t
// stays so, or false if it does for ever. time.Time.ZoneBounds knows it, except for
// the last day of a leap year that a rule and no table is in force for: it takes all
// years for 365 days long, and so returns a time that is not later.
func stretchEnd(t time.Time) (time.Time, bool) {
	_, end := t.ZoneBounds()
	if end.IsZero() {
		return end, false
	}
	if !end.After(t) {
		const day = 24 * time.Hour
		end = t.Truncate(day).Add(day) // of UTC, as ZoneBounds has it
	}
	return end, true
}

// shownBefore returns the highest reading before the offset that is in force at t
// came into force, if that was recently enough to matter.
func shownBefore(t time.Time) (high time.Time, ok bool) {
	for start, _ := t.ZoneBounds(); !start.IsZero() && !start.After(t) && start.Add(longestFold).After(t); {
		last := start.Add(-1)
		if r := reading(last); !ok || r.After(high) {
			high, ok = r, true
		}
		earlier, _ := last.ZoneBounds()
		if !earlier.Before(start) {
			break
		}
		start = earlier
	}
	return high, ok
}

// repeatUntil returns the last moment of the repetition that t is in, or false if
// the clocks of t's zone show it for the first time.
func repeatUntil(t time.Time) (time.Time, bool) {
	shown := reading(t)
	high, ok := shownBefore(t)
	if !ok || high.Before(shown) {
		return time.Time{}, false
	}
	return t.Add(high.Sub(shown)), true
}

// clockTimes is the schedule, in readings, of Daily and Weekly.
type clockTimes struct {
	days         uint8 // bit of each time.Weekday
	hour, minute int
}

// Daily runs a task each day when the clocks of loc show the hour, 0 to 23, and
// the minute, 0 to 59. Arguments out of range, or a nil location, are an error
// when it is given to a task.
func Daily(hour, minute int, loc *time.Location, dst ...DST) Schedule {
	return InZone(clockTimes{0x7f, hour, minute}, loc, dst...)
}

// Weekly is [Daily] on one day of the week.
func Weekly(day time.Weekday, hour, minute int, loc *time.Location, dst ...DST) Schedule {
	days := uint8(0)
	if day >= time.Sunday && day <= time.Saturday {
		days = 1 << day
	}
	return InZone(clockTimes{days, hour, minute}, loc, dst...)
}

func (c clockTimes) check() error {
	switch {
	case c.days == 0:
		return errors.New("no such day of the week")
	case c.hour < 0 || c.hour > 23 || c.minute < 0 || c.minute > 59:
		return fmt.Errorf("no such time of day: %02d:%02d", c.hour, c.minute)
	}
	return nil
}

func (c clockTimes) Next(after time.Time) time.Time {
	if c.check() != nil {
		return time.Time{}
	}
	y, m, d := after.Date()
	next := time.Date(y, m, d, c.hour, c.minute, 0, 0, time.UTC)
	for range 8 { // one more than a week has days
		if next.After(after) && c.days&(1<<next.Weekday()) != 0 {
			return next
		}
		next = next.AddDate(0, 0, 1)
	}
	return time.Time{} // the last day that time.Time can tell
}

func (c clockTimes) String() string {
	at := fmt.Sprintf("%02d:%02d", c.hour, c.minute)
	if c.days == 0x7f {
		return "daily at " + at
	}
	for day := time.Sunday; day <= time.Saturday; day++ {
		if c.days == 1<<day {
			return "weekly on " + day.String() + " at " + at
		}
	}
	return "never"
}
