package dray_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
)

func TestUniquePeriod(t *testing.T) {
	ends := map[string]func(t *testing.T, q *dray.Queue, opts []dray.JobOption) dray.ID{
		"processed": func(t *testing.T, q *dray.Queue, opts []dray.JobOption) dray.ID { return add(t, q, nop, opts...) },
		"failed":    func(t *testing.T, q *dray.Queue, opts []dray.JobOption) dray.ID { return add(t, q, fail, opts...) },
		"cancelled": func(t *testing.T, q *dray.Queue, opts []dray.JobOption) dray.ID {
			id := add(t, q, draytest.Slow(time.Hour), opts...)
			synctest.Wait()
			require.NoError(t, q.Cancel(id))
			return id
		},
		"cancelled before it started": func(t *testing.T, q *dray.Queue, opts []dray.JobOption) dray.ID {
			id := add(t, q, nop, append(opts, dray.WithDelay(time.Hour))...)
			require.NoError(t, q.Cancel(id))
			return id
		},
		"past its deadline": func(t *testing.T, q *dray.Queue, opts []dray.JobOption) dray.ID {
			return add(t, q, draytest.Slow(time.Hour), append(opts, dray.WithDeadline(time.Second))...)
		},
	}
	for name, end := range ends {
		bubble(t, name, func(t *testing.T) {
			q := start(t)
			period := dray.WithUniquePeriod(time.Minute)
			id := end(t, q, []dray.JobOption{dray.WithUnique("u", dray.RejectDuplicate), period})
			elapse(2 * time.Second)
			require.Zero(t, balanced(t, q).Running)
			require.ErrorIs(t, q.Enqueue(t.Context(), nop, dray.WithUnique("u", dray.RejectDuplicate)), dray.ErrDuplicate)
			require.ErrorIs(t, q.Enqueue(t.Context(), nop, dray.WithUnique("u", dray.ReplacePending)), dray.ErrDuplicate)
			r, err := q.EnqueueSync(t.Context(), nop, dray.WithUnique("u", dray.KeepExisting), period)
			require.NoError(t, err)
			require.Equal(t, dray.Receipt{ID: id}, r)
			add(t, q, nop, dray.WithUnique("other", dray.RejectDuplicate))
			elapse(58*time.Second - 1)
			require.ErrorIs(t, q.Enqueue(t.Context(), nop, dray.WithUnique("u", dray.RejectDuplicate)), dray.ErrDuplicate)
			elapse(1)
			require.NoError(t, q.Enqueue(t.Context(), nop, dray.WithUnique("u", dray.RejectDuplicate)))
			balanced(t, q)
		})
	}
}

// A job that takes longer than the period holds its key until it settles.
func TestUniquePeriodOfALongJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t)
		unique := dray.WithUnique("u", dray.RejectDuplicate)
		add(t, q, draytest.Slow(time.Hour), unique, dray.WithUniquePeriod(time.Minute))
		elapse(30 * time.Minute)
		require.ErrorIs(t, q.Enqueue(t.Context(), nop, unique), dray.ErrDuplicate)
		elapse(30 * time.Minute)
		require.NoError(t, q.Enqueue(t.Context(), nop, unique))
	})
}

// A failed job is not kept out by its own period; by another job's it is.
func TestUniquePeriodAndRequeue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithUniquePeriod(time.Minute))
		unique := dray.WithUnique("u", dray.RejectDuplicate)
		first := add(t, q, fail, unique)
		synctest.Wait()
		require.NoError(t, q.Requeue(first))
		synctest.Wait()
		second := q.Failures()[0].ID
		elapse(time.Minute)
		add(t, q, nop, unique)
		synctest.Wait()
		require.ErrorIs(t, q.Requeue(second), dray.ErrDuplicate)
		elapse(time.Minute)
		require.NoError(t, q.Requeue(second))
	})
}

// A job without a unique key has nothing to keep for a period.
func TestUniquePeriodWithoutAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithUniquePeriod(time.Hour))
		add(t, q, nop)
		add(t, q, nop)
		_, err := dray.Submit(t.Context(), q, func(context.Context) (int, error) { return 0, nil })
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, uint64(3), balanced(t, q).Processed)
	})
}
