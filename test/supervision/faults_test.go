package supervision_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
)

// This file has the faults of supervision in the order in which docs/faults.md lists
// them, from 26 on.

// Fault 26. A child that fails for ever is started as often as the intensity allows,
// and once more for the first time; a start that fails counts like an end.
func TestRestartStormEnds(t *testing.T) {
	for _, limit := range []int{0, 1, 3, 50} {
		for _, where := range []string{"Serve", "a restart's Init"} {
			eachStrategy(t, func(t *testing.T, strategy dray.Strategy) {
				var starts atomic.Int32
				bad := &worker{name: "bad", journal: &journal{}}
				serves := dray.ServiceFunc(func(context.Context) error { starts.Add(1); return errFailed })
				if where != "Serve" {
					bad.onInit = func(context.Context) error {
						if starts.Add(1) > 1 {
							return errFailed
						}
						return nil
					}
					serves = nil
				}
				c := dray.Child{Name: "bad", Service: bad}
				if serves != nil {
					c.Service = serves
				} else {
					bad.deaths = make(chan func() error, 1)
					bad.deaths <- fail
				}
				r := supervise(t, strategy, dray.WithIntensity(limit, time.Hour), dray.WithChildren(child(newWorker(&journal{}, "a")), c))
				err := r.end(time.Second)
				require.ErrorIs(t, err, dray.ErrIntensity)
				require.ErrorIs(t, err, errFailed)
				require.EqualValues(t, limit+1, starts.Load())
				require.Equal(t, "a down, bad down", r.states())
			})
		}
	}
}

// The control: with room for more, the same child is still being restarted.
func TestRestartStormWithoutALimitDoesNotEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var starts atomic.Int32
		r := supervise(t, dray.OneForOne, dray.WithIntensity(1_000_000, time.Nanosecond), dray.WithChildren(
			dray.Child{Name: "bad", Service: dray.ServiceFunc(func(context.Context) error {
				starts.Add(1)
				time.Sleep(time.Second)
				return errFailed
			})}))
		time.Sleep(time.Hour)
		r.requireRunning()
		require.Greater(t, starts.Load(), int32(3000))
		require.NoError(t, r.stop())
	})
}

// Fault 27. A restart counts until the period has passed, its last instant included.
func TestFailureAtTheEdgeOfThePeriod(t *testing.T) {
	const period = 5 * time.Second
	for _, after := range []time.Duration{period - 1, period, period + 1} {
		t.Run(after.String(), func(t *testing.T) {
			eachStrategy(t, func(t *testing.T, strategy dray.Strategy) {
				a := newWorker(&journal{}, "a")
				r := supervise(t, strategy, dray.WithIntensity(1, period), dray.WithChildren(child(a)))
				for range 3 { // each counts from the last one
					a.kill(fail)
					if after <= period {
						break
					}
					time.Sleep(after)
				}
				if after > period {
					r.requireRunning()
					require.NoError(t, r.stop())
					return
				}
				time.Sleep(after)
				a.kill(fail)
				require.ErrorIs(t, r.end(time.Second), dray.ErrIntensity)
			})
		})
	}
}

// Fault 28. A start that fails, throws, exits or blocks in a restart: calls are
// served, those that depend on it wait, and the stop works.
func TestStartGoesWrongInARestart(t *testing.T) {
	for name, init := range map[string]func(context.Context) error{
		"blocks": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"deaf":   func(context.Context) error { time.Sleep(time.Hour); return nil },
		"fails":  func(context.Context) error { time.Sleep(time.Second); return errFailed },
		"panics": func(context.Context) error { time.Sleep(time.Second); panic("thrown") },
		"exits":  func(context.Context) error { time.Sleep(time.Second); return exits() },
	} {
		t.Run(name, func(t *testing.T) {
			eachStrategy(t, func(t *testing.T, strategy dray.Strategy) {
				j := &journal{}
				a, b := newWorker(j, "a"), newWorker(j, "b")
				r := supervise(t, strategy, dray.WithIntensity(1000, time.Hour), dray.WithChildren(child(a), child(b), child(newWorker(j, "c"))))
				b.mu.Lock()
				b.onInit = init
				b.mu.Unlock()
				b.kill(fail)
				for range 10 {
					began := time.Now()
					require.NoError(t, r.Add(child(newWorker(j, "d"))))
					require.ErrorIs(t, r.Add(child(newWorker(j, "a"))), dray.ErrDuplicate)
					require.NoError(t, r.Remove("d"))
					require.ErrorIs(t, r.Terminate("none"), dray.ErrNotFound)
					require.Equal(t, dray.ChildStarting, r.Children()[1].State)
					require.Equal(t, began, time.Now(), "nothing waits")
					time.Sleep(300*time.Millisecond + 1)
				}
				began := time.Now()
				err := r.stop()
				if name == "deaf" {
					require.ErrorIs(t, err, dray.ErrAbandoned)
				} else {
					require.NoError(t, err)
				}
				require.LessOrEqual(t, time.Since(began), 5*time.Second)
				time.Sleep(time.Hour)
			})
		})
	}
}

