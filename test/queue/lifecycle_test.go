package queue_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

func TestEnqueueSyncReturnsThePosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		require.NoError(t, q.Pause())
		for i := 1; i <= 5; i++ {
			r, err := q.EnqueueSync(t.Context(), kit.Nop)
			require.NoError(t, err)
			require.Equal(t, dray.Receipt{ID: dray.ID(i), Position: i}, r)
		}
		require.NoError(t, q.Cancel(2))
		r, err := q.EnqueueSync(t.Context(), kit.Nop)
		require.NoError(t, err)
		require.Equal(t, dray.Receipt{ID: 6, Position: 5}, r)
	})
}

func TestPauseAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		release := kit.Occupy(t, q)
		require.NoError(t, q.Pause())
		require.NoError(t, q.Pause())
		var got kit.Record[int]
		for i := range 3 {
			require.NoError(t, q.Enqueue(t.Context(), got.Job(i)))
		}
		release()
		synctest.Wait()
		s := kit.Balanced(t, q)
		require.True(t, s.Paused)
		require.Equal(t, []int{3, 0, 1}, []int{s.Pending, s.Running, int(s.Processed)})
		require.NoError(t, q.Resume())
		require.NoError(t, q.Resume())
		synctest.Wait()
		require.Equal(t, []int{0, 1, 2}, got.All())
		require.False(t, kit.Balanced(t, q).Paused)
	})
}

func TestPauseBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t)
		require.NoError(t, q.Pause())
		kit.Add(t, q, kit.Nop)
		require.NoError(t, q.Start())
		synctest.Wait()
		require.Equal(t, 1, kit.Balanced(t, q).Pending)
		require.NoError(t, q.Resume())
		synctest.Wait()
		require.Equal(t, uint64(1), kit.Balanced(t, q).Processed)
	})
}

func TestFailureOfAJobStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		for range 10 {
			require.NoError(t, q.Enqueue(t.Context(), kit.Fail))
			require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
		}
		synctest.Wait()
		s := kit.Balanced(t, q)
		require.Equal(t, []uint64{20, 10, 10, 0}, []uint64{s.Enqueued, s.Processed, s.Failed, s.Panicked})
	})
}

func TestJobsListsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		release := kit.Occupy(t, q, dray.WithLabel("running"))
		kit.Add(t, q, kit.Nop, dray.WithLabel("delayed"), dray.WithDelay(time.Hour))
		kit.Add(t, q, kit.Nop, dray.WithLabel("low"), dray.WithPriority(dray.Low))
		kit.Add(t, q, kit.Nop, dray.WithLabel("normal"), dray.WithKey("k"))
		kit.Add(t, q, kit.Nop, dray.WithLabel("high"), dray.WithPriority(dray.High))
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
		var labels, states []string
		for j := range q.Jobs() {
			labels, states = append(labels, j.Label), append(states, j.State.String())
			require.False(t, j.EnqueuedAt.IsZero())
			require.Equal(t, j.State == dray.Running, !j.StartedAt.IsZero())
			require.Equal(t, j.State == dray.Delayed, !j.RunAt.IsZero())
		}
		require.Equal(t, []string{"running", "high", "normal", "", "low", "delayed"}, labels)
		require.Equal(t, []string{"running", "pending", "pending", "pending", "pending", "delayed"}, states)
		for range q.Jobs() {
			break
		}
		release()
	})
}

func TestStatsOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(7))
		for range 3 {
			kit.Add(t, q, draytest.Slow(time.Second))
		}
		kit.Elapse(500 * time.Millisecond)
		require.Equal(t, 500*time.Millisecond, kit.Balanced(t, q).OldestPending)
		kit.Elapse(5 * time.Second)
		s := kit.Balanced(t, q)
		require.Equal(t, []uint64{3, 3}, []uint64{s.Wait.Count, s.Run.Count})
		require.Equal(t, []time.Duration{2 * time.Second, time.Second, 0}, []time.Duration{s.Wait.Max, s.Run.Max, s.OldestPending})
		require.GreaterOrEqual(t, s.Run.P99, s.Run.P50)
		require.InDelta(t, time.Second, s.Run.P50, float64(time.Second)/8)
		require.Equal(t, []int{1, 1, 7}, []int{s.Workers, s.Idle, s.Capacity})
	})
}

func TestWithoutLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithoutLatency())
		kit.Add(t, q, draytest.Slow(time.Second))
		kit.Elapse(time.Minute)
		require.Zero(t, q.Stats().Run)
		require.Zero(t, q.Stats().Wait)
	})
}

func TestStringIsJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		kit.Add(t, q, kit.Nop, dray.WithDelay(time.Hour))
		var s dray.Stats
		require.NoError(t, json.Unmarshal([]byte(q.String()), &s))
		require.Equal(t, q.Stats(), s)
	})
}

func TestStartAndCloseAreIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t)
		require.NoError(t, q.Start())
		require.ErrorIs(t, q.Start(), dray.ErrStarted)
		require.ErrorIs(t, q.Serve(t.Context()), dray.ErrStarted)
		require.NoError(t, q.Close())
		require.NoError(t, q.Close())
		_, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.ErrorIs(t, q.Start(), dray.ErrClosed)
		require.ErrorIs(t, q.Serve(t.Context()), dray.ErrClosed)
	})
}

func TestAClosedQueueRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t)
		k, err := dray.Handle(q, "k", func(context.Context, int) error { return nil })
		require.NoError(t, err)
		require.NoError(t, q.Close())
		_, errSync := q.EnqueueSync(t.Context(), kit.Nop)
		_, errSubmit := dray.Submit(t.Context(), q, kit.One)
		_, errRun := dray.Run(t.Context(), q, kit.One)
		for name, err := range map[string]error{
			"Enqueue": q.Enqueue(t.Context(), kit.Nop), "options": q.Enqueue(t.Context(), kit.Nop, dray.WithLabel("x")),
			"EnqueueSync": errSync, "Submit": errSubmit, "Run": errRun, "Kind": k.Enqueue(t.Context(), 1),
			"Pause": q.Pause(), "Resume": q.Resume(), "PauseKind": q.PauseKind("k"), "ResumeKind": q.ResumeKind("k"),
			"Resize": q.Resize(3), "Restore": q.Restore(dray.Report{}), "Requeue": q.Requeue(1),
		} {
			require.ErrorIs(t, err, dray.ErrClosed, name)
		}
		require.ErrorIs(t, q.Cancel(1), dray.ErrNotFound)
		require.Zero(t, kit.Balanced(t, q).Enqueued)
		require.Empty(t, slices.Collect(q.Jobs()))
	})
}

func TestManyStartsAndClosesAtOnce(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			q := kit.Paused(t)
			var wg sync.WaitGroup
			var started kit.Record[error]
			for range 10 {
				wg.Go(func() {
					if err := q.Start(); err == nil {
						started.Add(err)
					} else if !errors.Is(err, dray.ErrStarted) && !errors.Is(err, dray.ErrClosed) {
						t.Error(err)
					}
				})
				wg.Go(func() {
					if err := q.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			require.LessOrEqual(t, len(started.All()), 1)
		})
	}
}

func TestStartAndStopLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 1000 {
			q, err := dray.New(dray.WithWorkers(2))
			require.NoError(t, err)
			require.NoError(t, q.Start())
			require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
			require.NoError(t, q.Close())
		}
	})
}

func TestContextOfEnqueueBoundsTheCallAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, q.Enqueue(ctx, draytest.Slow(time.Hour)))
		cancel()
		kit.Elapse(2 * time.Hour)
		require.Equal(t, uint64(1), kit.Balanced(t, q).Processed)
		require.ErrorIs(t, q.Enqueue(ctx, kit.Nop), context.Canceled)
		require.Equal(t, uint64(1), q.Stats().Enqueued)
	})
}

func TestNilFunc(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		require.ErrorIs(t, q.Enqueue(t.Context(), nil), dray.ErrNilFunc)
		require.ErrorIs(t, q.Enqueue(t.Context(), nil, dray.WithLabel("x")), dray.ErrNilFunc)
		_, err := q.EnqueueSync(t.Context(), nil)
		require.ErrorIs(t, err, dray.ErrNilFunc)
		_, err = dray.Submit[int](t.Context(), q, nil)
		require.ErrorIs(t, err, dray.ErrNilFunc)
		_, err = dray.Handle[int](q, "k", nil)
		require.ErrorIs(t, err, dray.ErrNilFunc)
		require.Zero(t, kit.Balanced(t, q).Enqueued)
	})
}

func TestResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(2))
		for range 30 {
			kit.Add(t, q, draytest.Slow(time.Second))
		}
		running := func(want, workers int) {
			t.Helper()
			synctest.Wait()
			s := kit.Balanced(t, q)
			require.Equal(t, []int{want, workers}, []int{s.Running, s.Workers})
		}
		running(2, 2)
		require.NoError(t, q.Resize(8))
		running(8, 8)
		require.NoError(t, q.Resize(1))
		running(8, 1)
		time.Sleep(time.Second)
		running(1, 1)
		require.NoError(t, q.Resize(3))
		running(3, 3)
		for _, n := range []int{0, -1, 1<<20 + 1} {
			require.Error(t, q.Resize(n))
		}
		running(3, 3)
		kit.Elapse(time.Minute)
		require.Equal(t, uint64(30), kit.Balanced(t, q).Processed)
		require.NoError(t, q.Resize(1))
		running(0, 1)
	})
}

func TestResizeInsideAJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(4))
		for range 100 {
			kit.Add(t, q, func(context.Context) error { return q.Resize(1 + rand.IntN(4)) })
		}
		synctest.Wait()
		require.Equal(t, uint64(100), kit.Balanced(t, q).Processed)
	})
}

func TestPauseKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		var got kit.Record[int]
		note := func(_ context.Context, n int) error { got.Add(n); return nil }
		a, err := dray.Handle(q, "a", note)
		require.NoError(t, err)
		b, err := dray.Handle(q, "b", note)
		require.NoError(t, err)
		require.ErrorIs(t, q.PauseKind("c"), dray.ErrUnknownKind)
		require.ErrorIs(t, q.ResumeKind("c"), dray.ErrUnknownKind)
		require.NoError(t, q.PauseKind("a"))
		for i := range 10 {
			k := map[bool]*dray.Kind[int]{true: a, false: b}[i%2 == 0]
			require.NoError(t, k.Enqueue(t.Context(), i))
		}
		synctest.Wait()
		require.Equal(t, []int{1, 3, 5, 7, 9}, got.All())
		require.Equal(t, 5, kit.Balanced(t, q).Pending)
		release := kit.Occupy(t, q)
		require.NoError(t, b.Enqueue(t.Context(), 11))
		require.NoError(t, q.ResumeKind("a"))
		release()
		synctest.Wait()
		require.Equal(t, []int{1, 3, 5, 7, 9, 0, 2, 4, 6, 8, 11}, got.All())
	})
}

// Workers for whom there is no use any more leave, and do not just idle.
func TestResizeSendsWorkersHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		workers := 0
		q := kit.Start(t, dray.WithWorkers(8), dray.WithObserver(func(ev dray.Event) {
			switch ev.Kind {
			case dray.WorkerStarted:
				workers++
			case dray.WorkerStopped:
				workers--
			}
		}))
		for range 8 {
			kit.Add(t, q, draytest.Slow(time.Second))
		}
		kit.Elapse(time.Minute)
		require.Equal(t, 8, workers)
		require.NoError(t, q.Resize(2))
		synctest.Wait()
		require.Equal(t, 2, workers)
	})
}

// The queue's own tree is rest-for-one: what depends on the owner stops before it
// comes back, and starts after it.
func TestCrashOfTheOwnerRestartsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got kit.Record[string]
		q := kit.Start(t, dray.WithObserver(func(ev dray.Event) {
			switch ev.Kind {
			case dray.ChildStarted:
				got.Add("start " + ev.Name)
			case dray.ChildStopped:
				got.Add("stop " + ev.Name)
			case dray.ChildFailed:
				got.Add("die " + ev.Name)
			}
		}))
		synctest.Wait()
		before := len(got.All())
		draytest.CrashOwner(t, q)
		synctest.Wait()
		require.Equal(t, []string{"die owner", "stop scheduler", "stop pool", "start owner", "start pool", "start scheduler"}, got.All()[before:])
	})
}
