package policy_test

import (
	"context"
	"errors"
	"runtime"
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

// A bucket is a limiter as that of golang.org/x/time/rate: one token each interval,
// and at most burst saved up.
type bucket struct {
	interval time.Duration
	burst    int

	mu   sync.Mutex
	next time.Time // when the bucket was, or will be, empty
}

func (b *bucket) Wait(ctx context.Context) error {
	b.mu.Lock()
	now := time.Now()
	if oldest := now.Add(-time.Duration(b.burst) * b.interval); b.next.Before(oldest) {
		b.next = oldest
	}
	b.next = b.next.Add(b.interval)
	wait := time.NewTimer(b.next.Sub(now))
	b.mu.Unlock()
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// closed is a limiter that never has a token, and heeds its context.
type closed struct{}

func (closed) Wait(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

// limiterFunc is a limiter behind a pointer, so that it is comparable.
type limiterFunc struct{ wait func(context.Context) error }

func (f *limiterFunc) Wait(ctx context.Context) error { return f.wait(ctx) }

func TestRateLimitOfTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(4), dray.WithRateLimit(&bucket{interval: time.Second, burst: 1}))
		begin := time.Now()
		var starts kit.Record[time.Duration]
		for range 10 {
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { starts.Add(time.Since(begin)); return nil }))
		}
		kit.Elapse(4 * time.Second)
		require.Equal(t, []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second}, starts.All())
		require.Equal(t, 5, kit.Balanced(t, q).Pending)
		kit.Elapse(time.Minute)
		require.Len(t, starts.All(), 10)
	})
}

// Jobs of a limited kind are in order, and hold up nobody else.
func TestRateLimitOfAKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		var got kit.Record[int]
		slow, err := dray.Handle(q, "slow", func(_ context.Context, n int) error { got.Add(n); return nil },
			dray.WithRateLimit(&bucket{interval: time.Minute, burst: 1}))
		require.NoError(t, err)
		for i := range 5 {
			require.NoError(t, slow.Enqueue(t.Context(), i))
			require.NoError(t, q.Enqueue(t.Context(), got.Job(100+i)))
		}
		synctest.Wait()
		require.ElementsMatch(t, []int{0, 100, 101, 102, 103, 104}, got.All())
		kit.Elapse(4 * time.Minute)
		require.Equal(t, []int{1, 2, 3, 4}, got.All()[6:])
		require.Equal(t, uint64(10), kit.Balanced(t, q).Processed)
	})
}

// The token of a busy hour is one, not as many as the hour had.
func TestRateLimitSavesNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithRateLimit(&bucket{interval: time.Second, burst: 1}))
		begin := time.Now()
		var starts kit.Record[time.Duration]
		run := func(context.Context) error { starts.Add(time.Since(begin)); return nil }
		kit.Add(t, q, draytest.Slow(time.Hour))
		for range 3 {
			kit.Add(t, q, run)
		}
		kit.Elapse(time.Hour)
		require.Equal(t, []time.Duration{time.Hour}, starts.All()[:1])
		kit.Elapse(10 * time.Second)
		all := starts.All()
		require.Len(t, all, 3)
		require.GreaterOrEqual(t, all[2]-all[0], time.Second, "one token ahead, and the limiter's own burst of one")
	})
}

func TestRateLimitsAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := &bucket{interval: time.Second, burst: 1}
		q := kit.Start(t, dray.WithWorkers(8), dray.WithRateLimit(shared))
		begin := time.Now()
		var both, alone kit.Record[time.Duration]
		k, err := dray.Handle(q, "k", func(context.Context, int) error { both.Add(time.Since(begin)); return nil },
			dray.WithRateLimit(&bucket{interval: 10 * time.Second, burst: 1}), dray.WithRateLimit(shared))
		require.NoError(t, err)
		for range 3 {
			require.NoError(t, k.Enqueue(t.Context(), 0))
		}
		for range 10 {
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { alone.Add(time.Since(begin)); return nil }))
		}
		kit.Elapse(12 * time.Second)
		require.Len(t, alone.All(), 10, "jobs that wait for their kind use up nothing of the queue's")
		require.Len(t, both.All(), 2)
		kit.Elapse(10 * time.Second)
		require.Len(t, both.All(), 3)
		require.GreaterOrEqual(t, both.All()[2], 20*time.Second)
	})
}

func TestRateLimitOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		tenants := map[string]*bucket{"a": {interval: time.Second, burst: 1}, "b": {interval: time.Minute, burst: 1}}
		ran := map[string]*kit.Record[int]{"a": {}, "b": {}}
		for i := range 6 {
			name := string(rune('a' + i%2))
			kit.Add(t, q, ran[name].Job(i), dray.WithRateLimit(tenants[name]))
		}
		kit.Elapse(2 * time.Second)
		require.Equal(t, []int{0, 2, 4}, ran["a"].All())
		require.Equal(t, []int{1}, ran["b"].All())
		require.NoError(t, q.Close())
	})
}

