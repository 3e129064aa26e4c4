package policy_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

var errOpen = errors.New("circuit is open")

// breaker is a middleware that lets nothing through after three failures in a row.
func breaker(made *int) dray.Middleware {
	return func(next dray.Handler) dray.Handler {
		*made++
		failures := 0
		return func(ctx context.Context, j *dray.Job) error {
			if failures >= 3 {
				return errOpen
			}
			err := next(ctx, j)
			if failures++; err == nil {
				failures = 0
			}
			return err
		}
	}
}

// The middleware of a queue, of a kind and of a task is made once, also for jobs that have some
// of their own: so a circuit breaker opens.
func TestMiddlewareIsMadeOnce(t *testing.T) {
	plain := func(next dray.Handler) dray.Handler {
		return func(ctx context.Context, j *dray.Job) error { return next(ctx, j) }
	}
	for name, own := range map[string][]dray.JobOption{
		"alone":                      nil,
		"beside a call's middleware": {dray.WithMiddleware(plain), dray.WithMiddleware(plain)},
		"beside a call's options":    {dray.WithLabel("l"), dray.WithTimeout(1e9)},
	} {
		for _, level := range []string{"queue", "kind"} {
			bubble(t, level+" "+name, func(t *testing.T) {
				made, ran := 0, 0
				var ofQueue, ofKind []dray.JobOption
				if level == "queue" {
					ofQueue = []dray.JobOption{dray.WithMiddleware(breaker(&made))}
				} else {
					ofKind = []dray.JobOption{dray.WithMiddleware(breaker(&made))}
				}
				opts := []dray.Option{dray.WithWorkers(1)}
				for _, o := range ofQueue {
					opts = append(opts, o)
				}
				q := start(t, opts...)
				k, err := dray.Handle(q, "k", func(context.Context, int) error { ran++; return kit.ErrBoom }, ofKind...)
				require.NoError(t, err)
				for range 10 {
					require.NoError(t, k.Enqueue(t.Context(), 1, own...))
				}
				n, err := k.EnqueueBatch(t.Context(), []int{1, 2}, own...)
				require.NoError(t, err)
				require.Equal(t, 2, n)
				synctest.Wait()
				require.Equal(t, []int{1, 3}, []int{made, ran})
				require.ErrorIs(t, q.Failures()[0].Err, errOpen)
			})
		}
	}
}

// A middleware that calls next again, which it must not, runs the same jobs again.
func TestMiddlewareThatGoesOnTwice(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		q := start(t, dray.WithWorkers(1))
		var got record[string]
		twice := func(next dray.Handler) dray.Handler {
			return func(ctx context.Context, j *dray.Job) error { _ = next(ctx, j); return next(ctx, j) }
		}
		once := func(next dray.Handler) dray.Handler {
			return func(ctx context.Context, j *dray.Job) error { got.Add("call"); return next(ctx, j) }
		}
		k, err := dray.Handle(q, "k", func(context.Context, int) error { got.Add("job"); return nil }, dray.WithMiddleware(twice))
		require.NoError(t, err)
		require.NoError(t, k.Enqueue(t.Context(), 1, dray.WithMiddleware(once)))
		synctest.Wait()
		require.Equal(t, []string{"call", "job", "call", "job"}, got.All())
	})
}

// A middleware is told which job it runs, and when that was enqueued, also of plain jobs, which
// have no record: many of them, with gaps between their dates.
func TestMiddlewareKnowsPlainJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 300
		var told []dray.Job
		q := kit.Start(t, dray.WithWorkers(1), dray.WithMiddleware(func(next dray.Handler) dray.Handler {
			return func(ctx context.Context, j *dray.Job) error {
				told = append(told, dray.Job{ID: j.ID, EnqueuedAt: j.EnqueuedAt})
				return next(ctx, j)
			}
		}))
		require.NoError(t, q.Pause())
		var enqueued []dray.Job
		for i := range n {
			if i%70 == 0 {
				time.Sleep(time.Second)
			}
			enqueued = append(enqueued, dray.Job{ID: dray.ID(i + 1), EnqueuedAt: time.Now()})
			require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
		}
		require.NoError(t, q.Resume())
		synctest.Wait()
		require.Len(t, told, n)
		for i, want := range enqueued {
			require.Equal(t, want.ID, told[i].ID)
			require.True(t, want.EnqueuedAt.Equal(told[i].EnqueuedAt), "job %d: %v, %v", want.ID, want.EnqueuedAt, told[i].EnqueuedAt)
		}
	})
}
