package queue_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// A crowd is what the jobs of many workers say of themselves, to be compared with what the
// queue says.
type crowd struct {
	mu        sync.Mutex
	running   map[dray.ID]bool
	ran       map[dray.ID]int
	cancelled map[dray.ID]bool // while it ran, by the test
	ended     map[dray.ID]bool // whether its context was, at its end
}

func (c *crowd) job(t *testing.T, sleep time.Duration) dray.Func {
	return func(ctx context.Context) error {
		info, ok := dray.JobFrom(ctx)
		require.True(t, ok)
		c.mu.Lock()
		c.running[info.ID] = true
		c.ran[info.ID]++
		c.mu.Unlock()
		time.Sleep(sleep)
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.running, info.ID)
		c.ended[info.ID] = ctx.Err() != nil
		return nil
	}
}

// check compares what runs with what is said to run, and cancels one of it.
func (c *crowd) check(t *testing.T, q *dray.Queue, rnd *rand.Rand) {
	synctest.Wait()
	var running []dray.ID
	for j := range q.Jobs() {
		if j.State == dray.Running || j.State == dray.Stuck {
			running = append(running, j.ID)
		}
	}
	c.mu.Lock()
	known := slices.Collect(maps.Keys(c.running))
	c.mu.Unlock()
	require.ElementsMatch(t, known, running)
	if len(running) > 0 {
		id := running[rnd.IntN(len(running))]
		require.NoError(t, q.Cancel(id))
		c.cancelled[id] = true
	}
}

// Many workers with long jobs, which go on from one part of a long line to the next: each job
// runs once, is known while it runs, and a cancellation reaches the one that it is meant for.
func TestCrowd(t *testing.T) {
	const n = 1500
	for _, workers := range []int{3, 60, 700} {
		for _, records := range []int{0, 5, 1, n / 2} { // one in so many, or those that come last
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(73*time.Hour + 11*time.Minute + 7)
				rnd := rand.New(rand.NewPCG(uint64(workers), uint64(records)))
				c := crowd{running: map[dray.ID]bool{}, ran: map[dray.ID]int{}, cancelled: map[dray.ID]bool{}, ended: map[dray.ID]bool{}}
				q := kit.Start(t, dray.WithWorkers(workers))
				for i := range n {
					var opts []dray.JobOption
					if records > 0 && i%records == 0 || records > n/4 && i > n/2 && i%3 == 0 {
						opts = append(opts, dray.WithLabel("record"), dray.WithTimeout(time.Hour))
					}
					require.NoError(t, q.Enqueue(t.Context(), c.job(t, time.Duration(rnd.IntN(5000))*time.Microsecond), opts...))
				}
				for q.Stats().Pending > 0 {
					time.Sleep(time.Duration(rnd.IntN(3000)) * time.Microsecond)
					c.check(t, q, rnd)
					if rnd.IntN(20) == 0 {
						require.NoError(t, q.Resize(1+rnd.IntN(workers)))
					}
				}
				time.Sleep(time.Minute)
				st := kit.Balanced(t, q)
				require.EqualValues(t, n, st.Processed+st.Cancelled, "%d workers, %d: %+v", workers, records, st)
				require.EqualValues(t, n, st.Wait.Count, "%d workers, %d: %+v", workers, records, st)
				require.Len(t, c.ran, n)
				for id, times := range c.ran {
					require.Equal(t, 1, times)
					require.Equal(t, c.cancelled[id], c.ended[id], "%d", id)
				}
			})
		}
	}
}

// They start in the order of the line, whatever part of that each is in; the priorities too.
func TestCrowdKeepsTheOrder(t *testing.T) {
	const n, workers = 5000, 50
	for name, priority := range map[string]func(i int) dray.Priority{
		"one":   func(int) dray.Priority { return dray.Normal },
		"three": func(i int) dray.Priority { return dray.High - dray.Priority(i*3/n) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := kit.Start(t, dray.WithWorkers(workers))
				require.NoError(t, q.Pause())
				var order kit.Record[int]
				for i := range n {
					var opts []dray.JobOption
					if p := priority(i); p != dray.Normal {
						opts = append(opts, dray.WithPriority(p))
					}
					require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { order.Add(i); time.Sleep(time.Millisecond); return nil }, opts...))
				}
				require.NoError(t, q.Resume())
				time.Sleep(time.Minute)
				for begin, got := range slices.Collect(slices.Chunk(order.All(), workers)) { // of the same millisecond
					slices.Sort(got)
					require.Equal(t, begin*workers, got[0])
					require.Equal(t, (begin+1)*workers-1, got[len(got)-1])
				}
			})
		})
	}
}

// The owner may take a job in that was handed to a worker just when that fails, as often as it
// looks.
func TestRunThatFailsWhileTheOwnerLooks(t *testing.T) {
	q := kit.Start(t, dray.WithWorkers(2))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 3000 {
			_, err := dray.Run(t.Context(), q, func(context.Context) (int, error) { return 0, context.Canceled })
			assert.ErrorIs(t, err, context.Canceled)
		}
	}()
	for over := false; !over; {
		q.Stats()
		select {
		case <-done:
			over = true
		default:
		}
	}
	require.EqualValues(t, 3000, kit.Balanced(t, q).Failed)
}
