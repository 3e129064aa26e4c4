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

func TestUniquePeriod(t *testing.T) {
	ends := map[string]func(t *testing.T, q *dray.Queue, opts []dray.JobOption) dray.ID{
		"processed": func(t *testing.T, q *dray.Queue, opts []dray.JobOption) dray.ID {
			return kit.Add(t, q, kit.Nop, opts...)
		},
		"failed": func(t *testing.T, q *dray.Queue, opts []dray.JobOption) dray.ID {
			return kit.Add(t, q, kit.Fail, opts...)
		},
		"cancelled": func(t *testing.T, q *dray.Queue, opts []dray.JobOption) dray.ID {
			id := kit.Add(t, q, draytest.Slow(time.Hour), opts...)
			synctest.Wait()
			require.NoError(t, q.Cancel(id))
			return id
		},
		"cancelled before it started": func(t *testing.T, q *dray.Queue, opts []dray.JobOption) dray.ID {
			id := kit.Add(t, q, kit.Nop, append(opts, dray.WithDelay(time.Hour))...)
			require.NoError(t, q.Cancel(id))
			return id
		},
		"past its deadline": func(t *testing.T, q *dray.Queue, opts []dray.JobOption) dray.ID {
			return kit.Add(t, q, draytest.Slow(time.Hour), append(opts, dray.WithDeadline(time.Second))...)
		},
	}
	for name, end := range ends {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t)
			period := dray.WithUniquePeriod(time.Minute)
			id := end(t, q, []dray.JobOption{dray.WithUnique("u", dray.RejectDuplicate), period})
			kit.Elapse(2 * time.Second)
			require.Zero(t, kit.Balanced(t, q).Running)
			require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop, dray.WithUnique("u", dray.RejectDuplicate)), dray.ErrDuplicate)
			require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop, dray.WithUnique("u", dray.ReplacePending)), dray.ErrDuplicate)
			r, err := q.EnqueueSync(t.Context(), kit.Nop, dray.WithUnique("u", dray.KeepExisting), period)
			require.NoError(t, err)
			require.Equal(t, dray.Receipt{ID: id}, r)
			kit.Add(t, q, kit.Nop, dray.WithUnique("other", dray.RejectDuplicate))
			kit.Elapse(58*time.Second - 1)
			require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop, dray.WithUnique("u", dray.RejectDuplicate)), dray.ErrDuplicate)
			kit.Elapse(1)
			require.NoError(t, q.Enqueue(t.Context(), kit.Nop, dray.WithUnique("u", dray.RejectDuplicate)))
			kit.Balanced(t, q)
		})
	}
}

// A job that takes longer than the period holds its key until it settles.
func TestUniquePeriodOfALongJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		unique := dray.WithUnique("u", dray.RejectDuplicate)
		kit.Add(t, q, draytest.Slow(time.Hour), unique, dray.WithUniquePeriod(time.Minute))
		kit.Elapse(30 * time.Minute)
		require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop, unique), dray.ErrDuplicate)
		kit.Elapse(30 * time.Minute)
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop, unique))
	})
}

// A failed job is not kept out by its own period; by another job's it is.
func TestUniquePeriodAndRequeue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithUniquePeriod(time.Minute))
		unique := dray.WithUnique("u", dray.RejectDuplicate)
		first := kit.Add(t, q, kit.Fail, unique)
		synctest.Wait()
		require.NoError(t, q.Requeue(first))
		synctest.Wait()
		second := q.Failures()[0].ID
		kit.Elapse(time.Minute)
		kit.Add(t, q, kit.Nop, unique)
		synctest.Wait()
		require.ErrorIs(t, q.Requeue(second), dray.ErrDuplicate)
		kit.Elapse(time.Minute)
		require.NoError(t, q.Requeue(second))
	})
}

// A job without a unique key has nothing to keep for a period.
func TestUniquePeriodWithoutAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithUniquePeriod(time.Hour))
		kit.Add(t, q, kit.Nop)
		kit.Add(t, q, kit.Nop)
		_, err := dray.Submit(t.Context(), q, func(context.Context) (int, error) { return 0, nil })
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, uint64(3), kit.Balanced(t, q).Processed)
	})
}
