package policy_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// attempts returns a job that takes down when each of its attempts began, and
// ends the i-th as fn says.
func attempts(r *kit.Record[time.Duration], fn func(ctx context.Context, n int) error) dray.Func {
	began := time.Now()
	n := 0
	return func(ctx context.Context) error {
		r.Add(time.Since(began))
		n++
		return fn(ctx, n)
	}
}

func TestRetriesUntilSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		var at kit.Record[time.Duration]
		var seen kit.Record[int]
		kit.Add(t, q, attempts(&at, func(ctx context.Context, n int) error {
			info, _ := dray.JobFrom(ctx)
			seen.Add(info.Attempt)
			if n < 3 {
				return kit.ErrBoom
			}
			return nil
		}), dray.WithMaxAttempts(5), dray.WithBackoff(dray.Constant(time.Second)))
		synctest.Wait()
		s := kit.Balanced(t, q)
		require.Equal(t, []int{1, 0, 1}, []int{s.Retrying, s.Running, s.Idle})
		kit.Elapse(time.Minute)
		require.Equal(t, []time.Duration{0, time.Second, 2 * time.Second}, at.All())
		require.Equal(t, []int{1, 2, 3}, seen.All())
		s = kit.Balanced(t, q)
		require.Equal(t, []uint64{1, 0, 2}, []uint64{s.Processed, s.Failed, s.Retried})
		require.Empty(t, q.Failures())
	})
}

func TestEveryFailureIsRetried(t *testing.T) {
	ends := map[string]dray.Func{
		"error":      kit.Fail,
		"panic":      func(context.Context) error { panic("boom") },
		"panic(nil)": func(context.Context) error { panic(nil) },
		"Goexit":     func(context.Context) error { runtime.Goexit(); return nil },
		"timeout":    func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"snooze after the timeout": func(ctx context.Context) error {
			<-ctx.Done()
			return dray.Snooze(time.Second)
		},
	}
	for name, end := range ends {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1))
			runs := 0
			kit.Add(t, q, func(ctx context.Context) error { runs++; return end(ctx) },
				dray.WithMaxAttempts(3), dray.WithTimeout(time.Second), dray.WithBackoff(dray.Constant(time.Second)))
			kit.Elapse(time.Minute)
			s := kit.Balanced(t, q)
			require.Equal(t, 3, runs)
			require.Equal(t, []uint64{1, 2, 0}, []uint64{s.Failed, s.Retried, s.Processed})
			f := q.Failures()
			require.Len(t, f, 1)
			require.Len(t, f[0].Errs, 3)
			require.Equal(t, 3, f[0].Attempt)
			require.Equal(t, f[0].Err, f[0].Errs[2])
			require.Zero(t, s.Stuck)
		})
	}
}

func TestOneAttemptByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		kit.Add(t, q, kit.Fail)
		require.NoError(t, q.Enqueue(t.Context(), kit.Fail))
		synctest.Wait()
		s := kit.Balanced(t, q)
		require.Equal(t, []uint64{2, 0}, []uint64{s.Failed, s.Retried})
	})
}

func TestBackoffs(t *testing.T) {
	year := 365 * 24 * time.Hour
	tests := map[string]struct {
		backoff dray.Backoff
		want    time.Duration
	}{
		"constant": {dray.Constant(time.Minute), time.Minute},
		"zero":     {dray.Constant(0), 0},
		"negative": {dray.Constant(-time.Hour), 0},
		"least":    {dray.Constant(math.MinInt64), 0},
		"greatest": {dray.Constant(math.MaxInt64), year},
		"panics":   {func(int) time.Duration { panic("boom") }, time.Second},
	}
	for name, tc := range tests {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1))
			var at kit.Record[time.Duration]
			kit.Add(t, q, attempts(&at, func(context.Context, int) error { return kit.ErrBoom }),
				dray.WithMaxAttempts(2), dray.WithBackoff(tc.backoff))
			kit.Elapse(2 * year)
			require.Equal(t, []time.Duration{0, tc.want}, at.All())
			require.Equal(t, uint64(1), kit.Balanced(t, q).Failed)
		})
	}
}

func TestBackoffGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		kit.Add(t, q, kit.Fail, dray.WithMaxAttempts(3), dray.WithBackoff(func(int) time.Duration { runtime.Goexit(); return 0 }))
		kit.Elapse(time.Minute)
		require.Equal(t, uint64(1), kit.Balanced(t, q).Failed)
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
		synctest.Wait()
		require.Equal(t, uint64(1), kit.Balanced(t, q).Processed)
	})
}

func TestExponentialStaysInItsBounds(t *testing.T) {
	tests := map[string]struct{ base, maximum time.Duration }{
		"usual":       {time.Second, time.Minute},
		"huge":        {math.MaxInt64, math.MaxInt64},
		"negative":    {-time.Second, -time.Minute},
		"zero":        {0, time.Minute},
		"upside down": {time.Minute, time.Second},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b := dray.Exponential(tc.base, tc.maximum)
			ceiling := max(tc.base, 0)
			for n := -1; n <= 1000; n++ {
				d := b(n)
				require.GreaterOrEqual(t, d, time.Duration(0))
				require.LessOrEqual(t, d, max(tc.maximum, 0))
				if n >= 1 && n <= 10 && tc.base > 0 && tc.base < time.Hour {
					require.LessOrEqual(t, d, ceiling)
					ceiling *= 2
				}
			}
		})
	}
}

