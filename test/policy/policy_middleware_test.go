package policy_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// tracer is a middleware that takes down when it was entered.
func tracer(log *kit.Record[string], name string) dray.Middleware {
	return func(next dray.Handler) dray.Handler {
		return func(ctx context.Context, j *dray.Job) error {
			log.Add(name)
			return next(ctx, j)
		}
	}
}

func TestMiddlewareOfQueueKindAndCall(t *testing.T) {
	var log kit.Record[string]
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
		kit.Bubble(t, name, func(t *testing.T) {
			log = kit.Record[string]{}
			q := kit.Start(t, tc.queue, dray.WithWorkers(1))
			k, err := dray.Handle(q, "k", func(context.Context, int) error { log.Add("job"); return nil }, with("k1"), with("k2"))
			require.NoError(t, err)
			require.NoError(t, k.Enqueue(t.Context(), 1, with("c")))
			synctest.Wait()
			require.Equal(t, tc.want, log.All())
			require.NoError(t, k.Enqueue(t.Context(), 1))
			require.NoError(t, q.Enqueue(t.Context(), log.Job("func")))
			require.NoError(t, q.Enqueue(t.Context(), log.Job("func"), with("c")))
			synctest.Wait()
			own := tc.want[:len(tc.want)-4]
			want := append(append([]string{}, own...), "k1", "k2", "job")
			want = append(append(want, own...), "func")
			want = append(append(want, own...), "c", "func")
			require.Equal(t, want, log.All()[len(tc.want):])
		})
	}
}

// What a middleware throws counts as the job's, and it sees the job.
func TestMiddlewareOfAKindIsPartOfTheJob(t *testing.T) {
	for name, bad := range map[string]func(){
		"panic": func() { panic(kit.ErrBoom) }, "Goexit": runtime.Goexit, "return": nil,
	} {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(0)))
			var seen kit.Record[dray.Job]
			k, err := dray.Handle(q, "k", func(context.Context, int) error { t.Error("it ran"); return nil },
				dray.WithMiddleware(func(dray.Handler) dray.Handler {
					return func(ctx context.Context, j *dray.Job) error {
						_, ok := dray.JobFrom(ctx)
						require.True(t, ok)
						seen.Add(*j)
						if bad != nil {
							bad()
						}
						return kit.ErrBoom
					}
				}))
			require.NoError(t, err)
			require.NoError(t, k.Enqueue(t.Context(), 1, dray.WithLabel("x")))
			synctest.Wait()
			require.Len(t, seen.All(), 2)
			j := seen.All()[1]
			require.Equal(t, []any{dray.ID(1), "k", "x", 2}, []any{j.ID, j.Kind, j.Label, j.Attempt})
			require.Equal(t, uint64(1), kit.Balanced(t, q).Failed)
		})
	}
}

// A restored or requeued job has its middleware; the Func in a report is bare.
func TestMiddlewareOfRestoredJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, next := kit.Paused(t), kit.Start(t)
		var log kit.Record[string]
		kit.Add(t, q, log.Job("job"), dray.WithMiddleware(tracer(&log, "m")))
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.NoError(t, report.Waiting[0].Func(t.Context()))
		require.Equal(t, []string{"job"}, log.All())
		report.Waiting[0].Func = func(context.Context) error { log.Add("other"); return kit.ErrBoom }
		require.NoError(t, next.Restore(report))
		synctest.Wait()
		require.Equal(t, []string{"job", "m", "other"}, log.All())
		require.NoError(t, next.Requeue(next.Failures()[0].ID))
		synctest.Wait()
		require.Equal(t, []string{"m", "other"}, log.All()[3:])
	})
}

func TestBadMiddleware(t *testing.T) {
	q := kit.Paused(t)
	for name, bad := range map[string]dray.Middleware{
		"nil":            nil,
		"gives nil":      func(dray.Handler) dray.Handler { return nil },
		"panics at once": func(dray.Handler) dray.Handler { panic("bug") },
	} {
		option := dray.WithMiddleware(bad)
		require.ErrorContains(t, q.Enqueue(t.Context(), kit.Nop, option), "WithMiddleware", name)
		_, err := dray.New(option)
		require.ErrorContains(t, err, "WithMiddleware", name)
		_, err = dray.Handle(q, name, func(context.Context, int) error { return nil }, option)
		require.ErrorContains(t, err, "WithMiddleware", name)
		err = q.Scheduler().Schedule(name, dray.Every(time.Hour), kit.Nop, option)
		require.ErrorContains(t, err, "WithMiddleware", name)
	}
}

type ctxKey string

// The values of the caller's context on request, before those of the queue's, and never its end.
func TestContextValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t, dray.WithWorkers(1))
		serving, stop := context.WithCancel(context.WithValue(context.WithValue(t.Context(), ctxKey("a"), "queue"), ctxKey("b"), "queue"))
		served := make(chan error, 1)
		go func() { served <- q.Serve(serving) }()
		var got kit.Record[any]
		look := func(ctx context.Context) error {
			time.Sleep(time.Second)
			require.NoError(t, ctx.Err())
			for _, k := range []ctxKey{"a", "b", "c"} {
				got.Add(ctx.Value(k))
			}
			info, ok := dray.JobFrom(ctx)
			require.True(t, ok)
			got.Add(info.Label)
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
		kit.Elapse(time.Minute)
		require.Equal(t, []any{
			"caller", "queue", "caller", "",
			"caller", "queue", "caller", "batch",
			"queue", "queue", nil, "",
			"caller", "queue", "caller", "inner",
		}, got.All())
		stop()
		require.NoError(t, <-served)
	})
}
