package policy_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

func group(t *testing.T, q *dray.Queue, opts ...dray.GroupOption) *dray.Group {
	t.Helper()
	g, err := dray.NewGroup(q, opts...)
	require.NoError(t, err)
	return g
}

// completion takes down what the completion job was told.
func completion(told *kit.Record[error]) dray.GroupOption {
	return dray.WithCompletion(func(_ context.Context, err error) error { told.Add(err); return nil })
}

func isDone(g *dray.Group) bool {
	select {
	case <-g.Done():
		return true
	default:
		return false
	}
}

func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(2))
		var told kit.Record[error]
		g := group(t, q, completion(&told))
		var got kit.Record[int]
		for i := range 5 {
			require.NoError(t, g.Enqueue(t.Context(), func(context.Context) error { time.Sleep(time.Second); got.Add(i); return nil }))
		}
		kit.Elapse(time.Minute)
		require.False(t, isDone(g), "it was not closed")
		other := errors.New("other")
		require.NoError(t, g.Enqueue(t.Context(), func(context.Context) error { time.Sleep(time.Hour); return kit.ErrBoom }))
		kit.Add(t, q, func(context.Context) error { panic(other) }, dray.WithGroup(g))
		err := g.Wait(t.Context())
		require.ErrorIs(t, err, kit.ErrBoom)
		require.ErrorIs(t, err, other)
		synctest.Wait()
		require.Len(t, got.All(), 5)
		require.Equal(t, []error{err}, told.All())
		require.ErrorIs(t, g.Enqueue(t.Context(), kit.Nop), dray.ErrGroupDone)
		require.Equal(t, uint64(8), kit.Balanced(t, q).Enqueued)
		require.Equal(t, err, g.Wait(t.Context()), "any number of times")
	})
}

func TestEmptyGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		var told kit.Record[error]
		g := group(t, q, completion(&told))
		require.NoError(t, g.Wait(t.Context()))
		g.Close()
		require.Zero(t, g.Cancel())
		synctest.Wait()
		require.Equal(t, []error{nil}, told.All())
		require.ErrorIs(t, g.Enqueue(t.Context(), kit.Nop), dray.ErrGroupDone)
	})
}

// A job of a closed group can still add to it.
func TestGroupGrowsFromWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		g := group(t, q)
		var got kit.Record[int]
		var grow func(n int) dray.Func
		grow = func(n int) dray.Func {
			return func(ctx context.Context) error {
				got.Add(n)
				if n == 0 {
					return nil
				}
				return g.Enqueue(ctx, grow(n-1))
			}
		}
		require.NoError(t, g.Enqueue(t.Context(), grow(3)))
		require.NoError(t, g.Wait(t.Context()))
		require.Equal(t, []int{3, 2, 1, 0}, got.All())
	})
}

func TestGroupHasEverySortOfJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		g := group(t, q)
		k, err := dray.Handle(q, "k", func(context.Context, int) error { return nil }, dray.WithGroup(g))
		require.NoError(t, err)
		require.NoError(t, k.Enqueue(t.Context(), 1, dray.WithDelay(time.Hour)))
		n, err := k.EnqueueBatch(t.Context(), []int{2, 3})
		require.NoError(t, err)
		require.Equal(t, 2, n)
		n, err = q.EnqueueBatch(t.Context(), []dray.Func{kit.Nop, kit.Fail}, dray.WithGroup(g), dray.WithMaxAttempts(2),
			dray.WithBackoff(dray.Constant(2*time.Hour)))
		require.NoError(t, err)
		require.Equal(t, 2, n)
		task, err := dray.Submit(t.Context(), q, kit.One, dray.WithGroup(g))
		require.NoError(t, err)
		begin := time.Now()
		require.ErrorIs(t, g.Wait(t.Context()), kit.ErrBoom)
		require.Equal(t, 2*time.Hour, time.Since(begin))
		_, err, ok := task.Result()
		require.True(t, ok)
		require.NoError(t, err)
	})
}

func TestGroupCancelsAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		var told kit.Record[error]
		g := group(t, q, completion(&told))
		require.NoError(t, g.Enqueue(t.Context(), draytest.Slow(time.Hour)))
		require.NoError(t, g.Enqueue(t.Context(), kit.Nop, dray.WithDelay(time.Hour)))
		require.NoError(t, g.Enqueue(t.Context(), kit.Nop))
		synctest.Wait()
		require.Equal(t, 3, g.Cancel())
		require.ErrorIs(t, g.Enqueue(t.Context(), kit.Nop), dray.ErrGroupDone)
		require.ErrorIs(t, g.Wait(t.Context()), dray.ErrCancelled)
		synctest.Wait()
		require.Len(t, told.All(), 1)
		s := kit.Balanced(t, q)
		require.Equal(t, []uint64{3, 1}, []uint64{s.Cancelled, s.Processed})
	})
}

func TestGroupOfAFullQueue(t *testing.T) {
	for name, tc := range map[string]struct {
		policy dray.Overflow
		refuse error
		err    error
	}{
		"Reject":     {dray.Reject, dray.ErrQueueFull, nil},
		"DropNewest": {dray.DropNewest, nil, dray.ErrEvicted},
		"DropOldest": {dray.DropOldest, nil, dray.ErrEvicted},
	} {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(2), dray.WithOverflow(tc.policy))
			release := kit.Occupy(t, q)
			var told kit.Record[error]
			g := group(t, q, completion(&told))
			require.NoError(t, g.Enqueue(t.Context(), kit.Nop))
			require.NoError(t, g.Enqueue(t.Context(), kit.Nop))
			require.ErrorIs(t, g.Enqueue(t.Context(), kit.Nop), tc.refuse)
			release()
			require.ErrorIs(t, g.Wait(t.Context()), tc.err)
			synctest.Wait()
			require.Len(t, told.All(), 1)
			kit.Balanced(t, q)
		})
	}
}

