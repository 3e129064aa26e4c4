package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// settled sums up what became of jobs by the queue's books and a report.
func settled(q *dray.Queue, r dray.Report) uint64 {
	s := q.Stats()
	return s.Processed + s.Failed + s.Cancelled + s.Evicted + uint64(len(r.Waiting)+len(r.Interrupted)+len(r.Abandoned))
}

// A run for which RunNow returned nil is run, or handed back.
func TestRunNowAgainstShutdown(t *testing.T) {
	for n := range 200 {
		synctest.Test(t, func(t *testing.T) {
			q := started(t, dray.WithWorkers(1), dray.WithCapacity(1+n%3))
			fn, ran := counter()
			require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Hour), fn, dray.WithOverlap(dray.Overlap(n%4))))
			pass(time.Duration(n) * time.Millisecond)
			var accepted atomic.Int64
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range 3 {
						switch err := q.Scheduler().RunNow("x"); {
						case err == nil:
							accepted.Add(1)
						case !errors.Is(err, dray.ErrOverlap) && !errors.Is(err, dray.ErrQueueFull):
							require.ErrorIs(t, err, dray.ErrClosed)
						}
					}
				})
			}
			report, err := q.Shutdown(t.Context())
			require.NoError(t, err)
			wg.Wait()
			i := info(t, q, "x")
			require.Zero(t, i.Waiting)
			require.Equal(t, uint64(accepted.Load()), i.Runs)
			require.Equal(t, i.Runs, settled(q, report))
			require.Equal(t, uint64(ran.Load())+uint64(len(report.Waiting)), i.Runs-q.Stats().Cancelled)
			require.ErrorIs(t, q.Scheduler().RunNow("x"), dray.ErrClosed)
		})
	}
}

// Of 5,000 runs that are due when a shutdown begins, each is run or handed back.
func TestDueRunsAgainstShutdown(t *testing.T) {
	for name, wait := range map[string]time.Duration{"as they come due": 0, "before": -time.Nanosecond, "after": time.Second} {
		for _, drain := range []bool{true, false} {
			t.Run(fmt.Sprint(name, drain), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					oddStart()
					told := &skips{}
					q := started(t, dray.WithWorkers(2), dray.WithCapacity(10), told.option())
					at := time.Now().Add(time.Hour)
					for i := range 5000 {
						when := dray.At(at)
						if i%2 == 0 {
							when = foreign(func(after time.Time) time.Time {
								if after.Before(at) {
									return at
								}
								return time.Time{}
							})
						}
						require.NoError(t, q.Scheduler().Schedule(fmt.Sprint(i), when, func(ctx context.Context) error {
							select {
							case <-time.After(10 * time.Millisecond):
								return nil
							case <-ctx.Done():
								return context.Cause(ctx)
							}
						}))
					}
					time.Sleep(time.Until(at) + wait)
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					defer cancel()
					if !drain {
						cancel()
					}
					report, _ := q.Shutdown(ctx)
					var due, runs uint64
					for _, i := range q.Scheduler().Tasks() {
						require.Equal(t, i.Due, i.Runs+i.Skipped+uint64(i.Waiting))
						require.Zero(t, i.Waiting)
						require.False(t, i.Running)
						due, runs = due+i.Due, runs+i.Runs
					}
					if wait < 0 {
						require.Zero(t, due)
					} else {
						require.Equal(t, uint64(5000), due)
					}
					require.Equal(t, due, runs)
					require.Equal(t, due, settled(q, report))
					require.Empty(t, told.all, "and none is told as skipped")
				})
			})
		}
	}
}

