package dray

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/bits"
	"time"

	"github.com/a622d8ee/dray/internal/calendar"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/scheduler"
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
// take, and no change of the wall clock moves it. One of more than 146 years
// is never over.
func Every(d time.Duration) Schedule { return calendar.Every(d) }

// At runs a task at each of the given times that is still to come, in any order,
// once each, as the wall clock shows them.
func At(times ...time.Time) Schedule { return calendar.NewAt(times) }

// Preview returns the next n times of a schedule after the given one, fewer if it
// has no more: those at which a task with it would be due, that is after the
// scheduler's own rules (see [Scheduler.Schedule]). A schedule that breaks them
// ends the list. It may be called at any time, and needs no queue.
func Preview(when Schedule, after time.Time, n int) []time.Time {
	if isNil(when) {
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
		after = next.In(after.Location()) // schedules may go by it
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

func (d DST) applyTask(c *taskConfig) error { c.DST |= calendar.DST(d); return d.check() }

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
	z := &calendar.Zoned{Location: loc}
	if !isNil(wall) {
		z.Wall = wall // else a task is told so: see Check
	}
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

// TaskOption configures a periodic task: see [Scheduler.Schedule]. Every
// [JobOption] is one, for its runs, and so is [DST].
type TaskOption interface{ applyTask(*taskConfig) error }

// A taskConfig is what the options of a task add up to. It is not changed once
// the task is registered; tasks without options share one.
type taskConfig struct {
	scheduler.Options
	jobs     []JobOption
	policy   policy        // what they come to
	template *core.Job     // a record of that policy
	spread   time.Duration // limit of the jitter
	locker   Locker
}

type taskOption func(*taskConfig) error

func (o taskOption) applyTask(c *taskConfig) error { return o(c) }

// Overlap says what becomes of a run that is due while the one before it has not
// settled, be it that it runs, waits in line, or waits for its next attempt.
//
// A run is a job from when it is due, and takes no room of the queue: a full queue
// accepts it. Only under [AllowOverlap], where a task may have any number of runs that
// wait, do those besides the first take room: one that finds none is skipped, with the
// reason [ErrQueueFull].
//
// The policy counts the runs that this queue made. One that another queue left
// ([Queue.Restore]), or that is run again after its failure ([Queue.Requeue]), is a job
// like any other: give the task a [WithKey] where not even that may run beside a new one.
type Overlap uint8

// The overlap policies.
const (
	SkipOverlap    Overlap = iota // the new run is skipped
	QueueOverlap                  // it is postponed until the one before has settled; of several, the first
	AllowOverlap                  // it runs beside the one before
	CancelPrevious                // the one before is cancelled
)

// String returns the policy's name.
func (o Overlap) String() string {
	names := [...]string{"skip", "queue", "allow", "cancel previous"}
	if int(o) < len(names) {
		return names[o]
	}
	return fmt.Sprintf("Overlap(%d)", uint8(o))
}

// WithOverlap sets the overlap policy of a task. Defaults to [SkipOverlap].
func WithOverlap(o Overlap) TaskOption {
	return taskOption(func(c *taskConfig) error {
		c.Overlap = scheduler.Overlap(o)
		if o > CancelPrevious {
			return fmt.Errorf("dray: WithOverlap(%d): no such policy", o)
		}
		return nil
	})
}

// Missed says how many of the runs that a task missed are made up for.
//
// A run is missed if the scheduler looks at it more than a second after its time, or
// when a later one is due as well: because the task was paused, the machine asleep, the
// wall clock set forward, the service down ([WithLastRun]), or its schedule hung.
type Missed int

// The policies for missed runs; see [RunAll] for another.
const (
	SkipMissed Missed = 0 // none: the task goes on with its next run
	RunOnce    Missed = 1 // one for all of them
)

// maxMissed bounds RunAll, as each run made up for is kept until it is its turn.
const maxMissed = 10_000

// RunAll makes up for the newest n missed runs, at least 1 and at most 10,000: one
// after the other, or all at once under [AllowOverlap], as far as the queue has room.
// Any other n is an error from [WithMissed].
func RunAll(n int) Missed {
	if n < 1 {
		return Missed(max(n, math.MinInt+1) - 1) // 0 is SkipMissed
	}
	return Missed(n)
}

// WithMissed sets the policy for missed runs. Defaults to [RunOnce].
func WithMissed(m Missed) TaskOption {
	return taskOption(func(c *taskConfig) error {
		c.Missed = int(m)
		switch {
		case m < 0:
			return fmt.Errorf("dray: WithMissed(%d), or RunAll(%d): at least 1 is made up for", int(m), int(m)+1)
		case m > maxMissed:
			return fmt.Errorf("dray: WithMissed: RunAll(%d): at most 10,000", int(m))
		}
		return nil
	})
}

// WithJitter delays each run by up to d, 0 to a year, by an amount that depends on
// the task's name alone: the same in each process and after each restart, and
// evenly spread over different names. It changes no due time, only when the run
// is enqueued. Defaults to 0.
func WithJitter(d time.Duration) TaskOption {
	return taskOption(func(c *taskConfig) error { c.spread = d; return checkDelay("WithJitter", d) })
}

// jitterOf returns the delay for a task, 0 up to the limit. FNV is part of the
// promise: the result must not change between versions.
func jitterOf(name string, limit time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // it never fails
	x := h.Sum64() * 0x9e3779b97f4a7c15
	x ^= x >> 32 // FNV's high bits say little about the end of a name, which is where names differ
	share, _ := bits.Mul64(x*0xd6e8feb86659fd93, uint64(limit))
	return time.Duration(share)
}

// WithLastRun says when the task last ran, before this process was started: runs
// that came due since then are missed ones, and [Every] counts from it. A time
// in the future counts as now. Defaults to never, which misses none.
func WithLastRun(t time.Time) TaskOption {
	return taskOption(func(c *taskConfig) error { c.LastRun = t.Round(0); return nil })
}

// WithLocation has the task's schedule asked with times in loc, for schedules of
// other libraries that go by the zone of the time they are given. [Daily],
// [Weekly] and [InZone] have a zone of their own. Defaults to [time.Local].
func WithLocation(loc *time.Location) TaskOption {
	return taskOption(func(c *taskConfig) error {
		c.Location = loc
		if loc == nil {
			return errors.New("dray: WithLocation: nil location")
		}
		return nil
	})
}

// A Locker lets only one of several instances of a service run a periodic task
// at a time: see [WithLock]. It is usually made from a lock in a database.
type Locker interface {
	// Lock takes the lock for the task's run that was due at due, and does not
	// wait for others to give it up: if another instance has it, it returns an error
	// that wraps ErrLocked. Instances whose clocks differ, or that have few runs
	// to do, ask for the same run one after the other; so a Locker should
	// remember the due time of the last run for each task, and return ErrLocked
	// for one that is not later. Runs of RunNow are due when it is called: missed runs that
	// are made up for after one are then refused.
	//
	// ctx has the values of the attempt's, and ends with it while Lock is called, but
	// not with its return. The run gets held besides: ctx, or a context derived from it
	// that ends when the lock is lost; nil stands for ctx. A run whose lock is lost is
	// not tried again. unlock is called once when the run has ended, however it did;
	// nil stands for nothing to do. Both are used only where err is nil. Lock may be
	// called concurrently.
	Lock(ctx context.Context, task string, due time.Time) (held context.Context, unlock func(), err error)
}

// WithLock has each run of a task take the lock first, on its worker: once, and for
// all its attempts and snoozes. A run that finds it taken does nothing: its job counts
// as processed, the task counts it in Locked, and a [TaskSkipped] tells it. Any other
// error of the Locker is a failed attempt, after which it is asked again.
//
// The lock is given back on the worker after the last attempt, middleware included,
// before the job settles. Where the end comes between two attempts, by a cancellation or
// a shutdown, or by what an attempt has panicked with, it is given back at once on a
// goroutine of its own. A run that a shutdown hands back, and that [Queue.Restore] takes,
// does not ask again, nor does one that [Queue.Requeue] takes. A job whose unlock panics
// or calls [runtime.Goexit] has failed, and its function is not run again; one that
// blocks keeps its worker, or that goroutine. Defaults to none.
//
// Tasks that share a lock should have a calendar schedule: its due times are the
// same in all instances, while those of [Every] depend on when each was started.
func WithLock(l Locker) TaskOption {
	return taskOption(func(c *taskConfig) error {
		c.locker = l
		if isNil(l) {
			return errors.New("dray: WithLock: nil locker")
		}
		return nil
	})
}

// Why a run was skipped: see [TaskSkipped].
var (
	// ErrOverlap: the run before it had not settled. [Scheduler.RunNow] returns it.
	ErrOverlap = errs.ErrOverlap // "dray: the run before has not settled"
	// ErrMissed: it was not looked at in time: see [Missed].
	ErrMissed = errs.ErrMissed // "dray: missed"
	// ErrLocked is what a [Locker] returns for a run that is not this instance's.
	ErrLocked = errs.ErrLocked // "dray: locked by another instance"
)
