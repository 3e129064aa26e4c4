package draytest_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
)

// Whatever job has the unique key: what came to nothing is not listed.
func TestEnqueuedOfAKeyThatIsTaken(t *testing.T) {
	keep, ctx := dray.WithUnique("u", dray.KeepExisting), context.Background()
	for name, take := range map[string]func(m *draytest.Manual, k *dray.Kind[int]) error{
		"plain": func(m *draytest.Manual, _ *dray.Kind[int]) error { return m.Enqueue(ctx, nop, keep) },
		"restored": func(m *draytest.Manual, _ *dray.Kind[int]) error {
			other := draytest.NewManual(t)
			_ = other.Enqueue(ctx, nop, keep)
			report, _ := other.Shutdown(ctx)
			return m.Restore(report)
		},
		"requeued": func(m *draytest.Manual, k *dray.Kind[int]) error {
			_ = k.Enqueue(ctx, 1, keep)
			m.All()
			return m.Requeue(1)
		},
		"settled": func(m *draytest.Manual, k *dray.Kind[int]) error {
			defer m.All()
			return k.Enqueue(ctx, 1, keep, dray.WithUniquePeriod(time.Hour))
		},
	} {
		m := draytest.NewManual(t)
		k, err := dray.Handle(m.Queue, "kind", func(context.Context, int) error { return errBoom })
		require.NoError(t, err)
		require.NoError(t, take(m, k), name)
		before := draytest.Enqueued[int](t, m.Queue, "kind")
		require.NoError(t, k.Enqueue(ctx, 7, keep), name)
		_, err = k.EnqueueBatch(ctx, []int{8}, keep)
		require.NoError(t, err, name)
		require.Equal(t, before, draytest.Enqueued[int](t, m.Queue, "kind"), name)
	}
}

// The order is that of acceptance, also where a job of an inline queue enqueues another one.
func TestEnqueuedByAJob(t *testing.T) {
	for _, opts := range [][]dray.JobOption{nil, {dray.WithUnique("u", dray.KeepExisting)}} {
		q := draytest.NewInline(t)
		var k *dray.Kind[int]
		k, err := dray.Handle(q, "kind", func(ctx context.Context, v int) error {
			if v == 1 {
				return k.Enqueue(ctx, 2, opts...)
			}
			return nil
		})
		require.NoError(t, err)
		require.NoError(t, k.Enqueue(t.Context(), 1, opts...))
		require.Equal(t, []int{1, 2}[:q.Stats().Enqueued], draytest.Enqueued[int](t, q, "kind"))
	}
}

// Whoever enqueues, the order is that in which the jobs were accepted, and what runs is listed, also
// where calls wait for room.
func TestEnqueuedByMany(t *testing.T) {
	for _, opts := range [][]dray.Option{nil, {dray.WithCapacity(2), dray.WithOverflow(dray.Block)}} {
		for range 20 {
			q := draytest.New(t, append(opts, dray.WithWorkers(1))...)
			var ran []int
			var missing atomic.Int64
			k, err := dray.Handle(q, "kind", func(_ context.Context, v int) error {
				if ran = append(ran, v); !slices.Contains(draytest.Enqueued[int](t, q, "kind"), v) {
					missing.Add(1)
				}
				return nil
			})
			require.NoError(t, err)
			var all sync.WaitGroup
			for g := range 4 {
				all.Go(func() {
					for i := range 25 {
						_ = k.Enqueue(context.Background(), 100*g+i)
						_, _ = k.EnqueueBatch(context.Background(), []int{100*g + 25 + i, 100*g + 50 + i})
					}
				})
			}
			all.Wait()
			require.Equal(t, uint64(300), draytest.Drain(t, q).Processed)
			require.Zero(t, missing.Load())
			require.Equal(t, ran, draytest.Enqueued[int](t, q, "kind"))
		}
	}
}

// A job is listed where and when it was enqueued, not where it is taken over, nor again.
func TestEnqueuedIsListedOnce(t *testing.T) {
	handle := func(m *draytest.Manual, err error) *dray.Kind[int] {
		k, e := dray.Handle(m.Queue, "kind", func(context.Context, int) error { return err })
		require.NoError(t, e)
		return k
	}
	a, b := draytest.NewManual(t), draytest.NewManual(t)
	ka, kb := handle(a, errBoom), handle(b, nil)
	require.NoError(t, ka.Enqueue(t.Context(), 1))
	require.Equal(t, 1, a.All())
	require.NoError(t, a.Requeue(1))
	report, err := a.Shutdown(t.Context())
	require.NoError(t, err)
	require.NoError(t, b.Restore(report))
	require.NoError(t, kb.Enqueue(t.Context(), 2))
	require.Equal(t, []int{1}, draytest.Enqueued[int](t, a.Queue, "kind"))
	require.Equal(t, []int{2}, draytest.Enqueued[int](t, b.Queue, "kind"))
	require.Equal(t, 2, b.All())
}
