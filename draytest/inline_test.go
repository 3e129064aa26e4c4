package draytest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
)

// While an inline queue runs a job it is started by someone else. The call that runs the job returns
// when that has ended, whatever the queue then has to do, and the rest is the queue's.
func TestInlineStartedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := draytest.NewInline(t, dray.WithIdleTimeout(0))
		took := make(chan time.Duration, 1)
		go func() {
			begin := time.Now()
			_ = q.Enqueue(context.Background(), draytest.Slow(time.Second))
			took <- time.Since(begin)
		}()
		synctest.Wait()
		require.NoError(t, q.Enqueue(t.Context(), draytest.Slow(time.Hour)), "left to the call that runs jobs")
		require.NoError(t, q.Start())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, took, 1)
		require.Equal(t, time.Second, <-took)
		begin := time.Now()
		require.NoError(t, q.Enqueue(t.Context(), draytest.Slow(time.Hour)))
		require.Zero(t, time.Since(begin), "the queue's own worker runs it")
		require.Equal(t, uint64(3), draytest.Drain(t, q).Processed)
	})
}

func TestInlineStartedByAJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := draytest.NewInline(t)
		require.NoError(t, q.Enqueue(t.Context(), func(ctx context.Context) error {
			if err := q.Enqueue(ctx, nop); err != nil {
				return err
			}
			return q.Start()
		}))
		require.Equal(t, uint64(2), draytest.Drain(t, q).Processed)
	})
}

// A start at any moment of a call that runs jobs leaves none behind, and does not stop the queue again.
func TestInlineStartedAtAnyMoment(t *testing.T) {
	for range 200 {
		q := draytest.NewInline(t)
		done := make(chan error, 1)
		go func() {
			defer close(done)
			for range 20 {
				done <- q.Enqueue(context.Background(), nop)
			}
		}()
		require.NoError(t, <-done)
		require.NoError(t, q.Start())
		for err := range done {
			require.NoError(t, err)
		}
		require.Equal(t, uint64(20), draytest.Drain(t, q).Processed)
		require.NoError(t, q.Close())
	}
}

// What a supervisor is about to start again starts no jobs meanwhile, as in production.
func TestInlineRunsNothingInABackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := draytest.NewInline(t)
		fail := make(chan error)
		fickle := dray.ServiceFunc(func(ctx context.Context) error {
			select {
			case err := <-fail:
				return err
			case <-ctx.Done():
				return nil
			}
		})
		sup, err := dray.NewSupervisor(dray.RestForOne, dray.WithRestartBackoff(dray.Constant(time.Hour)), dray.WithChildren(
			dray.Child{Name: "fickle", Service: fickle}, dray.Child{Name: "queue", Service: q}))
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- sup.Serve(ctx) }()
		synctest.Wait()
		fail <- errBoom
		synctest.Wait()
		require.NoError(t, q.Enqueue(ctx, nop), "the intake is open")
		require.Equal(t, 1, q.Stats().Pending)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, uint64(1), draytest.Drain(t, q).Processed)
		stop()
		require.NoError(t, <-ended)
	})
}

// A manual queue that was started says so, also when it runs no more.
func TestManualOfAQueueThatRan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require.Contains(t, try(func(t testing.TB) {
			m := draytest.NewManual(t)
			ctx, stop := context.WithCancelCause(context.Background())
			go func() { _ = m.Serve(ctx) }()
			synctest.Wait()
			stop(dray.ErrRestart)
			synctest.Wait()
			m.Next()
		}), "was started")
		require.Contains(t, try(func(t testing.TB) {
			m := draytest.NewManual(t)
			_ = m.Enqueue(context.Background(), func(context.Context) error { return m.Start() })
			m.All()
		}), "was started")
	})
}

// The end of a group is followed by its completion job, whatever call brought it about.
func TestInlineCompletions(t *testing.T) {
	q := draytest.NewInline(t)
	k, err := dray.Handle(q, "kind", func(context.Context, int) error { return nil })
	require.NoError(t, err)
	later := dray.WithDelay(time.Hour)
	submit := func(g *dray.Group) *dray.Task[int] {
		task, err := dray.Submit(t.Context(), q, func(context.Context) (int, error) { return 0, nil },
			dray.WithGroup(g), later, dray.WithKey("key"))
		require.NoError(t, err)
		g.Close()
		return task
	}
	for name, end := range map[string]func(*dray.Group){
		"Queue.Cancel": func(g *dray.Group) { require.NoError(t, q.Cancel(submit(g).ID())) },
		"Task.Cancel":  func(g *dray.Group) { require.NoError(t, submit(g).Cancel()) },
		"CancelKey":    func(g *dray.Group) { submit(g); require.Equal(t, 1, q.CancelKey("key")) },
		"CancelKind": func(g *dray.Group) {
			require.NoError(t, k.Enqueue(t.Context(), 1, dray.WithGroup(g), later))
			g.Close()
			require.Equal(t, 1, q.CancelKind("kind"))
		},
	} {
		ran := false
		g, err := dray.NewGroup(q, dray.WithCompletion(func(context.Context, error) error { ran = true; return nil }))
		require.NoError(t, err)
		end(g)
		require.True(t, ran, name)
	}
}

// A batch that has to wait for room gets it from the jobs that were accepted before.
func TestInlineBatchThatWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := draytest.NewInline(t, dray.WithCapacity(2), dray.WithOverflow(dray.Block))
		ran := 0
		k, err := dray.Handle(q, "kind", func(context.Context, int) error { ran++; return nil })
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		n, err := k.EnqueueBatch(ctx, []int{1, 2, 3, 4, 5})
		require.NoError(t, err)
		require.Equal(t, []int{5, 5}, []int{n, ran})
		require.Equal(t, []int{1, 2, 3, 4, 5}, draytest.Enqueued[int](t, q, "kind"))
	})
	q := draytest.NewInline(t, dray.WithCapacity(2))
	n, err := q.EnqueueBatch(t.Context(), []dray.Func{nop, nop, nop})
	require.ErrorIs(t, err, dray.ErrQueueFull, "which is one call, as in production")
	require.Equal(t, 2, n)
}
