package crash_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/internal/testhook"
	"github.com/a622d8ee/dray/test/kit"
)

// crashAt makes the engine panic at its n-th step, counted over all goroutines.
func crashAt(n int64) (fault func(string), hit func() bool) {
	var steps atomic.Int64
	return func(at string) {
			if steps.Add(1) == n {
				panic(fmt.Sprintf("injected at step %d, %s", n, at))
			}
		}, func() bool {
			return steps.Load() >= n
		}
}

// TestCrashAtEveryStep lets the engine crash once, after each of the steps that a
// busy minute has, wherever that step is made: nothing is lost, nothing is
// doubled, and the books balance.
func TestCrashAtEveryStep(t *testing.T) {
	var restarted uint64
	for n := int64(1); ; n++ {
		more := false
		synctest.Test(t, func(t *testing.T) {
			fault, hit := crashAt(n)
			q, ran := busyMinute(t, fault)
			more = hit()
			if more { // a crash in the last steps finds no owner any more that could die of it
				require.LessOrEqual(t, q.Stats().Restarts, uint64(1), "step %d", n)
				restarted += q.Stats().Restarts
			}
			for i := range ran {
				require.Equal(t, int64(1), ran[i].Load(), "step %d: runs of job %d", n, i)
			}
			s := q.Stats()
			require.Equal(t, s.Enqueued, s.Processed, "step %d: %+v", n, s)
			require.Equal(t, len(ran)+1, int(s.Enqueued), "step %d", n)
		})
		if !more {
			require.Greater(t, restarted, uint64(100), "the scenario has become too short to show anything")
			return
		}
	}
}

// busyMinute runs plain jobs, jobs with options, one that is retried, and one
// that is running when others crash, and shuts the queue down.
func busyMinute(t *testing.T, fault func(string)) (*dray.Queue, []atomic.Int64) {
	q, err := dray.New(dray.WithWorkers(3), dray.WithObserver(func(dray.Event) {}))
	require.NoError(t, err)
	testhook.Inside(q).Fault(fault)
	require.NoError(t, q.Start())
	ran := make([]atomic.Int64, 28)
	for i := range ran[:24] {
		count := func(context.Context) error {
			time.Sleep(time.Duration(i%5) * time.Second)
			ran[i].Add(1)
			return nil
		}
		opts := [][]dray.JobOption{nil, {dray.WithKey("k")}, {dray.WithDelay(time.Second)}, {dray.WithPriority(dray.High), dray.WithUnique(fmt.Sprint(i), dray.RejectDuplicate)}}[i%4]
		require.NoError(t, q.Enqueue(t.Context(), count, opts...), "job %d", i)
		if i%8 == 5 {
			require.NoError(t, q.Resize(1+i%3)) // so that workers leave, too
		}
		time.Sleep(time.Second)
	}
	group, err := dray.NewGroup(q, dray.WithCompletion(func(context.Context, error) error { ran[len(ran)-1].Add(1); return nil }))
	require.NoError(t, err)
	limit := dray.WithRateLimit(&limiter{})
	for i := range 3 {
		count := func(context.Context) error { ran[len(ran)-4+i].Add(1); return nil }
		require.NoError(t, group.Enqueue(t.Context(), count, limit, dray.WithDeadline(time.Minute)))
	}
	group.Close()
	failed := false
	require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error {
		if !failed {
			failed = true
			return errors.New("not yet")
		}
		return nil
	}, dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Second))))
	time.Sleep(time.Minute)
	report, err := q.Shutdown(t.Context())
	require.NoError(t, err)
	require.Empty(t, report)
	return q, ran
}

// A limiter has a token each second.
type limiter struct{ last time.Time }

func (l *limiter) Wait(context.Context) error {
	time.Sleep(time.Until(l.last.Add(time.Second)))
	l.last = time.Now()
	return nil
}

// TestCrashOfAWorkerThatHasDone: a turn may crash after the worker has left its
// place, or has parked. It does not leave twice, and is not waited for as parked.
func TestCrashOfAWorkerThatHasDone(t *testing.T) {
	for _, workers := range []int{1, 2} { // of two: one leaves, as there is a place too many, else it parks
		synctest.Test(t, func(t *testing.T) {
			var hired atomic.Int64 // those that have not left
			q, err := dray.New(dray.WithWorkers(2), dray.WithObserver(func(e dray.Event) {
				switch e.Kind {
				case dray.WorkerStarted:
					hired.Add(1)
				case dray.WorkerStopped:
					hired.Add(-1)
				}
			}))
			require.NoError(t, err)
			require.NoError(t, q.Start())
			nap := func(d time.Duration) {
				require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { time.Sleep(d); return nil }))
			}
			nap(time.Second)
			nap(time.Hour)
			synctest.Wait()
			require.NoError(t, q.Resize(workers))
			synctest.Wait()
			crashInNextTurn(q)
			time.Sleep(2 * time.Second)
			require.Equal(t, uint64(1), q.Stats().Restarts)
			for range 4 {
				nap(time.Second)
			}
			time.Sleep(time.Minute)
			s := q.Stats()
			require.Equal(t, []int{1, 1}, []int{s.Running, int(s.Restarts)}, "%+v", s)
			require.LessOrEqual(t, hired.Load(), int64(workers))
			require.Equal(t, workers == 2, s.Processed == 5, "%+v", s)
			require.ErrorIs(t, q.Close(), dray.ErrStillRunning)
			time.Sleep(time.Hour)
		})
	}
}

