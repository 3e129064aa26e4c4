package shutdown_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// A restart cuts a shutdown that is draining short at once, with its own error.
func TestRestartCutsAShutdown(t *testing.T) {
	bubble(t, "restart", func(t *testing.T) {
		q := newQueue(t, dray.WithWorkers(1), dray.WithShutdownTimeout(10*time.Second))
		v := serve(q)
		var ran record[string]
		add(t, q, ran.sleeper("long", time.Hour), dray.WithLabel("long"))
		var report dray.Report
		shut := make(chan error, 1)
		go func() {
			var err error
			report, err = q.Shutdown(context.Background())
			shut <- err
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Zero(t, v.end(t, dray.ErrRestart))
		require.ErrorIs(t, <-shut, dray.ErrRestart)
		require.Equal(t, []string{"long"}, labels(report.Interrupted))
	})
}

// The end of a Serve that is to be followed by another waits for no observer.
func TestRestartWaitsForNoObserver(t *testing.T) {
	for name, cause := range map[string]error{"restart": dray.ErrRestart, "end": context.Canceled} {
		bubble(t, name, func(t *testing.T) {
			gate := make(chan struct{})
			q := newQueue(t, dray.WithShutdownTimeout(10*time.Second), dray.WithObserver(func(dray.Event) { <-gate }))
			took := serve(q).end(t, cause)
			if cause == dray.ErrRestart { //nolint:errorlint // the one of the table
				require.Zero(t, took)
			} else {
				require.Equal(t, 10*time.Second, took)
			}
			close(gate)
			require.NoError(t, q.Close())
		})
	}
}

// A limiter that a Serve has left behind is asked by the next one as soon as it has
// returned, whatever it says then.
func TestLimiterLeftBehindIsAskedAgain(t *testing.T) {
	for name, said := range map[string]error{"token": nil, "error": kit.ErrBoom} {
		bubble(t, name, func(t *testing.T) {
			gate := make(chan struct{})
			var asked atomic.Int64
			limiter := limiterFunc(func(context.Context) error {
				if asked.Add(1) == 1 {
					<-gate
					return said
				}
				return nil
			})
			q := newQueue(t, dray.WithWorkers(1), dray.WithRateLimit(&limiter), dray.WithShutdownTimeout(time.Second))
			v := serve(q)
			var ran record[int]
			add(t, q, ran.Job(1))
			synctest.Wait()
			require.Equal(t, int64(1), asked.Load())
			v.end(t, dray.ErrRestart)
			v = serve(q)
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Equal(t, int64(1), asked.Load(), "one call at a time")
			add(t, q, ran.Job(2))
			close(gate)
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Equal(t, []int{1, 2}, ran.All())
			v.end(t, dray.ErrRestart)
		})
	}
}

// A group of which a shutdown has handed a job back ends, and says so.
func TestGroupThatIsHandedBack(t *testing.T) {
	bubble(t, "group", func(t *testing.T) {
		q := newQueue(t)
		require.NoError(t, q.Start())
		g, err := dray.NewGroup(q)
		require.NoError(t, err)
		require.NoError(t, g.Enqueue(t.Context(), kit.Nop))
		require.NoError(t, g.Enqueue(t.Context(), kit.Nop, dray.WithDelay(time.Hour)))
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Len(t, report.Waiting, 1)
		require.ErrorIs(t, g.Wait(t.Context()), dray.ErrShutdown)
	})
}

// Of a run that ends to begin again observers hear a stop, and of a shutdown after it
// another one, whose books have what was accepted and refused in between.
func TestStopIsToldWithTheLastBooks(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var stops record[dray.Event]
		q := newQueue(t, dray.WithCapacity(2), dray.WithObserver(func(ev dray.Event) {
			if ev.Kind == dray.QueueStopped {
				stops.Add(ev)
			}
		}))
		serve(q).end(t, dray.ErrRestart)
		for range 5 {
			_ = q.Enqueue(t.Context(), kit.Nop)
		}
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Len(t, report.Waiting, 2)
		require.Len(t, stops.All(), 2)
		last := stops.All()[1]
		require.Equal(t, []uint64{2, 3, 2}, []uint64{last.Stats.Enqueued, last.Stats.Rejected, uint64(last.Waiting)})
	})
	bubble(t, "nothing comes in between", func(t *testing.T) {
		var stops record[dray.Event]
		q := newQueue(t, dray.WithObserver(func(ev dray.Event) {
			if ev.Kind == dray.QueueStopped {
				stops.Add(ev)
			}
		}))
		serve(q).end(t, context.Canceled)
		require.NoError(t, q.Close())
		require.Len(t, stops.All(), 1)
	})
}
