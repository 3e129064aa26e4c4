package dray

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
)

// Option configures a queue: see [New]. Every [JobOption] is one too, as a
// default for all jobs of the queue.
type Option interface{ applyQueue(*config) error }

// JobOption configures one job. Given to [Handle] it is a default for the kind,
// given to [New] one for the queue, given to a schedule one for its runs. The
// call's options override the kind's, and those the queue's.
type JobOption interface {
	Option
	TaskOption
	applyJob(*policy) error
}

// Unbounded is the capacity of a queue that accepts jobs for as long as there is memory.
const Unbounded = -1

// defaultCapacity holds a burst of some seconds at the rates of ordinary
// services, in well under a megabyte.
const defaultCapacity = 10_000

// defaultFailuresKept is enough to see a pattern; each may hold a 16 KiB stack.
const defaultFailuresKept = 100

// config is what the options of New add up to.
type config struct {
	common
	workers, capacity int
	overflow          Overflow
	failuresKept      int
	stuckAllowance    int
	latency           bool
	idleTimeout       time.Duration
	middleware        []Middleware // around every job
	periodic          []periodic
	jobs              policy // defaults
}

func defaultConfig() config {
	return config{
		common:       newCommon("dray"),
		workers:      runtime.GOMAXPROCS(0),
		capacity:     defaultCapacity,
		failuresKept: defaultFailuresKept,
		latency:      true,
		idleTimeout:  defaultIdleTimeout,
		jobs:         policy{maxAttempts: 1, keyLimit: 1},
	}
}

func (c *config) core() core.Config {
	return core.Config{
		Workers: c.workers, Capacity: c.capacity, Overflow: core.Overflow(c.overflow),
		FailuresKept: c.failuresKept, StuckAllowance: c.stuckAllowance, Latency: c.latency,
	}
}

type queueOption func(*config) error

func (o queueOption) applyQueue(c *config) error { return o(c) }

// maxWorkers is a sanity bound: a job that sleeps needs no worker of its own.
const maxWorkers = 1 << 20

func checkWorkers(n int) error {
	if n < 1 || n > maxWorkers {
		return fmt.Errorf("dray: %d workers: must be 1 to %d", n, maxWorkers)
	}
	return nil
}

// WithWorkers sets how many jobs may run at once, 1 to 1,048,576. Workers are
// goroutines that start when first needed. Defaults to runtime.GOMAXPROCS(0).
func WithWorkers(n int) Option {
	return queueOption(func(c *config) error { c.workers = n; return checkWorkers(n) })
}

// WithCapacity sets how many jobs may wait, at least 1, or [Unbounded]. Running
// jobs do not count, nor those that wait for a retry or after a [Snooze], nor the runs
// of periodic tasks and the completion jobs of groups, nor what replaces one of these two
// before it has started ([ReplacePending]). Defaults to 10,000.
func WithCapacity(n int) Option {
	return queueOption(func(c *config) error {
		c.capacity = n
		if n < 1 && n != Unbounded {
			return fmt.Errorf("dray: WithCapacity(%d): must be at least 1, or Unbounded", n)
		}
		return nil
	})
}

// Overflow says what becomes of a job when the queue is at its capacity.
type Overflow uint8

// The overflow policies.
const (
	Reject     Overflow = iota // Enqueue returns ErrQueueFull; counted in Rejected
	Block                      // Enqueue waits for room until its context ends, first come first served
	DropNewest                 // the new job is accepted and evicted at once
	DropOldest                 // of the jobs that take room, see [WithCapacity], the one accepted first is evicted, whatever its priority
)

// WithOverflow sets the overflow policy. Defaults to [Reject].
func WithOverflow(o Overflow) Option {
	return queueOption(func(c *config) error {
		c.overflow = o
		if o > DropOldest {
			return fmt.Errorf("dray: WithOverflow(%d): no such policy", o)
		}
		return nil
	})
}