// crashInNextTurn lets the turn of the next worker that settles a job crash at its
// end, when others have been told what came of it.
func crashInNextTurn(q *dray.Queue) {
	settled := false
	fault := func(at string) {
		if at == "settle" {
			settled = true
		}
		if at == "effects" && settled {
			testhook.Inside(q).Fault(nil)
			panic("injected")
		}
	}
	testhook.Inside(q).Fault(fault)
}

// TestCrashOfAWorkerThatHasParked: it does not stand among the parked twice, where it
// would be sent for while it works, and a job would wait beside an idle worker.
func TestCrashOfAWorkerThatHasParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := dray.New(dray.WithWorkers(2), dray.WithObserver(func(dray.Event) {}))
		require.NoError(t, err)
		require.NoError(t, q.Start())
		nap := func(d time.Duration) {
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { time.Sleep(d); return nil }))
			synctest.Wait()
		}
		nap(time.Second)
		crashInNextTurn(q)
		time.Sleep(2 * time.Second)
		require.Equal(t, uint64(1), q.Stats().Restarts)
		nap(time.Hour)
		nap(time.Second)
		time.Sleep(time.Minute)
		s := q.Stats()
		require.Equal(t, []int{1, 2}, []int{s.Running, int(s.Processed)}, "%+v", s)
		_, err = q.Shutdown(t.Context())
		require.NoError(t, err)
	})
}

// TestCrashPastTheIntensity: the queue fails closed, and hands everything back.
func TestCrashPastTheIntensity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := dray.New(dray.WithWorkers(1))
		require.NoError(t, err)
		var broken atomic.Bool
		testhook.Inside(q).Fault(func(at string) {
			if broken.Load() && at == "advance" {
				panic("rules are broken")
			}
		})
		served := make(chan error, 1)
		go func() { served <- q.Serve(t.Context()) }()
		synctest.Wait()
		release := make(chan struct{})
		require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { <-release; return nil }))
		synctest.Wait()
		for range 10 {
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { return nil }))
		}
		broken.Store(true)
		testhook.Inside(q).Poke()
		err = <-served
		require.ErrorIs(t, err, dray.ErrIntensity)
		require.ErrorContains(t, err, "rules are broken")
		require.ErrorIs(t, q.Enqueue(t.Context(), func(context.Context) error { return nil }), dray.ErrClosed)
		close(release)
		broken.Store(false)
		report, err := q.Shutdown(t.Context())
		require.ErrorIs(t, err, dray.ErrIntensity)
		require.Len(t, report.Waiting, 10)
		s := q.Stats()
		require.Equal(t, uint64(1), s.Processed)
		require.Equal(t, uint64(3), s.Restarts)
		require.Equal(t, s.Enqueued, s.Processed+uint64(s.Pending))
	})
}

// TestCrashPastTheIntensityDuringTheDrain: nobody runs the jobs any more that
// Shutdown waits for, so it hands them back.
func TestCrashPastTheIntensityDuringTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := dray.New(dray.WithWorkers(1))
		require.NoError(t, err)
		var broken atomic.Bool
		testhook.Inside(q).Fault(func(at string) {
			if broken.Load() && at == "advance" {
				panic("rules are broken")
			}
		})
		require.NoError(t, q.Start())
		for range 3 {
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { time.Sleep(time.Minute); return nil }))
		}
		synctest.Wait()
		time.AfterFunc(time.Second, func() { broken.Store(true); testhook.Inside(q).Poke() })
		report, err := q.Shutdown(t.Context())
		require.ErrorIs(t, err, dray.ErrIntensity)
		require.Len(t, report.Waiting, 2)
		require.Equal(t, uint64(1), q.Stats().Processed, "what ran was waited for")
	})
}

// TestServeAgainAfterFailure: a supervisor's restart brings a failed queue back.
func TestServeAgainAfterFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := dray.New(dray.WithWorkers(1))
		require.NoError(t, err)
		var crashes atomic.Int64
		testhook.Inside(q).Fault(func(at string) {
			if at == "advance" && crashes.Add(1) <= 4 {
				panic("rules are broken")
			}
		})
		require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { return nil }))
		sup, err := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(dray.Child{Name: "queue", Service: q}))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- sup.Serve(ctx) }()
		synctest.Wait()
		require.Equal(t, uint64(1), q.Stats().Processed)
		cancel()
		require.NoError(t, <-done)
	})
}

