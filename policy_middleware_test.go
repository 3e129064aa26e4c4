package dray_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// tracer is a middleware that takes down when it was entered.
func tracer(log *record[string], name string) dray.Middleware {
	return func(next dray.Handler) dray.Handler {
		return func(ctx context.Context, j *dray.Job) error {
			log.add(name)
			return next(ctx, j)
		}
	}
}

func TestMiddlewareOfQueueKindAndCall(t *testing.T) {
	var log record[string]
	with := func(names ...string) dray.JobOption {
		var ms []dray.Middleware
		for _, name := range names {
			ms = append(ms, tracer(&log, name))
		}
		return dray.WithMiddleware(ms...)
	}
	for name, tc := range map[string]struct {
		queue dray.Option
		want  []string
	}{
		"with the queue's":    {with("q1", "q2"), []string{"q1", "q2", "k1", "k2", "c", "job"}},
		"without the queue's": {dray.WithName("x"), []string{"k1", "k2", "c", "job"}},
	} {
		bubble(t, name, func(t *testing.T) {
			log = record[string]{}
			q := start(t, tc.queue, dray.WithWorkers(1))
			k, err := dray.Handle(q, "k", func(context.Context, int) error { log.add("job"); return nil }, with("k1"), with("k2"))
			require.NoError(t, err)
			require.NoError(t, k.Enqueue(t.Context(), 1, with("c")))
			synctest.Wait()
			require.Equal(t, tc.want, log.all())
			require.NoError(t, k.Enqueue(t.Context(), 1))
			require.NoError(t, q.Enqueue(t.Context(), log.job("func")))
			require.NoError(t, q.Enqueue(t.Context(), log.job("func"), with("c")))
			synctest.Wait()
			own := tc.want[:len(tc.want)-4]
			want := append(append([]string{}, own...), "k1", "k2", "job")
			want = append(append(want, own...), "func")
			want = append(append(want, own...), "c", "func")
			require.Equal(t, want, log.all()[len(tc.want):])
		})
	}
}

// What a middleware throws counts as the job's, and it sees the job.
func TestMiddlewareOfAKindIsPartOfTheJob(t *testing.T) {
	for name, bad := range map[string]func(){
		"panic": func() { panic(errBoom) }, "Goexit": runtime.Goexit, "return": nil,
	} {
		bubble(t, name, func(t *testing.T) {
			q := start(t, dray.WithWorkers(1), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(0)))
			var seen record[dray.Job]
			k, err := dray.Handle(q, "k", func(context.Context, int) error { t.Error("it ran"); return nil },
				dray.WithMiddleware(func(dray.Handler) dray.Handler {
					return func(ctx context.Context, j *dray.Job) error {
						_, ok := dray.JobFrom(ctx)
						require.True(t, ok)
						seen.add(*j)
						if bad != nil {
							bad()
						}
						return errBoom
					}
				}))
			require.NoError(t, err)
			require.NoError(t, k.Enqueue(t.Context(), 1, dray.WithLabel("x")))
			synctest.Wait()
			require.Len(t, seen.all(), 2)
			j := seen.all()[1]
			require.Equal(t, []any{dray.ID(1), "k", "x", 2}, []any{j.ID, j.Kind, j.Label, j.Attempt})
			require.Equal(t, uint64(1), balanced(t, q).Failed)
		})
	}
}

// A restored or requeued job has its middleware; the Func in a report is bare.
func TestMiddlewareOfRestoredJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, next := paused(t), start(t)
		var log record[string]
		add(t, q, log.job("job"), dray.WithMiddleware(tracer(&log, "m")))
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.NoError(t, report.Waiting[0].Func(t.Context()))
		require.Equal(t, []string{"job"}, log.all())
		report.Waiting[0].Func = func(context.Context) error { log.add("other"); return errBoom }
		require.NoError(t, next.Restore(report))
		synctest.Wait()
		require.Equal(t, []string{"job", "m", "other"}, log.all())
		require.NoError(t, next.Requeue(next.Failures()[0].ID))
		synctest.Wait()
		require.Equal(t, []string{"m", "other"}, log.all()[3:])
	})
}

func TestBadMiddleware(t *testing.T) {
	q := paused(t)
	for name, bad := range map[string]dray.Middleware{
		"nil":            nil,
		"gives nil":      func(dray.Handler) dray.Handler { return nil },
		"panics at once": func(dray.Handler) dray.Handler { panic("bug") },
	} {
		option := dray.WithMiddleware(bad)
		require.ErrorContains(t, q.Enqueue(t.Context(), nop, option), "WithMiddleware", name)
		_, err := dray.New(option)
		require.ErrorContains(t, err, "WithMiddleware", name)
		_, err = dray.Handle(q, name, func(context.Context, int) error { return nil }, option)
		require.ErrorContains(t, err, "WithMiddleware", name)
		err = q.Scheduler().Schedule(name, dray.Every(time.Hour), nop, option)
		require.ErrorContains(t, err, "WithMiddleware", name)
	}
}

type ctxKey string

// The values of the caller's context on request, before those of the queue's, and never its end.
func TestContextValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := paused(t, dray.WithWorkers(1))
		serving, stop := context.WithCancel(context.WithValue(context.WithValue(t.Context(), ctxKey("a"), "queue"), ctxKey("b"), "queue"))
		served := make(chan error, 1)
		go func() { served <- q.Serve(serving) }()
		var got record[any]
		look := func(ctx context.Context) error {
			time.Sleep(time.Second)
			require.NoError(t, ctx.Err())
			for _, k := range []ctxKey{"a", "b", "c"} {
				got.add(ctx.Value(k))
			}
			info, ok := dray.JobFrom(ctx)
			require.True(t, ok)
			got.add(info.Label)
			return nil
		}
		ctx, cancel := context.WithCancel(context.WithValue(context.WithValue(t.Context(), ctxKey("a"), "caller"), ctxKey("c"), "caller"))
		require.NoError(t, q.Enqueue(ctx, look, dray.WithContextValues(), dray.WithTimeout(time.Minute)))
		n, err := q.EnqueueBatch(ctx, []dray.Func{look}, dray.WithContextValues(), dray.WithLabel("batch"))
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.NoError(t, q.Enqueue(ctx, look))
		require.NoError(t, q.Enqueue(ctx, func(ctx context.Context) error { // from a job, whose values these are
			return q.Enqueue(ctx, look, dray.WithContextValues(), dray.WithLabel("inner"))
		}, dray.WithContextValues(), dray.WithLabel("outer")))
		cancel()
		elapse(time.Minute)
		require.Equal(t, []any{
			"caller", "queue", "caller", "",
			"caller", "queue", "caller", "batch",
			"queue", "queue", nil, "",
			"caller", "queue", "caller", "inner",
		}, got.all())
		stop()
		require.NoError(t, <-served)
	})
}
