package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
	"github.com/a622d8ee/dray/test/virtual"
)

// A ledger keeps what the simulation has seen of every job, to be compared with
// what the queue says.
type ledger struct {
	mu       sync.Mutex
	accepted uint64 // by calls
	fired    uint64 // by the scheduler, as jobs: known only where observers are
	running  int
	mostRan  int
	bad      []string        // what must never be
	runs     map[dray.ID]int // attempts that the job's function has seen
	starts   map[dray.ID]int // that the queue has told
	finals   map[dray.ID]int // final events
	lastID   dray.ID         // of the last first start of a job without rules
	now      []string        // what happened since the last step
}

func (l *ledger) init() {
	l.runs, l.starts, l.finals = map[dray.ID]int{}, map[dray.ID]int{}, map[dray.ID]int{}
}

// accept takes note of what a call that enqueues has returned.
func (l *ledger) accept(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.accepted++
	case !errors.Is(err, dray.ErrClosed) && !errors.Is(err, dray.ErrQueueFull) && !errors.Is(err, dray.ErrDuplicate) &&
		!errors.Is(err, context.DeadlineExceeded):
		l.bad = append(l.bad, err.Error())
	}
}

// run wraps a job: who runs, and how often, is noted.
func (l *ledger) run(fn dray.Func) dray.Func {
	return func(ctx context.Context) error {
		info, ok := dray.JobFrom(ctx)
		l.mu.Lock()
		l.runs[info.ID]++
		l.running++
		l.mostRan = max(l.mostRan, l.running)
		if !ok || info.State != dray.Running && info.State != dray.Stuck {
			l.bad = append(l.bad, fmt.Sprintf("a job runs that does not: %+v", info))
		}
		odd := rand.New(rand.NewPCG(uint64(info.ID), uint64(l.runs[info.ID]))).Int64N(int64(time.Millisecond))
		l.mu.Unlock()
		virtual.Sleep(time.Duration(odd)) // runs of one task would end at one moment
		defer func() {
			l.mu.Lock()
			l.running--
			l.mu.Unlock()
		}()
		return fn(ctx)
	}
}

// runTask is run for a periodic task's function, which several jobs may be in.
func (l *ledger) runTask(fn dray.Func) dray.Func { return l.run(fn) }

// observe keeps what the queue tells.
func (l *ledger) observe(ev dray.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch ev.Kind {
	case dray.JobStarted:
		l.start(ev.Job)
	case dray.JobProcessed:
		l.final("processed", ev.Job)
	case dray.JobFailed:
		l.final("failed", ev.Job)
	case dray.JobCancelled:
		l.final("cancelled", ev.Job)
	case dray.JobEvicted:
		l.final("evicted", ev.Job)
	case dray.TaskFired:
		l.fired++
	case dray.EventsDropped:
		l.bad = append(l.bad, "events dropped")
	}
}

// start checks the order: jobs without rules start in the order of their IDs.
func (l *ledger) start(j dray.JobInfo) {
	l.starts[j.ID]++
	l.now = append(l.now, "start "+j.ID.String())
	if l.finals[j.ID] > 0 {
		l.bad = append(l.bad, fmt.Sprintf("job %d starts after its end", j.ID))
	}
	if j.Label != "" || j.Kind != "" || l.starts[j.ID] > 1 {
		return
	}
	if j.ID <= l.lastID {
		l.bad = append(l.bad, fmt.Sprintf("job %d starts after %d", j.ID, l.lastID))
	}
	l.lastID = j.ID
}

func (l *ledger) final(how string, j dray.JobInfo) {
	l.finals[j.ID]++
	l.now = append(l.now, how+" "+j.ID.String())
	if l.finals[j.ID] > 1 {
		l.bad = append(l.bad, fmt.Sprintf("job %d settles twice", j.ID))
	}
}

// job makes up a job. One with rules has a label, by which the order is not asked of it.
func (s *service) job(rng *rand.Rand) (name string, fn dray.Func, opts []dray.JobOption) {
	d := time.Duration(rng.IntN(5000))*time.Millisecond + s.moment()
	bodies := []struct {
		name string
		fn   dray.Func
	}{
		{"ok", draytest.Slow(d)},
		{"ok", draytest.Slow(d)},
		{"fails", after(d, draytest.Failing(-1, kit.ErrBoom))},
		{"fails once", after(d, draytest.Failing(1, kit.ErrBoom))},
		{"panics", after(d, draytest.Panicking("boom"))},
		{"exits", after(d, draytest.Exiting())},
		{"snoozes", after(d, draytest.Failing(2, dray.Snooze(d)))},
		{"discards", after(d, func(context.Context) error { return dray.Discard(kit.ErrBoom) })},
		{"long", draytest.Slow(10 * d)},
		{"stubborn", draytest.Stubborn(d, kit.ErrBoom)},
	}
	b := bodies[rng.IntN(len(bodies))]
	return b.name, s.run(b.fn), append(s.rules(rng), dray.WithLabel(strconv.Itoa(s.serial)))
}

// after runs fn once d has passed.
func after(d time.Duration, fn dray.Func) dray.Func {
	return func(ctx context.Context) error {
		if err := draytest.Slow(d)(ctx); err != nil {
			return err
		}
		return fn(ctx)
	}
}

// rules makes up options.
func (s *service) rules(rng *rand.Rand) (opts []dray.JobOption) {
	choices := []dray.JobOption{
		dray.WithMaxAttempts(1 + rng.IntN(3)),
		dray.WithPriority(dray.Priority(rng.IntN(3) - 1)),
		dray.WithKey(strconv.Itoa(rng.IntN(2))),
		dray.WithUnique(strconv.Itoa(rng.IntN(4)), dray.UniquePolicy(1+rng.IntN(2))),
		dray.WithDelay(time.Duration(rng.IntN(5000))*time.Millisecond + s.moment()),
		dray.WithTimeout(time.Duration(rng.IntN(5000))*time.Millisecond + s.moment()),
		dray.WithDeadline(time.Duration(5002+rng.IntN(20_000))*time.Millisecond + s.moment()), // later than any delay
	}
	opts = append(opts, dray.WithBackoff(dray.Constant(time.Duration(rng.IntN(5000))*time.Millisecond+s.moment())))
	for _, o := range choices {
		if rng.IntN(4) == 0 {
			opts = append(opts, o)
		}
	}
	return opts
}
