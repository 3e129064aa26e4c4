package shutdown_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// shortRun serves q until it is told, at once or after a moment, that it will be started again.
func shortRun(t *testing.T, q *dray.Queue) {
	t.Helper()
	ctx, end := context.WithCancelCause(context.Background())
	served := make(chan error, 1)
	go func() { served <- q.Serve(ctx) }()
	for range rand.IntN(100) {
		runtime.Gosched()
	}
	end(dray.ErrRestart)
	if err := <-served; err != nil && !errors.Is(err, dray.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
}

// Owners that come and go, some without a tick, break no rule: each call is answered.
func TestCallsBesideShortRuns(t *testing.T) {
	q := newQueue(t, dray.WithWorkers(2))
	var (
		over  atomic.Bool
		calls sync.WaitGroup
	)
	for range 4 {
		calls.Go(func() {
			for !over.Load() {
				for _, err := range []error{q.Pause(), q.Resume()} {
					if err != nil {
						t.Errorf("a call was not made: %v", err)
						return
					}
				}
				if q.Stats().Workers == 0 {
					t.Error("Stats of a queue without workers")
					return
				}
				runtime.Gosched() // or, on one processor, a short run has to wait for each of these
			}
		})
	}
	for range 500 {
		shortRun(t, q)
	}
	over.Store(true)
	calls.Wait()
}

// A shutdown that begins while a run ends, to be followed by another one, finds the intake open:
// what is accepted until it is closed is in the report.
func TestShutdownAtTheEndOfAShortRun(t *testing.T) {
	for range 300 {
		q := newQueue(t, dray.WithWorkers(1), dray.WithCapacity(dray.Unbounded))
		require.NoError(t, q.Pause())
		accepted := 0
		var producer, serving sync.WaitGroup
		serving.Go(func() { shortRun(t, q) })
		producer.Go(func() {
			for q.Enqueue(context.Background(), func(context.Context) error { return nil }) == nil {
				accepted++
				runtime.Gosched()
			}
		})
		for range rand.IntN(200) {
			runtime.Gosched()
		}
		report, err := q.Shutdown(context.Background())
		producer.Wait()
		serving.Wait()
		require.Equal(t, accepted, len(report.Waiting), "%v", err) //nolint:testifylint // Len would print them all
	}
}
