package calendar

import (
	"errors"
	"fmt"
	"time"
)

// DST says what a schedule makes of the days on which the clocks change.
type DST uint8

// The rules other than the default.
const (
	SkipGap    DST = 1 << iota // a time that does not exist is left out
	RepeatFold                 // a time that exists twice runs twice
)

// Check refuses rules that there are not.
func (d DST) Check() error {
	if d > SkipGap|RepeatFold {
		return fmt.Errorf("dray: DST(%d): no such rule", uint8(d))
	}
	return nil
}

// A Zoned schedule is one in a time zone, made of one that knows nothing of zones. Immutable.
type Zoned struct {
	Wall     Schedule // asked and answers in readings of a clock on the wall, as times in UTC
	Location *time.Location
	DST      DST
}

// String returns the schedule and the zone. It may call foreign code.
func (z *Zoned) String() string { return fmt.Sprintf("%v %v", z.Wall, z.Location) }

// Check says what is wrong with its parts. A foreign schedule within it has nothing that could be
// checked.
func (z *Zoned) Check() error {
	switch {
	case z.Wall == nil:
		return errors.New("nil schedule")
	case z.Location == nil:
		return errors.New("nil location")
	}
	if b, ok := z.Wall.(Builtin); ok {
		if err := b.Check(); err != nil {
			return err
		}
	}
	return z.DST.Check()
}

// With returns z with more rules: a copy, as others may have z.
func (z *Zoned) With(dst DST) *Zoned {
	more := *z
	more.DST |= dst
	return &more
}

// Next returns the zero time also where the search fails; Ask sees why.
func (z *Zoned) Next(after time.Time) time.Time {
	next, _ := z.search(after)
	return next
}

// maxSpans bounds a search: that is some 2,500 years of two changes each. The
// calendar repeats after 400, so a schedule all of whose times SkipGap leaves out
// is found to have none.
const maxSpans = 10_000

// ErrEndless is what becomes of a search for something that does not come.
var ErrEndless = errors.New("all of a thousand times and more are left out by the rules for clocks that change")

// search goes through the spans of time in which the zone's offset is the same, until one shows
// the next reading that the schedule wants. Readings that are far ahead it goes to at once, as
// changes of the clocks do not matter before.
//
// In the loop, from is the reading up to which all have had their turn, next the first that the
// schedule wants after it, and t the moment up to which nothing was found: a span begins there.
// Each round finds next in the span, or finds that it is in the gap after it, or goes on to the
// span that follows.
func (z *Zoned) search(after time.Time) (time.Time, error) {
	t := after.In(z.Location).Round(0)
	from := z.turn(t)
	next, err := advance(z.Wall, from)
	for range maxSpans {
		if err != nil || next.IsZero() {
			return time.Time{}, err
		}
		if far := next.Add(-longestFold); far.After(t) && z.unrepeatable(from, t) {
			t = far.In(z.Location)
		}
		end, ends := spanEnd(t)
		// The moment at which next is shown, if the offset of this span is still in force then.
		at := next.Add(-offset(t)).In(z.Location)
		if !ends || at.Before(end) {
			return at, nil
		}
		// What the clocks show at the change: before it, and after. They go forward if leaves is
		// less.
		leaves, enters := end.UTC().Add(offset(t)), reading(end)
		// As next is not shown before the change, and less than what is shown after it, it is
		// never shown.
		gap := next.Before(enters)
		switch {
		// It runs at the moment at which the clocks go forward over it.
		case gap && z.DST&SkipGap == 0:
			return end, nil
		// Either next is left out, or readings that had their turn come once more: the schedule
		// is asked anew from where the next span begins. enters itself is to be found, so it is
		// asked from just before.
		case gap, z.DST&RepeatFold != 0 && enters.Before(leaves) && !enters.After(from):
			from = enters.Add(-1)
			next, err = advance(z.Wall, from)
		}
		t = end
	}
	return time.Time{}, ErrEndless
}

