package memory_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// keepers are jobs that keep their context, or one derived from it, in some way.
var keepers = map[string]func(ctx context.Context) context.Context{
	"untouched": func(ctx context.Context) context.Context { return ctx },
	"used":      func(ctx context.Context) context.Context { _ = ctx.Done(); return ctx },
	"derived": func(ctx context.Context) context.Context {
		child, cancel := context.WithCancel(ctx)
		cancel()
		return child
	},
	"with a value":    func(ctx context.Context) context.Context { return context.WithValue(ctx, key("own"), 1) },
	"looked up":       func(ctx context.Context) context.Context { _, _ = dray.JobFrom(ctx); return ctx },
	"with a callback": func(ctx context.Context) context.Context { context.AfterFunc(ctx, func() {}); return ctx },
	"without an end":  context.WithoutCancel,
}

type key string

// generation is the key of the value that a generation adds.
type generation int

// One job context that is kept keeps its own values, and neither the queue, nor what a
// shutdown handed back, nor anything of another job. It goes on to give its values, and
// is cancelled.
func TestContextKeepsItsOwnValues(t *testing.T) {
	for name, keep := range keepers {
		for _, values := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { keepContext(t, keep, values) })
			})
		}
	}
}

func keepContext(t *testing.T, keep func(context.Context) context.Context, values bool) {
	traps := &trap{}
	kept := keptContexts(t, traps, keep, values)
	collect()
	var own []string
	if values {
		own = []string{"own value"}
	}
	require.Equal(t, own, traps.alive())
	for _, ctx := range kept {
		_, ok := dray.JobFrom(ctx)
		require.False(t, ok)
		if values {
			require.IsType(t, new(probe), ctx.Value(key("own value")))
		}
	}
	runtime.KeepAlive(kept)
	collect()
	require.Empty(t, traps.alive())
}

// keptContexts returns the contexts that one job of a queue has kept which is closed,
// and which nobody refers to any more.
func keptContexts(t *testing.T, traps *trap, keep func(context.Context) context.Context, values bool) (kept []context.Context) {
	q, err := dray.New(dray.WithWorkers(1), dray.WithMiddleware(capturing(traps.watch("middleware of the queue"))),
		dray.WithObserver(observing(traps.watch("observer"))))
	require.NoError(t, err)
	require.NoError(t, q.Start())
	var opts []dray.JobOption
	ctx := t.Context()
	if values {
		opts = []dray.JobOption{dray.WithContextValues()}
		ctx = context.WithValue(ctx, key("own value"), traps.watch("own value"))
	}
	job := func(ctx context.Context) error { kept = append(kept, keep(ctx)); return nil }
	other := context.WithValue(t.Context(), key("other"), traps.watch("value of another job"))
	for _, o := range [][]dray.JobOption{{dray.WithContextValues()}, nil} {
		require.NoError(t, q.Enqueue(other, uses(traps.watch("another job")), o...))
		require.NoError(t, q.Enqueue(ctx, job, opts...))
		require.NoError(t, q.Enqueue(other, uses(traps.watch("another job")), o...))
	}
	synctest.Wait()
	require.NoError(t, q.Pause())
	require.NoError(t, q.Enqueue(t.Context(), uses(traps.watch("job handed back"))))
	require.NoError(t, q.Enqueue(other, uses(traps.watch("job handed back")), dray.WithContextValues(), dray.WithDelay(time.Hour)))
	report, err := q.Shutdown(t.Context())
	require.NoError(t, err)
	require.Len(t, report.Waiting, 2)
	require.Len(t, kept, 2)
	return kept
}

// uses is a job that uses its context, and captures p.
func uses(p *probe) dray.Func {
	return func(ctx context.Context) error {
		defer runtime.KeepAlive(p)
		return ctx.Err()
	}
}

func capturing(p *probe) dray.Middleware {
	return func(next dray.Handler) dray.Handler {
		return func(ctx context.Context, j *dray.Job) error {
			defer runtime.KeepAlive(p)
			return next(ctx, j)
		}
	}
}

func observing(p *probe) dray.Observer {
	return func(dray.Event) { runtime.KeepAlive(p) }
}

// A job that enqueues itself with its own context has the values of the first call for
// ever; of those that its predecessors have added it has the last ten.
func TestGenerationsOfValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100
		traps := &trap{}
		q, err := dray.New(dray.WithWorkers(1), dray.WithContextValues())
		require.NoError(t, err)
		require.NoError(t, q.Start())
		var known []int
		var job func(g generation) dray.Func
		job = func(g generation) dray.Func {
			return func(ctx context.Context) error {
				if ctx.Value(key("first")) == nil {
					t.Error("the first value is gone in generation", g)
				}
				if g == n {
					known = generationsIn(ctx, n)
					return nil
				}
				ctx = context.WithValue(ctx, g, traps.watch("generation"))
				return q.Enqueue(ctx, job(g+1))
			}
		}
		first := context.WithValue(t.Context(), key("first"), 1)
		require.NoError(t, q.Enqueue(first, job(0)))
		synctest.Wait()
		require.Equal(t, []int{90, 91, 92, 93, 94, 95, 96, 97, 98, 99}, known)
		require.NoError(t, q.Close())
	})
}

func generationsIn(ctx context.Context, n int) (known []int) {
	for i := range n {
		if ctx.Value(generation(i)) != nil {
			known = append(known, i)
		}
	}
	return known
}

// While the chain goes on it keeps the values that its present job can see, and no more.
func TestGenerationsAreLetGoOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traps := &trap{}
		q, err := dray.New(dray.WithWorkers(1), dray.WithContextValues())
		require.NoError(t, err)
		require.NoError(t, q.Start())
		var job func(g generation) dray.Func
		job = func(g generation) dray.Func {
			return func(ctx context.Context) error {
				if g == 1000 {
					return dray.Snooze(time.Hour)
				}
				child, cancel := context.WithTimeout(context.WithValue(ctx, g, traps.watch("generation")), time.Hour)
				defer cancel()
				return q.Enqueue(child, job(g+1))
			}
		}
		require.NoError(t, q.Enqueue(t.Context(), job(0)))
		synctest.Wait()
		collect()
		require.Len(t, traps.alive(), 10)
		require.NoError(t, q.Close())
	})
}

// One that hands on its context as it is has no chain at all.
func TestContextHandedOnAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traps := &trap{}
		q, err := dray.New(dray.WithWorkers(1), dray.WithContextValues())
		require.NoError(t, err)
		require.NoError(t, q.Start())
		runs := 0
		var job dray.Func
		job = func(ctx context.Context) error {
			if _, ok := ctx.Value(key("first")).(*probe); !ok {
				t.Error("the value is gone")
			}
			if runs++; runs < 1000 {
				return q.Enqueue(ctx, job)
			}
			return nil
		}
		require.NoError(t, q.Enqueue(context.WithValue(t.Context(), key("first"), traps.watch("first")), job))
		synctest.Wait()
		require.Equal(t, 1000, runs)
		collect()
		require.Empty(t, traps.alive())
		require.NoError(t, q.Close())
	})
}
