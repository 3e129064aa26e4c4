package policy_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// A group that takes no more jobs is told as that, to the caller and to observers,
// and each refusal is counted.
func TestGroupThatIsDoneIsToldAsThat(t *testing.T) {
	for name, end := range map[string]func(*dray.Group){"done": (*dray.Group).Close, "cancelled": func(g *dray.Group) { g.Cancel() }} {
		bubble(t, name, func(t *testing.T) {
			var told record[error]
			q := start(t, dray.WithObserver(func(ev dray.Event) {
				switch ev.Kind {
				case dray.JobRejected:
					told.Add(ev.Err)
				case dray.TaskSkipped:
					told.Add(ev.Err)
				}
			}))
			g, err := dray.NewGroup(q)
			require.NoError(t, err)
			require.NoError(t, g.Enqueue(t.Context(), kit.Nop))
			synctest.Wait()
			end(g)
			require.ErrorIs(t, g.Enqueue(t.Context(), kit.Nop), dray.ErrGroupDone)
			n, err := q.EnqueueBatch(t.Context(), []dray.Func{kit.Nop, kit.Nop}, dray.WithGroup(g))
			require.Zero(t, n)
			require.ErrorIs(t, err, dray.ErrGroupDone)
			_, err = dray.Run(t.Context(), q, func(context.Context) (int, error) { return 0, nil }, dray.WithGroup(g))
			require.ErrorIs(t, err, dray.ErrGroupDone)
			require.NoError(t, q.Scheduler().Schedule("t", dray.Every(time.Minute), kit.Nop, dray.WithGroup(g)))
			kit.Elapse(time.Minute)
			for _, err := range told.All() {
				require.Equal(t, dray.ErrGroupDone, err)
			}
			require.Len(t, told.All(), 5, "three calls, and a run of the task as job and as run")
			s := q.Stats()
			require.Equal(t, []uint64{1, 4}, []uint64{s.Enqueued, s.Rejected})
		})
	}
}

// So are those that have waited for room when their group was cancelled.
func TestGroupThatIsCancelledIsToldToThoseThatWait(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var told record[error]
		q := start(t, dray.WithWorkers(1), dray.WithCapacity(1), dray.WithOverflow(dray.Block), dray.WithObserver(func(ev dray.Event) {
			if ev.Kind == dray.JobRejected {
				told.Add(ev.Err)
			}
		}))
		require.NoError(t, q.Enqueue(t.Context(), untilCancelled))
		synctest.Wait()
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
		g, err := dray.NewGroup(q)
		require.NoError(t, err)
		var errs record[error]
		for range 3 {
			go func() { errs.Add(g.Enqueue(context.Background(), kit.Nop)) }()
		}
		synctest.Wait()
		require.Zero(t, g.Cancel())
		synctest.Wait()
		want := []error{dray.ErrGroupDone, dray.ErrGroupDone, dray.ErrGroupDone}
		require.Equal(t, want, errs.All())
		require.Equal(t, want, told.All())
		require.Equal(t, uint64(3), q.Stats().Rejected)
	})
}