// WithFailuresKept sets how many failed jobs [Queue.Failures] remembers, 0 or more; 0 keeps none.
// Beyond that the oldest is forgotten, and no event tells it. Defaults to 100.
func WithFailuresKept(n int) Option {
	return queueOption(func(c *config) error { c.failuresKept = n; return notNegative("WithFailuresKept", n) })
}

// WithStuckAllowance lends up to n extra workers, 0 or more, while as many jobs are stuck,
// that is running although their context is cancelled. Defaults to 0: a stuck
// job keeps its worker, and there is no other.
func WithStuckAllowance(n int) Option {
	return queueOption(func(c *config) error { c.stuckAllowance = n; return notNegative("WithStuckAllowance", n) })
}

// isNil reports whether there is nothing in an interface that a user gave, or a nil pointer or
// func. It is the one rule for limiters, lockers, schedules and services: with hardly an
// exception such a one panics when it is called, and only the first job or run would show it.
func isNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func:
		return r.IsNil()
	default:
		return false
	}
}

func notNegative(option string, n int) error {
	if n < 0 {
		return fmt.Errorf("dray: %s(%d): must not be negative", option, n)
	}
	return nil
}

// WithoutLatency leaves Stats.Wait and Stats.Run empty.
func WithoutLatency() Option {
	return queueOption(func(c *config) error { c.latency = false; return nil })
}

// A periodic is a task given to New.
type periodic struct {
	name string
	when Schedule
	fn   Func
	opts []TaskOption
}

// WithPeriodic registers a periodic task from the start: see [Scheduler.Schedule]. Two
// of one name are an error from [New], which is [ErrDuplicate].
func WithPeriodic(name string, when Schedule, fn Func, opts ...TaskOption) Option {
	return queueOption(func(c *config) error {
		if slices.ContainsFunc(c.periodic, func(p periodic) bool { return p.name == name }) {
			return errs.Wrapf(ErrDuplicate, "WithPeriodic(%q)", name)
		}
		c.periodic = append(c.periodic, periodic{name, when, fn, opts})
		return nil
	})
}

// WithLabel describes the job in listings, events and logs. Defaults to none.
func WithLabel(label string) JobOption {
	return jobOption(func(p *policy) error { p.label = label; return nil })
}

// WithTimeout bounds each attempt: after d, 0 to a year, its context is cancelled with the cause
// [ErrTimeout], and an error that it then returns is a failed attempt, whose error is
// ErrTimeout, too. A job that does not heed its context keeps its worker: see
// [WithStuckAllowance]. Defaults to 0, no timeout.
func WithTimeout(d time.Duration) JobOption {
	return jobOption(func(p *policy) error { p.timeout = d; return checkDelay("WithTimeout", d) })
}

func checkDelay(option string, d time.Duration) error {
	if d < 0 || d > maxDelay {
		return fmt.Errorf("dray: %s(%v): must be 0 to %v", option, d, maxDelay)
	}
	return nil
}

// WithMaxAttempts sets how often the job is run at most until it returns nil,
// the first time included; at least 1. Defaults to 1.
func WithMaxAttempts(n int) JobOption {
	return jobOption(func(p *policy) error {
		p.maxAttempts = n
		if n < 1 {
			return fmt.Errorf("dray: WithMaxAttempts(%d): must be at least 1", n)
		}
		return nil
	})
}

// WithBackoff sets how long a failed attempt waits for the next one. Defaults to
// Exponential(time.Second, time.Minute).
func WithBackoff(b Backoff) JobOption {
	return jobOption(func(p *policy) error {
		p.backoff = b
		if b == nil {
			return errs.Wrapf(ErrNilFunc, "WithBackoff")
		}
		return nil
	})
}

// WithDelay makes the job pending only after d, 0 to a year. Meanwhile, too, it
// counts against the capacity. It replaces [WithRunAt]. Defaults to 0.
func WithDelay(d time.Duration) JobOption {
	return jobOption(func(p *policy) error {
		p.delay, p.runAt = d, time.Time{}
		return checkDelay("WithDelay", d)
	})
}

