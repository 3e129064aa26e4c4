package crash_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/internal/testhook"
	"github.com/a622d8ee/dray/test/kit"
)

// TestSchedulerCrashAtEveryStep: wherever the queue crashes, each run that was due
// is run once; the tasks' books agree with the queue's.
func TestSchedulerCrashAtEveryStep(t *testing.T) {
	var restarted uint64
	for n := int64(1); ; n++ {
		more := false
		synctest.Test(t, func(t *testing.T) {
			fault, hit := crashAt(n)
			q, err := dray.New(dray.WithWorkers(3), dray.WithObserver(func(dray.Event) {}))
			require.NoError(t, err)
			testhook.Inside(q).Fault(fault)
			require.NoError(t, q.Start())
			var mu sync.Mutex
			ran := map[string]int{}
			job := func(ctx context.Context) error {
				name, due, _ := dray.TaskFrom(ctx)
				mu.Lock()
				defer mu.Unlock()
				ran[fmt.Sprint(name, " ", due.Unix())]++
				return nil
			}
			for i, when := range []dray.Schedule{dray.Every(time.Second), dray.Every(2 * time.Second), kit.Grid(time.Second), dray.At(time.Now().Add(3 * time.Second))} {
				require.NoError(t, q.Scheduler().Schedule(fmt.Sprint(i), when, job, dray.WithOverlap(dray.Overlap(i))))
			}
			time.Sleep(4*time.Second + time.Millisecond)
			synctest.Wait()
			more = hit()
			restarted += q.Stats().Restarts
			require.NoError(t, q.Close())
			require.Len(t, ran, 4+2+4+1, "step %d: %v", n, ran)
			for run, times := range ran {
				require.Equal(t, 1, times, "step %d: %s", n, run)
			}
			for _, i := range q.Scheduler().Tasks() {
				require.Equal(t, i.Due, i.Runs, "step %d: %+v", n, i)
			}
			require.Equal(t, uint64(11), q.Stats().Processed, "step %d", n)
		})
		if !more {
			require.Greater(t, restarted, uint64(30), "the scenario has become too short to show anything")
			return
		}
	}
}
