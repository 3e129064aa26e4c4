package simulation_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// Jobs start in the order of their IDs, and a producer's jobs in its own order,
// whichever way each of them was enqueued.
func TestOrderOfManyProducers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		const producers, each = 8, 250
		var ids kit.Record[dray.ID]
		var seqs [producers]kit.Record[int]
		job := func(p, i int) dray.Func {
			return func(ctx context.Context) error {
				info, _ := dray.JobFrom(ctx)
				ids.Add(info.ID)
				seqs[p].Add(i)
				return nil
			}
		}
		var wg sync.WaitGroup
		for p := range producers {
			wg.Go(func() {
				for i := range each {
					var err error
					switch (p + i) % 3 {
					case 0:
						err = q.Enqueue(context.Background(), job(p, i))
					case 1:
						err = q.Enqueue(context.Background(), job(p, i), dray.WithLabel("x"))
					default:
						_, err = q.EnqueueSync(context.Background(), job(p, i))
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		require.Len(t, ids.All(), producers*each)
		require.IsIncreasing(t, ids.All())
		for p := range seqs {
			require.Len(t, seqs[p].All(), each)
			require.IsIncreasing(t, seqs[p].All())
		}
	})
}

// No more jobs run at once than there are workers, whatever happens to these.
func TestNeverMoreThanTheWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, allowance = 3, 2
		q := kit.Start(t, dray.WithWorkers(workers), dray.WithStuckAllowance(allowance))
		var running, most atomic.Int64
		job := func(i int) dray.Func {
			return func(context.Context) error {
				defer running.Add(-1)
				n := running.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				time.Sleep(time.Duration(i%7) * time.Second)
				switch i % 5 {
				case 0:
					panic("boom")
				case 1:
					runtime.Goexit()
				}
				return nil
			}
		}
		for i := range 300 {
			kit.Add(t, q, job(i), dray.WithTimeout(3*time.Second))
		}
		kit.Elapse(time.Hour)
		require.LessOrEqual(t, most.Load(), int64(workers+allowance))
		require.Greater(t, most.Load(), int64(workers))
		s := kit.Balanced(t, q)
		require.Equal(t, uint64(300), settled(s))
		require.Equal(t, workers, s.Idle)
	})
}

// What a job held can be collected once it has settled, while the queue lives on.
func TestSettledJobsAreForgotten(t *testing.T) {
	for name, opts := range map[string][]dray.JobOption{
		"plain": nil, "options": {dray.WithLabel("x"), dray.WithKey("k"), dray.WithUnique("u", dray.ReplacePending)},
		"delayed": {dray.WithDelay(1)}, "high": {dray.WithPriority(dray.High)},
	} {
		t.Run(name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1))
			const n = 300
			var collected atomic.Int64
			for i := range n {
				held := new([1 << 10]byte)
				runtime.AddCleanup(held, func(int) { collected.Add(1) }, i)
				require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { held[0]++; return nil }, opts...))
			}
			for settled(q.Stats()) < n {
				_, err := dray.Run(t.Context(), q, kit.One)
				require.NoError(t, err)
			}
			for range 100 {
				if collected.Load() >= n-1 {
					break
				}
				runtime.GC()
				runtime.Gosched()
			}
			require.GreaterOrEqual(t, collected.Load(), int64(n-1))
			runtime.KeepAlive(q)
		})
	}
}