// WithRunAt makes the job pending only at t; at once if t is past. It replaces [WithDelay]. How
// far away t is, is measured once, when the job is enqueued, by the wall clock of that moment;
// a jump of the wall clock after that moves nothing, and JobInfo.RunAt then tells what the
// clock will show. A time more than 146 years away is never.
func WithRunAt(t time.Time) JobOption {
	return jobOption(func(p *policy) error { p.delay, p.runAt = 0, t; return nil })
}

// WithKey runs the jobs of one key in the order in which they became pending, one
// at a time unless [WithKeyLimit] says otherwise. A job holds its place in its
// key until it settles, while it waits for a retry too. Priorities do not change that order:
// a High job waits for a Low one before it in its key. Other keys, and jobs
// without one, are not held up. Defaults to none.
func WithKey(key string) JobOption {
	return jobOption(func(p *policy) error { p.key = key; return nil })
}

// WithKeyLimit lets n jobs of a key run at once; at least 1. Where jobs of one key
// differ, what counts is the limit of the one that is to start. Defaults to 1.
func WithKeyLimit(n int) JobOption {
	return jobOption(func(p *policy) error {
		p.keyLimit = n
		if n < 1 {
			return fmt.Errorf("dray: WithKeyLimit(%d): must be at least 1", n)
		}
		return nil
	})
}

// UniquePolicy says what becomes of a job whose unique key another one holds.
type UniquePolicy uint8

// The policies for a unique key that is taken.
const (
	KeepExisting    UniquePolicy = iota // nothing is added; a receipt is that of the job there is
	ReplacePending                      // the other one is evicted; one that runs when its attempt has ended, unless that settles it
	RejectDuplicate                     // ErrDuplicate; counted in Rejected
)

// WithUnique lets only one job with the given key be in the queue, from its
// acceptance until it settles, however it does; see [WithUniquePeriod] for longer.
// A call that waits for room under [Block] holds its key meanwhile, and all but
// ReplacePending then get [ErrDuplicate], as there is no job yet to be kept. A
// batch of more than one cannot be unique.
//
// A job gets the room of the one that it replaces. Where that takes none, as it has started
// before, the new one needs room as any other: if there is none [Overflow] says what becomes
// of it, and nothing is replaced unless it is accepted to stay.
func WithUnique(key string, p UniquePolicy) JobOption {
	return jobOption(func(j *policy) error {
		j.unique, j.uniquePolicy = key, p
		switch {
		case key == "":
			return errors.New("dray: WithUnique: empty key")
		case p > RejectDuplicate:
			return fmt.Errorf("dray: WithUnique(%q, %d): no such policy", key, p)
		}
		return nil
	})
}

// WithPriority sets the job's priority. Defaults to [Normal].
func WithPriority(p Priority) JobOption {
	return jobOption(func(j *policy) error {
		j.priority = p
		if p < Low || p > High {
			return fmt.Errorf("dray: WithPriority(%d): no such priority", p)
		}
		return nil
	})
}

// defaultIdleTimeout is long against the pauses within ordinary work, so that hardly
// a worker is started twice for it, and short against the life of a service.
const defaultIdleTimeout = time.Minute

// WithIdleTimeout lets workers leave that have had nothing to do for d, so that a
// burst leaves no goroutines behind; they are started again when needed. The last to
// become idle is the first to get a job, so those leave that are not needed, however
// busy the others are. A worker leaves at most d later than it could. Stats.Workers
// and Stats.Idle do not change by it, as they say how many jobs may run.
// Defaults to 1 m, also in a [Pool]; at most a year; 0: never.
func WithIdleTimeout(d time.Duration) Option {
	return queueOption(func(c *config) error { c.idleTimeout = d; return checkDelay("WithIdleTimeout", d) })
}
