package policy_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// batchOf returns n jobs that take down their numbers.
func batchOf(r *kit.Record[int], n int) (fns []dray.Func) {
	for i := range n {
		fns = append(fns, r.Job(i))
	}
	return fns
}

// Each overflow policy, with plain jobs and with options.
func TestBatchBeyondTheRoom(t *testing.T) {
	for name, tc := range map[string]struct {
		policy            dray.Overflow
		accepted          int
		err               error
		ran               []int
		rejected, evicted uint64
	}{
		"Reject":     {dray.Reject, 3, dray.ErrQueueFull, []int{100, 0, 1, 2}, 4, 0},
		"Block":      {dray.Block, 3, context.DeadlineExceeded, []int{100, 0, 1, 2}, 0, 0},
		"DropNewest": {dray.DropNewest, 7, nil, []int{100, 0, 1, 2}, 0, 4},
		"DropOldest": {dray.DropOldest, 7, nil, []int{3, 4, 5, 6}, 0, 4},
	} {
		for way, opts := range map[string][]dray.JobOption{"plain": nil, "options": {dray.WithLabel("x")}} {
			kit.Bubble(t, name+"/"+way, func(t *testing.T) {
				q := kit.Paused(t, dray.WithWorkers(1), dray.WithCapacity(4), dray.WithOverflow(tc.policy))
				var got kit.Record[int]
				kit.Add(t, q, got.Job(100))
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				n, err := q.EnqueueBatch(ctx, batchOf(&got, 7), opts...)
				require.ErrorIs(t, err, tc.err)
				require.Equal(t, tc.accepted, n)
				s := kit.Balanced(t, q)
				require.Equal(t, []uint64{tc.rejected, tc.evicted}, []uint64{s.Rejected, s.Evicted})
				require.NoError(t, q.Start())
				synctest.Wait()
				require.Equal(t, tc.ran, got.All())
			})
		}
	}
}

// A long one is put into chunks before it is accepted: as far as there is room, in its order,
// and beside others.
func TestLongBatches(t *testing.T) {
	const n, others, room = 20_000, 100, 19_999
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t, dray.WithWorkers(1), dray.WithCapacity(room+others))
		var ran kit.Record[int]
		require.NoError(t, q.Start())
		release := kit.Occupy(t, q)
		for i := range others {
			kit.Add(t, q, ran.Job(-1-i))
		}
		fns := batchOf(&ran, n)
		accepted, err := q.EnqueueBatch(t.Context(), fns)
		require.ErrorIs(t, err, dray.ErrQueueFull)
		require.Equal(t, room, accepted)
		require.Equal(t, uint64(1), kit.Balanced(t, q).Rejected)
		last := dray.ID(1) // the job that occupies the worker
		at := time.Now()
		for j := range q.Jobs() {
			require.Equal(t, last, j.ID)
			require.Equal(t, at, j.EnqueuedAt)
			last++
		}
		require.Equal(t, dray.ID(room+others+2), last)
		require.NoError(t, q.Cancel(last-1))
		release()
		synctest.Wait()
		all := ran.All()
		require.Len(t, all, room-1+others)
		for i := range room - 1 {
			require.Equal(t, i, all[others+i])
		}
	})
	t.Run("beside others", func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(2), dray.WithCapacity(dray.Unbounded))
		var ran atomic.Int64
		var producers sync.WaitGroup
		count := func(context.Context) error { ran.Add(1); return nil }
		for range 4 {
			producers.Go(func() {
				accepted, err := q.EnqueueBatch(context.Background(), slices.Repeat([]dray.Func{count}, n))
				if err != nil || accepted != n {
					t.Error(accepted, err)
				}
				for range others {
					if err := q.Enqueue(context.Background(), count); err != nil {
						t.Error(err)
					}
				}
			})
		}
		producers.Wait()
		_, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(4*(n+others)), ran.Load())
		require.Equal(t, uint64(4*(n+others)), kit.Balanced(t, q).Processed)
	})
}

// What fits takes its room at once, before anybody has collected it.
func TestBatchTakesItsRoom(t *testing.T) {
	q := kit.Paused(t, dray.WithCapacity(3), dray.WithOverflow(dray.Reject))
	n, err := q.EnqueueBatch(t.Context(), []dray.Func{kit.Nop, kit.Nop, kit.Nop})
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop), dray.ErrQueueFull)
	require.Equal(t, 3, kit.Balanced(t, q).Pending)
}

// A batch wakes a queue that has nothing to do.
func TestBatchIntoAnIdleQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		kit.Elapse(time.Second)
		var got kit.Record[int]
		_, err := q.EnqueueBatch(t.Context(), batchOf(&got, 3))
		require.NoError(t, err)
		synctest.Wait()
		require.Len(t, got.All(), 3) // before Stats, which would collect it
		require.Equal(t, uint64(3), kit.Balanced(t, q).Processed)
	})
}

