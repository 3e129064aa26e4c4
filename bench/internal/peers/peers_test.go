package peers

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// ants has goroutines of its own from the start of the process.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

func TestEveryPoolRunsEachJobOnce(t *testing.T) {
	for _, m := range append(Pools(), Go) {
		t.Run(m.Name, func(t *testing.T) {
			var ran atomic.Int64
			p := m.New(3)
			p.Enqueue(NewJob(func() { ran.Add(1) }), 2000)
			p.Close()
			require.EqualValues(t, 2000, ran.Load())
		})
	}
}

func TestHoldersStartNothing(t *testing.T) {
	var ran atomic.Int64
	p := NewDray(2)
	p.Hold()
	p.Enqueue(NewJob(func() { ran.Add(1) }), 10)
	require.Zero(t, ran.Load())
	require.Equal(t, 10, p.Queue.Stats().Pending)
	p.Release()
	p.Close()
	require.EqualValues(t, 10, ran.Load())
}

func TestEveryCallerReturnsTheResult(t *testing.T) {
	for _, m := range Callers() {
		t.Run(m.Name, func(t *testing.T) {
			c := m.New(2)
			defer c.Close()
			require.Equal(t, 100, c.Call(100))
		})
	}
}

func TestEverySupervisorRestarts(t *testing.T) {
	for _, m := range Supervisors() {
		for name, end := range map[string]func() error{
			"panic": func() error { panic("test") },
			"error": func() error { return errors.New("test") },
		} {
			t.Run(m.Name+" after "+name, func(t *testing.T) {
				up := make(chan struct{})
				stop := m.Start(func(stopped <-chan struct{}) error {
					select {
					case up <- struct{}{}:
						return end()
					case <-stopped:
						return nil
					}
				})
				for range 20 {
					<-up
				}
				stop()
			})
		}
	}
}

func TestEverySchedulerRunsAndForgets(t *testing.T) {
	for _, m := range append(Schedulers(), WatchedScheduler) {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			ran := make(chan struct{}, 100)
			s := m.New(2)
			defer s.Close()
			begin := time.Now().Add(300 * time.Millisecond) // gocron refuses times that are past
			s.Add(0, Grid{begin, time.Hour}, func() { ran <- struct{}{} })
			s.Add(1, Grid{begin.Add(time.Hour), time.Hour}, func() { panic("removed, and early") })
			s.Start()
			<-ran
			s.Remove(1)
			require.Empty(t, ran, "once an hour")
		})
	}
}

func TestGrid(t *testing.T) {
	first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	g := Grid{first, time.Minute}
	for after, want := range map[time.Duration]time.Duration{
		-time.Hour: 0, -1: 0, 0: time.Minute, 1: time.Minute, time.Minute - 1: time.Minute, time.Minute: 2 * time.Minute, 90 * time.Second: 2 * time.Minute,
	} {
		require.Equal(t, first.Add(want), g.Next(first.Add(after)), "%v", after)
		nanos, err := g.NextFireTime(first.Add(after).UnixNano())
		require.NoError(t, err)
		require.Equal(t, first.Add(want).UnixNano(), nanos)
	}
}
