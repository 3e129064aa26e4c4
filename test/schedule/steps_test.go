package schedule_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// Very many runs of a task are made in several steps, in their order, and a run that is wanted
// meanwhile comes after them.
func TestVeryManyMissedRuns(t *testing.T) {
	const n = 1000
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := draytest.New(t, dray.WithWorkers(1))
		s := q.Scheduler()
		var ran []time.Time
		note := func(ctx context.Context) error {
			_, due, _ := dray.TaskFrom(ctx)
			ran = append(ran, due)
			return nil
		}
		require.NoError(t, q.Pause())
		require.NoError(t, s.Schedule("x", dray.Every(time.Second), note, dray.WithOverlap(dray.AllowOverlap),
			dray.WithMissed(dray.RunAll(n)), dray.WithLastRun(time.Now().Add(-n*time.Second))))
		for info(t, q, "x").Runs == 0 {
			runtime.Gosched()
		}
		require.NoError(t, s.RunNow("x"))
		synctest.Wait()
		require.Equal(t, n+1, q.Stats().Pending)
		require.NoError(t, q.Resume())
		synctest.Wait()
		require.Len(t, ran, n+1)
		require.True(t, slices.IsSortedFunc(ran, time.Time.Compare), "%v", ran)
	})
}

// So are those that waited for room, when there is some: also if nothing else happens.
func TestVeryManyRunsThatWaitedForRoom(t *testing.T) {
	const n = 300
	synctest.Test(t, func(t *testing.T) {
		q := draytest.New(t, dray.WithWorkers(1), dray.WithCapacity(n))
		s := q.Scheduler()
		release := make(chan struct{})
		require.NoError(t, s.Schedule("x", dray.Every(time.Second), kit.Until(release), dray.WithOverlap(dray.AllowOverlap), dray.WithMissed(dray.RunAll(n))))
		require.NoError(t, s.RunNow("x"))
		synctest.Wait()
		require.Equal(t, 1, q.Stats().Running)
		require.NoError(t, q.Pause())
		for range n {
			require.NoError(t, q.Enqueue(t.Context(), kit.Nop, dray.WithKey("k")))
		}
		require.NoError(t, s.Pause("x"))
		time.Sleep(n*time.Second + time.Millisecond)
		require.NoError(t, s.Resume("x"))
		synctest.Wait()
		require.Equal(t, n+1, q.Stats().Pending, "one takes no room")
		require.Equal(t, n, q.CancelKey("k"))
		close(release)
		synctest.Wait()
		require.Equal(t, n, q.Stats().Pending)
		require.NoError(t, q.Resume())
		synctest.Wait()
	})
}

// The runs that a new one cancels are cancelled, however many, and it is not.
func TestVeryManyRunsAreCancelled(t *testing.T) {
	const n = 1000
	for name, act := range map[string]func(t *testing.T, q *dray.Queue){
		"RunNow": func(t *testing.T, q *dray.Queue) { require.NoError(t, q.Scheduler().RunNow("x")) },
		"twice": func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Scheduler().RunNow("x"))
			require.NoError(t, q.Scheduler().RunNow("x"))
		},
		"replaced meanwhile": func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Scheduler().RunNow("x"))
			require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Hour), kit.Nop))
		},
		"removed meanwhile": func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Scheduler().RunNow("x"))
			require.NoError(t, q.Scheduler().Unschedule("x"))
		},
	} {
		kit.Bubble(t, name, func(t *testing.T) {
			q := draytest.New(t, dray.WithWorkers(3), dray.WithCapacity(dray.Unbounded))
			s := q.Scheduler()
			untilCancelled := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
			require.NoError(t, s.Schedule("x", dray.Every(time.Hour), untilCancelled, dray.WithOverlap(dray.AllowOverlap)))
			for range n {
				require.NoError(t, s.RunNow("x"))
			}
			synctest.Wait()
			require.Equal(t, 3, q.Stats().Running)
			require.NoError(t, q.Pause())
			require.NoError(t, s.Schedule("x", dray.Every(time.Hour), kit.Nop, dray.WithOverlap(dray.CancelPrevious)))
			act(t, q)
			synctest.Wait()
			last := 1
			if name == "twice" {
				last++
			}
			books := q.Stats()
			require.Equal(t, []int{n + last - 1, 1}, []int{int(books.Cancelled), books.Pending}) //nolint:gosec // few
			require.NoError(t, q.Resume())
		})
	}
}
