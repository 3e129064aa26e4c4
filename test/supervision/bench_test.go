package supervision_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// From a panic to the successor's Serve, stack captured, with both hand-overs to
// the benchmark's goroutine in it.
func BenchmarkSupervisorRestart(b *testing.B) {
	for _, how := range []string{"panic", "error", "Goexit"} {
		b.Run(how, func(b *testing.B) {
			up, die := make(chan struct{}), make(chan struct{})
			s, err := dray.NewSupervisor(dray.OneForOne, dray.WithIntensity(1000, time.Nanosecond), dray.WithChildren(
				dray.Child{Name: "a", Service: dray.ServiceFunc(func(ctx context.Context) error {
					up <- struct{}{}
					select {
					case <-die:
						return ends[how]()
					case <-ctx.Done():
						return nil
					}
				})}))
			require.NoError(b, err)
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error)
			go func() { done <- s.Serve(ctx) }()
			<-up
			b.ReportAllocs()
			for b.Loop() {
				die <- struct{}{}
				<-up
			}
			b.StopTimer()
			cancel()
			require.NoError(b, <-done)
		})
	}
}

// A group of ten: nine stops in reverse, ten starts.
func BenchmarkSupervisorRestartGroup(b *testing.B) {
	up, die := make(chan struct{}), make(chan struct{})
	idle := dray.ServiceFunc(func(ctx context.Context) error { <-ctx.Done(); return nil })
	s, err := dray.NewSupervisor(dray.OneForAll, dray.WithIntensity(1000, time.Nanosecond))
	require.NoError(b, err)
	for i := range 9 {
		require.NoError(b, s.Add(dray.Child{Name: fmt.Sprint(i), Service: idle}))
	}
	require.NoError(b, s.Add(dray.Child{Name: "last", Service: dray.ServiceFunc(func(ctx context.Context) error {
		up <- struct{}{}
		select {
		case <-die:
			return errBoom
		case <-ctx.Done():
			return nil
		}
	})}))
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx) }()
	<-up
	b.ReportAllocs()
	for b.Loop() {
		die <- struct{}{}
		<-up
	}
	b.StopTimer()
	cancel()
	require.NoError(b, <-done)
}

func BenchmarkSupervisorStartStop(b *testing.B) {
	for _, n := range []int{1, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := crowd(b, dray.OneForOne, n)
			b.ReportAllocs()
			for b.Loop() {
				serveOnce(b, s)
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(n), "ns/child")
		})
	}
}

func crowd(tb testing.TB, strategy dray.Strategy, n int) *dray.Supervisor {
	tb.Helper()
	idle := dray.ServiceFunc(func(ctx context.Context) error { <-ctx.Done(); return nil })
	s, err := dray.NewSupervisor(strategy)
	require.NoError(tb, err)
	for i := range n {
		require.NoError(tb, s.Add(dray.Child{Name: fmt.Sprint(i), Service: idle}))
	}
	return s
}

// serveOnce starts all children and stops them.
func serveOnce(tb testing.TB, s *dray.Supervisor) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx) }()
	for s.Children()[0].State != dray.ChildRunning { // begins soon
		time.Sleep(time.Microsecond)
	}
	cancel()
	require.NoError(tb, <-done)
}

func TestSupervisorManyChildrenComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 2_000
		s := crowd(t, dray.OneForOne, n)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx) }()
		synctest.Wait()
		for i := range n {
			require.NoError(t, s.Add(dray.Child{Name: fmt.Sprint("t", i), Restart: dray.Temporary, Service: serving(ends["nil"])}))
		}
		synctest.Wait()
		for i := n - 1; i >= 0; i-- {
			require.NoError(t, s.Remove(fmt.Sprint(i)))
		}
		require.Empty(t, s.Children())
		cancel()
		require.NoError(t, <-done)
		require.Empty(t, s.Children())
	})
}

// Starting and stopping over and over leaves nothing: goleak looks after this.
func TestSupervisorStartStopStress(t *testing.T) {
	s := crowd(t, dray.RestForOne, 3)
	for i := range 2_000 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx) }()
		if i%2 == 0 {
			_ = s.Restart("1")
		}
		cancel()
		require.NoError(t, <-done)
	}
}
