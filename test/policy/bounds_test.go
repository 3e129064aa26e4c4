package policy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// What the documentation says an option may be, one below, at and one above each limit.
func TestOptionsAtTheirLimits(t *testing.T) {
	const workers = 1 << 20
	duration := func(o func(time.Duration) dray.JobOption) func(int64) dray.Option {
		return func(n int64) dray.Option { return o(time.Duration(n)) }
	}
	for _, tc := range []struct {
		name   string
		option func(n int64) dray.Option
		limit  int64
		want   [3]bool // whether limit-1, limit and limit+1 are taken
	}{
		{"WithWorkers least", func(n int64) dray.Option { return dray.WithWorkers(int(n)) }, 1, [3]bool{false, true, true}},
		{"WithWorkers most", func(n int64) dray.Option { return dray.WithWorkers(int(n)) }, workers, [3]bool{true, true, false}},
		{"WithCapacity least", func(n int64) dray.Option { return dray.WithCapacity(int(n)) }, 1, [3]bool{false, true, true}},
		{"WithCapacity Unbounded", func(n int64) dray.Option { return dray.WithCapacity(int(n)) }, dray.Unbounded, [3]bool{false, true, false}},
		{"WithOverflow most", func(n int64) dray.Option { return dray.WithOverflow(dray.Overflow(n)) }, int64(dray.DropOldest), [3]bool{true, true, false}},
		{"WithFailuresKept least", func(n int64) dray.Option { return dray.WithFailuresKept(int(n)) }, 0, [3]bool{false, true, true}},
		{"WithStuckAllowance least", func(n int64) dray.Option { return dray.WithStuckAllowance(int(n)) }, 0, [3]bool{false, true, true}},
		{"WithShutdownTimeout least", func(n int64) dray.Option { return dray.WithShutdownTimeout(time.Duration(n)) }, 0, [3]bool{false, true, true}},
		{"WithMaxAttempts least", func(n int64) dray.Option { return dray.WithMaxAttempts(int(n)) }, 1, [3]bool{false, true, true}},
		{"WithKeyLimit least", func(n int64) dray.Option { return dray.WithKeyLimit(int(n)) }, 1, [3]bool{false, true, true}},
		{"WithPriority least", func(n int64) dray.Option { return dray.WithPriority(dray.Priority(n)) }, int64(dray.Low), [3]bool{false, true, true}},
		{"WithPriority most", func(n int64) dray.Option { return dray.WithPriority(dray.Priority(n)) }, int64(dray.High), [3]bool{true, true, false}},
		{"WithUnique most", func(n int64) dray.Option { return dray.WithUnique("u", dray.UniquePolicy(n)) }, int64(dray.RejectDuplicate), [3]bool{true, true, false}},
		{"WithTimeout least", duration(dray.WithTimeout), 0, [3]bool{false, true, true}},
		{"WithTimeout most", duration(dray.WithTimeout), int64(year), [3]bool{true, true, false}},
		{"WithDeadline least", duration(dray.WithDeadline), 0, [3]bool{false, true, true}},
		{"WithDeadline most", duration(dray.WithDeadline), int64(year), [3]bool{true, true, false}},
		{"WithDelay least", duration(dray.WithDelay), 0, [3]bool{false, true, true}},
		{"WithDelay most", duration(dray.WithDelay), int64(year), [3]bool{true, true, false}},
		{"WithUniquePeriod least", duration(dray.WithUniquePeriod), 0, [3]bool{false, true, true}},
		{"WithUniquePeriod most", duration(dray.WithUniquePeriod), int64(year), [3]bool{true, true, false}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for i, want := range tc.want {
				option := tc.option(tc.limit + int64(i) - 1)
				q, err := dray.New(option)
				require.Equal(t, want, err == nil, "%+d: %v", i-1, err)
				if err == nil {
					require.NoError(t, q.Close())
				}
				of, ok := option.(dray.JobOption)
				if !ok {
					continue
				}
				q, err = dray.New()
				require.NoError(t, err)
				require.Equal(t, want, q.Enqueue(t.Context(), kit.Nop, of) == nil, "of a call: %+d", i-1)
				require.NoError(t, q.Close())
			}
		})
	}
	q, err := dray.New()
	require.NoError(t, err)
	for n, want := range map[int]bool{0: false, 1: true, 2: true, workers - 1: true, workers: true, workers + 1: false} {
		require.Equal(t, want, q.Resize(n) == nil, "Resize(%d)", n)
	}
	require.NoError(t, q.Close())
}

// A delay must be shorter than the deadline, however it is given.
func TestDelayAndDeadlineAtTheirLimit(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		q := queue(t)
		for off, want := range map[time.Duration]bool{-1: true, 0: false, 1: false} {
			deadline := dray.WithDeadline(time.Minute)
			require.Equal(t, want, q.Enqueue(t.Context(), kit.Nop, dray.WithDelay(time.Minute+off), deadline) == nil, "%d", off)
			require.Equal(t, want, q.Enqueue(t.Context(), kit.Nop, dray.WithRunAt(time.Now().Add(time.Minute+off)), deadline) == nil, "%d", off)
		}
	})
}

