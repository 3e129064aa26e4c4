package queue_test

import (
	"context"
	"sync"
	"testing"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// BenchmarkEnqueue is a no-op job end to end: one producer, two workers.
func BenchmarkEnqueue(b *testing.B) {
	q := kit.Start(b, dray.WithWorkers(2), dray.WithCapacity(dray.Unbounded))
	var done sync.WaitGroup
	fn := func(context.Context) error { done.Done(); return nil }
	b.ReportAllocs()
	done.Add(b.N)
	for range b.N {
		_ = q.Enqueue(context.Background(), fn)
	}
	done.Wait()
}

// BenchmarkChannel is the same with a bare buffered channel, for comparison.
func BenchmarkChannel(b *testing.B) {
	jobs := make(chan dray.Func, 1024)
	var done sync.WaitGroup
	for range 2 {
		go func() {
			for fn := range jobs {
				_ = fn(context.Background())
			}
		}()
	}
	fn := func(context.Context) error { done.Done(); return nil }
	done.Add(b.N)
	for range b.N {
		jobs <- fn
	}
	done.Wait()
	close(jobs)
}

// BenchmarkEnqueuePaused is the enqueueing alone.
func BenchmarkEnqueuePaused(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		q := kit.Start(b, dray.WithCapacity(dray.Unbounded))
		_ = q.Pause()
		b.StartTimer()
		for range 100_000 {
			_ = q.Enqueue(context.Background(), kit.Nop)
		}
		b.StopTimer()
		_ = q.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/job")
}

// BenchmarkRun submits a job and waits for its result.
func BenchmarkRun(b *testing.B) {
	q := kit.Start(b)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = dray.Run(context.Background(), q, func(context.Context) (int, error) { return 1, nil })
	}
}

// BenchmarkStats is one snapshot of an idle queue.
func BenchmarkStats(b *testing.B) {
	q := kit.Start(b)
	for b.Loop() {
		_ = q.Stats()
	}
}
