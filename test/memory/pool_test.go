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

// poolEndings are what a function does that a pool runs, and its caller's context.
var poolEndings = map[string]func(tr *trap, ctx context.Context) error{
	"processed": func(*trap, context.Context) error { return nil },
	"used":      func(_ *trap, ctx context.Context) error { <-time.After(time.Second); return ctx.Err() },
	"failed":    func(tr *trap, _ context.Context) error { return failure{tr.watch("error")} },
	"panicked":  func(tr *trap, _ context.Context) error { panic(tr.watch("panic value")) },
	"Goexit":    func(*trap, context.Context) error { runtime.Goexit(); return nil },
	"obeys":     func(tr *trap, ctx context.Context) error { <-ctx.Done(); return failure{tr.watch("error")} },
	"late":      func(*trap, context.Context) error { time.Sleep(time.Hour); return nil },
}

// A pool keeps nothing of what it has run, nor of what it has refused: not while its
// workers are idle, nor once they have left, nor closed.
func TestPoolKeepsNothing(t *testing.T) {
	for name, run := range poolEndings {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				traps := &trap{}
				p, err := dray.NewPool(2)
				require.NoError(t, err)
				usePool(t, p, traps, run)
				for _, wait := range []time.Duration{2 * time.Hour, time.Hour} {
					time.Sleep(wait)
					synctest.Wait()
					collect()
					require.Empty(t, traps.alive())
				}
				require.Equal(t, 2, p.Idle())
				require.NoError(t, p.Close())
				collect()
				require.Empty(t, traps.alive())
				runtime.KeepAlive(p)
			})
		})
	}
}

// usePool has the pool run a function in each way, and refuse others.
func usePool(t *testing.T, p *dray.Pool, traps *trap, run func(*trap, context.Context) error) {
	fn := func(name string) dray.Func {
		captured := traps.watch(name)
		return func(ctx context.Context) error {
			defer runtime.KeepAlive(captured)
			return run(traps, ctx)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key("value"), traps.watch("value")), time.Minute)
	waited, async := fn("Run"), fn("RunAsync")
	go func() {
		defer cancel()
		_ = p.Run(ctx, waited) // whatever the function says
	}()
	synctest.Wait()
	if p.Idle() == 2 {
		require.NoError(t, p.RunAsync(uses(traps.watch("beside"))))
	} else {
		ends := func(ctx context.Context) error { // RunAsync has no context that would end
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			return async(ctx)
		}
		require.NoError(t, p.RunAsync(ends))
		require.ErrorIs(t, p.RunAsync(fn("refused")), dray.ErrNoWorkers)
		require.ErrorIs(t, p.Run(ctx, fn("refused")), dray.ErrNoWorkers)
	}
}
