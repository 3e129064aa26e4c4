package shutdown_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

func newPool(t testing.TB, workers int, opts ...dray.PoolOption) *dray.Pool {
	t.Helper()
	p, err := dray.NewPool(workers, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// A pool is served again and again. What does not return keeps its worker.
func TestPoolServeAgain(t *testing.T) {
	for name, cause := range causes {
		bubble(t, name, func(t *testing.T) {
			closed := dray.ErrClosed
			if name == "restart" {
				closed = dray.ErrNoWorkers
			}
			p := newPool(t, 3, dray.WithShutdownTimeout(time.Second))
			require.NoError(t, p.Run(t.Context(), kit.Nop), "ready from the beginning")
			var ran record[string]
			v := serve(p)
			require.NoError(t, p.RunAsync(ran.deaf("deaf", time.Hour, kit.ErrBoom)))
			synctest.Wait() // two workers begin in any order
			for range 3 {
				answer := make(chan error, 1)
				go func() { answer <- p.Run(context.Background(), ran.sleeper("cut", time.Hour)) }()
				synctest.Wait()
				require.Equal(t, 1, p.Idle())
				require.ErrorIs(t, p.Start(), dray.ErrStarted)
				v.stop(cause)
				synctest.Wait()
				require.ErrorIs(t, <-answer, dray.ErrShutdown, "at once")
				require.ErrorIs(t, p.Run(t.Context(), kit.Nop), closed)
				require.Equal(t, time.Second, v.wait(t))
				require.ErrorIs(t, p.Run(t.Context(), kit.Nop), closed)
				require.ErrorIs(t, p.RunAsync(kit.Nop), closed)
				require.Zero(t, p.Idle())
				time.Sleep(time.Minute)
				v = serve(p)
				require.Equal(t, 2, p.Idle())
				require.NoError(t, p.Run(t.Context(), kit.Nop))
			}
			require.Equal(t, []string{"deaf", "cut", "cut", "cut"}, ran.All())
			time.Sleep(time.Hour)
			require.Equal(t, 3, p.Idle())
			v.end(t, cause)
			require.NoError(t, p.Start(), "Start goes on, too")
			require.NoError(t, p.Run(t.Context(), kit.Nop))
			require.NoError(t, p.Close())
			require.ErrorIs(t, p.Start(), dray.ErrClosed)
			require.ErrorIs(t, p.Serve(t.Context()), dray.ErrClosed)
		})
	}
}

func TestPoolServeOfAnEndedContext(t *testing.T) {
	for name, cause := range causes {
		bubble(t, name, func(t *testing.T) {
			p := newPool(t, 1)
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(cause)
			require.NoError(t, p.Serve(ctx))
			require.Error(t, p.Run(t.Context(), kit.Nop))
			v := serve(p)
			require.NoError(t, p.Run(t.Context(), kit.Nop))
			require.ErrorIs(t, p.Serve(ctx), dray.ErrStarted)
			require.NoError(t, p.Run(t.Context(), kit.Nop))
			v.end(t, nil)
		})
	}
}

// Close at any moment of the end of Serve takes no longer than that.
func TestPoolCloseWhileServeEnds(t *testing.T) {
	for name, cause := range causes {
		for _, after := range []time.Duration{0, 1, 500 * time.Millisecond, time.Second - 1, time.Second, time.Second + 1, time.Minute} {
			bubble(t, name+" "+after.String(), func(t *testing.T) {
				p := newPool(t, 1, dray.WithShutdownTimeout(time.Second))
				v := serve(p)
				var ran record[int]
				require.NoError(t, p.RunAsync(ran.deaf(1, time.Hour, nil)))
				synctest.Wait()
				v.stop(cause)
				began := time.Now()
				time.Sleep(after)
				require.ErrorIs(t, p.Close(), dray.ErrStillRunning)
				require.LessOrEqual(t, time.Since(began), max(after, time.Second))
				v.wait(t)
				time.Sleep(time.Hour)
			})
		}
	}
}

// What a pool has taken is run, however soon it is closed, or its Serve ends.
func TestPoolRunsWhatItHasTaken(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, p *dray.Pool, v *serving){
		"close":   func(t *testing.T, p *dray.Pool, _ *serving) { require.NoError(t, p.Close()) },
		"restart": func(t *testing.T, _ *dray.Pool, v *serving) { v.end(t, dray.ErrRestart) },
		"end":     func(t *testing.T, _ *dray.Pool, v *serving) { v.end(t, context.Canceled) },
	} {
		bubble(t, name, func(t *testing.T) {
			p, err := dray.NewPool(3)
			require.NoError(t, err)
			v := serve(p)
			var ran record[int]
			for i := range 3 {
				require.NoError(t, p.RunAsync(func(ctx context.Context) error { ran.Add(i); <-ctx.Done(); return ctx.Err() }))
			}
			end(t, p, v)
			require.Len(t, ran.All(), 3)
			require.NoError(t, p.Close())
		})
	}
}

// A pool whose Serve had nothing to begin ends what it has taken when it is closed.
func TestPoolClosesAfterServeOfAnEndedContext(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		p, err := dray.NewPool(1)
		require.NoError(t, err)
		cause := make(chan error, 1)
		require.NoError(t, p.RunAsync(func(ctx context.Context) error { <-ctx.Done(); cause <- context.Cause(ctx); return nil }))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, p.Serve(ctx))
		require.ErrorIs(t, p.RunAsync(kit.Nop), dray.ErrClosed)
		require.NoError(t, p.Close())
		require.ErrorIs(t, <-cause, dray.ErrShutdown)
	})
}

// A pool that has become too small for what it has taken is closed in time all the same,
// and runs it: those that are in the way are cancelled first.
func TestPoolThatBecameTooSmallIsClosed(t *testing.T) {
	for name, c := range map[string]struct {
		stays time.Duration // of the one in the way, when cancelled
		err   error
	}{"heeds": {0, nil}, "deaf": {time.Hour, dray.ErrStillRunning}} {
		bubble(t, name, func(t *testing.T) {
			p, err := dray.NewPool(2, dray.WithShutdownTimeout(3*time.Second))
			require.NoError(t, err)
			var ran record[string]
			require.NoError(t, p.RunAsync(func(ctx context.Context) error { ran.Add("first"); <-ctx.Done(); time.Sleep(c.stays); return nil }))
			synctest.Wait()
			require.NoError(t, p.RunAsync(ran.Job("second")))
			require.NoError(t, p.Resize(1))
			began := time.Now()
			require.ErrorIs(t, p.Close(), c.err)
			require.LessOrEqual(t, time.Since(began), 3*time.Second)
			if c.err == nil {
				require.Equal(t, []string{"first", "second"}, ran.All())
			}
			time.Sleep(2 * time.Hour)
		})
	}
}
