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
// A nil schedule or location, and an unknown DST, are errors when the result is
// given to a task.
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

// Next goes through the stretches of time in which the zone's offset is the same,
// and asks for the first reading in each.
func (z *zoned) Next(after time.Time) time.Time {
	t := after.In(z.loc).Round(0)
	from := reading(t)
	if high := shownBefore(t); z.dst&RepeatFold == 0 && high.After(from) {
		from = high // these have all been on the clock, and had their turn
	}
	for {
		next := z.wall.Next(from)
		switch {
		case next.IsZero():
			return next
		case !next.After(from):
			return after // which is refused, as next should be
		}
		_, end := t.ZoneBounds()
		if end.IsZero() || next.Sub(reading(t)) < end.Sub(t) {
			return t.Add(next.Sub(reading(t)))
		}
		leaves, enters := reading(end.Add(-1)).Add(1), reading(end)
		switch {
		case next.Before(enters) && z.dst&SkipGap == 0:
			return end // it would have been in the gap
		case z.dst&RepeatFold == 0 && leaves.After(enters):
			from = leaves.Add(-1)
		default:
			from = enters.Add(-1)
		}
		t = end
	}
}

// reading is what the clocks of t's zone show at t, written as a time in UTC.
func reading(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// longestFold is more than any clock was ever set back by law: a day, where the
// date line was moved.
const longestFold = 48 * time.Hour

// shownBefore returns the highest reading before the offset that is in force at t
// came into force, if that was recently enough to matter.
func shownBefore(t time.Time) time.Time {
	var high time.Time
	start, _ := t.ZoneBounds()
	for !start.IsZero() && t.Sub(start) < longestFold {
		last := start.Add(-1)
		if r := reading(last); r.After(high) {
			high = r
		}
		start, _ = last.ZoneBounds()
	}
	return high
}

// repeatUntil returns the last moment of the repetition that t is in, or the zero
// time if the clocks of t's zone show it for the first time.
func repeatUntil(t time.Time) time.Time {
	shown := reading(t)
	high := shownBefore(t)
	if high.Before(shown) {
		return time.Time{}
	}
	return t.Add(high.Sub(shown))
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
	for !next.After(after) || c.days&(1<<next.Weekday()) == 0 {
		next = next.AddDate(0, 0, 1)
	}
	return next
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
