package dray

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/internal/core"
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
func busyMinute(t *testing.T, fault func(string)) (*Queue, []atomic.Int64) {
	q, err := New(WithWorkers(3), WithObserver(func(Event) {}))
	require.NoError(t, err)
	q.setFault(fault)
	require.NoError(t, q.Start())
	ran := make([]atomic.Int64, 28)
	for i := range ran[:24] {
		count := func(context.Context) error {
			time.Sleep(time.Duration(i%5) * time.Second)
			ran[i].Add(1)
			return nil
		}
		opts := [][]JobOption{nil, {WithKey("k")}, {WithDelay(time.Second)}, {WithPriority(High), WithUnique(fmt.Sprint(i), RejectDuplicate)}}[i%4]
		require.NoError(t, q.Enqueue(t.Context(), count, opts...), "job %d", i)
		if i%8 == 5 {
			require.NoError(t, q.Resize(1+i%3)) // so that workers leave, too
		}
		time.Sleep(time.Second)
	}
	group, err := NewGroup(q, WithCompletion(func(context.Context, error) error { ran[len(ran)-1].Add(1); return nil }))
	require.NoError(t, err)
	limit := WithRateLimit(&limiter{})
	for i := range 3 {
		count := func(context.Context) error { ran[len(ran)-4+i].Add(1); return nil }
		require.NoError(t, group.Enqueue(t.Context(), count, limit, WithDeadline(time.Minute)))
	}
	group.Close()
	failed := false
	require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error {
		if !failed {
			failed = true
			return errors.New("not yet")
		}
		return nil
	}, WithMaxAttempts(2), WithBackoff(Constant(time.Second))))
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
			q, err := New(WithWorkers(2), WithObserver(func(Event) {}))
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
			require.LessOrEqual(t, len(q.core.Runs()), workers)
			require.Equal(t, workers == 2, s.Processed == 5, "%+v", s)
			require.ErrorIs(t, q.Close(), ErrStillRunning)
			time.Sleep(time.Hour)
		})
	}
}

// crashInNextTurn lets the turn of the next worker that settles a job crash at its
// end, when others have been told what came of it.
func crashInNextTurn(q *Queue) {
	settled := false
	fault := func(at string) {
		if at == "settle" {
			settled = true
		}
		if at == "effects" && settled {
			q.setFault(nil)
			panic("injected")
		}
	}
	q.step(func(*core.Core, time.Duration) { q.setFault(fault) })
}

// TestCrashOfAWorkerThatHasParked: it does not stand among the parked twice, where it
// would be sent for while it works, and a job would wait beside an idle worker.
func TestCrashOfAWorkerThatHasParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := New(WithWorkers(2), WithObserver(func(Event) {}))
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
		q, err := New(WithWorkers(1))
		require.NoError(t, err)
		var broken atomic.Bool
		q.setFault(func(at string) {
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
		q.poke()
		err = <-served
		require.ErrorIs(t, err, ErrIntensity)
		require.ErrorContains(t, err, "rules are broken")
		require.ErrorIs(t, q.Enqueue(t.Context(), func(context.Context) error { return nil }), ErrClosed)
		close(release)
		broken.Store(false)
		report, err := q.Shutdown(t.Context())
		require.ErrorIs(t, err, ErrIntensity)
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
		q, err := New(WithWorkers(1))
		require.NoError(t, err)
		var broken atomic.Bool
		q.setFault(func(at string) {
			if broken.Load() && at == "advance" {
				panic("rules are broken")
			}
		})
		require.NoError(t, q.Start())
		for range 3 {
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { time.Sleep(time.Minute); return nil }))
		}
		synctest.Wait()
		time.AfterFunc(time.Second, func() { broken.Store(true); q.poke() })
		report, err := q.Shutdown(t.Context())
		require.ErrorIs(t, err, ErrIntensity)
		require.Len(t, report.Waiting, 2)
		require.Equal(t, uint64(1), q.Stats().Processed, "what ran was waited for")
	})
}

// TestServeAgainAfterFailure: a supervisor's restart brings a failed queue back.
func TestServeAgainAfterFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := New(WithWorkers(1))
		require.NoError(t, err)
		var crashes atomic.Int64
		q.setFault(func(at string) {
			if at == "advance" && crashes.Add(1) <= 4 {
				panic("rules are broken")
			}
		})
		require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { return nil }))
		sup, err := NewSupervisor(OneForOne, WithChildren(Child{Name: "queue", Service: q}))
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
		q, err := New(WithWorkers(1), WithShutdownTimeout(time.Minute))
		require.NoError(t, err)
		require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { time.Sleep(30 * time.Second); return nil }))
		sup, err := NewSupervisor(OneForOne, WithChildren(Child{Name: "queue", Service: q}))
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
			q, err := New(WithWorkers(1))
			require.NoError(t, err)
			require.NoError(t, q.Start())
			require.NoError(t, q.Pause())
			synctest.Wait()
			once := false
			q.step(func(*core.Core, time.Duration) {
				q.setFault(func(at string) {
					if at == where && !once {
						once = true
						panic("injected")
					}
				})
				q.mail.list.PushBare(func(context.Context) error { return nil }, 1, 0) // as post does, without a word to the owner
				q.mail.lastID = 1
			})
			r, err := q.EnqueueSync(t.Context(), func(context.Context) error { return nil }, WithLabel("x"))
			require.NoError(t, err)
			require.Equal(t, Receipt{ID: 2, Position: 2}, r)
			synctest.Wait()
			require.Equal(t, uint64(1), q.tree.restarts(), where)
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
			q, err := New(WithWorkers(1), WithObserver(func(Event) {}), WithPeriodic("tick", Every(time.Second), tick))
			require.NoError(t, err)
			q.setFault(fault)
			require.NoError(t, q.Start())
			time.Sleep(5*time.Second + time.Millisecond)
			more = hit()
			require.Equal(t, 5, ran, "step %d", n)
			require.Equal(t, uint64(5), q.Scheduler().Tasks()[0].Runs, "step %d", n)
			require.NoError(t, q.Close())
		})
	}
}