// Fault 29. A child that dies while the supervisor stops changes nothing about that.
func TestDeathDuringTheStop(t *testing.T) {
	eachStrategy(t, func(t *testing.T, strategy dray.Strategy) {
		for _, how := range []func() error{normal, fail, panics, exits} {
			j := &journal{}
			a, b := newWorker(j, "a"), newWorker(j, "b")
			r := supervise(t, strategy, dray.WithChildren(child(a), child(b), child(slow(newWorker(j, "c"), time.Second))))
			j.take()
			r.cancel()
			synctest.Wait()
			a.kill(how)
			require.Equal(t, "stop c, die a", j.take())
			require.NoError(t, r.stop())
			require.Equal(t, "stop b", j.take())
			for _, c := range r.Children() {
				require.Zero(t, c.Restarts)
			}
		}
	})
}

// Fault 30. Two that die at once are two failures, and one restart of a group.
func TestTwoDieAtOnce(t *testing.T) {
	for range 30 { // real concurrency: who is heard first differs
		eachStrategy(t, func(t *testing.T, strategy dray.Strategy) {
			j := &journal{}
			a, b, c := newWorker(j, "a"), newWorker(j, "b"), newWorker(j, "c")
			r := supervise(t, strategy, dray.WithIntensity(2, time.Hour), dray.WithChildren(child(a), child(b), child(c)))
			j.take()
			a.deaths <- fail // which does not wait for what follows
			b.deaths <- fail
			require.Equal(t, "a running, b running, c running", r.states())
			var restarts uint64
			for _, c := range r.Children() {
				restarts += c.Restarts
			}
			if strategy == dray.OneForOne {
				require.EqualValues(t, 2, restarts, "one count each")
			}
			require.LessOrEqual(t, restarts, uint64(2))
			lines := j.take()
			starts := 1
			if strategy == dray.OneForAll && strings.LastIndex(lines, "die") > strings.Index(lines, "start") {
				starts = 2 // the second was stopped before it died, so it did when it had been started again
			}
			require.Equal(t, starts, count(lines, "start a"), "%s", lines)
			require.LessOrEqual(t, count(lines, "start b"), 2, "%s", lines)
			require.NoError(t, r.stop())
		})
	}
}

func count(lines, line string) (n int) {
	for l := range strings.SplitSeq(lines, ", ") {
		if l == line {
			n++
		}
	}
	return n
}

// Fault 31. What depends on a child has stopped before it is stopped, in nested
// supervisors too, at the end and in restarts.
func TestDependentsStopFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := &journal{}
		a, b := newWorker(j, "a"), newWorker(j, "b")
		takes := func(name string) dray.Child { return child(slow(newWorker(j, name), time.Second)) }
		inner := build(t, dray.OneForAll, dray.WithChildren(child(b), takes("c"), takes("d")))
		r := supervise(t, dray.RestForOne, dray.WithChildren(child(a), dray.Child{Name: "inner", Service: inner}, takes("e")))
		const starts, stops = "start a, start b, start c, start d, start e", "stop e, stop d, stop c, stop b"
		require.Equal(t, starts, j.take())
		b.kill(fail)
		time.Sleep(time.Minute)
		require.Equal(t, "die b, stop d, stop c, start b, start c, start d", j.take())
		a.kill(fail)
		time.Sleep(time.Minute)
		require.Equal(t, "die a, "+stops+", "+starts, j.take())
		require.NoError(t, r.stop())
		require.Equal(t, stops+", stop a", j.take())
	})
}

// Fault 32. The owner of a queue crashes with jobs waiting and running: each is run
// once, and none is lost.
func TestOwnerCrashLosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q, err := dray.New(dray.WithWorkers(4))
		require.NoError(t, err)
		var runs [200]atomic.Int32
		for i := range runs {
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error {
				runs[i].Add(1)
				time.Sleep(time.Second)
				return nil
			}))
		}
		sup := serveQueue(t, q)
		for range 10 {
			time.Sleep(3*time.Second + 7)
			draytest.CrashOwner(t, q)
		}
		time.Sleep(time.Minute)
		for i := range runs {
			require.EqualValues(t, 1, runs[i].Load(), "job %d", i)
		}
		stats := q.Stats()
		require.EqualValues(t, len(runs), stats.Processed)
		require.EqualValues(t, 10, stats.Restarts)
		require.NoError(t, sup.stop())
		require.NoError(t, q.Close())
	})
}

func serveQueue(t *testing.T, q *dray.Queue) *run {
	t.Helper()
	return supervise(t, dray.OneForOne, dray.WithChildren(dray.Child{Name: "queue", Service: q}))
}

