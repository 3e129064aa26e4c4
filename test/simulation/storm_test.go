package simulation_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// settled sums up the jobs that have ended.
func settled(s dray.Stats) uint64 { return s.Processed + s.Failed + s.Cancelled + s.Evicted }

// watch asserts that the books balance and only grow, as [balanced] does, on any goroutine.
func watch(t testing.TB, q *dray.Queue, last dray.Stats) dray.Stats {
	s := q.Stats()
	held := s.Pending + s.Delayed + s.Retrying + s.Running
	switch {
	case s.Enqueued != settled(s)+uint64(held):
		t.Errorf("the books do not balance: %+v", s)
	case min(s.Pending, s.Delayed, s.Retrying, s.Running, s.Stuck, s.Idle) < 0 || s.Stuck > s.Running:
		t.Errorf("a count is off: %+v", s)
	case s.Enqueued < last.Enqueued || settled(s) < settled(last):
		t.Errorf("a total has shrunk: %+v, %+v", last, s)
	}
	return s
}

// An ending is one way for a job to go, and what it adds to the books.
type ending struct {
	name                                            string
	fn                                              func() dray.Func
	opts                                            []dray.JobOption
	processed, failed, cancelled, retried, panicked uint64
}

// nth returns a job whose n-th attempt succeeds and whose others end as fn.
func nth(n int, fn dray.Func) func() dray.Func {
	return func() dray.Func {
		i := 0
		return func(ctx context.Context) error {
			if i++; i == n {
				return nil
			}
			return fn(ctx)
		}
	}
}

func always(fn dray.Func) func() dray.Func { return func() dray.Func { return fn } }

func endings(q func() *dray.Queue) []ending {
	panics := func(context.Context) error { panic(kit.ErrBoom) }
	goexit := func(context.Context) error { runtime.Goexit(); return nil }
	nested := func(context.Context) error {
		defer func() { panic("second") }()
		panic("first")
	}
	suicide := func(ctx context.Context) error {
		info, _ := dray.JobFrom(ctx)
		_ = q().Cancel(info.ID)
		return kit.ErrBoom
	}
	retry := []dray.JobOption{dray.WithMaxAttempts(3), dray.WithBackoff(dray.Exponential(time.Second, time.Minute))}
	brief := []dray.JobOption{dray.WithTimeout(time.Second)}
	return []ending{
		{name: "nil", fn: always(kit.Nop), processed: 1},
		{name: "error", fn: always(kit.Fail), failed: 1},
		{name: "panic", fn: always(panics), failed: 1, panicked: 1},
		{name: "panic(nil)", fn: always(func(context.Context) error { panic(nil) }), failed: 1, panicked: 1},
		{name: "nested", fn: always(nested), failed: 1, panicked: 1},
		{name: "Goexit", fn: always(goexit), failed: 1},
		{name: "Goexit in panic", fn: always(func(context.Context) error { defer runtime.Goexit(); panic(1) }), failed: 1},
		{name: "discard", fn: always(func(context.Context) error { return dray.Discard(kit.ErrBoom) }), opts: retry, failed: 1},
		{name: "snooze", fn: nth(3, func(context.Context) error { return dray.Snooze(time.Second) }), processed: 1},
		{name: "retry", fn: nth(3, kit.Fail), opts: retry, processed: 1, retried: 2},
		{name: "retry panics", fn: nth(2, panics), opts: retry, processed: 1, retried: 1, panicked: 1},
		{name: "retry Goexit", fn: nth(2, goexit), opts: retry, processed: 1, retried: 1},
		{name: "exhausted", fn: always(kit.Fail), opts: retry, failed: 1, retried: 2},
		{name: "slow", fn: always(draytest.Slow(time.Minute)), processed: 1},
		{name: "timeout", fn: always(draytest.Slow(time.Minute)), opts: brief, failed: 1},
		{name: "late", fn: always(draytest.Stubborn(time.Minute, nil)), opts: brief, processed: 1},
		{name: "suicide", fn: always(suicide), opts: retry, cancelled: 1},
		{name: "delayed", fn: always(kit.Nop), opts: []dray.JobOption{dray.WithDelay(time.Minute)}, processed: 1},
		{name: "high", fn: always(kit.Fail), opts: []dray.JobOption{dray.WithPriority(dray.High)}, failed: 1},
		{name: "keyed", fn: always(goexit), opts: []dray.JobOption{dray.WithKey("k")}, failed: 1},
	}
}

