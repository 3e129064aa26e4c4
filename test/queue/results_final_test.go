package queue_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// The result of a task is final, also when its job is run again as another one.
func TestTaskIsFinal(t *testing.T) {
	runs := 0
	recovers := func(context.Context) (int, error) {
		if runs++; runs == 1 {
			return 0, kit.ErrBoom
		}
		return 42, nil
	}
	kit.Bubble(t, "requeued", func(t *testing.T) {
		runs = 0
		q := kit.Start(t)
		task, err := dray.Submit(t.Context(), q, recovers)
		require.NoError(t, err)
		_, err = task.Wait(t.Context())
		require.ErrorIs(t, err, kit.ErrBoom)
		require.NoError(t, q.Requeue(task.ID()))
		synctest.Wait()
		require.Equal(t, uint64(1), q.Stats().Processed)
		v, err, ok := task.Result()
		require.True(t, ok)
		require.ErrorIs(t, err, kit.ErrBoom)
		require.Zero(t, v)
	})
	kit.Bubble(t, "restored", func(t *testing.T) {
		runs = 1
		old := kit.Paused(t)
		task, err := dray.Submit(t.Context(), old, recovers)
		require.NoError(t, err)
		report := kit.CutShort(t, old)
		q := kit.Start(t)
		require.NoError(t, q.Restore(report))
		synctest.Wait()
		require.Equal(t, uint64(1), q.Stats().Processed)
		v, err := task.Wait(t.Context())
		require.ErrorIs(t, err, dray.ErrShutdown)
		require.Zero(t, v)
	})
}

// A panic of something else, returned as an error, is not one of the job.
func TestReturnedPanicErrorIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, p := kit.Start(t), kit.NewPool(t, 1)
		kit.Add(t, q, func(ctx context.Context) error {
			return p.Run(ctx, func(context.Context) error { panic("boom") })
		})
		synctest.Wait()
		s := kit.Balanced(t, q)
		require.Equal(t, []uint64{1, 0}, []uint64{s.Failed, s.Panicked})
	})
}

func TestJobThatClosesAndThrows(t *testing.T) {
	for name, throw := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(2))
			kit.Add(t, q, func(context.Context) error {
				_ = q.Close()
				throw()
				return nil
			})
			synctest.Wait()
			require.Zero(t, kit.Balanced(t, q).Running)
		})
	}
}

func TestKindsAsideCanBeCancelledAndRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		var got kit.Record[int]
		note := func(_ context.Context, n int) error { got.Add(n); return nil }
		k, err := dray.Handle(q, "k", note)
		require.NoError(t, err)
		require.NoError(t, q.PauseKind("k"))
		for i := range 5 {
			require.NoError(t, k.Enqueue(t.Context(), i))
		}
		synctest.Wait()
		require.NoError(t, q.Cancel(2))
		require.Len(t, slices.Collect(q.Jobs()), 4)
		report := kit.CutShort(t, q)
		require.Len(t, report.Waiting, 4)
		other := kit.Start(t, dray.WithWorkers(1))
		require.NoError(t, other.Restore(report))
		synctest.Wait()
		require.Equal(t, []int{0, 2, 3, 4}, got.All())
	})
}

func TestCancelOfARetryFreesItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithKey("k"), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Hour)))
		var got kit.Record[int]
		id := kit.Add(t, q, kit.Fail)
		kit.Add(t, q, got.Job(1))
		synctest.Wait()
		require.Empty(t, got.All())
		require.NoError(t, q.Cancel(id))
		synctest.Wait()
		require.Equal(t, []int{1}, got.All())
		kit.Balanced(t, q)
	})
}

// The value and the context of a job may be used by whatever it leaves behind.
func TestContextOfAGoroutineLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(2))
		var causes kit.Record[error]
		for range 100 {
			kit.Add(t, q, func(ctx context.Context) error {
				go func() {
					derived, cancel := context.WithTimeout(ctx, time.Hour)
					defer cancel()
					<-derived.Done()
					causes.Add(context.Cause(derived))
				}()
				return nil
			})
		}
		synctest.Wait()
		require.Len(t, causes.All(), 100)
		for _, err := range causes.All() {
			require.ErrorIs(t, err, context.Canceled)
		}
	})
}

// JobRejected is told for every job that Rejected counts.
func TestEveryRejectionIsTold(t *testing.T) {
	for _, policy := range []dray.Overflow{dray.Reject, dray.Block} {
		synctest.Test(t, func(t *testing.T) {
			var told kit.Record[error]
			q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(1), dray.WithOverflow(policy), dray.WithObserver(func(ev dray.Event) {
				if ev.Kind == dray.JobRejected {
					told.Add(ev.Err)
				}
			}))
			kit.Add(t, q, func(ctx context.Context) error {
				for range 3 {
					_ = q.Enqueue(ctx, kit.Nop)
				}
				_ = q.Enqueue(ctx, kit.Nop, dray.WithUnique("u", dray.RejectDuplicate))
				return nil
			})
			synctest.Wait()
			require.Equal(t, uint64(3), kit.Balanced(t, q).Rejected)
			require.Len(t, told.All(), 3)
			for _, err := range told.All() {
				require.ErrorIs(t, err, dray.ErrQueueFull)
			}
		})
	}
}
