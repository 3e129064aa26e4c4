package policy_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// A customer has a limiter of its own, which is generous. It takes a moment, by the end of which all
// jobs have had their turn: before that a job that has its token goes before those that had no turn yet.
type customer struct{ number int }

func (*customer) Wait(context.Context) error { <-time.After(time.Millisecond); return nil }

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// With a limiter for each customer, a call costs no more for the many jobs of others
// that have their tokens, and these start in their order.
func TestOneLimiterForEachCustomer(t *testing.T) {
	const customers, calls = 4000, 50
	for name, shared := range map[string][]dray.Option{
		"alone":           nil,
		"and the queue's": {dray.WithRateLimit(&customer{})},
	} {
		bubble(t, name, func(t *testing.T) {
			q := start(t, append(shared, dray.WithWorkers(1), dray.WithCapacity(dray.Unbounded))...)
			require.NoError(t, q.Pause())
			gate := make(chan struct{})
			open := sync.OnceFunc(func() { close(gate) })
			defer open()
			var ran record[int]
			for i := range customers {
				add(t, q, func(context.Context) error { <-gate; ran.Add(i); return nil }, dray.WithRateLimit(&customer{i}))
			}
			require.NoError(t, q.Resume())
			kit.Elapse(time.Minute)
			bytes := allocated(func() {
				for range calls {
					_, err := q.EnqueueSync(t.Context(), kit.Nop)
					require.NoError(t, err)
				}
			})
			require.Less(t, bytes, uint64(calls*customers*8), "a word for each customer and call")
			open()
			kit.Elapse(time.Minute)
			require.Equal(t, customers+calls, int(q.Stats().Processed))
			require.True(t, slices.IsSorted(ran.All()[1:]), fmt.Sprint(ran.All()[:10]))
			require.Len(t, ran.All(), customers)
		})
	}
}
