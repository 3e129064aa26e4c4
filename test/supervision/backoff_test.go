package supervision_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

var strategies = []dray.Strategy{dray.OneForOne, dray.RestForOne, dray.OneForAll}

func eachStrategy(t *testing.T, test func(*testing.T, dray.Strategy)) {
	t.Helper()
	for _, s := range strategies {
		t.Run(s.String(), func(t *testing.T) { bubble(t, func(t *testing.T) { test(t, s) }) })
	}
}

// A backoff that throws or leaves means no delay, and hurts nothing else.
func TestBackoffThrows(t *testing.T) {
	for name, b := range map[string]func() time.Duration{
		"panics":     func() time.Duration { panic("thrown") },
		"panics nil": func() time.Duration { panic(nil) }, //nolint:gopanicnil // on purpose
		"exits":      func() time.Duration { runtime.Goexit(); return 0 },
		"negative":   func() time.Duration { return -time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			eachStrategy(t, func(t *testing.T, strategy dray.Strategy) {
				j := &journal{}
				a, b2 := newWorker(j, "a"), newWorker(j, "b")
				r := supervise(t, strategy, dray.WithChildren(child(a), child(b2)), dray.WithIntensity(100, time.Hour),
					dray.WithRestartBackoff(func(int) time.Duration { return b() }))
				for range 5 {
					before := time.Now()
					a.kill(fail)
					require.Equal(t, "a running, b running", r.states())
					require.Equal(t, before, time.Now())
				}
				require.NoError(t, r.stop())
			})
		})
	}
}

// A backoff that never returns holds its restarts up for a second each, costs one
// goroutine, and is named at the end.
func TestBackoffBlocks(t *testing.T) {
	eachStrategy(t, func(t *testing.T, strategy dray.Strategy) {
		release := make(chan struct{})
		var calls atomic.Int32
		j := &journal{}
		a, b := newWorker(j, "a"), newWorker(j, "b")
		s := build(t, strategy, dray.WithChildren(child(a), child(b)), dray.WithIntensity(100, time.Hour),
			dray.WithRestartBackoff(func(int) time.Duration { calls.Add(1); <-release; return 0 }))
		for range 2 {
			r := serve(t, s)
			for range 5 {
				a.kill(fail)
				require.Equal(t, dray.ChildRestarting, r.Children()[0].State)
				require.NoError(t, r.Add(child(newWorker(j, "c"))), "calls are served")
				require.NoError(t, r.Remove("c"))
				time.Sleep(time.Second - 1)
				require.Equal(t, dray.ChildRestarting, r.Children()[0].State)
				time.Sleep(1)
				require.Equal(t, "a running, b running", r.states())
			}
			require.EqualValues(t, 1, calls.Load(), "one goroutine, ever")
			before := time.Now()
			err := r.stop()
			require.ErrorIs(t, err, dray.ErrAbandoned)
			require.ErrorContains(t, err, "backoff")
			require.Equal(t, before, time.Now())
			j.take()
		}
		close(release)
		synctest.Wait()
		r := serve(t, s)
		a.kill(fail)
		require.Equal(t, "a running, b running", r.states())
		require.EqualValues(t, 2, calls.Load(), "it is asked again once it has returned")
		require.NoError(t, r.stop())
	})
}

// The stop waits for a call that is under way, but not longer than it may take.
func TestStopWhileTheBackoffIsAsked(t *testing.T) {
	for _, takes := range []time.Duration{1, 999 * time.Millisecond, time.Second - 1, time.Second + 1, time.Hour} {
		eachStrategy(t, func(t *testing.T, strategy dray.Strategy) {
			a := newWorker(&journal{}, "a")
			r := supervise(t, strategy, dray.WithChildren(child(a)),
				dray.WithRestartBackoff(func(int) time.Duration { time.Sleep(takes); return 0 }))
			before := time.Now()
			a.kill(fail)
			err := r.stop()
			if takes < time.Second {
				require.NoError(t, err)
				require.Equal(t, takes, time.Since(before))
			} else {
				require.ErrorIs(t, err, dray.ErrAbandoned)
				require.Equal(t, time.Second, time.Since(before))
			}
			time.Sleep(time.Hour)
		})
	}
}

// A delay counts from the failure, not from the answer.
func TestBackoffTakesItsTime(t *testing.T) {
	eachStrategy(t, func(t *testing.T, strategy dray.Strategy) {
		j := &journal{}
		a := newWorker(j, "a")
		r := supervise(t, strategy, dray.WithChildren(child(a)),
			dray.WithRestartBackoff(func(int) time.Duration { time.Sleep(900 * time.Millisecond); return 2 * time.Second }))
		a.kill(fail)
		time.Sleep(2*time.Second - 1)
		require.Equal(t, "start a, die a", j.take())
		time.Sleep(1)
		require.Equal(t, "start a", j.take())
		require.NoError(t, r.stop())
	})
}

// A backoff may call its supervisor.
func TestBackoffCallsBack(t *testing.T) {
	eachStrategy(t, func(t *testing.T, strategy dray.Strategy) {
		var r *run
		j := &journal{}
		a := newWorker(j, "a")
		r = supervise(t, strategy, dray.WithChildren(child(a), child(newWorker(j, "b"))),
			dray.WithRestartBackoff(func(int) time.Duration {
				r.Children()
				_ = r.Restart("a")
				return time.Hour
			}))
		j.take()
		a.kill(fail)
		require.Equal(t, "a running, b running", r.states(), "Restart goes before the delay")
		time.Sleep(2 * time.Hour)
		require.Equal(t, "a running, b running", r.states())
		require.NoError(t, r.stop())
	})
}

// A run that was longer than the intensity's period ends the row of failures,
// whatever ended it. The first to fail then is asked for with 1.
func TestHealthyRunEndsTheRow(t *testing.T) {
	const period = time.Minute
	for name, interrupt := range map[string]func(*testing.T, *run, *worker){
		"Restart": func(t *testing.T, r *run, _ *worker) { require.NoError(t, r.Restart("b")) },
		"Terminate": func(t *testing.T, r *run, _ *worker) {
			require.NoError(t, r.Terminate("b"))
			require.NoError(t, r.Restart("b"))
		},
		"a sibling": func(_ *testing.T, _ *run, a *worker) { a.kill(fail); time.Sleep(time.Millisecond) },
	} {
		for _, ran := range []time.Duration{period - 1, period, period + 1, 24 * time.Hour} {
			t.Run(name+" after "+ran.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					var asked []int
					j := &journal{}
					a, b := newWorker(j, "a"), newWorker(j, "b")
					r := supervise(t, dray.RestForOne, dray.WithChildren(child(a), child(b)), dray.WithIntensity(100, period),
						dray.WithRestartBackoff(func(attempt int) time.Duration {
							asked = append(asked, attempt)
							return time.Millisecond
						}))
					for range 3 {
						b.kill(fail)
						time.Sleep(time.Millisecond)
						synctest.Wait()
					}
					time.Sleep(ran)
					interrupt(t, r, a)
					synctest.Wait()
					asked = nil
					b.kill(fail)
					want := 4
					if ran > period {
						want = 1
					}
					require.Equal(t, []int{want}, asked)
					require.NoError(t, r.stop())
				})
			})
		}
	}
}
