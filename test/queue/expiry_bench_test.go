package queue_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// BenchmarkExpiry is how long 100,000 jobs of a paused kind take to expire at one moment, and how many
// others end meanwhile: beside a producer of jobs that sleep, which keeps a processor busy, and beside
// jobs that compute, which keep all busy.
func BenchmarkExpiry(b *testing.B) {
	const n = 100_000
	pause := func(context.Context) error { <-time.After(time.Millisecond); return nil }
	compute := func(context.Context) error {
		for begin := time.Now(); time.Since(begin) < 300*time.Microsecond; {
		}
		return nil
	}
	for name, c := range map[string]struct {
		fn  dray.Func
		run func(q *dray.Queue, fn dray.Func, over *atomic.Bool)
	}{
		"producer": {pause, func(q *dray.Queue, fn dray.Func, over *atomic.Bool) {
			for !over.Load() {
				for last := time.Now(); time.Since(last) < 20*time.Microsecond; {
					runtime.Gosched()
				}
				_ = q.Enqueue(context.Background(), fn)
			}
		}},
		"computing": {compute, func(q *dray.Queue, fn dray.Func, _ *atomic.Bool) {
			for range n {
				_ = q.Enqueue(context.Background(), fn)
			}
		}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				q := kit.Start(b, dray.WithWorkers(8), dray.WithCapacity(dray.Unbounded))
				k, err := dray.Handle(q, "kind", func(context.Context, int) error { return nil })
				require.NoError(b, err)
				require.NoError(b, q.PauseKind("kind"))
				due := time.Now().Add(n * 10 * time.Microsecond)
				for i := range n {
					require.NoError(b, k.Enqueue(b.Context(), i, dray.WithDeadline(max(time.Until(due), 1))))
				}
				var over atomic.Bool
				go c.run(q, c.fn, &over)
				<-time.After(time.Until(due))
				begin, before := time.Now(), q.Stats().Processed
				for q.Stats().Failed < n {
					<-time.After(time.Millisecond)
				}
				took := time.Since(begin)
				b.ReportMetric(float64(q.Stats().Processed-before)/float64(took.Milliseconds()), "ended/ms")
				b.ReportMetric(took.Seconds(), "s")
				over.Store(true)
				_ = q.Close()
			}
		})
	}
}