func TestRandomEndings(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			var q *dray.Queue
			all := endings(func() *dray.Queue { return q })
			q = kit.Paused(t, dray.WithWorkers(1+rng.IntN(8)), dray.WithStuckAllowance(rng.IntN(3)), dray.WithMiddleware(
				func(next dray.Handler) dray.Handler {
					return func(ctx context.Context, j *dray.Job) error {
						watch(t, q, dray.Stats{})
						defer watch(t, q, dray.Stats{})
						return next(ctx, j)
					}
				}))
			require.NoError(t, q.Start())
			var want dray.Stats
			for range 1000 {
				e := all[rng.IntN(len(all))]
				require.NoError(t, q.Enqueue(t.Context(), e.fn(), e.opts...), e.name)
				want.Processed, want.Failed, want.Cancelled = want.Processed+e.processed, want.Failed+e.failed, want.Cancelled+e.cancelled
				want.Retried, want.Panicked = want.Retried+e.retried, want.Panicked+e.panicked
			}
			kit.Elapse(24 * time.Hour)
			s := kit.Balanced(t, q)
			got := dray.Stats{Processed: s.Processed, Failed: s.Failed, Cancelled: s.Cancelled, Retried: s.Retried, Panicked: s.Panicked}
			require.Equal(t, want, got, "seed %d", seed)
			require.Equal(t, s.Workers, s.Idle)
		})
	}
}

// Each accepted job ends here or is handed back: never both, never neither.
func TestEnqueueRacesShutdown(t *testing.T) {
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			policy := dray.Overflow(rng.IntN(4))
			q := kit.Start(t, dray.WithWorkers(1+rng.IntN(4)), dray.WithCapacity(1+rng.IntN(50)), dray.WithOverflow(policy))
			var accepted, runs atomic.Int64
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() { produce(t, q, &accepted, &runs) })
			}
			time.Sleep(time.Duration(rng.IntN(3)) * time.Millisecond)
			for range rng.IntN(2000) {
				runtime.Gosched()
			}
			report := end(t, q, rng.IntN(3))
			wg.Wait()
			s := kit.Balanced(t, q)
			require.Equal(t, accepted.Load(), int64(s.Enqueued))
			require.Equal(t, s.Enqueued, settled(s)+uint64(len(report.Waiting)+len(report.Interrupted)), "seed %d", seed)
			require.Equal(t, runs.Load(), int64(s.Processed)+int64(len(report.Interrupted)))
			require.Empty(t, report.Abandoned)
		})
	}
}

