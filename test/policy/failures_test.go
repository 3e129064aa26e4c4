package policy_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

func failedIDs(q *dray.Queue) (ids []dray.ID) {
	for _, f := range q.Failures() {
		ids = append(ids, f.ID)
	}
	return ids
}

func TestRequeueAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(2))
		works := false
		var got kit.Record[int]
		for i := range 5 {
			kit.Add(t, q, func(context.Context) error {
				if !works {
					return kit.ErrBoom
				}
				got.Add(i)
				return nil
			}, dray.WithUnique(string(rune('a'+i)), dray.RejectDuplicate))
			synctest.Wait()
		}
		works = true
		release := kit.Occupy(t, q, dray.WithUnique("c", dray.RejectDuplicate))
		n, err := q.RequeueAll()
		require.ErrorIs(t, err, dray.ErrDuplicate)
		require.ErrorContains(t, err, "job 3")
		require.Equal(t, 4, n, "whatever the room")
		require.Equal(t, []dray.ID{3}, failedIDs(q))
		release()
		synctest.Wait()
		require.Equal(t, []int{0, 1, 3, 4}, got.All(), "the oldest first")
		n, err = q.RequeueAll()
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.NoError(t, q.Close())
		n, err = q.RequeueAll()
		require.ErrorIs(t, err, dray.ErrClosed)
		require.Zero(t, n)
		kit.Balanced(t, q)
	})
}

func TestDropFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		for range 4 {
			kit.Add(t, q, kit.Fail)
		}
		synctest.Wait()
		require.NoError(t, q.DropFailure(2))
		require.ErrorIs(t, q.DropFailure(2), dray.ErrNotFound)
		require.Equal(t, []dray.ID{4, 3, 1}, failedIDs(q))
		require.ErrorIs(t, q.Requeue(2), dray.ErrNotFound)
		require.Equal(t, 3, q.DropFailures())
		require.Zero(t, q.DropFailures())
		require.Empty(t, q.Failures())
		require.Equal(t, uint64(4), kit.Balanced(t, q).Failed)
	})
}

func TestCancelKeyAndKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(2))
		k, err := dray.Handle(q, "k", func(ctx context.Context, d time.Duration) error { return draytest.Slow(d)(ctx) })
		require.NoError(t, err)
		again := []dray.JobOption{dray.WithKey("a"), dray.WithKeyLimit(2), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Hour))}
		kit.Add(t, q, kit.Fail, again...)
		synctest.Wait()                                                                   // retrying, with its place in the key
		require.NoError(t, k.Enqueue(t.Context(), time.Hour, again...))                   // running
		require.NoError(t, k.Enqueue(t.Context(), time.Hour, again...))                   // behind its key
		require.NoError(t, k.Enqueue(t.Context(), time.Hour, dray.WithDelay(60)))         // delayed
		require.NoError(t, k.Enqueue(t.Context(), time.Hour, dray.WithKey("b")))          // running
		require.NoError(t, k.Enqueue(t.Context(), time.Hour))                             // pending
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop, dray.WithPriority(dray.High))) // of no key or kind
		synctest.Wait()
		require.Zero(t, q.CancelKey(""))
		require.Zero(t, q.CancelKind(""))
		require.Zero(t, q.CancelKind("unknown"))
		require.Equal(t, 3, q.CancelKey("a"))
		kit.Elapse(1)
		require.Equal(t, uint64(3), kit.Balanced(t, q).Cancelled)
		require.Equal(t, 3, q.CancelKind("k"))
		require.Zero(t, q.CancelKey("a"))
		synctest.Wait()
		s := kit.Balanced(t, q)
		require.Equal(t, []uint64{6, 1}, []uint64{s.Cancelled, s.Processed})
		require.Zero(t, s.Pending+s.Delayed+s.Retrying+s.Running)
	})
}
