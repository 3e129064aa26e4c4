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