// A run that is postponed behind another one is run by a drain, or handed back.
func TestPostponedRunsAgainstShutdown(t *testing.T) {
	for _, drain := range []bool{true, false} {
		for name, c := range map[string]struct {
			postpone  func(s *dray.Scheduler) error
			postponed int
			opts      []dray.TaskOption
		}{
			"queue": {func(s *dray.Scheduler) error { return s.RunNow("x") }, 1, []dray.TaskOption{dray.WithOverlap(dray.QueueOverlap)}},
			"all": {func(s *dray.Scheduler) error {
				_ = s.Pause("x")
				time.Sleep(5 * time.Minute)
				return s.Resume("x")
			}, 3, []dray.TaskOption{dray.WithMissed(dray.RunAll(3))}},
		} {
			t.Run(fmt.Sprint(name, drain), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					oddStart()
					told := &skips{}
					q := started(t, dray.WithWorkers(1), told.option())
					s := q.Scheduler()
					var mu sync.Mutex
					var dues []time.Time
					require.NoError(t, s.Schedule("x", dray.Every(time.Minute), func(ctx context.Context) error {
						_, due, _ := dray.TaskFrom(ctx)
						mu.Lock()
						dues = append(dues, due)
						mu.Unlock()
						select {
						case <-time.After(time.Hour):
							return nil
						case <-ctx.Done():
							return context.Cause(ctx)
						}
					}, c.opts...))
					require.NoError(t, s.RunNow("x"))
					synctest.Wait()
					require.NoError(t, c.postpone(s))
					synctest.Wait()
					require.Equal(t, c.postponed, info(t, q, "x").Waiting)
					before := len(told.of(dray.ErrOverlap))
					ctx := t.Context()
					if !drain {
						ended, cancel := context.WithCancel(ctx)
						cancel()
						ctx = ended
					}
					report, _ := q.Shutdown(ctx)
					i := info(t, q, "x")
					require.Zero(t, i.Waiting)
					require.Equal(t, i.Runs, settled(q, report))
					require.Equal(t, uint64(1+c.postponed), i.Runs)
					require.Len(t, told.of(dray.ErrOverlap), before, "nothing is told as skipped while draining")
					if drain {
						require.Len(t, dues, 1+c.postponed)
						require.Empty(t, report)
						return
					}
					require.Len(t, report.Interrupted, 1)
					require.Len(t, report.Waiting, c.postponed)
					another := started(t, dray.WithWorkers(1))
					require.NoError(t, another.Restore(report))
					pass(24 * time.Hour)
					require.Equal(t, uint64(1+c.postponed), another.Stats().Processed)
				})
			})
		}
	}
}

// One postponed behind a run that waits for its next attempt is handed back with it.
func TestPostponedBehindARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t, dray.WithCapacity(1))
		s := q.Scheduler()
		require.NoError(t, s.Schedule("x", dray.Every(time.Hour), func(context.Context) error { return errors.New("boom") },
			dray.WithOverlap(dray.QueueOverlap), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Minute))))
		require.NoError(t, s.RunNow("x"))
		synctest.Wait()
		require.NoError(t, s.RunNow("x"))
		require.ErrorIs(t, s.RunNow("x"), dray.ErrOverlap)
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Len(t, report.Waiting, 2)
		require.Zero(t, info(t, q, "x").Waiting)
	})
}

// The lock of a run that a shutdown hands back is given back, and a Restore runs it
// without asking for the same run again.
func TestLockAndShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		l := &ledger{}
		q := started(t)
		fail := true
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Hour), func(context.Context) error {
			if fail {
				return errors.New("boom")
			}
			return nil
		}, dray.WithLock(l), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Minute))))
		require.NoError(t, q.Scheduler().RunNow("x"))
		synctest.Wait()
		_, _, held := l.state()
		require.True(t, held, "the run has not ended")
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		locks, unlocks, held := l.state()
		require.Equal(t, []any{1, 1, false}, []any{locks, unlocks, held})
		fail = false
		another := started(t)
		require.NoError(t, another.Restore(report))
		pass(time.Hour)
		require.Equal(t, uint64(1), another.Stats().Processed)
		locks, _, _ = l.state()
		require.Equal(t, 1, locks)
	})
}
