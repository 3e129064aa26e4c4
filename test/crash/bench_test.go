package crash_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/internal/testhook"
)

// BenchmarkOwnerRestart is the time from a crash of the owner, its stack captured,
// to the first thing that its successor does, with so many jobs waiting. The
// median is reported as p50-ns; beside it, a bare supervised child that panics.
func BenchmarkOwnerRestart(b *testing.B) {
	for _, waiting := range []int{0, 100_000} {
		b.Run(fmt.Sprint("waiting=", waiting), func(b *testing.B) { benchOwnerRestart(b, waiting) })
	}
	b.Run("bare child", benchChildRestart)
}

func benchOwnerRestart(b *testing.B, waiting int) {
	q, err := dray.New(dray.WithCapacity(dray.Unbounded))
	require.NoError(b, err)
	testhook.Inside(q).Endure()
	epoch := time.Now()
	var crashed atomic.Int64 // when; zero while there is nothing to measure
	back := make(chan time.Duration, 1)
	var armed atomic.Bool
	testhook.Inside(q).Fault(func(at string) {
		switch {
		case at != "advance":
		case armed.CompareAndSwap(true, false):
			crashed.Store(int64(time.Since(epoch)))
			panic("a broken rule")
		default:
			if t := crashed.Swap(0); t != 0 {
				back <- time.Since(epoch) - time.Duration(t)
			}
		}
	})
	require.NoError(b, q.Start())
	require.NoError(b, q.Pause())
	for range waiting {
		require.NoError(b, q.Enqueue(b.Context(), func(context.Context) error { return nil }))
	}
	var took []time.Duration
	for b.Loop() {
		armed.Store(true)
		testhook.Inside(q).Poke()
		took = append(took, <-back)
	}
	reportMedian(b, took)
	require.NoError(b, q.Close())
}

func benchChildRestart(b *testing.B) {
	epoch := time.Now()
	var crashed time.Duration // written before the panic, read by the successor
	back, die := make(chan time.Duration, 1), make(chan struct{})
	s, err := dray.NewSupervisor(dray.OneForOne, dray.WithIntensity(math.MaxInt, time.Second), dray.WithChildren(dray.Child{Name: "c", Service: dray.ServiceFunc(
		func(ctx context.Context) error {
			back <- time.Since(epoch) - crashed
			select {
			case <-die:
				crashed = time.Since(epoch)
				panic("a broken rule")
			case <-ctx.Done():
				return nil
			}
		})}))
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	<-back
	var took []time.Duration
	for b.Loop() {
		die <- struct{}{}
		took = append(took, <-back)
	}
	reportMedian(b, took)
	cancel()
	require.NoError(b, <-done)
}

func reportMedian(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
}
