package shutdown_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// Serve returns when the shutdown that ended it is over, and not before.
func TestServeReturnsAfterTheEnd(t *testing.T) {
	ends := map[string]func(q *dray.Queue) error{
		"Shutdown": func(q *dray.Queue) error { _, err := q.Shutdown(context.Background()); return err },
		"Close":    func(q *dray.Queue) error { return q.Close() },
	}
	for name, end := range ends {
		bubble(t, name, func(t *testing.T) {
			var ran record[int]
			limiter := limiterFunc(func(ctx context.Context) error { // heeds the end late: which the shutdown waits for
				<-ctx.Done()
				time.Sleep(50 * time.Millisecond)
				return ctx.Err()
			})
			q := newQueue(t, dray.WithShutdownTimeout(time.Second))
			v := serve(q)
			add(t, q, ran.sleeper(1, 700*time.Millisecond))
			add(t, q, ran.Job(2), dray.WithRateLimit(&limiter))
			synctest.Wait()
			var served, ended time.Time
			var wg sync.WaitGroup
			wg.Go(func() { v.began = time.Now(); v.wait(t); served = time.Now() })
			wg.Go(func() {
				if name == "Shutdown" {
					ctx, cancel := context.WithTimeout(context.Background(), time.Second)
					defer cancel()
					_, _ = q.Shutdown(ctx)
				} else {
					_ = end(q)
				}
				ended = time.Now()
			})
			wg.Wait()
			require.Equal(t, ended, served)
			report, _ := q.Shutdown(context.Background())
			require.NotEmpty(t, report.Waiting)
		})
	}
}

type limiterFunc func(ctx context.Context) error

func (f *limiterFunc) Wait(ctx context.Context) error { return (*f)(ctx) }

// A job with a deadline that a shutdown interrupts ends once, whenever the deadline is.
func TestInterruptedJobWithADeadline(t *testing.T) {
	for _, deadline := range []time.Duration{time.Second, 2*time.Second - 1, 2 * time.Second, 2*time.Second + 1, 3 * time.Second, time.Minute} {
		bubble(t, deadline.String(), func(t *testing.T) {
			var ends record[string]
			q := newQueue(t, dray.WithWorkers(2), dray.WithShutdownTimeout(5*time.Second), dray.WithObserver(func(ev dray.Event) {
				switch ev.Kind {
				case dray.JobProcessed, dray.JobCancelled, dray.JobEvicted:
					ends.Add("other")
				case dray.JobFailed:
					if ev.Job.Label == "deadline" {
						ends.Add("failed")
					}
				}
			}))
			require.NoError(t, q.Start())
			add(t, q, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
				dray.WithLabel("deadline"), dray.WithDeadline(deadline))
			var ran record[int]
			add(t, q, ran.deaf(1, 4*time.Second, kit.ErrBoom))
			time.Sleep(2*time.Second - 1)
			ctx, cancel := context.WithTimeout(context.Background(), 1)
			defer cancel()
			report, _ := q.Shutdown(ctx)
			time.Sleep(time.Hour)
			synctest.Wait()
			handedBack := 0
			for _, l := range labels(report.Interrupted) {
				if l == "deadline" {
					handedBack++
				}
			}
			require.Equal(t, 1, len(ends.All())+handedBack, "%v %v", ends.All(), labels(report.Interrupted))
			s := balanced(t, q)
			require.Equal(t, uint64(2), s.Failed+uint64(s.Pending))
			require.Len(t, report.Interrupted, s.Pending)
		})
	}
}

// Call after call of Run on one queue, each as the first: it waits in line, takes room
// and is bounded by the capacity, also when its record was used before.
func TestRunAgainKeepsToTheCapacity(t *testing.T) {
	bubble(t, "run", func(t *testing.T) {
		q := newQueue(t, dray.WithWorkers(1), dray.WithCapacity(1))
		require.NoError(t, q.Start())
		one := func(context.Context) (int, error) { return 1, nil }
		for range 3 {
			v, err := dray.Run(t.Context(), q, one)
			require.NoError(t, err)
			require.Equal(t, 1, v)
		}
		for range 3 {
			require.NoError(t, q.Pause())
			first := make(chan error, 1)
			go func() { _, err := dray.Run(t.Context(), q, one); first <- err }()
			synctest.Wait()
			_, err := dray.Run(t.Context(), q, one)
			require.ErrorIs(t, err, dray.ErrQueueFull, "the one before has the only room")
			require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop), dray.ErrQueueFull)
			require.NoError(t, q.Resume())
			require.NoError(t, <-first)
			balanced(t, q)
		}
	})
}

// Run and Wait go on waiting while the queue is served again and again.
func TestCallersWaitAcrossServes(t *testing.T) {
	for name, cause := range causes {
		bubble(t, name, func(t *testing.T) {
			q := newQueue(t, dray.WithWorkers(2))
			answers := make(chan int, 3)
			var attempts atomic.Int64
			fn := func(n int) func(ctx context.Context) (int, error) {
				return func(ctx context.Context) (int, error) {
					if attempts.Add(1) > 6 {
						return n, nil
					}
					<-ctx.Done()
					return 0, ctx.Err()
				}
			}
			v := serve(q)
			task, err := dray.Submit(t.Context(), q, fn(1), dray.WithKey("k"), dray.WithUnique("u", dray.RejectDuplicate))
			require.NoError(t, err)
			go func() { n, _ := task.Wait(context.Background()); answers <- n }()
			go func() { n, _ := dray.Run(context.Background(), q, fn(2)); answers <- n }()
			synctest.Wait()
			g, err := dray.NewGroup(q)
			require.NoError(t, err)
			var ran record[int]
			require.NoError(t, g.Enqueue(t.Context(), ran.Job(1)))
			grouped := make(chan error, 1)
			go func() { grouped <- g.Wait(context.Background()) }()
			synctest.Wait()
			for range 2 {
				v.end(t, cause)
				require.Empty(t, answers)
				require.Empty(t, grouped)
				v = serve(q)
				require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop, dray.WithUnique("u", dray.RejectDuplicate)), dray.ErrDuplicate)
			}
			v.end(t, cause)
			v = serve(q)
			require.Equal(t, 3, <-answers+<-answers)
			require.NoError(t, <-grouped)
			require.Equal(t, []int{1}, ran.All())
			v.end(t, cause)
		})
	}
}

// A limiter whose Wait is cut off by the end of Serve is asked again by the next.
func TestLimitersAcrossServes(t *testing.T) {
	for name, cause := range causes {
		bubble(t, name, func(t *testing.T) {
			var asked, at atomic.Int64
			limiter := limiterFunc(func(ctx context.Context) error {
				asked.Add(1)
				defer at.Add(-1)
				if at.Add(1) > 1 {
					t.Error("two calls at once")
				}
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(time.Minute):
					return nil
				}
			})
			var ran record[int]
			q := newQueue(t, dray.WithRateLimit(&limiter), dray.WithShutdownTimeout(time.Second))
			v := serve(q)
			for i := range 3 {
				add(t, q, ran.Job(i))
			}
			for range 3 {
				time.Sleep(time.Second)
				v.end(t, cause)
				require.Zero(t, at.Load(), "left behind")
				v = serve(q)
				require.Equal(t, int64(1), at.Load())
			}
			require.Equal(t, int64(4), asked.Load())
			time.Sleep(3 * time.Minute)
			synctest.Wait()
			require.Equal(t, []int{0, 1, 2}, ran.All())
			v.end(t, cause)
		})
	}
}
