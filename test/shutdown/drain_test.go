package shutdown_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

func labels(left []dray.Leftover) (ls []string) {
	for _, l := range left {
		ls = append(ls, l.Label)
	}
	return ls
}

func TestShutdownDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(2))
		for range 10 {
			kit.Add(t, q, draytest.Slow(time.Second))
		}
		began := time.Now()
		ctx, _ := kit.Within(t, time.Minute)
		report, err := q.Shutdown(ctx)
		require.NoError(t, err)
		require.Empty(t, report)
		require.Equal(t, 5*time.Second, time.Since(began))
		require.Equal(t, uint64(10), kit.Balanced(t, q).Processed)
		require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop), dray.ErrClosed)
	})
}

func TestShutdownRightAfterStart(t *testing.T) {
	for range 300 {
		synctest.Test(t, func(t *testing.T) {
			q := kit.Paused(t, dray.WithWorkers(2))
			for range 5 {
				kit.Add(t, q, kit.Nop)
			}
			require.NoError(t, q.Start())
			report, err := q.Shutdown(t.Context())
			require.NoError(t, err)
			require.Empty(t, report, "a started queue drains")
			require.Equal(t, uint64(5), kit.Balanced(t, q).Processed)
		})
	}
}

func TestCloseRightAfterStart(t *testing.T) {
	for range 300 {
		synctest.Test(t, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(2))
			kit.Add(t, q, draytest.Slow(time.Hour))
			require.NoError(t, q.Close())
			report, err := q.Shutdown(t.Context())
			require.NoError(t, err)
			require.Empty(t, report.Abandoned)
			require.Len(t, append(report.Waiting, report.Interrupted...), 1)
			require.Zero(t, kit.Balanced(t, q).Running)
		})
	}
}

func TestShutdownAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(3), dray.WithShutdownTimeout(3*time.Second))
		kit.Add(t, q, draytest.Slow(time.Hour), dray.WithLabel("interrupted"))
		kit.Add(t, q, func(ctx context.Context) error { <-ctx.Done(); return nil }, dray.WithLabel("processed"))
		kit.Add(t, q, draytest.Stubborn(time.Hour, nil), dray.WithLabel("abandoned"))
		synctest.Wait()
		kit.Add(t, q, kit.Nop, dray.WithLabel("low"), dray.WithPriority(dray.Low))
		kit.Add(t, q, kit.Nop, dray.WithLabel("normal"))
		kit.Add(t, q, kit.Nop, dray.WithLabel("delayed"), dray.WithDelay(time.Hour))
		began := time.Now()
		ctx, why := kit.Within(t, time.Second)
		report, err := q.Shutdown(ctx)
		require.ErrorIs(t, err, why)
		require.ErrorIs(t, err, dray.ErrStillRunning)
		require.Equal(t, 4*time.Second, time.Since(began))
		require.Equal(t, []string{"normal", "low", "delayed"}, labels(report.Waiting))
		require.Equal(t, []string{"interrupted"}, labels(report.Interrupted))
		require.Len(t, report.Abandoned, 1)
		require.Equal(t, "abandoned", report.Abandoned[0].Label)
		require.Equal(t, dray.Stuck, report.Abandoned[0].State)
		require.Zero(t, report.Interrupted[0].Attempt, "an interrupted attempt does not count")
		s := kit.Balanced(t, q)
		require.Equal(t, []uint64{1, 0, 0}, []uint64{s.Processed, s.Failed, s.Cancelled})
		kit.Elapse(time.Hour)
		s = kit.Balanced(t, q)
		require.Equal(t, []int{2, 0}, []int{int(s.Processed), s.Running}, "it settles when it returns")
	})
}