// turn returns the reading up to which all have had their turn at t. In a repetition that is not
// to be run it is the highest that was shown before the clocks went back; else what they show.
func (z *Zoned) turn(t time.Time) time.Time {
	shown := reading(t)
	if high, ok := shownBefore(t); ok && z.DST&RepeatFold == 0 && high.After(shown) {
		return high
	}
	return shown
}

// unrepeatable reports whether no reading up to from is shown at t or later, or does not count if
// it is. Only then may a search leave out the time between: else it would miss repetitions.
func (z *Zoned) unrepeatable(from, t time.Time) bool {
	return z.DST&RepeatFold == 0 || from.Add(longestFold).Before(t)
}

// offset is what the clocks of t's zone are ahead of UTC at t; negative in the west.
func offset(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}

// reading is what the clocks of t's zone show at t, written as a time in UTC. There each reading
// exists, and exists once, so readings can be compared and added to.
func reading(t time.Time) time.Time { return t.UTC().Add(offset(t)) }

// longestFold is more than any clock was ever set back by law, which is a day, where
// the date line was moved; and more than any is ahead of UTC or behind.
const longestFold = 48 * time.Hour

// spanEnd returns a later time up to which the offset that is in force at t
// stays so, or false if it does for ever. time.Time.ZoneBounds knows it, except for
// the last day of a leap year that a rule and no table is in force for: it takes all
// years for 365 days long, and so returns a time that is not later.
func spanEnd(t time.Time) (time.Time, bool) {
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

// shownBefore returns the highest reading before the offset that is in force at t came into
// force, if that was recently enough to matter. It goes back through all changes within
// longestFold, as two that are close may both matter.
func shownBefore(t time.Time) (high time.Time, ok bool) {
	for start, _ := t.ZoneBounds(); !start.IsZero() && !start.After(t) && start.Add(longestFold).After(t); {
		last := start.Add(-1)
		if r := reading(last); !ok || r.After(high) {
			high, ok = r, true
		}
		earlier, _ := last.ZoneBounds()
		// ZoneBounds may be wrong, see spanEnd: the loop ends all the same.
		if !earlier.Before(start) {
			break
		}
		start = earlier
	}
	return high, ok
}

// repeatUntil returns the last moment of the repetition that t is in, or false if the clocks of
// t's zone show it for the first time. It reads t's own location, so a schedule that does its own
// zones is judged by the zone of its answers.
func repeatUntil(t time.Time) (time.Time, bool) {
	shown := reading(t)
	high, ok := shownBefore(t)
	if !ok || high.Before(shown) {
		return time.Time{}, false
	}
	return t.Add(high.Sub(shown)), true
}

// ClockTimes is the schedule, in readings, of Daily and Weekly. It is for use within a Zoned.
type ClockTimes struct {
	Days         uint8 // bit of each time.Weekday, Sunday the lowest
	Hour, Minute int
}

// Check refuses days and times that there are not.
func (c ClockTimes) Check() error {
	switch {
	case c.Days == 0:
		return errors.New("no such day of the week")
	case c.Hour < 0 || c.Hour > 23 || c.Minute < 0 || c.Minute > 59:
		return fmt.Errorf("no such time of day: %02d:%02d", c.Hour, c.Minute)
	}
	return nil
}

// Next returns the first reading of its time on one of its days, after one given as a time in UTC.
func (c ClockTimes) Next(after time.Time) time.Time {
	if c.Check() != nil {
		return time.Time{}
	}
	y, m, d := after.Date()
	next := time.Date(y, m, d, c.Hour, c.Minute, 0, 0, time.UTC)
	for range 8 { // one more than a week has days
		if next.After(after) && c.Days&(1<<next.Weekday()) != 0 {
			return next
		}
		next = next.AddDate(0, 0, 1)
	}
	return time.Time{} // the last day that time.Time can tell
}

// String says so in words. There are two kinds only: all days and a single one.
func (c ClockTimes) String() string {
	at := fmt.Sprintf("%02d:%02d", c.Hour, c.Minute)
	if c.Days == 0x7f {
		return "daily at " + at
	}
	for day := time.Sunday; day <= time.Saturday; day++ {
		if c.Days == 1<<day {
			return "weekly on " + day.String() + " at " + at
		}
	}
	return "never"
}
