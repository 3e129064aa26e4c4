package policy_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

func TestPriorities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t, dray.WithWorkers(1))
		var got kit.Record[string]
		for _, p := range []dray.Priority{dray.Low, dray.Normal, dray.High, dray.Low, dray.Normal, dray.High} {
			kit.Add(t, q, got.Job(p.String()), dray.WithPriority(p))
		}
		require.NoError(t, q.Start())
		synctest.Wait()
		require.Equal(t, []string{"high", "high", "normal", "normal", "low", "low"}, got.All())
	})
}

func TestPrioritiesAreFIFOWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t, dray.WithWorkers(1))
		var got kit.Record[dray.ID]
		for i := range 90 {
			kit.Add(t, q, func(ctx context.Context) error {
				info, _ := dray.JobFrom(ctx)
				got.Add(info.ID)
				return nil
			}, dray.WithPriority(dray.Priority(i%3-1)))
		}
		require.NoError(t, q.Start())
		synctest.Wait()
		ids := got.All()
		require.Len(t, ids, 90)
		for lane := range 3 {
			require.IsIncreasing(t, ids[30*lane:30*(lane+1)])
		}
	})
}

func TestPositionsByPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t)
		want := []struct {
			p   dray.Priority
			pos int
		}{{dray.Normal, 1}, {dray.Low, 2}, {dray.High, 1}, {dray.High, 2}, {dray.Normal, 4}, {dray.Low, 6}}
		for _, w := range want {
			r, err := q.EnqueueSync(t.Context(), kit.Nop, dray.WithPriority(w.p))
			require.NoError(t, err)
			require.Equal(t, w.pos, r.Position)
		}
	})
}

func TestLowPriorityIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		release := kit.Occupy(t, q)
		began := time.Now()
		var waited time.Duration
		kit.Add(t, q, func(context.Context) error { waited = time.Since(began); return nil }, dray.WithPriority(dray.Low))
		for range 600 {
			kit.Add(t, q, draytest.Slow(time.Second), dray.WithPriority(dray.High))
		}
		release()
		kit.Elapse(11 * time.Minute)
		require.Positive(t, waited)
		require.LessOrEqual(t, waited, 2*time.Minute+time.Second)
	})
}

func TestDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		began := time.Now()
		var got kit.Record[time.Duration]
		note := func(context.Context) error { got.Add(time.Since(began)); return nil }
		kit.Add(t, q, note, dray.WithDelay(3*time.Second))
		kit.Add(t, q, note, dray.WithRunAt(began.Add(2*time.Second)))
		kit.Add(t, q, note, dray.WithRunAt(began.Add(-time.Hour)))
		kit.Add(t, q, note, dray.WithDelay(0))
		kit.Add(t, q, note, dray.WithRunAt(began), dray.WithDelay(time.Second))
		kit.Add(t, q, note, dray.WithDelay(time.Hour), dray.WithRunAt(began.Add(4*time.Second)))
		synctest.Wait()
		s := kit.Balanced(t, q)
		require.Equal(t, []int{4, 0}, []int{s.Delayed, s.Pending})
		kit.Elapse(10 * time.Second)
		require.Equal(t, []time.Duration{0, 0, time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second}, got.All())
		require.Equal(t, uint64(6), kit.Balanced(t, q).Processed)
	})
}

func TestDelayedOfOneMomentKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		var got kit.Record[int]
		for i := range 200 {
			r, err := q.EnqueueSync(t.Context(), got.Job(i), dray.WithDelay(time.Minute))
			require.NoError(t, err)
			require.Zero(t, r.Position)
		}
		kit.Elapse(time.Minute)
		require.Len(t, got.All(), 200)
		require.IsIncreasing(t, got.All())
	})
}

func TestDelayedBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		kit.Add(t, q, kit.Nop, dray.WithDelay(time.Hour))
		kit.Add(t, q, kit.Fail, dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Hour)))
		kit.Add(t, q, kit.Nop)
		synctest.Wait()
		s := kit.Balanced(t, q)
		require.Equal(t, uint64(1), s.Processed)
		require.Equal(t, []int{1, 1}, []int{s.Delayed, s.Retrying})
	})
}

func TestDelayHoldsCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(1))
		kit.Add(t, q, kit.Nop, dray.WithDelay(time.Hour))
		require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop), dray.ErrQueueFull)
		kit.Elapse(time.Hour)
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
	})
}

func TestFarFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		id := kit.Add(t, q, kit.Nop, dray.WithRunAt(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)))
		soon := kit.Add(t, q, kit.Nop, dray.WithDelay(time.Second))
		kit.Elapse(24 * time.Hour)
		require.Equal(t, 1, kit.Balanced(t, q).Delayed)
		require.ErrorIs(t, q.Cancel(soon), dray.ErrNotFound)
		require.NoError(t, q.Cancel(id))
	})
}

func TestWorkConserving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t, dray.WithWorkers(2))
		kit.Add(t, q, draytest.Slow(time.Hour))
		for range 100 {
			kit.Add(t, q, draytest.Slow(time.Second))
		}
		require.NoError(t, q.Start())
		kit.Elapse(100*time.Second + time.Millisecond)
		s := kit.Balanced(t, q)
		require.Equal(t, uint64(100), s.Processed)
		require.Equal(t, 1, s.Idle)
	})
}

func TestAllWorkersAreUsed(t *testing.T) {
	for name, opts := range map[string][]dray.JobOption{"plain": nil, "label": {dray.WithLabel("x")}} {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(8))
			for range 12 {
				require.NoError(t, q.Enqueue(t.Context(), draytest.Slow(time.Second), opts...))
			}
			synctest.Wait()
			s := kit.Balanced(t, q)
			require.Equal(t, []int{8, 4, 0}, []int{s.Running, s.Pending, s.Idle})
			kit.Elapse(time.Second)
			require.Equal(t, 4, kit.Balanced(t, q).Running)
		})
	}
}

func TestOptionsOverride(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithLabel("queue"), dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(0)))
		var got kit.Record[dray.JobInfo]
		note := func(ctx context.Context, _ int) error {
			info, ok := dray.JobFrom(ctx)
			require.True(t, ok)
			got.Add(info)
			return kit.ErrBoom
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
		for _, i := range got.All() {
			labels = append(labels, i.Label)
		}
		require.Equal(t, []string{"kind", "kind", "call", "queue", "queue", "queue"}, labels)
		s := kit.Balanced(t, q)
		require.Equal(t, []uint64{3, 3}, []uint64{s.Failed, s.Retried})
	})
}

// Of what is due at one moment the highest priority goes first, however much comes into line before
// it.
func TestPrioritiesOfManyDueAtOneMoment(t *testing.T) {
	for _, n := range []int{63, 64, 65, 300} {
		kit.Bubble(t, strconv.Itoa(n), func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1))
			var got kit.Record[string]
			at := time.Now().Add(time.Minute)
			for i := range n + 1 {
				p := dray.Low
				if i == n {
					p = dray.High
				}
				kit.Add(t, q, func(ctx context.Context) error {
					got.Add(p.String())
					<-ctx.Done()
					return nil
				}, dray.WithPriority(p), dray.WithRunAt(at))
			}
			for j := range q.Jobs() {
				require.Equal(t, dray.High, j.Priority)
				break
			}
			kit.Elapse(time.Minute)
			require.Equal(t, []string{"high"}, got.All())
			kit.CutShort(t, q)
		})
	}
}

// However many may not start, a worker that comes free goes on to the job behind them.
func TestWorkerFindsWhatIsBehindVeryMany(t *testing.T) {
	for name, opt := range map[string]dray.JobOption{
		"of a paused kind": dray.WithLabel(""), "past their deadline": dray.WithDeadline(time.Second),
		"without a token": dray.WithRateLimit(closed{}),
	} {
		for _, n := range []int{63, 64, 65, 128, 1000} {
			kit.Bubble(t, name+strconv.Itoa(n), func(t *testing.T) {
				q := kit.Start(t, dray.WithWorkers(1))
				k, err := dray.Handle(q, "kind", func(context.Context, int) error { return nil }, opt)
				require.NoError(t, err)
				release := kit.Occupy(t, q)
				for i := range n {
					require.NoError(t, k.Enqueue(t.Context(), i))
				}
				if name == "of a paused kind" {
					require.NoError(t, q.PauseKind("kind"))
				}
				var got kit.Record[string]
				kit.Add(t, q, got.Job("behind"))
				require.NoError(t, q.Pause())
				release()
				kit.Elapse(time.Minute)
				require.Empty(t, got.All())
				require.NoError(t, q.Resume())
				synctest.Wait()
				require.Equal(t, []string{"behind"}, got.All())
				require.Equal(t, 0, q.Stats().Running)
				kit.CutShort(t, q)
			})
		}
	}
}