// A caller that waits for room holds its group open, and is told of its end.
func TestGroupOfABlockedCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(1), dray.WithOverflow(dray.Block))
		release := kit.Occupy(t, q)
		kit.Add(t, q, kit.Nop)
		kept, cancelled := group(t, q), group(t, q)
		var errs kit.Record[error]
		for _, g := range []*dray.Group{kept, cancelled} {
			go func() { errs.Add(g.Enqueue(context.Background(), kit.Fail)) }()
			synctest.Wait()
			g.Close()
		}
		require.Zero(t, cancelled.Cancel())
		synctest.Wait()
		require.Equal(t, []error{dray.ErrGroupDone}, errs.All())
		require.NoError(t, cancelled.Wait(t.Context()))
		require.False(t, isDone(kept))
		release()
		require.ErrorIs(t, kept.Wait(t.Context()), kit.ErrBoom)
		kit.Balanced(t, q)
	})
}

func TestGroupAtTheEndOfTheQueue(t *testing.T) {
	kit.Bubble(t, "drained", func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		var told kit.Record[error]
		g := group(t, q, completion(&told))
		require.NoError(t, g.Enqueue(t.Context(), draytest.Slow(time.Second)))
		g.Close()
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Empty(t, report)
		require.Equal(t, []error{nil}, told.All(), "the completion job, too")
	})
	kit.Bubble(t, "handed back", func(t *testing.T) {
		q, next := kit.Start(t, dray.WithWorkers(1)), kit.Start(t)
		var told kit.Record[error]
		g := group(t, q, completion(&told))
		require.NoError(t, g.Enqueue(t.Context(), draytest.Slow(time.Hour)))
		require.NoError(t, g.Enqueue(t.Context(), kit.Nop))
		synctest.Wait()
		require.NoError(t, q.Close())
		require.ErrorIs(t, g.Wait(t.Context()), dray.ErrShutdown)
		report, _ := q.Shutdown(t.Context())
		require.Len(t, report.Waiting, 1)
		require.Len(t, report.Interrupted, 1)
		require.NoError(t, next.Restore(report))
		kit.Elapse(2 * time.Hour)
		require.Equal(t, uint64(2), kit.Balanced(t, next).Processed)
		require.Empty(t, told.All())
	})
	kit.Bubble(t, "closed afterwards", func(t *testing.T) {
		q := kit.Start(t)
		g := group(t, q, completion(new(kit.Record[error])))
		without := group(t, q)
		require.NoError(t, q.Close())
		require.ErrorIs(t, g.Enqueue(t.Context(), kit.Nop), dray.ErrClosed)
		require.ErrorIs(t, g.Wait(t.Context()), dray.ErrShutdown)
		require.NoError(t, without.Wait(t.Context()))
	})
}

// KeepExisting adds nothing, and a requeued failure is a job of its own.
func TestGroupTakesNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		release := kit.Occupy(t, q, dray.WithUnique("u", dray.KeepExisting))
		g := group(t, q)
		id := kit.Add(t, q, kit.Nop, dray.WithUnique("u", dray.KeepExisting), dray.WithGroup(g))
		require.Equal(t, dray.ID(1), id)
		require.NoError(t, g.Wait(t.Context()))
		release()
		g = group(t, q)
		failed := kit.Add(t, q, kit.Fail, dray.WithGroup(g))
		require.ErrorIs(t, g.Wait(t.Context()), kit.ErrBoom)
		require.NoError(t, q.Requeue(failed))
		synctest.Wait()
		require.Equal(t, uint64(2), kit.Balanced(t, q).Failed)
	})
}

func TestGroupErrorsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		g := group(t, q)
		for range 1000 {
			require.NoError(t, g.Enqueue(t.Context(), kit.Fail))
		}
		err := g.Wait(t.Context())
		require.ErrorIs(t, err, kit.ErrBoom)
		require.ErrorContains(t, err, "and 900 more")
	})
}

func TestGroupWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		g := group(t, q)
		require.NoError(t, g.Enqueue(t.Context(), draytest.Slow(time.Hour)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, g.Wait(ctx), context.DeadlineExceeded)
		require.NoError(t, g.Wait(t.Context()), "the job was left alone")
	})
}

func TestBadGroups(t *testing.T) {
	q, other := kit.Paused(t), kit.Paused(t)
	for name, bad := range map[string]dray.GroupOption{
		"nil":               nil,
		"nil completion":    dray.WithCompletion(nil),
		"unique completion": dray.WithCompletion(func(context.Context, error) error { return nil }, dray.WithUnique("u", dray.KeepExisting)),
		"bad option":        dray.WithCompletion(func(context.Context, error) error { return nil }, dray.WithMaxAttempts(0)),
	} {
		g, err := dray.NewGroup(q, bad)
		require.Error(t, err, name)
		require.Nil(t, g)
	}
	_, err := dray.NewGroup(nil)
	require.Error(t, err)
	require.Error(t, q.Enqueue(t.Context(), kit.Nop, dray.WithGroup(nil)))
	require.ErrorContains(t, q.Enqueue(t.Context(), kit.Nop, dray.WithGroup(group(t, other))), "another queue")
}