func TestShutdownHandsBack(t *testing.T) {
	tests := map[string]struct {
		prepare func(t *testing.T, q *dray.Queue)
		waiting []string
	}{
		"not started": {func(t *testing.T, q *dray.Queue) {
			kit.Add(t, q, kit.Nop, dray.WithLabel("a"))
			kit.Add(t, q, kit.Nop, dray.WithLabel("b"))
		}, []string{"a", "b"}},
		"paused": {func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Start())
			require.NoError(t, q.Pause())
			kit.Add(t, q, kit.Nop, dray.WithLabel("a"))
		}, []string{"a"}},
		"delayed and retrying": {func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Start())
			kit.Add(t, q, kit.Fail, dray.WithLabel("retrying"), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Minute)))
			kit.Add(t, q, kit.Nop, dray.WithLabel("later"), dray.WithDelay(time.Hour))
			kit.Add(t, q, kit.Nop, dray.WithLabel("soon"), dray.WithDelay(time.Second))
			kit.Add(t, q, func(context.Context) error { return dray.Snooze(30 * time.Minute) }, dray.WithLabel("snoozing"))
			synctest.Wait()
		}, []string{"soon", "retrying", "snoozing", "later"}},
		"behind its key": {func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Start())
			kit.Add(t, q, kit.Fail, dray.WithLabel("first"), dray.WithKey("k"), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Minute)))
			kit.Add(t, q, kit.Nop, dray.WithLabel("second"), dray.WithKey("k"))
			synctest.Wait()
		}, []string{"first", "second"}},
		"paused kind": {func(t *testing.T, q *dray.Queue) {
			k, err := dray.Handle(q, "k", func(context.Context, int) error { return nil })
			require.NoError(t, err)
			require.NoError(t, q.Start())
			require.NoError(t, q.PauseKind("k"))
			require.NoError(t, k.Enqueue(t.Context(), 1, dray.WithLabel("held")))
			kit.Add(t, q, kit.Nop)
		}, []string{"held"}},
	}
	for name, tc := range tests {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Paused(t, dray.WithWorkers(1))
			tc.prepare(t, q)
			began := time.Now()
			report, err := q.Shutdown(t.Context())
			require.NoError(t, err)
			require.Zero(t, time.Since(began))
			require.Equal(t, tc.waiting, labels(report.Waiting))
			require.Empty(t, report.Interrupted)
			require.Empty(t, report.Abandoned)
			kit.Balanced(t, q)
		})
	}
}

// What was handed back is the caller's: it does not settle here as well.
func TestHandedBackIsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t)
		id := kit.Add(t, q, kit.Nop)
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Len(t, report.Waiting, 2)
		require.ErrorIs(t, q.Cancel(id), dray.ErrNotFound)
		require.ErrorIs(t, q.Cancel(2), dray.ErrNotFound)
		require.Zero(t, kit.Balanced(t, q).Cancelled)
	})
}

func TestCloseCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(2))
		kit.Add(t, q, draytest.Slow(time.Hour), dray.WithLabel("running"))
		kit.Add(t, q, draytest.Slow(time.Hour), dray.WithLabel("running"))
		kit.Add(t, q, kit.Nop, dray.WithLabel("waiting"))
		synctest.Wait()
		began := time.Now()
		require.NoError(t, q.Close())
		require.Zero(t, time.Since(began))
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"running", "running"}, labels(report.Interrupted))
		require.Equal(t, []string{"waiting"}, labels(report.Waiting))
	})
}

func TestCloseAbandons(t *testing.T) {
	for _, ret := range []error{nil, kit.ErrBoom} {
		synctest.Test(t, func(t *testing.T) {
			q := kit.Start(t, dray.WithShutdownTimeout(time.Second))
			kit.Add(t, q, draytest.Stubborn(time.Minute, ret))
			synctest.Wait()
			began := time.Now()
			require.ErrorIs(t, q.Close(), dray.ErrStillRunning)
			require.Equal(t, time.Second, time.Since(began))
			require.Equal(t, 1, kit.Balanced(t, q).Stuck)
			kit.Elapse(time.Hour)
			require.Zero(t, kit.Balanced(t, q).Running)
		})
	}
}

func TestShutdownTimeoutOfZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithShutdownTimeout(0))
		kit.Add(t, q, draytest.Stubborn(time.Minute, nil))
		synctest.Wait()
		began := time.Now()
		require.ErrorIs(t, q.Close(), dray.ErrStillRunning)
		require.Zero(t, time.Since(began))
		kit.Elapse(time.Hour)
	})
}

func TestConcurrentShutdownsAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		kit.Add(t, q, draytest.Slow(time.Hour), dray.WithLabel("running"))
		kit.Add(t, q, kit.Nop, dray.WithLabel("waiting"))
		synctest.Wait()
		soon, why := kit.Within(t, time.Second)
		var wg sync.WaitGroup
		for _, ctx := range []context.Context{context.Background(), soon, context.Background()} {
			wg.Go(func() {
				report, err := q.Shutdown(ctx)
				if !errors.Is(err, why) || len(report.Interrupted) != 1 || len(report.Waiting) != 1 {
					t.Errorf("%v, %+v", err, report)
				}
			})
		}
		began := time.Now()
		wg.Wait()
		require.Equal(t, time.Second, time.Since(began))
		report, err := q.Shutdown(context.Background())
		require.ErrorIs(t, err, why)
		require.Len(t, report.Waiting, 1)
	})
}

func TestCloseCutsADrainShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		kit.Add(t, q, draytest.Slow(time.Hour))
		synctest.Wait()
		done := make(chan dray.Report, 1)
		go func() {
			report, _ := q.Shutdown(context.Background())
			done <- report
		}()
		synctest.Wait()
		require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop), dray.ErrClosed, "the intake ends at once")
		require.NoError(t, q.Close())
		require.Len(t, (<-done).Interrupted, 1)
	})
}

func TestServeEndsWithItsContext(t *testing.T) {
	tests := map[string]struct {
		fn          dray.Func
		took        time.Duration
		interrupted int
	}{
		"drained":     {draytest.Slow(2 * time.Second), 2 * time.Second, 0},
		"interrupted": {draytest.Slow(time.Hour), 5 * time.Second, 1},
	}
	for name, tc := range tests {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Paused(t, dray.WithWorkers(1))
			ctx, cancel := context.WithCancel(t.Context())
			served := make(chan error, 1)
			go func() { served <- q.Serve(ctx) }()
			kit.Add(t, q, tc.fn)
			kit.Add(t, q, kit.Nop)
			synctest.Wait()
			began := time.Now()
			cancel()
			require.NoError(t, <-served)
			require.Equal(t, tc.took, time.Since(began))
			report, _ := q.Shutdown(t.Context())
			require.Len(t, report.Interrupted, tc.interrupted)
			kit.Balanced(t, q)
			require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop), dray.ErrClosed)
		})
	}
}

// As with a second SIGTERM: the drain of Serve is cut short.
func TestCloseDuringServesDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t, dray.WithWorkers(1))
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- q.Serve(ctx) }()
		kit.Add(t, q, draytest.Slow(time.Hour))
		synctest.Wait()
		cancel()
		kit.Elapse(time.Second)
		began := time.Now()
		require.NoError(t, q.Close())
		require.NoError(t, <-served)
		require.Zero(t, time.Since(began))
	})
}

func TestServeReturnsAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t)
		served := make(chan error, 1)
		go func() { served <- q.Serve(context.Background()) }()
		synctest.Wait()
		require.NoError(t, q.Close())
		require.NoError(t, <-served)
	})
}

func TestServeBegunTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t)
		kit.Add(t, q, kit.Nop)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, q.Serve(ctx))
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Equal(t, uint64(1), q.Stats().Processed+uint64(len(report.Waiting)))
	})
}

// A delayed job that comes due in the moment in which the drain ends either runs
// to its end or is handed back; it is not left running.
func TestDueAtTheEndOfTheDrain(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(2))
			kit.Add(t, q, draytest.Slow(time.Second))
			kit.Add(t, q, draytest.Slow(time.Minute), dray.WithDelay(time.Second))
			report, err := q.Shutdown(context.Background())
			require.NoError(t, err)
			require.Empty(t, report.Abandoned)
			require.Equal(t, uint64(2), q.Stats().Processed+uint64(len(report.Waiting)))
			kit.Elapse(time.Hour)
			require.Equal(t, uint64(2), kit.Balanced(t, q).Processed+uint64(len(report.Waiting)))
		})
	}
}

// What is due when the last job ends still starts, however much that must not start is due with it.
func TestDrainWaitsForAllThatIsDue(t *testing.T) {
	for range 30 {
		synctest.Test(t, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1))
			k, err := dray.Handle(q, "paused", func(context.Context, int) error { return nil })
			require.NoError(t, err)
			require.NoError(t, q.PauseKind("paused"))
			kit.Add(t, q, draytest.Slow(time.Minute))
			at := time.Now().Add(time.Minute)
			for i := range 200 {
				require.NoError(t, k.Enqueue(t.Context(), i, dray.WithRunAt(at)))
			}
			kit.Add(t, q, kit.Nop, dray.WithRunAt(at))
			report, err := q.Shutdown(t.Context())
			require.NoError(t, err)
			require.Equal(t, 200, len(report.Waiting)) //nolint:testifylint // Len prints them all
			require.EqualValues(t, 2, q.Stats().Processed)
		})
	}
}
