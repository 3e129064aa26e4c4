package stalls

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray"
)

func nothing(context.Context) error { return nil }

// paused returns a queue that starts nothing, with n jobs. The options of each job
// depend on its number.
func paused(n int, options func(i int) []dray.JobOption, opts ...dray.Option) *dray.Queue {
	q, err := dray.New(append([]dray.Option{dray.WithWorkers(1), dray.WithCapacity(dray.Unbounded)}, opts...)...)
	must(err)
	must(q.Start())
	must(q.Pause())
	for i := range n {
		must(q.Enqueue(context.Background(), nothing, options(i)...))
	}
	runtime.GC() // or else the calls pay for the memory of those that wait
	return q
}

func plain(int) []dray.JobOption { return nil }

// end closes a queue whose jobs are not needed any more.
func end(q *dray.Queue) { _ = q.Close() }

// settle lets all other goroutines run until they have nothing left to do.
func settle() {
	for begun := time.Now(); time.Since(begun) < 20*time.Microsecond; {
		runtime.Gosched()
	}
}

// duplicates enqueues jobs that are there already, each under a key of its own.
func duplicates(sync bool) func(n int) float64 {
	return func(n int) float64 {
		q := paused(n, func(i int) []dray.JobOption {
			return []dray.JobOption{dray.WithUnique(strconv.Itoa(i), dray.KeepExisting)}
		})
		defer end(q)
		return perCall(mostCalls, func(i int) {
			existing := dray.WithUnique(strconv.Itoa(i*7919%n), dray.KeepExisting)
			if sync {
				_, err := q.EnqueueSync(context.Background(), nothing, existing)
				must(err)
				return
			}
			must(q.Enqueue(context.Background(), nothing, existing))
		})
	}
}

// admissions is from the end of a job in a full queue to the return of the call that
// waited for its room.
func admissions(n int) float64 {
	q, err := dray.New(dray.WithWorkers(1), dray.WithCapacity(n), dray.WithOverflow(dray.Block))
	must(err)
	must(q.Start())
	gate := make(chan struct{})
	job := func(context.Context) error { <-gate; return nil } //nolint:unparam // it is a dray.Func
	for range n + 1 {                                         // one of them runs
		must(q.Enqueue(context.Background(), job))
	}
	ctx, cancel := context.WithCancel(context.Background())
	admitted := make(chan struct{})
	var producing sync.WaitGroup
	producing.Go(func() {
		for q.Enqueue(ctx, job) == nil {
			admitted <- struct{}{}
		}
	})
	per := perTimedCall(mostCalls, func(int) time.Duration {
		settle() // the producer waits
		begun := time.Now()
		gate <- struct{}{}
		<-admitted
		return time.Since(begun)
	})
	settle()
	cancel()
	producing.Wait()
	close(gate)
	end(q)
	return per
}

func dropOldest(n int) float64 {
	q := paused(n, plain, dray.WithCapacity(n), dray.WithOverflow(dray.DropOldest))
	defer end(q)
	return perCall(mostCalls, func(int) { must(q.Enqueue(context.Background(), nothing)) })
}

func cancelPlain(n int) float64 { return cancel(n, plain) }

func cancelKeyed(n int) float64 {
	return cancel(n, func(i int) []dray.JobOption { return []dray.JobOption{dray.WithKey(strconv.Itoa(i % 16))} })
}

// cancel cancels jobs that are spread over the queue.
func cancel(n int, options func(i int) []dray.JobOption) float64 {
	q := paused(n, options)
	defer end(q)
	last, err := q.EnqueueSync(context.Background(), nothing)
	must(err)
	calls := min(mostCalls, n/2)
	first, stride := last.ID-dray.ID(n), n/calls
	return perCall(calls, func(i int) { must(q.Cancel(first + dray.ID(i*stride))) })
}

// withdrawn is from the end of the context of a call that waits for room to its return.
func withdrawn(n int) float64 {
	q := paused(n, plain, dray.WithCapacity(n), dray.WithOverflow(dray.Block))
	defer end(q)
	return perTimedCall(mostCalls, func(int) time.Duration {
		ctx, cancel := context.WithCancel(context.Background())
		returned := make(chan struct{})
		go func() {
			_ = q.Enqueue(ctx, nothing) // the context's end
			close(returned)
		}()
		settle()
		begun := time.Now()
		cancel()
		<-returned
		return time.Since(begun)
	})
}

// withdrawnOf is withdrawn among n calls that wait.
func withdrawnOf(n int) float64 {
	q := paused(1, plain, dray.WithCapacity(1), dray.WithOverflow(dray.Block))
	defer end(q)
	all, cancelAll := context.WithCancel(context.Background())
	var calling atomic.Int64
	var waiting sync.WaitGroup
	cancels, returned := make([]context.CancelFunc, n), make([]chan struct{}, n)
	for i := range n {
		ctx, cancel := context.WithCancel(all)
		cancels[i], returned[i] = cancel, make(chan struct{})
		waiting.Go(func() {
			calling.Add(1)
			_ = q.Enqueue(ctx, nothing) // the context's end
			close(returned[i])
		})
	}
	for calling.Load() < int64(n) {
		settle()
	}
	pause(5 * time.Millisecond) // all of them wait
	calls := min(mostCalls, max(n/4, 1))
	per := perTimedCall(calls, func(i int) time.Duration {
		chosen := n - 1 - i*(n/calls)
		begun := time.Now()
		cancels[chosen]()
		<-returned[chosen]
		return time.Since(begun)
	})
	cancelAll()
	waiting.Wait()
	return per
}

func enqueueSync(n int) float64 {
	q := paused(n, plain)
	defer end(q)
	return perCall(mostCalls, func(int) {
		_, err := q.EnqueueSync(context.Background(), nothing)
		must(err)
	})
}

func stats(n int) float64 {
	q := paused(n, plain)
	defer end(q)
	return perCall(mostCalls, func(int) { q.Stats() })
}

// never is a limiter that has no token, each value one of its own.
type never struct{ asked *atomic.Int64 }

// Wait implements [dray.Limiter].
func (l *never) Wait(ctx context.Context) error {
	l.asked.Add(1)
	<-ctx.Done()
	return ctx.Err()
}

// shutdown is the end of a queue with n limiters whose jobs wait for a token, for each of them.
func shutdown(n int) float64 {
	q, err := dray.New(dray.WithCapacity(dray.Unbounded))
	must(err)
	must(q.Start())
	var asked atomic.Int64
	for range n {
		must(q.Enqueue(context.Background(), nothing, dray.WithRateLimit(&never{&asked})))
	}
	for asked.Load() < int64(n) {
		settle()
	}
	begun := time.Now()
	end(q)
	return float64(time.Since(begun).Nanoseconds()) / float64(n)
}