// How many there may be of something: one fewer, as many, and one more.
func TestNumbersAtTheirLimits(t *testing.T) {
	for _, tc := range []struct {
		name  string
		limit int
		count func(t *testing.T, n int) int // how many of n there are
	}{
		{"capacity", 5, func(t *testing.T, n int) int { return accepted(t, n, dray.WithCapacity(5)) }},
		{"capacity by default", 10_000, func(t *testing.T, n int) int { return accepted(t, n) }},
		{"workers", 3, func(t *testing.T, n int) int { return atOnce(t, n, dray.WithWorkers(3)) }},
		{"jobs of a key", 1, func(t *testing.T, n int) int { return atOnce(t, n, dray.WithWorkers(9), dray.WithKey("k")) }},
		{"jobs of a key with a limit", 3, func(t *testing.T, n int) int {
			return atOnce(t, n, dray.WithWorkers(9), dray.WithKey("k"), dray.WithKeyLimit(3))
		}},
		{"attempts", 4, func(t *testing.T, n int) int {
			q := start(t, dray.WithMaxAttempts(4), dray.WithBackoff(dray.Constant(time.Second)))
			runs := 0
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error {
				if runs++; runs == n {
					return nil
				}
				return kit.ErrBoom
			}))
			kit.Elapse(time.Hour)
			require.Equal(t, n <= 4, q.Stats().Processed == 1)
			return runs
		}},
		{"failures kept", 2, func(t *testing.T, n int) int { return kept(t, n, dray.WithFailuresKept(2)) }},
		{"failures kept by default", 100, func(t *testing.T, n int) int { return kept(t, n) }},
		{"errors kept of a job", 10, func(t *testing.T, n int) int {
			q := start(t, dray.WithMaxAttempts(n), dray.WithBackoff(dray.Constant(0)))
			runs := 0
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { runs++; return fmt.Errorf("%d", runs) }))
			kit.Elapse(time.Second)
			errs := q.Failures()[0].Errs
			require.Equal(t, fmt.Sprint(n), errs[len(errs)-1].Error(), "the newest")
			return len(errs)
		}},
		{"errors of a group", 100, func(t *testing.T, n int) int {
			q := start(t)
			g, err := dray.NewGroup(q)
			require.NoError(t, err)
			for range n {
				require.NoError(t, g.Enqueue(t.Context(), kit.Fail))
			}
			err = g.Wait(t.Context())
			require.Equal(t, n > 100, strings.Contains(err.Error(), "more errors"))
			return strings.Count(err.Error(), kit.ErrBoom.Error())
		}},
		{"workers lent for stuck jobs", 2, func(t *testing.T, n int) int {
			q := start(t, dray.WithWorkers(4), dray.WithStuckAllowance(2))
			gate := make(chan struct{})
			defer close(gate)
			for range n {
				add(t, q, func(context.Context) error { <-gate; return nil }, dray.WithTimeout(time.Second))
			}
			kit.Elapse(time.Minute)
			require.Equal(t, n, q.Stats().Stuck)
			var running atomic.Int32
			for range 9 {
				add(t, q, func(ctx context.Context) error { running.Add(1); <-ctx.Done(); return nil })
			}
			kit.Elapse(time.Second)
			require.NoError(t, q.Pause())
			return int(running.Load()) - (4 - n)
		}},
	} {
		for _, n := range []int{tc.limit - 1, tc.limit, tc.limit + 1} {
			bubble(t, fmt.Sprintf("%s/%d", tc.name, n), func(t *testing.T) {
				require.Equal(t, min(n, tc.limit), tc.count(t, n))
			})
		}
	}
}

// accepted is how many of n jobs a queue takes that runs none.
func accepted(t *testing.T, n int, opts ...dray.Option) (took int) {
	q := queue(t, opts...)
	for range n {
		err := q.Enqueue(t.Context(), kit.Nop)
		if err == nil {
			took++
		} else {
			require.ErrorIs(t, err, dray.ErrQueueFull)
		}
	}
	require.Equal(t, uint64(n-took), q.Stats().Rejected)
	return took
}

// atOnce is how many of n jobs run at once.
func atOnce(t *testing.T, n int, opts ...dray.Option) int {
	q := start(t, opts...)
	for range n {
		add(t, q, untilCancelled)
	}
	synctest.Wait()
	return q.Stats().Running
}

// kept is how many of n failures are.
func kept(t *testing.T, n int, opts ...dray.Option) int {
	q := start(t, opts...)
	for range n {
		require.NoError(t, q.Enqueue(t.Context(), kit.Fail))
	}
	synctest.Wait()
	return len(q.Failures())
}

