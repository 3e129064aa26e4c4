package dray_test

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
)

// attempts returns a job that takes down when each of its attempts began, and
// ends the i-th as fn says.
func attempts(r *record[time.Duration], fn func(ctx context.Context, n int) error) dray.Func {
	began := time.Now()
	n := 0
	return func(ctx context.Context) error {
		r.add(time.Since(began))
		n++
		return fn(ctx, n)
	}
}

func TestRetriesUntilSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(1))
		var at record[time.Duration]
		var seen record[int]
		add(t, q, attempts(&at, func(ctx context.Context, n int) error {
			info, _ := dray.JobFrom(ctx)
			seen.add(info.Attempt)
			if n < 3 {
				return errBoom
			}
			return nil
		}), dray.WithMaxAttempts(5), dray.WithBackoff(dray.Constant(time.Second)))
		synctest.Wait()
		s := balanced(t, q)
		require.Equal(t, []int{1, 0, 1}, []int{s.Retrying, s.Running, s.Idle})
		elapse(time.Minute)
		require.Equal(t, []time.Duration{0, time.Second, 2 * time.Second}, at.all())
		require.Equal(t, []int{1, 2, 3}, seen.all())
		s = balanced(t, q)
		require.Equal(t, []uint64{1, 0, 2}, []uint64{s.Processed, s.Failed, s.Retried})
		require.Empty(t, q.Failures())
	})
}

func TestEveryFailureIsRetried(t *testing.T) {
	ends := map[string]dray.Func{
		"error":      fail,
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
		bubble(t, name, func(t *testing.T) {
			q := start(t, dray.WithWorkers(1))
			runs := 0
			add(t, q, func(ctx context.Context) error { runs++; return end(ctx) },
				dray.WithMaxAttempts(3), dray.WithTimeout(time.Second), dray.WithBackoff(dray.Constant(time.Second)))
			elapse(time.Minute)
			s := balanced(t, q)
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
		q := start(t)
		add(t, q, fail)
		require.NoError(t, q.Enqueue(t.Context(), fail))
		synctest.Wait()
		s := balanced(t, q)
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
		bubble(t, name, func(t *testing.T) {
			q := start(t, dray.WithWorkers(1))
			var at record[time.Duration]
			add(t, q, attempts(&at, func(context.Context, int) error { return errBoom }),
				dray.WithMaxAttempts(2), dray.WithBackoff(tc.backoff))
			elapse(2 * year)
			require.Equal(t, []time.Duration{0, tc.want}, at.all())
			require.Equal(t, uint64(1), balanced(t, q).Failed)
		})
	}
}

func TestBackoffGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(1))
		add(t, q, fail, dray.WithMaxAttempts(3), dray.WithBackoff(func(int) time.Duration { runtime.Goexit(); return 0 }))
		elapse(time.Minute)
		require.Equal(t, uint64(1), balanced(t, q).Failed)
		require.NoError(t, q.Enqueue(t.Context(), nop))
		synctest.Wait()
		require.Equal(t, uint64(1), balanced(t, q).Processed)
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
		q := start(t, dray.WithWorkers(1), dray.WithCapacity(1))
		var at record[time.Duration]
		var seen record[int]
		add(t, q, attempts(&at, func(ctx context.Context, n int) error {
			info, _ := dray.JobFrom(ctx)
			seen.add(info.Attempt)
			if n <= 2 {
				return fmt.Errorf("not yet: %w", dray.Snooze(time.Minute))
			}
			return errBoom
		}))
		synctest.Wait()
		require.Equal(t, 1, balanced(t, q).Delayed)
		require.NoError(t, q.Enqueue(t.Context(), nop), "a snoozing job holds neither slot nor room")
		synctest.Wait()
		require.Equal(t, uint64(1), q.Stats().Processed)
		elapse(time.Hour)
		require.Equal(t, []time.Duration{0, time.Minute, 2 * time.Minute}, at.all())
		require.Equal(t, []int{1, 1, 1}, seen.all())
		s := balanced(t, q)
		require.Equal(t, []uint64{1, 0}, []uint64{s.Failed, s.Retried})
	})
}

func TestSnoozeOfPlainJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(1))
		var at record[time.Duration]
		require.NoError(t, q.Enqueue(t.Context(), attempts(&at, func(_ context.Context, n int) error {
			if n < 4 {
				return dray.Snooze(-time.Second)
			}
			return nil
		})))
		elapse(time.Second)
		require.Equal(t, []time.Duration{0, 0, 0, 0}, at.all())
		require.Equal(t, uint64(1), balanced(t, q).Processed)
	})
}

// A snooze without end must not come due in the past.
func TestSnoozeForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(1))
		var at record[time.Duration]
		id := add(t, q, attempts(&at, func(_ context.Context, n int) error {
			if n < 100 {
				return dray.Snooze(math.MaxInt64)
			}
			return nil
		}))
		elapse(time.Hour)
		require.Len(t, at.all(), 1)
		require.Equal(t, 1, balanced(t, q).Delayed)
		require.NoError(t, q.Cancel(id))
	})
}

func TestDiscard(t *testing.T) {
	tests := map[string]struct{ returned, want error }{
		"reason":  {dray.Discard(errBoom), errBoom},
		"wrapped": {fmt.Errorf("no: %w", dray.Discard(errBoom)), errBoom},
		"nil":     {dray.Discard(nil), nil},
	}
	for name, tc := range tests {
		bubble(t, name, func(t *testing.T) {
			q := start(t)
			add(t, q, func(context.Context) error { return tc.returned }, dray.WithMaxAttempts(5))
			elapse(time.Hour)
			s := balanced(t, q)
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
		"late error":      {func(context.Context) error { time.Sleep(time.Minute); return errBoom }, 0, errBoom},
	}
	for name, tc := range tests {
		bubble(t, name, func(t *testing.T) {
			q := start(t)
			add(t, q, tc.fn, dray.WithTimeout(time.Second))
			elapse(time.Hour)
			s := balanced(t, q)
			require.Equal(t, []uint64{tc.processed, 1 - tc.processed}, []uint64{s.Processed, s.Failed})
			if tc.err != nil {
				require.ErrorIs(t, q.Failures()[0].Err, tc.err)
			}
		})
	}
}

func TestTimeoutIsPerAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t)
		var at record[time.Duration]
		add(t, q, attempts(&at, func(ctx context.Context, n int) error {
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			require.Equal(t, time.Second, time.Until(deadline))
			if n == 3 {
				return nil
			}
			return draytest.Slow(time.Hour)(ctx)
		}), dray.WithTimeout(time.Second), dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(time.Minute)))
		elapse(time.Hour)
		require.Equal(t, []time.Duration{0, 61 * time.Second, 122 * time.Second}, at.all())
		require.Equal(t, uint64(1), balanced(t, q).Processed)
	})
}

func TestRetryHoldsNeitherSlotNorRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(1), dray.WithCapacity(1))
		for range 5 {
			add(t, q, fail, dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Minute)))
			synctest.Wait()
		}
		require.Equal(t, 5, balanced(t, q).Retrying)
		release := occupy(t, q)
		elapse(time.Minute)
		require.Equal(t, 5, balanced(t, q).Pending)
		add(t, q, nop)
		require.ErrorIs(t, q.Enqueue(t.Context(), nop), dray.ErrQueueFull)
		release()
		synctest.Wait()
		s := balanced(t, q)
		require.Equal(t, []uint64{5, 2}, []uint64{s.Failed, s.Processed})
	})
}

func TestErrorHistoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t)
		n := 0
		add(t, q, func(context.Context) error { n++; return fmt.Errorf("error %d", n) },
			dray.WithMaxAttempts(25), dray.WithBackoff(dray.Constant(0)))
		synctest.Wait()
		f := q.Failures()[0]
		require.Len(t, f.Errs, 10)
		require.EqualError(t, f.Errs[0], "error 16")
		require.EqualError(t, errors.Join(f.Err), "error 25")
	})
}