// TestSupervisorLetsAQueueEnd: the queue drains for longer than the supervisor
// gives other children, and is not abandoned for it.
func TestSupervisorLetsAQueueEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := dray.New(dray.WithWorkers(1), dray.WithShutdownTimeout(time.Minute))
		require.NoError(t, err)
		require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { time.Sleep(30 * time.Second); return nil }))
		sup, err := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(dray.Child{Name: "queue", Service: q}))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- sup.Serve(ctx) }()
		synctest.Wait()
		cancel()
		require.NoError(t, <-done)
		require.Equal(t, uint64(1), q.Stats().Processed)
	})
}

// TestCrashInACall: a caller gets what he asked for though the rules break on his
// goroutine, before his change or after it, and the owner hears of it at once.
func TestCrashInACall(t *testing.T) {
	for _, where := range []string{"collect", "change"} {
		synctest.Test(t, func(t *testing.T) {
			q, err := dray.New(dray.WithWorkers(1))
			require.NoError(t, err)
			require.NoError(t, q.Start())
			require.NoError(t, q.Pause())
			synctest.Wait()
			once := false
			kit.DuringATick(t, q, func() { // so that it lies in the mailbox, and the owner rests
				require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { return nil }))
			})
			testhook.Inside(q).Fault(func(at string) {
				if at == where && !once {
					once = true
					panic("injected")
				}
			})
			r, err := q.EnqueueSync(t.Context(), func(context.Context) error { return nil }, dray.WithLabel("x"))
			require.NoError(t, err)
			require.Equal(t, dray.Receipt{ID: 2, Position: 2}, r)
			synctest.Wait()
			require.Equal(t, uint64(1), q.Stats().Restarts, where)
			require.NoError(t, q.Close())
		})
	}
}

// TestCrashWhenATaskIsDue: whichever step the crash comes after, each run that is due
// is enqueued, once.
func TestCrashWhenATaskIsDue(t *testing.T) {
	for n, more := int64(1), true; more; n++ {
		synctest.Test(t, func(t *testing.T) {
			fault, hit := crashAt(n)
			ran := 0
			tick := func(context.Context) error { ran++; return nil }
			q, err := dray.New(dray.WithWorkers(1), dray.WithObserver(func(dray.Event) {}), dray.WithPeriodic("tick", dray.Every(time.Second), tick))
			require.NoError(t, err)
			testhook.Inside(q).Fault(fault)
			require.NoError(t, q.Start())
			time.Sleep(5*time.Second + time.Millisecond)
			more = hit()
			require.Equal(t, 5, ran, "step %d", n)
			require.Equal(t, uint64(5), q.Scheduler().Tasks()[0].Runs, "step %d", n)
			require.NoError(t, q.Close())
		})
	}
}

// The same of runs that are made, and of such that are cancelled, in several steps.
func TestCrashBetweenStepsOfATask(t *testing.T) {
	const runs = 200
	for n, more := int64(1), true; more; n += 3 {
		synctest.Test(t, func(t *testing.T) {
			fault, hit := crashAt(n)
			ran := 0
			count := func(context.Context) error { ran++; return nil }
			q, err := dray.New(dray.WithWorkers(1), dray.WithCapacity(dray.Unbounded))
			require.NoError(t, err)
			require.NoError(t, q.Pause())
			require.NoError(t, q.Start())
			s := q.Scheduler()
			testhook.Inside(q).Fault(fault)
			require.NoError(t, s.Schedule("made", dray.Every(time.Second), count, dray.WithOverlap(dray.AllowOverlap),
				dray.WithMissed(dray.RunAll(runs)), dray.WithLastRun(time.Now().Add(-runs*time.Second))))
			require.NoError(t, s.Schedule("cancelled", dray.Every(time.Hour), count, dray.WithOverlap(dray.AllowOverlap)))
			for range runs {
				require.NoError(t, s.RunNow("cancelled"))
			}
			require.NoError(t, s.Schedule("cancelled", dray.Every(time.Hour), count, dray.WithOverlap(dray.CancelPrevious)))
			require.NoError(t, s.RunNow("cancelled"))
			synctest.Wait()
			more = hit()
			require.Equal(t, []uint64{runs, runs + 1}, []uint64{q.Stats().Cancelled, uint64(q.Stats().Pending)}, "step %d", n)
			require.NoError(t, s.Unschedule("made"))
			require.NoError(t, q.Resume())
			synctest.Wait()
			require.Equal(t, runs+1, ran, "step %d", n)
			require.NoError(t, q.Close())
		})
	}
}