func TestSnooze(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(1))
		var at kit.Record[time.Duration]
		var seen kit.Record[int]
		kit.Add(t, q, attempts(&at, func(ctx context.Context, n int) error {
			info, _ := dray.JobFrom(ctx)
			seen.Add(info.Attempt)
			if n <= 2 {
				return fmt.Errorf("not yet: %w", dray.Snooze(time.Minute))
			}
			return kit.ErrBoom
		}))
		synctest.Wait()
		require.Equal(t, 1, kit.Balanced(t, q).Delayed)
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop), "a snoozing job holds neither slot nor room")
		synctest.Wait()
		require.Equal(t, uint64(1), q.Stats().Processed)
		kit.Elapse(time.Hour)
		require.Equal(t, []time.Duration{0, time.Minute, 2 * time.Minute}, at.All())
		require.Equal(t, []int{1, 1, 1}, seen.All())
		s := kit.Balanced(t, q)
		require.Equal(t, []uint64{1, 0}, []uint64{s.Failed, s.Retried})
	})
}

func TestSnoozeOfPlainJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		var at kit.Record[time.Duration]
		require.NoError(t, q.Enqueue(t.Context(), attempts(&at, func(_ context.Context, n int) error {
			if n < 4 {
				return dray.Snooze(-time.Second)
			}
			return nil
		})))
		kit.Elapse(time.Second)
		require.Equal(t, []time.Duration{0, 0, 0, 0}, at.All())
		require.Equal(t, uint64(1), kit.Balanced(t, q).Processed)
	})
}

// A snooze without end must not come due in the past.
func TestSnoozeAsLongAsCanBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		var at kit.Record[time.Duration]
		id := kit.Add(t, q, attempts(&at, func(_ context.Context, n int) error {
			if n < 100 {
				return dray.Snooze(math.MaxInt64)
			}
			return nil
		}))
		kit.Elapse(time.Hour)
		require.Len(t, at.All(), 1)
		require.Equal(t, 1, kit.Balanced(t, q).Delayed)
		require.NoError(t, q.Cancel(id))
	})
}

func TestDiscard(t *testing.T) {
	tests := map[string]struct{ returned, want error }{
		"reason":  {dray.Discard(kit.ErrBoom), kit.ErrBoom},
		"wrapped": {fmt.Errorf("no: %w", dray.Discard(kit.ErrBoom)), kit.ErrBoom},
		"nil":     {dray.Discard(nil), nil},
	}
	for name, tc := range tests {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t)
			kit.Add(t, q, func(context.Context) error { return tc.returned }, dray.WithMaxAttempts(5))
			kit.Elapse(time.Hour)
			s := kit.Balanced(t, q)
			require.Equal(t, []uint64{1, 0}, []uint64{s.Failed, s.Retried})
			require.Error(t, q.Failures()[0].Err)
			if tc.want != nil {
				require.ErrorIs(t, q.Failures()[0].Err, tc.want)
			}
		})
	}
}

func TestTimeouts(t *testing.T) {
	tests := map[string]struct {
		fn        dray.Func
		processed uint64
		err       error
	}{
		"heeded":          {draytest.Slow(time.Hour), 0, dray.ErrTimeout},
		"in time":         {draytest.Slow(time.Second - 1), 1, nil},
		"late nil return": {func(context.Context) error { time.Sleep(time.Minute); return nil }, 1, nil},
		"late error":      {func(context.Context) error { time.Sleep(time.Minute); return kit.ErrBoom }, 0, kit.ErrBoom},
	}
	for name, tc := range tests {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t)
			kit.Add(t, q, tc.fn, dray.WithTimeout(time.Second))
			kit.Elapse(time.Hour)
			s := kit.Balanced(t, q)
			require.Equal(t, []uint64{tc.processed, 1 - tc.processed}, []uint64{s.Processed, s.Failed})
			if tc.err != nil {
				require.ErrorIs(t, q.Failures()[0].Err, tc.err)
			}
		})
	}
}

func TestTimeoutIsPerAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		var at kit.Record[time.Duration]
		kit.Add(t, q, attempts(&at, func(ctx context.Context, n int) error {
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			require.Equal(t, time.Second, time.Until(deadline))
			if n == 3 {
				return nil
			}
			return draytest.Slow(time.Hour)(ctx)
		}), dray.WithTimeout(time.Second), dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(time.Minute)))
		kit.Elapse(time.Hour)
		require.Equal(t, []time.Duration{0, 61 * time.Second, 122 * time.Second}, at.All())
		require.Equal(t, uint64(1), kit.Balanced(t, q).Processed)
	})
}

func TestRetryHoldsNeitherSlotNorRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(1))
		for range 5 {
			kit.Add(t, q, kit.Fail, dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Minute)))
			synctest.Wait()
		}
		require.Equal(t, 5, kit.Balanced(t, q).Retrying)
		release := kit.Occupy(t, q)
		kit.Elapse(time.Minute)
		require.Equal(t, 5, kit.Balanced(t, q).Pending)
		kit.Add(t, q, kit.Nop)
		require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop), dray.ErrQueueFull)
		release()
		synctest.Wait()
		s := kit.Balanced(t, q)
		require.Equal(t, []uint64{5, 2}, []uint64{s.Failed, s.Processed})
	})
}

func TestErrorHistoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		n := 0
		kit.Add(t, q, func(context.Context) error { n++; return fmt.Errorf("error %d", n) },
			dray.WithMaxAttempts(25), dray.WithBackoff(dray.Constant(0)))
		synctest.Wait()
		f := q.Failures()[0]
		require.Len(t, f.Errs, 10)
		require.EqualError(t, f.Errs[0], "error 16")
		require.EqualError(t, errors.Join(f.Err), "error 25")
	})
}
