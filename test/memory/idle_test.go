package memory_test

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/goroutines"
)

// A crew is a queue or pool with workers, of which it tells how many there are.
type crew struct {
	mu      sync.Mutex
	there   map[int]bool
	stopped []error
	run     func(n int, d time.Duration) // n functions at once that take d each; returns when they have ended
	stop    func() error
}

func (c *crew) observe(ev dray.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch ev.Kind {
	case dray.WorkerStarted:
		c.there[ev.Worker] = true
	case dray.WorkerStopped:
		delete(c.there, ev.Worker)
		c.stopped = append(c.stopped, ev.Err)
	}
}

// workers returns how many there are.
func (c *crew) workers() int {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.there)
}

func queueCrew(t *testing.T, opts ...dray.Option) (*crew, *dray.Queue) {
	c := &crew{there: make(map[int]bool)}
	q, err := dray.New(slices.Concat([]dray.Option{dray.WithWorkers(1000), dray.WithObserver(c.observe)}, opts)...)
	require.NoError(t, err)
	require.NoError(t, q.Start())
	c.stop = q.Close
	c.run = func(n int, d time.Duration) {
		for range n {
			require.NoError(t, q.Enqueue(context.Background(), func(context.Context) error { time.Sleep(d); return nil }))
		}
		time.Sleep(d)
		synctest.Wait()
	}
	return c, q
}

func poolCrew(t *testing.T) *crew {
	c := &crew{there: make(map[int]bool)}
	p, err := dray.NewPool(1000, dray.WithObserver(c.observe))
	require.NoError(t, err)
	c.stop = p.Close
	c.run = func(n int, d time.Duration) {
		for range n {
			require.NoError(t, p.RunAsync(func(context.Context) error { time.Sleep(d); return nil }))
		}
		time.Sleep(d)
		synctest.Wait()
	}
	return c
}

// inBubble runs f where the clock does not begin at zero.
func inBubble(t *testing.T, f func(t *testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(73*time.Hour + 11*time.Minute + 17*time.Millisecond)
		f(t)
	})
}

// The workers of a burst leave when they have been idle for a minute, in a queue and in
// a pool, with an orderly end each; and come again.
func TestIdleWorkersLeave(t *testing.T) {
	for name, newCrew := range map[string]func(t *testing.T) *crew{
		"queue": func(t *testing.T) *crew { c, _ := queueCrew(t); return c },
		"pool":  poolCrew,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c := newCrew(t)
				for range 3 {
					c.run(1000, time.Second)
					require.Equal(t, 1000, c.workers())
					time.Sleep(time.Minute - 1)
					require.Equal(t, 1000, c.workers())
					time.Sleep(time.Millisecond)
					require.Zero(t, c.workers())
				}
				c.run(1, time.Second)
				require.Equal(t, 1, c.workers())
				require.NoError(t, c.stop())
				require.Zero(t, c.workers())
				require.Equal(t, make3001(), c.stopped)
			})
		})
	}
}

func make3001() []error { return make([]error, 3001) }

// Those that the work needs stay, however short the pauses of it are; the others leave.
func TestIdleWorkersThatAreNotNeededLeave(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, q := queueCrew(t, dray.WithIdleTimeout(time.Second))
		c.run(50, time.Second)
		for range 100 {
			c.run(3, 100*time.Millisecond)
			time.Sleep(500 * time.Millisecond)
		}
		require.Equal(t, 3, c.workers())
		require.Equal(t, 1000, q.Stats().Workers)
		require.Equal(t, 1000, q.Stats().Idle)
		require.NoError(t, c.stop())
		require.NotContains(t, c.stopped, dray.ErrGoexit)
	})
}

// A worker leaves at most the timeout later than it could, however the others come and go.
func TestIdleWorkersLeaveInTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const timeout = time.Minute
		c, _ := queueCrew(t, dray.WithIdleTimeout(timeout))
		c.run(1, 0)
		time.Sleep(timeout - time.Second)
		c.run(10, 0) // is looked at a second later, when these have hardly been idle
		time.Sleep(2 * timeout)
		require.Zero(t, c.workers())
		require.NoError(t, c.stop())
	})
}

func TestIdleTimeoutOfZeroIsNever(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, _ := queueCrew(t, dray.WithIdleTimeout(0))
		c.run(10, time.Second)
		time.Sleep(1000 * time.Hour)
		require.Equal(t, 10, c.workers())
		require.NoError(t, c.stop())
	})
}

func TestIdleTimeoutOutOfRange(t *testing.T) {
	for _, d := range []time.Duration{-1, math.MinInt64, 366 * 24 * time.Hour, math.MaxInt64} {
		_, err := dray.New(dray.WithIdleTimeout(d))
		require.Error(t, err)
	}
	for _, d := range []time.Duration{0, 1, 365 * 24 * time.Hour} {
		_, err := dray.New(dray.WithIdleTimeout(d))
		require.NoError(t, err)
	}
}

// Idle workers leave a paused queue, and those that a Resize would want; jobs find new ones.
func TestIdleWorkersPauseAndResize(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, q := queueCrew(t, dray.WithIdleTimeout(time.Second))
		c.run(20, time.Second)
		require.NoError(t, q.Pause())
		var ran atomic.Int32
		for range 5 {
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { ran.Add(1); time.Sleep(time.Second); return nil }))
		}
		time.Sleep(time.Minute)
		require.Zero(t, c.workers())
		require.NoError(t, q.Resize(3))
		require.Zero(t, c.workers())
		require.NoError(t, q.Resume())
		require.Equal(t, 3, c.workers())
		require.EqualValues(t, 3, ran.Load())
		time.Sleep(time.Second)
		synctest.Wait()
		require.EqualValues(t, 5, ran.Load())
		require.NoError(t, q.Resize(1))
		time.Sleep(time.Second + time.Millisecond)
		require.Equal(t, 1, c.workers())
		require.NoError(t, c.stop())
		require.Zero(t, c.workers())
	})
}

// A job that comes at the very moment at which workers leave is not lost, nor one that
// comes while many of them do, which takes several turns.
func TestIdleWorkersLeaveAsJobsCome(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, q := queueCrew(t, dray.WithIdleTimeout(time.Second))
		for i := range 60 {
			c.run(600, time.Millisecond)
			time.Sleep(time.Second + time.Duration(i%3-1)*time.Nanosecond)
			done := make(chan struct{}, 10)
			for range cap(done) {
				go func() {
					_, err := dray.Run(context.Background(), q, func(context.Context) (int, error) { return 1, nil })
					if err != nil {
						t.Error(err)
					}
					done <- struct{}{}
				}()
			}
			for range cap(done) {
				<-done
			}
		}
		s := q.Stats()
		require.Equal(t, s.Enqueued, s.Processed)
		require.NoError(t, c.stop())
		require.Zero(t, c.workers())
	})
}

// Workers that come and go leave no goroutine behind.
func TestIdleWorkersAreGoroutines(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, q := queueCrew(t)
		c.run(1, 0) // what begins with the first job
		time.Sleep(time.Hour)
		synctest.Wait()
		before := goroutines.InBubble()
		c.run(1000, time.Second)
		require.Equal(t, before+1000, goroutines.InBubble())
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, before, goroutines.InBubble())
		require.NoError(t, q.Close())
	})
}
