package dray

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
	"github.com/a622d8ee/dray/internal/errs"
)

// Func is a job: what a worker calls. Its context is cancelled when the job is
// cancelled, times out or is interrupted by a shutdown ([context.Cause] says
// which), and once it has returned; it does not end with the context of the call
// that enqueued it. A job that returns nil is processed; what any other ending
// comes to is in the package documentation.
type Func func(ctx context.Context) error

// ID identifies a job within its queue. IDs begin at 1 and grow in the order in
// which jobs are accepted.
type ID uint64

// String returns the ID in decimal.
func (id ID) String() string { return strconv.FormatUint(uint64(id), 10) }

// Receipt is what EnqueueSync returns for an accepted job.
type Receipt struct {
	ID ID
	// Position is where the job stands among the pending ones, in the order of
	// [Queue.Jobs]: 1 for the next to start. It is 0
	// for a job that first waits for its time ([WithDelay], [WithRunAt]) or, under
	// [KeepExisting], runs already or has settled, and for one that [DropNewest] dropped.
	Position int
}

// State is where a job is.
type State uint8

// The states. A job in one of the last four has settled: it is seen so in events
// and in [Queue.Failures], and no more in [Queue.Jobs].
const (
	Pending  State = iota // in line
	Delayed               // waits for its time: WithDelay, WithRunAt or Snooze
	Retrying              // waits for its next attempt
	Running
	Stuck     // running, although its context is cancelled
	Processed // returned nil
	Failed    // out of attempts or time, or discarded
	Cancelled // by a user
	Evicted   // by an overflow policy, or replaced under its unique key
)

