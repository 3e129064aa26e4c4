package queue_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/internal/testhook"
)

// beat is how often the owner looks at stretches of tiny jobs.
const beat = time.Millisecond

// TestLongJobsBehindTinyOnes: a worker that no longer reads the clock for each job
// notices when jobs become long, and measures each of them.
func TestLongJobsBehindTinyOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := dray.New(dray.WithWorkers(1), dray.WithCapacity(dray.Unbounded))
		require.NoError(t, err)
		const tiny, long = 100, 20 // the last stretch of tiny ones has room for the long ones
		for range tiny {
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { return nil }))
		}
		for range long {
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { time.Sleep(time.Second); return nil }))
		}
		begun := time.Now()
		require.NoError(t, q.Start())
		for i := range long - 1 {
			time.Sleep(time.Second)
			synctest.Wait()
			for j := range q.Jobs() {
				if j.State == dray.Running {
					require.WithinDuration(t, begun.Add(time.Duration(i+1)*time.Second), j.StartedAt, beat)
				}
			}
		}
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Empty(t, report)
		run := q.Stats().Run
		require.EqualValues(t, tiny+long, run.Count)
		require.GreaterOrEqual(t, run.Max, time.Second)
		require.LessOrEqual(t, run.Max, time.Second+beat)
		require.Less(t, run.P50, time.Millisecond)
		require.GreaterOrEqual(t, run.P90, time.Second)
	})
}

// TestBeatStopsByItself: the owner does not go on to wake up when no worker is in a stretch.
func TestBeatStopsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := dray.New(dray.WithWorkers(1), dray.WithCapacity(dray.Unbounded), dray.WithIdleTimeout(0))
		require.NoError(t, err)
		for range 100 {
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { return nil }))
		}
		var ticks atomic.Int64
		testhook.Inside(q).Fault(func(at string) {
			if at == "advance" {
				ticks.Add(1)
			}
		})
		require.NoError(t, q.Start())
		synctest.Wait()
		before := ticks.Load()
		time.Sleep(5 * beat)
		synctest.Wait()
		require.Greater(t, ticks.Load(), before)
		before = ticks.Load()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, before, ticks.Load())
		require.NoError(t, q.Close())
	})
}
