package dray

import (
	"errors"
	"fmt"
	"slices"
	"time"
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

// A builtin schedule is dray's own, and keeps the rules without a guard.
type builtin interface {
	Schedule
	// check says what is wrong with the arguments it was made from.
	check() error
}

// every is the schedule of Every.
type every time.Duration

// Every runs a task each d, at least 1 ns, counted from when it was registered
// or, for a task registered earlier, from when its queue was started. The
// interval is kept on the monotonic clock: it does not drift, however long runs
// take, and no change of the wall clock moves it.
func Every(d time.Duration) Schedule { return every(d) }

func (e every) Next(after time.Time) time.Time { return after.Add(time.Duration(e)) }
func (e every) String() string                 { return "every " + time.Duration(e).String() }

func (e every) check() error {
	if e <= 0 {
		return fmt.Errorf("Every(%v): must be at least 1 ns", time.Duration(e))
	}
	return nil
}

// at is the schedule of At.
type at []time.Time

// At runs a task at each of the given times that is still to come, in any order,
// once each, as the wall clock shows them.
func At(times ...time.Time) Schedule {
	sorted := slices.Clone(times)
	slices.SortFunc(sorted, time.Time.Compare)
	return at(sorted)
}

func (a at) Next(after time.Time) time.Time {
	i, _ := slices.BinarySearchFunc(a, after, func(t, after time.Time) int {
		if t.After(after) {
			return 1
		}
		return -1
	})
	if i == len(a) {
		return time.Time{}
	}
	return a[i]
}

func (a at) String() string { return fmt.Sprintf("at %d given times", len(a)) }
func (a at) check() error   { return nil }

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

// errNotLater is what becomes of a schedule that does not go forward.
var errNotLater = errors.New("a time that is not later")

// ask is the one way in which schedules are asked. They are foreign code, which
// is contained, and held to its word: what they return is later than after, and
// no time of the wall clock comes twice, unless dst says it may.
func ask(when Schedule, after time.Time, dst DST) (next time.Time, err error) {
	defer func() {
		if v := recover(); v != nil {
			next, err = time.Time{}, newPanicError(v)
		}
	}()
	_, trusted := when.(builtin)
	for range maxRepeats {
		next, err = advance(when, after)
		if err != nil || next.IsZero() {
			return time.Time{}, err
		}
		again, repeated := repeatUntil(next)
		if trusted || dst&RepeatFold != 0 || !repeated {
			return next, nil
		}
		after = again
	}
	return time.Time{}, errEndless
}

// maxRepeats is how many times in succession may be repetitions. The guard goes over
// a whole hour of them at once, so that is a thousand years for most zones.
const maxRepeats = 1000

// advance asks a schedule, and refuses a time that is not later.
func advance(when Schedule, after time.Time) (time.Time, error) {
	if z, ok := when.(*zoned); ok {
		return z.search(after)
	}
	next := when.Next(after).Round(0)
	if !next.IsZero() && !next.After(after) {
		return time.Time{}, fmt.Errorf("the schedule says %v comes after %v: %w", next, after, errNotLater)
	}
	return next, nil
}