// What a limiter does wrong is reported, and costs no job.
func TestLimiterThatFails(t *testing.T) {
	for name, bad := range map[string]func() error{
		"error":  func() error { return kit.ErrBoom },
		"panic":  func() error { panic(kit.ErrBoom) },
		"Goexit": func() error { runtime.Goexit(); return nil },
	} {
		kit.Bubble(t, name, func(t *testing.T) {
			var calls atomic.Int32
			l := &limiterFunc{func(context.Context) error {
				if calls.Add(1) <= 3 {
					return bad()
				}
				return nil
			}}
			var reported kit.Record[error]
			q := kit.Start(t, dray.WithWorkers(1), dray.WithObserver(func(e dray.Event) {
				if e.Kind == dray.RateLimitFailed {
					reported.Add(e.Err)
				}
			}))
			var got kit.Record[int]
			kit.Add(t, q, got.Job(1), dray.WithRateLimit(l))
			kit.Add(t, q, got.Job(2), dray.WithRateLimit(l))
			kit.Add(t, q, got.Job(3))
			synctest.Wait()
			require.Equal(t, []int{3}, got.All())
			kit.Elapse(3 * time.Second)
			require.Equal(t, []int{3, 1, 2}, got.All())
			require.Len(t, reported.All(), 3)
			for _, err := range reported.All() {
				require.True(t, errors.Is(err, kit.ErrBoom) || errors.Is(err, dray.ErrGoexit), "%v", err)
			}
			require.Equal(t, uint64(3), kit.Balanced(t, q).Processed)
		})
	}
}

// A shutdown drains at the limiter's pace until its context ends, and leaves no
// goroutine, which the end of the bubble shows.
func TestShutdownOfLimitedJobs(t *testing.T) {
	fill := func(t *testing.T, l dray.Limiter) *dray.Queue {
		q := kit.Start(t, dray.WithWorkers(2), dray.WithRateLimit(l))
		for range 5 {
			require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
		}
		synctest.Wait()
		return q
	}
	kit.Bubble(t, "drained", func(t *testing.T) {
		q := fill(t, &bucket{interval: time.Second, burst: 1})
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Empty(t, report)
		require.Equal(t, uint64(5), kit.Balanced(t, q).Processed)
	})
	kit.Bubble(t, "until the context ends", func(t *testing.T) {
		q := fill(t, &bucket{interval: time.Minute, burst: 1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		report, err := q.Shutdown(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Len(t, report.Waiting, 4)
	})
	kit.Bubble(t, "closed at once", func(t *testing.T) {
		q := fill(t, closed{})
		begin := time.Now()
		require.NoError(t, q.Close())
		require.Zero(t, time.Since(begin))
	})
	kit.Bubble(t, "broken", func(t *testing.T) {
		q := fill(t, &limiterFunc{func(context.Context) error { return kit.ErrBoom }})
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Len(t, report.Waiting, 5)
	})
	kit.Bubble(t, "deaf", func(t *testing.T) {
		gate := make(chan struct{})
		defer close(gate)
		q := fill(t, &limiterFunc{func(context.Context) error { <-gate; return nil }})
		begin := time.Now()
		require.ErrorIs(t, q.Close(), dray.ErrAbandoned)
		require.LessOrEqual(t, time.Since(begin), time.Second)
	})
}

// Pausing, cancelling and handing over of jobs that wait for a token.
func TestLimitedJobsAreOrdinaryOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &bucket{interval: time.Second, burst: 1}
		q, next := kit.Start(t, dray.WithWorkers(1)), kit.Start(t, dray.WithWorkers(1))
		var got kit.Record[int]
		k, err := dray.Handle(q, "k", func(_ context.Context, n int) error { got.Add(n); return nil }, dray.WithRateLimit(l))
		require.NoError(t, err)
		var ids []dray.ID
		for i := range 6 {
			r, err := k.EnqueueSync(t.Context(), i)
			require.NoError(t, err)
			ids = append(ids, r.ID)
		}
		synctest.Wait()
		require.Equal(t, 5, kit.Balanced(t, q).Pending)
		require.NoError(t, q.Cancel(ids[1]))
		require.NoError(t, q.PauseKind("k"))
		kit.Elapse(time.Minute)
		require.Equal(t, []int{0}, got.All())
		require.NoError(t, q.ResumeKind("k"))
		kit.Elapse(time.Second)
		require.Equal(t, 2, got.All()[1])
		require.NoError(t, q.Close())
		report, _ := q.Shutdown(t.Context())
		require.NoError(t, next.Restore(report))
		kit.Elapse(time.Minute)
		require.Equal(t, []int{0, 2, 3, 4, 5}, got.All())
		kit.Balanced(t, q)
		kit.Balanced(t, next)
	})
}