// Fault 33. Calls to a supervisor that has ended answer, and so do those that were
// under way.
func TestCallsAfterTheEnd(t *testing.T) {
	eachStrategy(t, func(t *testing.T, strategy dray.Strategy) {
		j := &journal{}
		a := newWorker(j, "a")
		r := supervise(t, strategy, dray.WithIntensity(0, time.Hour), dray.WithChildren(child(a), child(slow(newWorker(j, "b"), 2*time.Second))))
		a.kill(fail)
		before := time.Now()
		require.ErrorIs(t, r.Restart("b"), dray.ErrClosed, "it is ending")
		require.ErrorIs(t, r.Add(child(newWorker(j, "c"))), dray.ErrClosed)
		require.ErrorIs(t, r.Remove("b"), dray.ErrClosed)
		require.Equal(t, before, time.Now())
		require.ErrorIs(t, r.end(time.Minute), dray.ErrIntensity)
		require.ErrorIs(t, r.Restart("a"), dray.ErrClosed)
		require.NoError(t, r.Terminate("a"))
		require.NoError(t, r.Add(child(newWorker(j, "c"))))
		require.NoError(t, r.Remove("b"))
		require.Equal(t, "a down, c down", r.states())
	})
}

// Fault 34. What nobody can mend goes to the top, as an error that tells the whole
// way; a queue that fails for good shows its jobs, and hands them over.
func TestEscalationToTheTop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var service dray.Service = dray.ServiceFunc(fails)
		for depth := range 4 {
			service = build(t, strategies[depth%3], dray.WithName(fmt.Sprint("s", depth)), dray.WithIntensity(2, time.Hour),
				dray.WithChildren(dray.Child{Name: fmt.Sprint("c", depth), Service: service}))
		}
		err := service.Serve(t.Context())
		require.ErrorIs(t, err, dray.ErrIntensity)
		require.ErrorIs(t, err, errFailed)
		for depth := range 4 {
			require.ErrorContains(t, err, fmt.Sprintf("%q", fmt.Sprint("c", depth)))
		}
	})
}

func fails(context.Context) error { return errFailed }

func TestQueueThatFailsForGood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q, err := dray.New(dray.WithWorkers(1))
		require.NoError(t, err)
		ran := 0
		for range 5 {
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { ran++; return nil }))
		}
		require.NoError(t, q.Pause())
		r := supervise(t, dray.OneForOne, dray.WithIntensity(0, time.Hour), dray.WithChildren(dray.Child{Name: "queue", Service: q}))
		for range 4 {
			draytest.CrashOwner(t, q)
		}
		require.ErrorIs(t, r.end(time.Minute), dray.ErrIntensity)
		require.Len(t, slices.Collect(q.Jobs()), 5)
		require.Equal(t, 5, q.Stats().Pending)
		require.ErrorIs(t, q.Enqueue(t.Context(), fails), dray.ErrClosed)
		report, err := q.Shutdown(t.Context())
		require.ErrorIs(t, err, dray.ErrIntensity)
		require.Len(t, report.Waiting, 5)
		require.Zero(t, ran)
	})
}

// Fault 35. The stop in a backoff, and calls during the stop, return.
func TestStopDuringABackoff(t *testing.T) {
	eachStrategy(t, func(t *testing.T, strategy dray.Strategy) {
		j := &journal{}
		b := newWorker(j, "b")
		r := supervise(t, strategy, dray.WithChildren(child(newWorker(j, "a")), child(b), child(newWorker(j, "c"))),
			dray.WithRestartBackoff(func(int) time.Duration { return time.Hour }))
		b.kill(fail)
		time.Sleep(time.Minute)
		began := time.Now()
		require.NoError(t, r.stop())
		require.Equal(t, began, time.Now())
		time.Sleep(100 * time.Hour)
		require.Equal(t, "a down, b down, c down", r.states())
	})
}

func TestCallsDuringTheStop(t *testing.T) {
	eachStrategy(t, func(t *testing.T, strategy dray.Strategy) {
		j := &journal{}
		r := supervise(t, strategy, dray.WithChildren(child(slow(newWorker(j, "a"), 3*time.Second)), child(slow(newWorker(j, "b"), 3*time.Second))))
		removed := make(chan error, 1)
		go func() { removed <- r.Remove("b") }()
		synctest.Wait()
		r.cancel()
		synctest.Wait()
		require.ErrorIs(t, <-removed, dray.ErrClosed, "a call that waits is answered")
		before := time.Now()
		for _, err := range []error{
			r.Add(child(newWorker(j, "c"))), r.Remove("a"), r.Terminate("a"), r.Restart("b"),
		} {
			require.ErrorIs(t, err, dray.ErrClosed)
		}
		require.Len(t, r.Children(), 2)
		require.Equal(t, before, time.Now())
		require.NoError(t, r.stop())
		require.NoError(t, r.Remove("a"), "over: the list may be changed again")
	})
}
