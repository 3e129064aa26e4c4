package dray

import (
	"time"

	"github.com/a622d8ee/dray/internal/calendar"
)

// Schedule says when a periodic task runs. The schedules of cron libraries have
// this method, so they can be used as they are; [InZone] makes them right on the
// days on which the clocks change.
type Schedule interface {
	// Next returns the first time after the given one, or the zero time for never
	// again. Its result should depend on nothing else; it is not called while dray
	// holds a lock, and may be called from several goroutines at a time. If it
	// panics, calls [runtime.Goexit], or returns a time that is not later, the task has
	// no further runs: the error is its LastError.
	//
	// It is called by [Scheduler.Schedule], [Scheduler.Preview] and [Preview] on their
	// caller's goroutine, and else on one of dray's. There it may take a second: a task
	// whose schedule takes longer shows a LastError that wraps [ErrTimeout] and no Next
	// until it returns, and what was due by then counts as missed. A schedule that does
	// not return keeps a goroutine; of 64 of them the others are not asked any more.
	// The same holds for a String method.
	Next(after time.Time) time.Time
}

// Every runs a task each d, at least 1 ns, counted from when it was registered
// or, for a task registered earlier, from when its queue was started. The
// interval is kept on the monotonic clock: it does not drift, however long runs
// take, and no change of the wall clock moves it.
func Every(d time.Duration) Schedule { return calendar.Every(d) }

// At runs a task at each of the given times that is still to come, in any order,
// once each, as the wall clock shows them.
func At(times ...time.Time) Schedule { return calendar.NewAt(times) }

// Preview returns the next n times of a schedule after the given one, fewer if it
// has no more: those at which a task with it would be due, that is after the
// scheduler's own rules (see [Scheduler.Schedule]). A schedule that breaks them
// ends the list. It may be called at any time, and needs no queue.
func Preview(when Schedule, after time.Time, n int) []time.Time {
	if when == nil {
		return nil
	}
	return preview(when, after.Round(0), n, 0)
}

func preview(when Schedule, after time.Time, n int, dst DST) []time.Time {
	var times []time.Time
	for range n {
		next, err := ask(when, after, dst)
		if err != nil || next.IsZero() {
			break
		}
		times = append(times, next)
		after = next
	}
	return times
}

// ask is the one way in which schedules are asked. They are foreign code, which is
// contained.
func ask(when Schedule, after time.Time, dst DST) (next time.Time, err error) {
	defer func() {
		if v := recover(); v != nil {
			next, err = time.Time{}, newPanicError(v)
		}
	}()
	return calendar.Ask(when, after, calendar.DST(dst))
}

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

func (d DST) check() error { return calendar.DST(d).Check() }

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
	z := &calendar.Zoned{Wall: wall, Location: loc}
	for _, d := range dst {
		z.DST |= calendar.DST(d)
	}
	return z
}

// Daily runs a task each day when the clocks of loc show the hour, 0 to 23, and
// the minute, 0 to 59. Arguments out of range, or a nil location, are an error
// when it is given to a task.
func Daily(hour, minute int, loc *time.Location, dst ...DST) Schedule {
	return InZone(calendar.ClockTimes{Days: 0x7f, Hour: hour, Minute: minute}, loc, dst...)
}

// Weekly is [Daily] on one day of the week.
func Weekly(day time.Weekday, hour, minute int, loc *time.Location, dst ...DST) Schedule {
	days := uint8(0)
	if day >= time.Sunday && day <= time.Saturday {
		days = 1 << day
	}
	return InZone(calendar.ClockTimes{Days: days, Hour: hour, Minute: minute}, loc, dst...)
}
