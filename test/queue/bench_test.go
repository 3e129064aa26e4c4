package queue_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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

// BenchmarkPlainJob takes the two halves of a plain job apart, beside those of a channel that
// has room for all: the call, while nothing starts, and what one worker does, while nothing is
// enqueued. It reports the least of all batches, which other programs hardly change: -benchtime
// 150x -cpu 1.
func BenchmarkPlainJob(b *testing.B) {
	const batch = 50_000
	q := kit.Start(b, dray.WithWorkers(1), dray.WithCapacity(dray.Unbounded))
	jobs := make(chan dray.Func, batch)
	defer close(jobs)
	go func() {
		for fn := range jobs {
			_ = fn(context.Background())
		}
	}()
	least := map[string]time.Duration{}
	timed := func(what string, f func()) {
		begun := time.Now()
		f()
		if d := time.Since(begun); least[what] == 0 || d < least[what] {
			least[what] = d
		}
	}
	halves := func(of string, enqueue func(dray.Func), rest, start func() error) {
		ended := make(chan struct{})
		last := func(context.Context) error { close(ended); return nil }
		_ = rest()
		timed(of+"-call-ns", func() {
			for range batch - 1 {
				enqueue(kit.Nop)
			}
			enqueue(last)
		})
		timed(of+"-worker-ns", func() {
			_ = start()
			<-ended
		})
	}
	for b.Loop() {
		halves("dray", func(fn dray.Func) { _ = q.Enqueue(context.Background(), fn) }, q.Pause, q.Resume)
		// On one processor the receiver has its turn when the sender waits.
		nothing := func() error { return nil }
		halves("channel", func(fn dray.Func) { jobs <- fn }, nothing, nothing)
	}
	for what, d := range least {
		b.ReportMetric(float64(d.Nanoseconds())/batch, what)
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkStream is BenchmarkEnqueue for jobs that do nothing, plain and of a kind with four
// options that need no rule unless something goes wrong.
func BenchmarkStream(b *testing.B) {
	stream := func(enqueue func(*dray.Queue) func(dray.Func) error) func(b *testing.B) {
		return func(b *testing.B) {
			q := kit.Start(b, dray.WithWorkers(2), dray.WithCapacity(dray.Unbounded))
			each, ended := enqueue(q), make(chan struct{})
			b.ReportAllocs()
			for range b.N - 1 {
				_ = each(kit.Nop)
			}
			_ = each(func(context.Context) error { close(ended); return nil })
			<-ended
		}
	}
	b.Run("plain", stream(func(q *dray.Queue) func(dray.Func) error {
		return func(fn dray.Func) error { return q.Enqueue(context.Background(), fn) }
	}))
	b.Run("kind", stream(func(q *dray.Queue) func(dray.Func) error {
		k, err := dray.Handle(q, "k", func(ctx context.Context, fn dray.Func) error { return fn(ctx) }, dray.WithMaxAttempts(3),
			dray.WithBackoff(dray.Exponential(time.Second, time.Minute)), dray.WithTimeout(time.Minute), dray.WithLabel("bench"))
		require.NoError(b, err)
		return func(fn dray.Func) error { return k.Enqueue(context.Background(), fn) }
	}))
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

// BenchmarkTwoChannels is a request and its reply, with nothing done in between: what Stats is
// compared with.
func BenchmarkTwoChannels(b *testing.B) {
	requests, replies := make(chan int), make(chan int)
	defer close(requests)
	go func() {
		for r := range requests {
			replies <- r
		}
	}()
	for b.Loop() {
		requests <- 1
		<-replies
	}
}