// String returns the state's name in lower case.
func (s State) String() string {
	names := [...]string{"pending", "delayed", "retrying", "running", "stuck", "processed", "failed", "cancelled", "evicted"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Priority orders jobs: all High ones start before Normal ones, these before Low
// ones, FIFO within each. So that none waits for ever, jobs age: one that has been the
// first of its priority for a minute counts as one priority higher, after two minutes as
// two. It becomes the first when the job before it starts. So a lower priority has one job
// started each minute (each two minutes if it is Low and the others are High), however
// many of its jobs wait and for how long.
//
// Of jobs that count the same the lower one starts first, as it has waited for that,
// but none is passed by two jobs of one lower priority while it is first. Hence a High
// job waits for those before it, for the running jobs, and for at most one job of each
// aged priority and minute; and the first Low job starts within two minutes and the
// next worker that becomes free, unless it is paused, waits for a token or behind its
// key, or the jobs take so long that one of a higher priority has not had its turn since.
// A job of any priority waits for those before it in its key besides, also for Low ones:
// see [WithKey].
type Priority int8

// The priorities.
const (
	Low    Priority = -1
	Normal Priority = 0
	High   Priority = 1
)

// String returns the priority's name in lower case.
func (p Priority) String() string {
	switch p {
	case Low:
		return "low"
	case Normal:
		return "normal"
	case High:
		return "high"
	}
	return fmt.Sprintf("Priority(%d)", int8(p))
}

// JobInfo describes one job as it was at one moment, with times by the wall clock of then.
type JobInfo struct {
	ID         ID
	Kind       string // empty for a Func
	Label      string
	Key        string
	Priority   Priority
	State      State
	Attempt    int       // the current or last attempt, from 1; 0 before the first
	EnqueuedAt time.Time // to the µs
	RunAt      time.Time // zero unless Delayed or Retrying
	StartedAt  time.Time // zero unless Running or Stuck
	LastError  error     // of the last failed attempt
	// Done of Total is what the running job told Progress.
	Done, Total int64
}

// infoOf translates the core's view of a job, whose times it tells by one reference.
func infoOf(r *clock.Reference, i core.Info) JobInfo {
	info := JobInfo{
		ID: ID(i.ID), Kind: i.Kind, Label: i.Label, Key: i.Key, Priority: Priority(i.Priority),
		Attempt: i.Attempt, EnqueuedAt: r.Tell(i.EnqueuedAt), LastError: i.LastErr,
		Done: i.Done, Total: i.Total,
	}
	switch i.State {
	case core.Delayed:
		info.State, info.RunAt = Delayed, r.Tell(i.RunAt)
	case core.Retrying:
		info.State, info.RunAt = Retrying, r.Tell(i.RunAt)
	case core.Running:
		info.State, info.StartedAt = Running, r.Tell(i.StartedAt)
		if i.Stuck {
			info.State = Stuck
		}
	case core.Processed:
		info.State = Processed
	case core.Failed:
		info.State = Failed
	case core.Cancelled:
		info.State = Cancelled
	case core.Evicted:
		info.State = Evicted
	}
	return info
}

// snooze is the signal that Snooze returns.
type snooze struct{ delay time.Duration }

func (s *snooze) Error() string { return "dray: snoozed for " + s.delay.String() }

// Snooze, returned from a job, runs it again after d and spends no attempt. A
// negative d counts as 0, and one of 146 years or more as for ever. The job holds no
// worker while it waits, and does not count against the capacity. Wrapped in other
// errors it works as well; thrown in a panic it does not, nor after the job's
// context has ended: that is a failed attempt. Of a Snooze and a [Discard] in one
// error the first counts, in the order of [errors.As].
func Snooze(d time.Duration) error { return &snooze{delay: max(d, 0)} }

// discard is the signal that Discard returns.
type discard struct{ err error }

func (d *discard) Error() string { return errs.Prefix + "discarded: " + errs.Text(d.reason()) }
func (d *discard) Unwrap() error { return d.err }

func (d *discard) reason() error {
	if d.err == nil {
		return errDiscarded
	}
	return d.err
}

// Discard, returned from a job, fails it with err at once, whatever attempts it
// has left. Wrapped in other errors, or thrown in a panic, it works as well, and the
// job fails with all of that error.
func Discard(err error) error { return &discard{err: err} }

// Backoff returns how long to wait before the next attempt, given the number of
// the attempt that failed, from 1. A negative result counts as 0, and one above
// a year as a year. It must be safe for concurrent use. A job's is called on the
// job's worker while the job still has it; one that panics or ends the goroutine
// counts as 1 s.
type Backoff func(attempt int) time.Duration

// maxDelay bounds every delay that users give, far from the overflow of times.
const maxDelay = 365 * 24 * time.Hour

// Constant waits d before each attempt; at once if d is negative, and at most a year.
func Constant(d time.Duration) Backoff {
	return func(int) time.Duration { return d }
}

// Exponential waits a random time, evenly spread from 0 to base doubled for each
// attempt that failed after the first, but not more than maximum ("full jitter",
// which keeps the retries of many jobs that failed together apart). It does not wait where
// either is 0 or negative.
func Exponential(base, maximum time.Duration) Backoff {
	base, maximum = max(base, 0), max(maximum, 0)
	return func(attempt int) time.Duration {
		ceiling := float64(base) * math.Pow(2, float64(max(attempt, 1)-1))
		if !(ceiling < float64(maximum)) { // also for what is not a number
			ceiling = float64(maximum)
		}
		return time.Duration(rand.Float64() * ceiling)
	}
}

// defaultBackoff is for jobs with several attempts and no backoff of their own.
var defaultBackoff = Exponential(time.Second, time.Minute)

// A Kind is a named sort of job with a typed payload and one handler. It may be used
// concurrently. A kind is made by [Handle]; the zero value accepts nothing: [ErrUnknownKind].
type Kind[T any] struct {
	queue *Queue
	fn    func(context.Context, T) error
	jobs  policy // the kind's defaults over the queue's
}

// Handle registers fn as the handler of a kind of job on q, at any time, and
// concurrently. The options are defaults for its jobs. On a queue that was shut down it
// does nothing that could be seen. Errors: [ErrNilFunc], [ErrDuplicate] if q has that kind
// already, a nil queue, an empty name, or that of an option.
func Handle[T any](q *Queue, kind string, fn func(context.Context, T) error, opts ...JobOption) (*Kind[T], error) {
	if q == nil {
		return nil, errs.Wrapf(errNilQueue, "Handle(%q)", kind)
	}
	if fn == nil {
		return nil, errs.Wrapf(ErrNilFunc, "Handle(%q)", kind)
	}
	jobs, err := q.jobs.with(opts)
	if err != nil {
		return nil, err
	}
	jobs.kind, jobs.spec = kind, nil
	jobs.share()
	if err := q.register(kind, jobs); err != nil {
		return nil, err
	}
	return &Kind[T]{queue: q, fn: fn, jobs: jobs}, nil
}

func (q *Queue) register(kind string, jobs policy) error {
	if kind == "" {
		return fmt.Errorf("dray: Handle: empty kind")
	}
	q.kindsMu.Lock()
	defer q.kindsMu.Unlock()
	if _, ok := q.kinds[kind]; ok {
		return errs.Wrapf(ErrDuplicate, "Handle(%q)", kind)
	}
	q.kinds[kind] = jobs
	return nil
}

// Enqueue accepts a job of the kind with payload v, as [Queue.Enqueue] does. A
// kind that Handle did not return gives [ErrUnknownKind].
func (k *Kind[T]) Enqueue(ctx context.Context, v T, opts ...JobOption) error {
	_, err := k.enqueue(ctx, v, opts, false)
	return err
}

// EnqueueSync is Enqueue, and says where the job stands in line.
func (k *Kind[T]) EnqueueSync(ctx context.Context, v T, opts ...JobOption) (Receipt, error) {
	return k.enqueue(ctx, v, opts, true)
}

func (k *Kind[T]) enqueue(ctx context.Context, v T, opts []JobOption, placed bool) (Receipt, error) {
	if k == nil || k.queue == nil {
		return Receipt{}, ErrUnknownKind
	}
	if err := endOf(ctx); err != nil {
		return Receipt{}, err
	}
	fn := func(ctx context.Context) error { return k.fn(ctx, v) }
	return k.queue.enqueue(ctx, fn, &k.jobs, placed, k.payload(v), opts)
}

// payload returns what is told of the acceptance of a job with payload v; nil but for the test kit.
func (k *Kind[T]) payload(v T) engine.Completion {
	if k.queue.recorder == nil {
		return nil
	}
	return payload{k.queue.recorder, k.jobs.kind, v}
}
