package queue_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// slowly returns a function that takes d and gives v, unless its context ends.
func slowly(d time.Duration, v int) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) { return v, draytest.Slow(d)(ctx) }
}

func TestSubmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		task, err := dray.Submit(t.Context(), q, slowly(time.Second, 42))
		require.NoError(t, err)
		require.Equal(t, dray.ID(1), task.ID())
		_, _, ok := task.Result()
		require.False(t, ok)
		select {
		case <-task.Done():
			t.Fatal("done before it ran")
		default:
		}
		began := time.Now()
		for range 3 {
			v, err := task.Wait(t.Context())
			require.NoError(t, err)
			require.Equal(t, 42, v)
		}
		require.Equal(t, time.Second, time.Since(began))
		<-task.Done()
		v, err, ok := task.Result()
		require.True(t, ok)
		require.NoError(t, err)
		require.Equal(t, 42, v)
		require.ErrorIs(t, task.Cancel(), dray.ErrNotFound)
	})
}

func TestTaskErrors(t *testing.T) {
	tests := map[string]struct {
		fn   func(context.Context) (int, error)
		opts []dray.JobOption
		want error
	}{
		"error":   {func(context.Context) (int, error) { return 0, kit.ErrBoom }, nil, kit.ErrBoom},
		"Goexit":  {func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }, nil, dray.ErrGoexit},
		"discard": {func(context.Context) (int, error) { return 0, dray.Discard(kit.ErrBoom) }, nil, kit.ErrBoom},
		"timeout": {slowly(time.Hour, 0), []dray.JobOption{dray.WithTimeout(time.Second)}, dray.ErrTimeout},
		"panic":   {func(context.Context) (int, error) { panic(kit.ErrBoom) }, nil, kit.ErrBoom},
		"last attempt": {
			func() func(context.Context) (int, error) {
				n := 0
				return func(context.Context) (int, error) {
					if n++; n < 3 {
						return 0, errors.New("an earlier one")
					}
					return 0, kit.ErrBoom
				}
			}(), []dray.JobOption{dray.WithMaxAttempts(3)}, kit.ErrBoom,
		},
	}
	for name, tc := range tests {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t)
			v, err := dray.Run(t.Context(), q, tc.fn, tc.opts...)
			require.ErrorIs(t, err, tc.want)
			require.Zero(t, v)
			var p *dray.PanicError
			require.Equal(t, name == "panic", errors.As(err, &p))
			if p != nil {
				require.Equal(t, kit.ErrBoom, p.Value)
				require.Contains(t, string(p.Stack), "results_test.go")
			}
			require.Equal(t, uint64(1), kit.Balanced(t, q).Failed)
		})
	}
}

func TestTaskRetriesAndSnoozes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		n := 0
		v, err := dray.Run(t.Context(), q, func(context.Context) (int, error) {
			switch n++; n {
			case 1:
				return n, kit.ErrBoom
			case 2:
				return n, dray.Snooze(time.Hour)
			}
			return n, nil
		}, dray.WithMaxAttempts(2))
		require.NoError(t, err)
		require.Equal(t, 3, v)
	})
}

// An attempt that panics has no value, whatever one before it returned.
func TestTaskValueIsOfTheLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		n := 0
		v, err := dray.Run(t.Context(), q, func(context.Context) (int, error) {
			if n++; n == 1 {
				return 41, kit.ErrBoom
			}
			panic("boom")
		}, dray.WithMaxAttempts(2))
		require.Error(t, err)
		require.Zero(t, v)
	})
}

func TestTaskThatNeverRuns(t *testing.T) {
	tests := map[string]struct {
		end  func(q *dray.Queue, task *dray.Task[int])
		want error
	}{
		"cancelled":  {func(_ *dray.Queue, task *dray.Task[int]) { _ = task.Cancel() }, dray.ErrCancelled},
		"evicted":    {func(q *dray.Queue, _ *dray.Task[int]) { _ = q.Enqueue(context.Background(), kit.Nop) }, dray.ErrEvicted},
		"shut down":  {func(q *dray.Queue, _ *dray.Task[int]) { _, _ = q.Shutdown(context.Background()) }, dray.ErrShutdown},
		"closed":     {func(q *dray.Queue, _ *dray.Task[int]) { _ = q.Close() }, dray.ErrShutdown},
		"not waited": {func(*dray.Queue, *dray.Task[int]) {}, context.DeadlineExceeded},
	}
	for name, tc := range tests {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Paused(t, dray.WithCapacity(1), dray.WithOverflow(dray.DropOldest))
			task, err := dray.Submit(t.Context(), q, kit.One)
			require.NoError(t, err)
			tc.end(q, task)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			v, err := task.Wait(ctx)
			require.ErrorIs(t, err, tc.want)
			require.Zero(t, v)
			_, _, ok := task.Result()
			require.Equal(t, name != "not waited", ok)
			kit.Balanced(t, q)
		})
	}
}

func TestTaskDroppedAsNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t, dray.WithCapacity(1), dray.WithOverflow(dray.DropNewest))
		kit.Add(t, q, kit.Nop)
		task, err := dray.Submit(t.Context(), q, kit.One)
		require.NoError(t, err)
		require.Equal(t, dray.ID(2), task.ID())
		_, err = task.Wait(t.Context())
		require.ErrorIs(t, err, dray.ErrEvicted)
	})
}

func TestTaskUnderBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(1), dray.WithOverflow(dray.Block))
		release := kit.Occupy(t, q)
		kit.Add(t, q, kit.Nop)
		time.AfterFunc(time.Second, release)
		v, err := dray.Run(t.Context(), q, kit.One)
		require.NoError(t, err)
		require.Equal(t, 1, v)
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	for _, when := range []string{"waiting", "running"} {
		kit.Bubble(t, when, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1))
			if when == "waiting" {
				defer kit.Occupy(t, q)()
			}
			ctx, why := kit.Within(t, time.Second)
			began := time.Now()
			_, err := dray.Run(ctx, q, slowly(time.Hour, 1))
			require.ErrorIs(t, err, why)
			require.Equal(t, time.Second, time.Since(began))
			synctest.Wait()
			require.Equal(t, uint64(1), kit.Balanced(t, q).Cancelled)
			_, err = dray.Run(ctx, q, kit.One)
			require.ErrorIs(t, err, why)
			require.LessOrEqual(t, q.Stats().Enqueued, uint64(2))
		})
	}
}

func TestWaitLeavesTheJobAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		task, err := dray.Submit(t.Context(), q, slowly(time.Minute, 7))
		require.NoError(t, err)
		ctx, why := kit.Within(t, time.Second)
		_, err = task.Wait(ctx)
		require.ErrorIs(t, err, why)
		v, err := task.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, 7, v)
	})
}

func TestTaskOfAUniqueJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t)
		_, err := dray.Submit(t.Context(), q, kit.One, dray.WithUnique("u", dray.KeepExisting))
		require.NoError(t, err)
		_, err = dray.Submit(t.Context(), q, kit.One, dray.WithUnique("u", dray.KeepExisting))
		require.ErrorIs(t, err, dray.ErrDuplicate)
		task, err := dray.Submit(t.Context(), q, kit.One, dray.WithUnique("u", dray.ReplacePending))
		require.NoError(t, err)
		require.NoError(t, q.Start())
		_, err = task.Wait(t.Context())
		require.NoError(t, err)
	})
}

// Whoever waits for a task that outlives its queue is told of its end.
func TestTaskOfAnAbandonedJob(t *testing.T) {
	for name, ret := range map[string]error{"nil": nil, "error": kit.ErrBoom, "snooze": dray.Snooze(time.Second)} {
		for way, within := range map[string]bool{"stubborn": false, "closes the queue": true} {
			kit.Bubble(t, name+"/"+way, func(t *testing.T) {
				q := kit.Start(t, dray.WithShutdownTimeout(time.Second))
				task, err := dray.Submit(t.Context(), q, func(context.Context) (int, error) {
					if within {
						_, _ = q.Shutdown(context.Background())
					}
					time.Sleep(time.Minute)
					return 1, ret
				}, dray.WithMaxAttempts(3))
				require.NoError(t, err)
				synctest.Wait()
				if !within {
					require.ErrorIs(t, q.Close(), dray.ErrStillRunning)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				_, err = task.Wait(ctx)
				require.NotErrorIs(t, err, context.DeadlineExceeded, "the task never ended")
				require.Equal(t, ret == nil, err == nil)
				kit.Balanced(t, q)
			})
		}
	}
}

func TestKinds(t *testing.T) {
	type email struct{ To string }
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		var got kit.Record[string]
		k, err := dray.Handle(q, "email", func(ctx context.Context, m email) error {
			info, _ := dray.JobFrom(ctx)
			got.Add(info.Kind + " to " + m.To)
			return nil
		})
		require.NoError(t, err)
		require.NoError(t, q.Pause())
		require.NoError(t, k.Enqueue(t.Context(), email{"a"}))
		r, err := k.EnqueueSync(t.Context(), email{"b"})
		require.NoError(t, err)
		require.Equal(t, dray.Receipt{ID: 2, Position: 2}, r)
		require.NoError(t, q.Resume())
		synctest.Wait()
		require.Equal(t, []string{"email to a", "email to b"}, got.All())
		kit.Balanced(t, q)
	})
}

func TestHandleRefuses(t *testing.T) {
	q := kit.Paused(t)
	ok := func(context.Context, int) error { return nil }
	_, err := dray.Handle(q, "k", ok)
	require.NoError(t, err)
	_, err = dray.Handle(q, "k", ok)
	require.ErrorIs(t, err, dray.ErrDuplicate)
	_, err = dray.Handle(q, "", ok)
	require.Error(t, err)
	_, err = dray.Handle(q, "other", ok, dray.WithMaxAttempts(0))
	require.Error(t, err)
	_, err = dray.Handle(q, "other", ok)
	require.NoError(t, err, "a refused kind is not taken")
	var none dray.Kind[int]
	require.ErrorIs(t, none.Enqueue(t.Context(), 1), dray.ErrUnknownKind)
	require.ErrorIs(t, (*dray.Kind[int])(nil).Enqueue(t.Context(), 1), dray.ErrUnknownKind)
}
