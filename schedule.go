package dray

import (
	"fmt"
	"hash/maphash"
	"slices"
	"time"
)

// Schedule says when a periodic task runs. The schedules of cron libraries have
// this method, so they can be used as they are.
type Schedule interface {
	// Next returns the first time after the given one, or the zero time for never
	// again. It is called from one goroutine at a time. If it panics, or returns a
	// time that is not later, the task is unscheduled.
	Next(after time.Time) time.Time
}

// every is the schedule of Every.
type every time.Duration

// Every runs a task each d, at least 1 ns, counted from when it was registered
// or, for a task registered earlier, from when its queue was started. The
// interval is kept on the monotonic clock and does not drift, however long runs take.
func Every(d time.Duration) Schedule { return every(d) }

func (e every) Next(after time.Time) time.Time { return after.Add(time.Duration(e)) }

// skipTo returns the last of the times due up to now, given the first.
func (e every) skipTo(due, now time.Time) (last time.Time, skipped uint64) {
	n := now.Sub(due) / time.Duration(e)
	return due.Add(n * time.Duration(e)), uint64(n)
}

// at is the schedule of At.
type at []time.Time

// At runs a task at each of the given times that is still to come, in any order.
func At(times ...time.Time) Schedule {
	sorted := slices.Clone(times)
	slices.SortFunc(sorted, time.Time.Compare)
	return at(sorted)
}

func (a at) Next(after time.Time) time.Time {
	for _, t := range a {
		if t.After(after) {
			return t
		}
	}
	return time.Time{}
}

// TaskOption configures a periodic task. Every [JobOption] is one, for its runs.
type TaskOption interface{ applyTask(*taskConfig) error }

type taskConfig struct {
	jobs    []JobOption
	overlap Overlap
	missed  Missed
	jitter  time.Duration
	lastRun time.Time
}

type taskOption func(*taskConfig) error

func (o taskOption) applyTask(c *taskConfig) error { return o(c) }

// Overlap says what becomes of a run that is due while the one before it has not settled.
type Overlap uint8

// The overlap policies.
const (
	SkipOverlap    Overlap = iota // the new run is skipped
	QueueOverlap                  // it runs when the one before has settled; of several, one
	AllowOverlap                  // it runs beside the one before
	CancelPrevious                // the one before is cancelled
)

// WithOverlap sets the overlap policy of a task. Defaults to [SkipOverlap].
func WithOverlap(o Overlap) TaskOption {
	return taskOption(func(c *taskConfig) error {
		c.overlap = o
		if o > CancelPrevious {
			return fmt.Errorf("dray: WithOverlap(%d): no such policy", o)
		}
		return nil
	})
}

// Missed says how many of the runs that came due together, because the task was
// paused, the machine asleep or the service down, are made up for.
type Missed int

// The policies for missed runs; see [RunAll] for another.
const (
	SkipMissed Missed = 0 // none: the task goes on with its next run
	RunOnce    Missed = 1 // one for all of them
)

// RunAll makes up for the newest n missed runs, all at once; n is at least 1.
func RunAll(n int) Missed { return Missed(n) }

// WithMissed sets the policy for missed runs. Defaults to [RunOnce]. A run that
// is merely late, with no later one due, is not missed.
func WithMissed(m Missed) TaskOption {
	return taskOption(func(c *taskConfig) error { c.missed = m; return notNegative("WithMissed", int(m)) })
}

// WithJitter delays each run by up to d, at least 0, by an amount that depends on
// the task's name alone, so that many tasks of one interval spread out. Defaults to 0.
func WithJitter(d time.Duration) TaskOption {
	return taskOption(func(c *taskConfig) error { c.jitter = d; return checkDelay("WithJitter", d) })
}

// WithLastRun says when the task last ran, before this process was started: runs
// that came due since then are missed ones. Defaults to never, which misses none.
func WithLastRun(t time.Time) TaskOption {
	return taskOption(func(c *taskConfig) error { c.lastRun = t; return nil })
}

// jitterSeed makes the jitter differ between processes, so that the instances of
// a service do not all run the same task at the same moment.
var jitterSeed = maphash.MakeSeed()

// jitterOf returns the delay for a task, 0 to the limit.
func jitterOf(name string, limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return time.Duration(maphash.String(jitterSeed, name) % uint64(limit))
}
