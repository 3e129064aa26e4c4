package queue_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

func TestPoolRun(t *testing.T) {
	ends := map[string]struct {
		fn   dray.Func
		want error
	}{
		"return": {kit.Nop, nil},
		"error":  {kit.Fail, kit.ErrBoom},
		"panic":  {func(context.Context) error { panic(kit.ErrBoom) }, kit.ErrBoom},
		"Goexit": {func(context.Context) error { runtime.Goexit(); return nil }, dray.ErrGoexit},
		"nil":    {nil, dray.ErrNilFunc},
	}
	for name, end := range ends {
		kit.Bubble(t, name, func(t *testing.T) {
			p := kit.NewPool(t, 1)
			for range 1000 { // a worker that was just free is idle at once
				require.ErrorIs(t, p.Run(t.Context(), end.fn), end.want)
				require.Equal(t, 1, p.Idle())
			}
		})
	}
}

func TestPoolHasNoQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := kit.NewPool(t, 3)
		gate := make(chan struct{})
		for i := range 3 {
			require.Equal(t, 3-i, p.Idle())
			require.NoError(t, p.RunAsync(kit.Until(gate)))
		}
		require.Zero(t, p.Idle())
		require.ErrorIs(t, p.RunAsync(kit.Nop), dray.ErrNoWorkers)
		require.ErrorIs(t, p.Run(t.Context(), kit.Nop), dray.ErrNoWorkers)
		require.ErrorIs(t, p.RunAsync(nil), dray.ErrNilFunc)
		close(gate)
		synctest.Wait()
		require.Equal(t, 3, p.Idle())
		require.NoError(t, p.Run(t.Context(), kit.Nop))
	})
}

func TestPoolNeverRunsMoreThanItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := kit.NewPool(t, 4)
		var mu sync.Mutex
		running, most, ran := 0, 0, 0
		count := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			running += n
			most = max(most, running)
			if n > 0 {
				ran++
			}
		}
		accepted := new(kit.Record[int])
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for range 20 {
					if p.RunAsync(func(context.Context) error {
						count(1)
						time.Sleep(time.Millisecond)
						count(-1)
						return nil
					}) == nil {
						accepted.Add(1)
					}
					time.Sleep(time.Millisecond / 2)
				}
			})
		}
		wg.Wait()
		kit.Elapse(time.Second)
		require.Equal(t, 4, most)
		require.Len(t, accepted.All(), ran)
	})
}

func TestPoolRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := kit.NewPool(t, 1)
		ctx, why := kit.Within(t, time.Second)
		var inside kit.Record[error]
		began := time.Now()
		err := p.Run(ctx, func(ctx context.Context) error {
			<-ctx.Done()
			inside.Add(ctx.Err())
			time.Sleep(time.Minute)
			return nil
		})
		require.ErrorIs(t, err, why)
		require.Equal(t, time.Second, time.Since(began))
		require.Zero(t, p.Idle())
		kit.Elapse(time.Minute)
		require.Equal(t, []error{context.Canceled}, inside.All())
		require.Equal(t, 1, p.Idle())
		require.ErrorIs(t, p.Run(ctx, kit.Nop), why)
	})
}

func TestPoolContextHasTheCallersValues(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		p := kit.NewPool(t, 1)
		ctx := context.WithValue(t.Context(), key{}, "value")
		require.NoError(t, p.Run(ctx, func(ctx context.Context) error {
			require.Equal(t, "value", ctx.Value(key{}))
			info, ok := dray.JobFrom(ctx)
			require.True(t, ok)
			require.Equal(t, dray.ID(1), info.ID)
			return nil
		}))
	})
}

// The values are the caller's, the end and its cause are the pool's.
func TestPoolCloseTellsTheCause(t *testing.T) {
	for name, ctx := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"plain":       func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} },
		"cancellable": context.WithCancel,
	} {
		kit.Bubble(t, name, func(t *testing.T) {
			p := kit.NewPool(t, 1)
			ctx, cancel := ctx(context.Background())
			defer cancel()
			var causes kit.Record[error]
			go func() {
				_ = p.Run(ctx, func(ctx context.Context) error {
					derived, cancel := context.WithCancel(ctx)
					defer cancel()
					<-derived.Done()
					causes.Add(context.Cause(ctx))
					causes.Add(context.Cause(derived))
					return nil
				})
			}()
			synctest.Wait()
			require.NoError(t, p.Close())
			require.Equal(t, []error{dray.ErrShutdown, dray.ErrShutdown}, causes.All())
		})
	}
}

func TestPoolClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := kit.NewPool(t, 2, dray.WithShutdownTimeout(time.Second))
		require.NoError(t, p.RunAsync(draytest.Slow(time.Hour)))
		require.NoError(t, p.RunAsync(draytest.Stubborn(time.Minute, kit.ErrBoom)))
		synctest.Wait()
		began := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := p.Close(); !errors.Is(err, dray.ErrStillRunning) {
					t.Errorf("Close did not tell: %v", err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, time.Second, time.Since(began))
		require.ErrorIs(t, p.Close(), dray.ErrStillRunning)
		require.Zero(t, p.Idle())
		require.ErrorIs(t, p.RunAsync(kit.Nop), dray.ErrClosed)
		require.ErrorIs(t, p.Run(t.Context(), kit.Nop), dray.ErrClosed)
		require.ErrorIs(t, p.Start(), dray.ErrClosed)
		require.ErrorIs(t, p.Serve(t.Context()), dray.ErrClosed)
		require.ErrorIs(t, p.Resize(2), dray.ErrClosed)
		kit.Elapse(time.Hour)
	})
}

func TestPoolCloseInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := kit.NewPool(t, 1)
		began := time.Now()
		_ = p.Run(t.Context(), func(context.Context) error { return p.Close() })
		require.Zero(t, time.Since(began))
	})
}

// Run returns also when its function outlives the pool and fails.
func TestPoolRunOfAnAbandonedFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := kit.NewPool(t, 1, dray.WithShutdownTimeout(time.Second))
		ctx, why := kit.Within(t, time.Hour)
		errs := make(chan error, 1)
		go func() { errs <- p.Run(ctx, draytest.Stubborn(time.Minute, kit.ErrBoom)) }()
		synctest.Wait()
		require.ErrorIs(t, p.Close(), dray.ErrStillRunning)
		require.NotErrorIs(t, <-errs, why)
		kit.Elapse(time.Hour)
	})
}

func TestPoolServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := kit.NewPool(t, 1)
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 1)
		go func() { errs <- p.Serve(ctx) }()
		synctest.Wait()
		require.ErrorIs(t, p.Start(), dray.ErrStarted)
		require.NoError(t, p.Run(t.Context(), kit.Nop))
		cancel()
		require.NoError(t, <-errs)
		require.ErrorIs(t, p.Run(t.Context(), kit.Nop), dray.ErrClosed)
	})
}

func TestPoolResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := kit.NewPool(t, 1)
		gate := make(chan struct{})
		require.NoError(t, p.RunAsync(kit.Until(gate)))
		require.NoError(t, p.Resize(3))
		require.Equal(t, 2, p.Idle())
		require.NoError(t, p.RunAsync(kit.Until(gate)))
		require.NoError(t, p.RunAsync(kit.Until(gate)))
		require.NoError(t, p.Resize(1))
		require.Error(t, p.Resize(0))
		close(gate)
		synctest.Wait()
		require.Equal(t, 1, p.Idle())
		require.NoError(t, p.Run(t.Context(), kit.Nop))
	})
}

func TestPoolObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failed kit.Record[error]
		p := kit.NewPool(t, 1, dray.WithName("mine"), dray.WithObserver(func(ev dray.Event) {
			if ev.Kind == dray.JobFailed {
				failed.Add(ev.Err)
			}
		}))
		require.NoError(t, p.RunAsync(kit.Fail))
		synctest.Wait()
		require.Equal(t, []error{kit.ErrBoom}, failed.All())
	})
}

func TestNewPoolRefuses(t *testing.T) {
	for _, n := range []int{0, -1, 1<<20 + 1} {
		_, err := dray.NewPool(n)
		require.Error(t, err)
	}
	for _, o := range []dray.PoolOption{nil, dray.WithName(""), dray.WithLogger(nil), dray.WithObserver(nil), dray.WithShutdownTimeout(-1)} {
		_, err := dray.NewPool(1, o)
		require.Error(t, err)
	}
}

// A pool does not run anything later: what asks for it just failed.
func TestPoolSnooze(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := kit.NewPool(t, 1)
		ctx, why := kit.Within(t, time.Hour)
		runs := 0
		err := p.Run(ctx, func(context.Context) error { runs++; return dray.Snooze(time.Second) })
		require.Error(t, err)
		require.NotErrorIs(t, err, why, "Run hung")
		require.Equal(t, 1, runs)
		require.Equal(t, 1, p.Idle())
		require.ErrorIs(t, p.Run(ctx, func(context.Context) error { return dray.Discard(kit.ErrBoom) }), kit.ErrBoom)
	})
}

func TestPoolReportsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stuck kit.Record[error]
		p := kit.NewPool(t, 1, dray.WithObserver(func(ev dray.Event) {
			if ev.Kind == dray.JobStuck {
				stuck.Add(ev.Err)
			}
		}))
		for n := range 2 {
			ctx, why := kit.Within(t, time.Second)
			require.ErrorIs(t, p.Run(ctx, draytest.Stubborn(time.Minute, nil)), why)
			kit.Elapse(time.Second)
			require.Len(t, stuck.All(), n+1)
			kit.Elapse(time.Hour)
			require.Len(t, stuck.All(), n+1)
		}
		require.Equal(t, []error{dray.ErrCancelled, dray.ErrCancelled}, stuck.All())
	})
}
