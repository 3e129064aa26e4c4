package memory_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/virtual"
)

// maxKept is how much memory a queue keeps of a burst, as its documentation has it. A
// burst takes ten times as much, at least.
const maxKept = 2 << 20

// bursts are jobs, of which many together take much memory, and after whose ends none of
// it is to be left. Each gets the number of the job.
var bursts = map[string]struct {
	n    int
	opts func(i int) []dray.JobOption
	fn   dray.Func
	end  func(q *dray.Queue) // instead of running them

	replaced bool // each by the next, so that no more than one is ever kept
}{
	"plain":         {n: 1_000_000},
	"plain, failed": {n: 40_000, fn: func(context.Context) error { return errNothing }},
	"labels":        {n: 40_000, opts: func(i int) []dray.JobOption { return []dray.JobOption{dray.WithLabel(fmt.Sprint("label ", i))} }},
	"keys":          {n: 40_000, opts: func(i int) []dray.JobOption { return []dray.JobOption{dray.WithKey(fmt.Sprint("key ", i))} }},
	"one key":       {n: 40_000, opts: func(int) []dray.JobOption { return []dray.JobOption{dray.WithKey("key")} }},
	"unique": {n: 40_000, opts: func(i int) []dray.JobOption {
		return []dray.JobOption{dray.WithUnique(fmt.Sprint("unique ", i), dray.RejectDuplicate)}
	}},
	"unique periods": {n: 40_000, opts: func(i int) []dray.JobOption {
		return []dray.JobOption{dray.WithUnique(fmt.Sprint("unique ", i), dray.RejectDuplicate), dray.WithUniquePeriod(time.Hour)}
	}},
	"priorities": {n: 40_000, opts: func(i int) []dray.JobOption { return []dray.JobOption{dray.WithPriority(dray.Priority(i%3 - 1))} }},
	"delays": {n: 40_000, opts: func(i int) []dray.JobOption {
		return []dray.JobOption{dray.WithDelay(time.Duration(i) * time.Millisecond)}
	}},
	"timeouts":       {n: 40_000, opts: func(int) []dray.JobOption { return []dray.JobOption{dray.WithTimeout(time.Hour)} }},
	"deadlines":      {n: 40_000, opts: func(int) []dray.JobOption { return []dray.JobOption{dray.WithDeadline(300 * time.Hour)} }},
	"limiters":       {n: 1_000, opts: func(i int) []dray.JobOption { return []dray.JobOption{dray.WithRateLimit(&freely{i})} }},
	"context values": {n: 30_000, opts: func(int) []dray.JobOption { return []dray.JobOption{dray.WithContextValues()} }},
	"retries": {n: 30_000, fn: func(context.Context) error { return errNothing }, opts: func(int) []dray.JobOption {
		return []dray.JobOption{dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Hour))}
	}},
	"plain, cancelled":      {n: 30_000, end: cancelEach},
	"keys, cancelled":       {n: 30_000, end: cancelEach, opts: func(i int) []dray.JobOption { return []dray.JobOption{dray.WithKey(fmt.Sprint(i % 3))} }},
	"delays, cancelled":     {n: 30_000, end: cancelEach, opts: func(int) []dray.JobOption { return []dray.JobOption{dray.WithDelay(time.Hour)} }},
	"priorities, cancelled": {n: 30_000, end: cancelEach, opts: func(i int) []dray.JobOption { return []dray.JobOption{dray.WithPriority(dray.Priority(i%3 - 1))} }},
	"debounced in a pause":  {n: 30_000, replaced: true, end: func(*dray.Queue) {}, opts: func(int) []dray.JobOption { return []dray.JobOption{dray.WithUnique("unique", dray.ReplacePending)} }},
	"debounced with a delay": {n: 30_000, replaced: true, end: func(*dray.Queue) {}, opts: func(int) []dray.JobOption {
		return []dray.JobOption{dray.WithUnique("unique", dray.ReplacePending), dray.WithDelay(time.Hour)}
	}},
}

var errNothing = fmt.Errorf("nothing")

// freely is a limiter that always has a token.
type freely struct{ n int }

func (*freely) Wait(context.Context) error { return nil }

// cancelEach cancels the jobs in the order in which they came, and not in that of a map.
func cancelEach(q *dray.Queue) {
	for id := range dray.ID(q.Stats().Enqueued) {
		_ = q.Cancel(id + 1)
	}
}

// The memory of a burst is given back once its jobs have settled, however they did.
func TestMemoryOfBursts(t *testing.T) {
	if !measures {
		t.Skip("under the race detector")
	}
	for name, b := range bursts {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				q := started(t, dray.WithWorkers(2), dray.WithCapacity(dray.Unbounded))
				runtime.GC()
				before := heap()
				if b.fn == nil {
					b.fn = func(context.Context) error { return nil }
				}
				require.NoError(t, q.Pause())
				for i := range b.n {
					var opts []dray.JobOption
					if b.opts != nil {
						opts = b.opts(i)
					}
					require.NoError(t, q.Enqueue(t.Context(), b.fn, opts...))
				}
				if !b.replaced {
					require.Greater(t, heap(), before, "a burst")
				}
				if b.end != nil {
					b.end(q)
				} else {
					require.NoError(t, q.Resume())
				}
				virtual.Sleep(100 * time.Hour)
				require.Less(t, heap(), before+maxKept)
				require.NoError(t, q.Close())
			})
		})
	}
}

// heap returns what of the heap is in use.
func heap() uint64 {
	collect()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Jobs that go to a free worker directly, one after the other, leave nothing behind while there
// is no reason for the owner to look: not even what was measured of them.
func TestMemoryOfJobsOneByOne(t *testing.T) {
	if !measures {
		t.Skip("under the race detector")
	}
	inBubble(t, func(t *testing.T) {
		q := started(t, dray.WithWorkers(2))
		one := func(context.Context) (int, error) { return 1, nil }
		done := make(chan struct{}, 1)
		for name, job := range map[string]func(){
			"Run": func() { _, _ = dray.Run(t.Context(), q, one) },
			"Enqueue": func() {
				_ = q.Enqueue(t.Context(), func(context.Context) error { done <- struct{}{}; return nil })
				<-done
			},
		} {
			job()
			before := heap()
			for range 100_000 {
				job()
			}
			require.Less(t, heap(), before+100_000, name)
		}
		require.EqualValues(t, 200_002, q.Stats().Processed)
		require.NoError(t, q.Close())
	})
}

// The goroutines of a burst go, and with them their stacks and contexts.
func TestMemoryOfManyWorkers(t *testing.T) {
	if !measures {
		t.Skip("under the race detector")
	}
	inBubble(t, func(t *testing.T) {
		const n = 20_000
		q := started(t, dray.WithWorkers(n), dray.WithCapacity(dray.Unbounded))
		stack := func() int64 { // what tests before this one have left may go meanwhile
			collect()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc + m.StackInuse)
		}
		before := stack()
		for range n {
			require.NoError(t, q.Enqueue(t.Context(), func(ctx context.Context) error { virtual.Sleep(time.Second); return ctx.Err() }))
		}
		virtual.Sleep(2 * time.Second)
		busy := stack() - before
		virtual.Sleep(time.Hour)
		idle := stack() - before
		require.Greater(t, busy/n, int64(2048), "what a goroutine takes")
		require.Less(t, idle/n, int64(1000), "more than the runtime keeps of a goroutine")
		require.NoError(t, q.Close())
	})
}
