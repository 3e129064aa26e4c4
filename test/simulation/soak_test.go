package simulation_test

import (
	"bytes"
	"context"
	"runtime"
	"runtime/pprof"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// days counts the days that this process has seen: when tests are repeated, the
// further ones are short.
var days atomic.Int64

// TestSoakOfADay: 24 virtual hours of jobs of every ending, retries, delays, periodic
// tasks, and a crash of the owner each hour. Nothing grows. Ten real minutes at full
// load are in internal/soak.
func TestSoakOfADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(time.Hour) // for the jobs that do not heed the end
		hours := 24
		if testing.Short() || days.Add(1) > 1 {
			hours = 3
		}
		var q *dray.Queue
		all := endings(func() *dray.Queue { return q })
		q = kit.Start(t, dray.WithWorkers(4), dray.WithObserver(func(dray.Event) {}),
			dray.WithPeriodic("minute", dray.Every(time.Minute), kit.Nop), dray.WithPeriodic("slow", dray.Every(time.Second), draytest.Slow(90*time.Second)))
		var heap []uint64
		var goroutines []int
		for range hours {
			for i := range 1800 {
				e := all[i%len(all)]
				require.NoError(t, q.Enqueue(context.Background(), e.fn(), e.opts...), e.name)
				time.Sleep(2 * time.Second)
			}
			draytest.CrashOwner(t, q)
			synctest.Wait()
			heap, goroutines = append(heap, liveHeap()), append(goroutines, runtime.NumGoroutine())
		}
		s := kit.Balanced(t, q)
		_ = q.Close() // some jobs do not heed it
		require.Equal(t, uint64(hours), s.Restarts)
		require.Greater(t, settled(s), uint64(hours*1700))
		const slack = 1 << 20 // of what the runtime keeps
		for i := range heap[2:] {
			require.Less(t, heap[i+2], heap[1]+slack, "heap by the hour: %v", heap)
			require.LessOrEqual(t, goroutines[i+2], goroutines[1]+8, "goroutines by the hour: %v", goroutines)
		}
		t.Logf("%d jobs, heap of %d and %d KiB after the 2nd and the last hour", s.Enqueued, heap[1]>>10, heap[len(heap)-1]>>10)
	})
}

// liveHeap is what the garbage collector cannot free.
func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestGoroutineLeakProfile asks the runtime for goroutines that wait for what can
// never come. Before Go 1.27 it has to be built with that experiment: .ci/run does.
func TestGoroutineLeakProfile(t *testing.T) {
	profile := pprof.Lookup("goroutineleak")
	if profile == nil {
		t.Skip("needs GOEXPERIMENT=goroutineleakprofile")
	}
	for range 20 {
		q, err := dray.New(dray.WithCapacity(2), dray.WithOverflow(dray.Block), dray.WithObserver(func(dray.Event) {}))
		require.NoError(t, err)
		require.NoError(t, q.Start())
		for range 50 {
			require.NoError(t, q.Enqueue(t.Context(), draytest.Exiting()))
			_, err := dray.Run(t.Context(), q, kit.One)
			require.NoError(t, err)
		}
		require.NoError(t, q.Close())
	}
	var out bytes.Buffer
	require.NoError(t, profile.WriteTo(&out, 1))
	require.Contains(t, out.String(), "total 0", "leaked goroutines")
}