// Under Block the rest of a batch goes in as room comes, in order and before later callers.
func TestBatchWaitsForRoom(t *testing.T) {
	for way, opts := range map[string][]dray.JobOption{"plain": nil, "options": {dray.WithLabel("x")}} {
		kit.Bubble(t, way, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(2), dray.WithOverflow(dray.Block))
			release := kit.Occupy(t, q)
			var got kit.Record[int]
			n, returned := 0, make(chan error, 1)
			go func() {
				var err error
				n, err = q.EnqueueBatch(context.Background(), batchOf(&got, 20), opts...)
				returned <- err
			}()
			synctest.Wait()
			require.Equal(t, 2, kit.Balanced(t, q).Pending)
			release()
			require.NoError(t, <-returned)
			require.Equal(t, 20, n)
			synctest.Wait()
			require.Len(t, got.All(), 20)
			require.IsIncreasing(t, got.All())
		})
	}
	kit.Bubble(t, "from inside a job", func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(2), dray.WithOverflow(dray.Block))
		var got kit.Record[int]
		kit.Add(t, q, func(ctx context.Context) error {
			n, err := q.EnqueueBatch(ctx, batchOf(&got, 5))
			require.ErrorIs(t, err, dray.ErrQueueFull)
			require.Equal(t, 2, n)
			return nil
		})
		synctest.Wait()
		require.Equal(t, uint64(3), kit.Balanced(t, q).Processed)
	})
}

func TestBatchOfAKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(10))
		var got kit.Record[int]
		k, err := dray.Handle(q, "k", func(_ context.Context, n int) error { got.Add(n); return nil })
		require.NoError(t, err)
		n, err := k.EnqueueBatch(t.Context(), []int{3, 1, 2}, dray.WithLabel("x"))
		require.NoError(t, err)
		require.Equal(t, 3, n)
		synctest.Wait()
		require.Equal(t, []int{3, 1, 2}, got.All())
		n, err = k.EnqueueBatch(t.Context(), nil)
		require.NoError(t, err)
		require.Zero(t, n)
		release := kit.Occupy(t, q)
		n, err = k.EnqueueBatch(t.Context(), make([]int, 15))
		require.ErrorIs(t, err, dray.ErrQueueFull)
		require.Equal(t, 10, n)
		release()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = k.EnqueueBatch(ctx, []int{1})
		require.ErrorIs(t, err, context.Canceled)
		_, err = q.EnqueueBatch(ctx, nil)
		require.ErrorIs(t, err, context.Canceled)
		_, err = (*dray.Kind[int])(nil).EnqueueBatch(t.Context(), []int{1})
		require.ErrorIs(t, err, dray.ErrUnknownKind)
		kit.Balanced(t, q)
	})
}

func TestPlainBatchAllocatesNothingPerJob(t *testing.T) {
	kit.CountsAllocations(t)
	q := kit.Paused(t, dray.WithCapacity(dray.Unbounded))
	fns := make([]dray.Func, 512)
	for i := range fns {
		fns[i] = kit.Nop
	}
	allocs := testing.AllocsPerRun(50, func() { _, _ = q.EnqueueBatch(context.Background(), fns) })
	require.Less(t, allocs, 10.0, "the room for 512 waiting jobs")
}

// BenchmarkEnqueueBatch is the enqueueing alone, to be compared with one by one.
func BenchmarkEnqueueBatch(b *testing.B) {
	const n = 100_000
	fns := make([]dray.Func, 1000)
	for i := range fns {
		fns[i] = kit.Nop
	}
	ways := []struct {
		name string
		all  func(q *dray.Queue, opts []dray.JobOption)
	}{
		{"one by one", func(q *dray.Queue, opts []dray.JobOption) {
			for range n {
				_ = q.Enqueue(context.Background(), kit.Nop, opts...)
			}
		}},
		{"batches of 1000", func(q *dray.Queue, opts []dray.JobOption) {
			for range n / len(fns) {
				_, _ = q.EnqueueBatch(context.Background(), fns, opts...)
			}
		}},
	}
	for _, way := range ways {
		for name, opts := range map[string][]dray.JobOption{"plain": nil, "options": {dray.WithLabel("x")}} {
			b.Run(name+"/"+way.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					q := kit.Paused(b, dray.WithCapacity(dray.Unbounded))
					b.StartTimer()
					way.all(q, opts)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/job")
			})
		}
	}
}

// Up to 64 jobs are accepted at one moment, whatever others do: by whichever way they are enqueued, no
// job of another batch is between them.
func TestShortBatchesAreNotTorn(t *testing.T) {
	observed := dray.WithObserver(func(dray.Event) {}, dray.JobEnqueued)
	for name, opts := range map[string][]dray.Option{
		"plain": nil, "observed": {observed}, "just enough room": {dray.WithCapacity(3000 * (3 + 64))},
		"with records": {dray.WithTimeout(time.Hour)}, "with records, observed": {dray.WithTimeout(time.Hour), observed},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := dray.New(append([]dray.Option{dray.WithCapacity(dray.Unbounded), dray.WithWorkers(1)}, opts...)...)
			require.NoError(t, err)
			defer q.Close()
			require.NoError(t, q.Start())
			require.NoError(t, q.Pause())
			var (
				order     []int // sizes of the batches of the jobs; written by the one worker, read after Shutdown
				producers sync.WaitGroup
			)
			for _, size := range []int{3, 64} {
				batch := slices.Repeat([]dray.Func{func(context.Context) error { order = append(order, size); return nil }}, size)
				producers.Go(func() {
					for range 3000 {
						if n, err := q.EnqueueBatch(context.Background(), batch); n != size || err != nil {
							t.Error(n, err)
							return
						}
					}
				})
			}
			producers.Wait()
			require.NoError(t, q.Resume())
			_, err = q.Shutdown(context.Background())
			require.NoError(t, err)
			require.Len(t, order, 3000*(3+64))
			for i := 0; i < len(order); i += order[i] {
				for _, size := range order[i:min(i+order[i], len(order))] {
					require.Equal(t, order[i], size, "job %d of a batch that begins at %d", size, i)
				}
			}
		})
	}
}
