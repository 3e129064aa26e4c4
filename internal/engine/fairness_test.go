package engine

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
)

// An owner that has very many jobs to deal with gives others the processor after some of them: else
// neither a worker nor a job that has slept would go on meanwhile, where no processor is idle.
func TestOwnerYieldsBetweenManyThatAreDue(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const ticks, at = 64, time.Hour
	for name, j := range map[string]core.Job{
		"due":       {RunAt: at, Spec: &core.Spec{}},
		"expired":   {Spec: &core.Spec{Within: at}},
		"put aside": {Spec: &core.Spec{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := New(catching{}, Config{Core: core.Config{Workers: 1, Capacity: -1}, Clock: clock.New()})
				e.Update(func(c *core.Core, now time.Duration) {
					c.SetStopped(false)
					c.PauseKind("paused")
					j.Kind, j.MaxAttempts = "paused", 1
					for range 3 * ticks * SlicedJobs {
						c.Accept(new(j), e.TakeID(), now)
					}
				})
				ctx, cancel := context.WithCancel(t.Context())
				var turns atomic.Int64 // of another goroutine that always wants to run
				seen := 0
				e.SetFault(func(where string) {
					if where != "advance" || e.Now() < at {
						return
					}
					if seen++; seen == ticks {
						cancel()
					} else if seen == 1 {
						go func() {
							for ctx.Err() == nil {
								turns.Add(1)
								runtime.Gosched()
							}
						}()
					}
				})
				go func() {
					time.Sleep(at)
					e.Update(func(c *core.Core, _ time.Duration) { c.Open() })
				}()
				require.NoError(t, e.Serve(ctx))
				e.Close()
				require.Greater(t, turns.Load(), int64(ticks/2), "it may be the next itself where the race detector shuffles goroutines")
			})
		})
	}
}

// Where a yield takes long, as all processors are busy, the owner works as long before the next.
func TestOwnerWorksForAsLongAsItHasWaited(t *testing.T) {
	var f fairness
	yields := func(at, back time.Duration) bool {
		times := []time.Duration{at, back}
		f.yield(func() time.Duration {
			at := times[0]
			times = times[1:]
			return at
		})
		return len(times) == 0
	}
	require.True(t, yields(10, 10), "the first time")
	require.True(t, yields(11, 20), "nobody else wanted to run before")
	require.False(t, yields(28, 0))
	require.True(t, yields(29, 40), "it has worked for 9, as long as it has waited")
	require.False(t, yields(50, 0))
	require.True(t, yields(51, 51))
	require.True(t, yields(51, 52))
}
