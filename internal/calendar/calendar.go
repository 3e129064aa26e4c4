// Package calendar has the rules of when a periodic task is due: schedules of intervals,
// given times, and times of day in zones whose clocks change. It has no goroutine and no
// clock.
package calendar

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// A Schedule returns the first time after a given one, or the zero time for never again. It may
// be foreign code: a call of Ask or of a method of Zoned may panic, end the goroutine or not
// return, so they are called without a lock.
type Schedule interface {
	Next(after time.Time) time.Time
}

// A Builtin schedule is one of this package, which keeps the rules without a guard: what it
// returns is later, and a reading that comes twice is meant to.
type Builtin interface {
	Schedule
	// Check says what is wrong with the arguments that it was made from.
	Check() error
}

// Every is a schedule of a constant interval. A periodic task with it goes by the monotonic
// clock, and does not ask it.
type Every time.Duration

// Next returns the time an interval later.
func (e Every) Next(after time.Time) time.Time { return after.Add(time.Duration(e)) }

// String returns the interval in words.
func (e Every) String() string { return "every " + time.Duration(e).String() }

// Check refuses intervals that are not positive.
func (e Every) Check() error {
	if e <= 0 {
		return fmt.Errorf("Every(%v): must be at least 1 ns", time.Duration(e))
	}
	return nil
}

// At is a schedule of given times, in order. They are not changed.
type At []time.Time

// NewAt returns a schedule of the given times, in any order. The caller may go on to use the slice.
func NewAt(times []time.Time) At {
	sorted := slices.Clone(times)
	slices.SortFunc(sorted, time.Time.Compare)
	return At(sorted)
}

// Next returns the first of them that is later. O(log n).
func (a At) Next(after time.Time) time.Time {
	i, _ := slices.BinarySearchFunc(a, after, func(t, after time.Time) int {
		if t.After(after) {
			return 1
		}
		return -1 // never 0: a time that is equal to after is not later
	})
	if i == len(a) {
		return time.Time{}
	}
	return a[i]
}

// String says how many times there are: a list could be of any length.
func (a At) String() string { return fmt.Sprintf("at %d given times", len(a)) }

// Check finds nothing wrong: any times will do.
func (a At) Check() error { return nil }

// ErrNotLater is what becomes of a schedule that does not go forward.
var ErrNotLater = errors.New("a time that is not later")

// Ask returns the next time of a schedule. It holds foreign ones to their word: what they
// return is later than after, and no time of the wall clock comes twice, unless dst says
// it may. An error means that the schedule cannot be gone on with; the zero time that it has ended.
func Ask(when Schedule, after time.Time, dst DST) (time.Time, error) {
	_, trusted := when.(Builtin)
	for range maxRepeats {
		next, err := advance(when, after)
		if err != nil || next.IsZero() {
			return time.Time{}, err
		}
		again, repeated := repeatUntil(next)
		if trusted || dst&RepeatFold != 0 || !repeated {
			return next, nil
		}
		// The repetition is left out as a whole: to ask from next would take a question for each
		// time within it.
		after = again
	}
	return time.Time{}, ErrEndless
}

// maxRepeats is how many times in succession may be repetitions. The guard goes over
// a whole hour of them at once, so that is a thousand years for most zones.
const maxRepeats = 1000

// advance asks a schedule, and refuses a time that is not later: the task would be due again at
// once, and for ever. Of a Zoned it takes the error, which Next cannot return.
func advance(when Schedule, after time.Time) (time.Time, error) {
	if z, ok := when.(*Zoned); ok {
		return z.search(after)
	}
	// Without a reading of the monotonic clock: comparisons would go by that.
	next := when.Next(after).Round(0)
	if !next.IsZero() && !next.After(after) {
		return time.Time{}, fmt.Errorf("the schedule says %v comes after %v: %w", next, after, ErrNotLater)
	}
	return next, nil
}