// When something happens: not a nanosecond before, and at that moment.
func TestTimesAtTheirLimits(t *testing.T) {
	for _, tc := range []struct {
		name  string
		limit time.Duration
		begin func(t *testing.T) (happened func() bool) // asked after the limit has passed
	}{
		{"WithDelay", 90 * time.Second, func(t *testing.T) func() bool {
			q := start(t)
			add(t, q, kit.Nop, dray.WithDelay(90*time.Second))
			return func() bool { return q.Stats().Processed == 1 }
		}},
		{"WithRunAt", 90 * time.Second, func(t *testing.T) func() bool {
			q := start(t)
			add(t, q, kit.Nop, dray.WithRunAt(time.Now().Add(90*time.Second)))
			return func() bool { return q.Stats().Processed == 1 }
		}},
		{"Snooze", time.Hour, func(t *testing.T) func() bool {
			q := start(t)
			runs := 0
			add(t, q, func(context.Context) error {
				if runs++; runs == 1 {
					return dray.Snooze(time.Hour)
				}
				return nil
			})
			synctest.Wait()
			return func() bool { return runs == 2 }
		}},
		{"WithBackoff", time.Hour, func(t *testing.T) func() bool {
			q := start(t, dray.WithBackoff(dray.Constant(time.Hour)))
			add(t, q, kit.Fail, dray.WithMaxAttempts(2))
			synctest.Wait()
			return func() bool { return q.Stats().Failed == 1 }
		}},
		{"WithTimeout", time.Minute, func(t *testing.T) func() bool {
			q := start(t)
			add(t, q, untilCancelled, dray.WithTimeout(time.Minute))
			return func() bool { return q.Stats().Failed == 1 }
		}},
		{"WithDeadline of one that runs", time.Minute, func(t *testing.T) func() bool {
			q := start(t)
			add(t, q, untilCancelled, dray.WithDeadline(time.Minute))
			return func() bool { return q.Stats().Failed == 1 }
		}},
		{"WithDeadline of one that waits", time.Minute, func(t *testing.T) func() bool {
			q := start(t)
			require.NoError(t, q.Pause())
			add(t, q, kit.Nop, dray.WithDeadline(time.Minute))
			return func() bool { return q.Stats().Failed == 1 }
		}},
		{"WithUniquePeriod", time.Hour, func(t *testing.T) func() bool {
			q := start(t)
			unique := []dray.JobOption{dray.WithUnique("u", dray.RejectDuplicate), dray.WithUniquePeriod(time.Hour)}
			add(t, q, kit.Nop, unique...)
			return func() bool { return !errors.Is(q.Enqueue(t.Context(), kit.Nop, unique...), dray.ErrDuplicate) }
		}},
		{"JobStuck", time.Second + 10*time.Millisecond, func(t *testing.T) func() bool {
			var stuck atomic.Bool
			q := start(t, dray.WithObserver(func(ev dray.Event) {
				if ev.Kind == dray.JobStuck {
					stuck.Store(true)
				}
			}))
			add(t, q, func(context.Context) error { time.Sleep(time.Hour); return nil }, dray.WithTimeout(time.Second))
			t.Cleanup(func() { time.Sleep(time.Hour) })
			return stuck.Load
		}},
		{"a limiter that has failed is asked again", time.Second, func(t *testing.T) func() bool {
			l := &failing{}
			q := start(t, dray.WithRateLimit(l))
			add(t, q, kit.Nop)
			synctest.Wait()
			return func() bool { return l.asked.Load() == 2 }
		}},
		{"Close", 5 * time.Second, func(t *testing.T) func() bool { return closes(t) }},
		{"Close WithShutdownTimeout", 7 * time.Second, func(t *testing.T) func() bool {
			return closes(t, dray.WithShutdownTimeout(7*time.Second))
		}},
		{"ageing of a Normal job", time.Minute, func(t *testing.T) func() bool { return ages(t, dray.Normal, dray.High) }},
		{"ageing of a Low job before Normal ones", time.Minute, func(t *testing.T) func() bool { return ages(t, dray.Low, dray.Normal) }},
		{"ageing of a Low job before High ones", 2 * time.Minute, func(t *testing.T) func() bool { return ages(t, dray.Low, dray.High) }},
	} {
		for _, off := range []time.Duration{-1, 0, 1} {
			bubble(t, fmt.Sprintf("%s/%+d", tc.name, off), func(t *testing.T) {
				happened := tc.begin(t)
				kit.Elapse(tc.limit + off)
				require.Equal(t, off >= 0, happened())
			})
		}
	}
}

type failing struct{ asked atomic.Int32 }

func (l *failing) Wait(context.Context) error { l.asked.Add(1); return kit.ErrBoom }

// closes ends a queue that has a job which does not heed its context.
func closes(t *testing.T, opts ...dray.Option) (closed func() bool) {
	q := start(t, opts...)
	add(t, q, func(context.Context) error { time.Sleep(time.Hour); return nil })
	synctest.Wait()
	var done atomic.Bool
	go func() { _ = q.Close(); done.Store(true) }()
	synctest.Wait()
	t.Cleanup(func() { time.Sleep(time.Hour) })
	return done.Load
}

// ages lets a job of low priority wait, and says whether it is the next before others
// of a higher one that come by now.
func ages(t *testing.T, low, high dray.Priority) (aged func() bool) {
	q := queue(t)
	r := add(t, q, kit.Nop, dray.WithPriority(low))
	return func() bool {
		for range 9 {
			add(t, q, kit.Nop, dray.WithPriority(high))
		}
		return listed(q)[0] == r.ID
	}
}
