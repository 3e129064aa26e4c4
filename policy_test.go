package dray_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
)

var errBoom = errors.New("boom")

func fail(context.Context) error { return errBoom }

// A record collects values from many goroutines.
type record[T any] struct {
	mu   sync.Mutex
	list []T
}

func (r *record[T]) add(v T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, v)
}

func (r *record[T]) all() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]T(nil), r.list...)
}

// job returns a job that adds v.
func (r *record[T]) job(v T) dray.Func {
	return func(context.Context) error { r.add(v); return nil }
}

// occupy keeps one worker busy until the function it returns is called.
func occupy(t testing.TB, q *dray.Queue, opts ...dray.JobOption) (release func()) {
	t.Helper()
	gate := make(chan struct{})
	require.NoError(t, q.Enqueue(context.Background(), until(gate), opts...))
	synctest.Wait()
	return sync.OnceFunc(func() { close(gate) })
}

// until returns a job that waits for gate, or for the end of its context.
func until(gate <-chan struct{}) dray.Func {
	return func(ctx context.Context) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// add enqueues a job, which must be accepted, and returns its ID.
func add(t testing.TB, q *dray.Queue, fn dray.Func, opts ...dray.JobOption) dray.ID {
	t.Helper()
	r, err := q.EnqueueSync(context.Background(), fn, opts...)
	require.NoError(t, err)
	return r.ID
}

// elapse lets d pass, and everything happen that is due by then.
func elapse(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// bubble is a test in virtual time.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func TestPriorities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := paused(t, dray.WithWorkers(1))
		var got record[string]
		for _, p := range []dray.Priority{dray.Low, dray.Normal, dray.High, dray.Low, dray.Normal, dray.High} {
			add(t, q, got.job(p.String()), dray.WithPriority(p))
		}
		require.NoError(t, q.Start())
		synctest.Wait()
		require.Equal(t, []string{"high", "high", "normal", "normal", "low", "low"}, got.all())
	})
}

func TestPrioritiesAreFIFOWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := paused(t, dray.WithWorkers(1))
		var got record[dray.ID]
		for i := range 90 {
			add(t, q, func(ctx context.Context) error {
				info, _ := dray.JobFrom(ctx)
				got.add(info.ID)
				return nil
			}, dray.WithPriority(dray.Priority(i%3-1)))
		}
		require.NoError(t, q.Start())
		synctest.Wait()
		ids := got.all()
		require.Len(t, ids, 90)
		for lane := range 3 {
			require.IsIncreasing(t, ids[30*lane:30*(lane+1)])
		}
	})
}

func TestPositionsByPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := paused(t)
		want := []struct {
			p   dray.Priority
			pos int
		}{{dray.Normal, 1}, {dray.Low, 2}, {dray.High, 1}, {dray.High, 2}, {dray.Normal, 4}, {dray.Low, 6}}
		for _, w := range want {
			r, err := q.EnqueueSync(t.Context(), nop, dray.WithPriority(w.p))
			require.NoError(t, err)
			require.Equal(t, w.pos, r.Position)
		}
	})
}

func TestLowPriorityIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(1))
		release := occupy(t, q)
		began := time.Now()
		var waited time.Duration
		add(t, q, func(context.Context) error { waited = time.Since(began); return nil }, dray.WithPriority(dray.Low))
		for range 600 {
			add(t, q, draytest.Slow(time.Second), dray.WithPriority(dray.High))
		}
		release()
		elapse(11 * time.Minute)
		require.Positive(t, waited)
		require.LessOrEqual(t, waited, 2*time.Minute+time.Second)
	})
}

func TestDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(1))
		began := time.Now()
		var got record[time.Duration]
		note := func(context.Context) error { got.add(time.Since(began)); return nil }
		add(t, q, note, dray.WithDelay(3*time.Second))
		add(t, q, note, dray.WithRunAt(began.Add(2*time.Second)))
		add(t, q, note, dray.WithRunAt(began.Add(-time.Hour)))
		add(t, q, note, dray.WithDelay(0))
		add(t, q, note, dray.WithRunAt(began), dray.WithDelay(time.Second))
		add(t, q, note, dray.WithDelay(time.Hour), dray.WithRunAt(began.Add(4*time.Second)))
		synctest.Wait()
		s := balanced(t, q)
		require.Equal(t, []int{4, 0}, []int{s.Delayed, s.Pending})
		elapse(10 * time.Second)
		require.Equal(t, []time.Duration{0, 0, time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second}, got.all())
		require.Equal(t, uint64(6), balanced(t, q).Processed)
	})
}

func TestDelayedOfOneMomentKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(1))
		var got record[int]
		for i := range 200 {
			r, err := q.EnqueueSync(t.Context(), got.job(i), dray.WithDelay(time.Minute))
			require.NoError(t, err)
			require.Zero(t, r.Position)
		}
		elapse(time.Minute)
		require.Len(t, got.all(), 200)
		require.IsIncreasing(t, got.all())
	})
}

func TestDelayedBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(1))
		add(t, q, nop, dray.WithDelay(time.Hour))
		add(t, q, fail, dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Hour)))
		add(t, q, nop)
		synctest.Wait()
		s := balanced(t, q)
		require.Equal(t, uint64(1), s.Processed)
		require.Equal(t, []int{1, 1}, []int{s.Delayed, s.Retrying})
	})
}

func TestDelayHoldsCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(1), dray.WithCapacity(1))
		add(t, q, nop, dray.WithDelay(time.Hour))
		require.ErrorIs(t, q.Enqueue(t.Context(), nop), dray.ErrQueueFull)
		elapse(time.Hour)
		require.NoError(t, q.Enqueue(t.Context(), nop))
	})
}

func TestFarFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t)
		id := add(t, q, nop, dray.WithRunAt(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)))
		soon := add(t, q, nop, dray.WithDelay(time.Second))
		elapse(24 * time.Hour)
		require.Equal(t, 1, balanced(t, q).Delayed)
		require.ErrorIs(t, q.Cancel(soon), dray.ErrNotFound)
		require.NoError(t, q.Cancel(id))
	})
}

func TestWorkConserving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := paused(t, dray.WithWorkers(2))
		add(t, q, draytest.Slow(time.Hour))
		for range 100 {
			add(t, q, draytest.Slow(time.Second))
		}
		require.NoError(t, q.Start())
		elapse(100*time.Second + time.Millisecond)
		s := balanced(t, q)
		require.Equal(t, uint64(100), s.Processed)
		require.Equal(t, 1, s.Idle)
	})
}

func TestAllWorkersAreUsed(t *testing.T) {
	for name, opts := range map[string][]dray.JobOption{"plain": nil, "label": {dray.WithLabel("x")}} {
		bubble(t, name, func(t *testing.T) {
			q := start(t, dray.WithWorkers(8))
			for range 12 {
				require.NoError(t, q.Enqueue(t.Context(), draytest.Slow(time.Second), opts...))
			}
			synctest.Wait()
			s := balanced(t, q)
			require.Equal(t, []int{8, 4, 0}, []int{s.Running, s.Pending, s.Idle})
			elapse(time.Second)
			require.Equal(t, 4, balanced(t, q).Running)
		})
	}
}

func TestOptionsOverride(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(1), dray.WithLabel("queue"), dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(0)))
		var got record[dray.JobInfo]
		note := func(ctx context.Context, _ int) error {
			info, ok := dray.JobFrom(ctx)
			require.True(t, ok)
			got.add(info)
			return errBoom
		}
		k, err := dray.Handle(q, "k", note, dray.WithLabel("kind"), dray.WithMaxAttempts(2))
		require.NoError(t, err)
		require.NoError(t, k.Enqueue(t.Context(), 1))
		synctest.Wait()
		require.NoError(t, k.Enqueue(t.Context(), 1, dray.WithLabel("call"), dray.WithMaxAttempts(1)))
		synctest.Wait()
		require.NoError(t, q.Enqueue(t.Context(), func(ctx context.Context) error { return note(ctx, 0) }))
		synctest.Wait()
		var labels []string
		for _, i := range got.all() {
			labels = append(labels, i.Label)
		}
		require.Equal(t, []string{"kind", "kind", "call", "queue", "queue", "queue"}, labels)
		s := balanced(t, q)
		require.Equal(t, []uint64{3, 3}, []uint64{s.Failed, s.Retried})
	})
}