// produce enqueues until the queue is closed.
func produce(t testing.TB, q *dray.Queue, accepted, runs *atomic.Int64) {
	job := func(ctx context.Context) error {
		runs.Add(1)
		if runs.Load()%7 == 0 {
			return draytest.Slow(time.Millisecond)(ctx)
		}
		return nil
	}
	for i := 0; ; i++ {
		var opts []dray.JobOption
		if i%3 == 0 {
			opts = []dray.JobOption{dray.WithLabel("x")}
		}
		switch err := q.Enqueue(context.Background(), job, opts...); {
		case err == nil:
			accepted.Add(1)
		case errors.Is(err, dray.ErrClosed):
			return
		case !errors.Is(err, dray.ErrQueueFull):
			t.Error(err)
			return
		}
		if i%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

// end shuts q down in one of three ways.
func end(t testing.TB, q *dray.Queue, way int) dray.Report {
	ctx := context.Background()
	switch way {
	case 0:
		err := q.Close()
		require.True(t, err == nil || errors.Is(err, context.DeadlineExceeded), err) // of another call's context
	case 1:
		brief, cancel := context.WithTimeout(ctx, time.Microsecond)
		defer cancel()
		ctx = brief
	}
	report, err := q.Shutdown(ctx)
	require.True(t, err == nil || errors.Is(err, context.DeadlineExceeded), err)
	return report
}

// A storm is everything that anyone can do to a queue.
type storm struct {
	t        testing.TB
	q        *dray.Queue
	kind     *dray.Kind[int]
	accepted atomic.Int64
	jobs     []ending
}

// count takes note of what Enqueue said.
func (s *storm) count(err error) {
	switch {
	case err == nil:
		s.accepted.Add(1)
	case !errors.Is(err, dray.ErrClosed) && !errors.Is(err, dray.ErrQueueFull) && !errors.Is(err, dray.ErrDuplicate) &&
		!errors.Is(err, context.DeadlineExceeded):
		s.t.Error(err)
	}
}

// act does one thing at random.
func (s *storm) act(rng *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rng.IntN(10))*time.Millisecond)
	defer cancel()
	job := s.jobs[rng.IntN(len(s.jobs))]
	id := dray.ID(rng.Uint64N(1 + s.q.Stats().Enqueued))
	switch rng.IntN(16) {
	case 0, 1, 2, 3:
		s.count(s.q.Enqueue(ctx, job.fn(), job.opts...))
	case 4:
		n, err := s.q.EnqueueBatch(ctx, []dray.Func{job.fn(), job.fn(), job.fn()})
		s.accepted.Add(int64(n))
		if err != nil {
			s.count(err)
		}
	case 5:
		s.count(s.kind.Enqueue(ctx, 1, job.opts...))
	case 6:
		s.count(s.q.Enqueue(ctx, job.fn(), dray.WithUnique(id.String(), dray.RejectDuplicate)))
	case 7:
		task, err := dray.Submit(ctx, s.q, kit.One, job.opts...)
		s.count(err)
		if err == nil {
			_, _ = task.Wait(ctx)
		}
	case 8:
		_ = s.q.Pause()
	case 9:
		_ = s.q.Resume()
		_ = s.q.ResumeKind("kind")
	case 10:
		_ = s.q.PauseKind("kind")
	case 11:
		_ = s.q.Resize(1 + rng.IntN(8))
	case 12:
		_ = s.q.Cancel(id)
	case 13:
		if s.q.Requeue(id) == nil {
			s.accepted.Add(1)
		}
	case 14:
		_ = slices.Collect(s.q.Jobs())
		_ = s.q.Failures()
		_ = s.q.String()
	case 15:
		_ = s.q.Start()
	}
}

func TestLifecycleStorm(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			var events atomic.Int64
			opts := []dray.Option{
				dray.WithWorkers(4), dray.WithCapacity(20), dray.WithOverflow(dray.Overflow(rng.IntN(4))),
				dray.WithStuckAllowance(rng.IntN(3)), dray.WithShutdownTimeout(2 * time.Minute),
			}
			if rng.IntN(2) == 0 {
				opts = append(opts, dray.WithObserver(func(dray.Event) { events.Add(1) }))
			}
			s := &storm{t: t, q: kit.Paused(t, opts...)}
			s.jobs = endings(func() *dray.Queue { return s.q })
			var err error
			s.kind, err = dray.Handle(s.q, "kind", func(context.Context, int) error { return nil })
			require.NoError(t, err)
			s.rage(seed)
			report, err := s.q.Shutdown(context.Background())
			require.NotErrorIs(t, err, dray.ErrStillRunning)
			stats := watch(t, s.q, dray.Stats{})
			// KeepExisting is not among the policies, so each nil was a new job.
			require.Equal(t, s.accepted.Load(), int64(stats.Enqueued), "seed %d", seed)
			require.Equal(t, stats.Enqueued, settled(stats)+uint64(len(report.Waiting)+len(report.Interrupted)), "seed %d", seed)
		})
	}
}

// rage lets many goroutines act, and one or two of them end the queue.
func (s *storm) rage(seed uint64) {
	var wg sync.WaitGroup
	for i := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 100+i))
		wg.Go(func() {
			for range 100 {
				s.act(rng)
				if rng.IntN(4) == 0 {
					time.Sleep(time.Duration(rng.IntN(1000)) * time.Millisecond)
				}
			}
			if i < 2 {
				end(s.t, s.q, int(seed+i)%3)
			}
		})
	}
	wg.Go(func() {
		var last dray.Stats
		for range 300 {
			last = watch(s.t, s.q, last)
			time.Sleep(100 * time.Millisecond)
		}
	})
	wg.Wait()
}
