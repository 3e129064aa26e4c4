package supervision_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// A web is a child that enqueues a job each second, from its very start on, and keeps
// count of how often each has been done.
type web struct {
	t       *testing.T
	enqueue func(job dray.Func) error
	takes   func(n int) time.Duration

	mu       sync.Mutex
	accepted int
	done     map[int]int
}

func (w *web) Init(ctx context.Context) error { return w.one() }

func (w *web) Serve(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
		if err := w.one(); err != nil {
			return err
		}
	}
}

func (w *web) one() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.accepted
	err := w.enqueue(func(ctx context.Context) error {
		select {
		case <-time.After(w.takes(n)):
		case <-ctx.Done():
			return context.Cause(ctx) // half done: to be done again
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.done[n]++
		return nil
	})
	if err == nil {
		w.accepted++
	}
	return err
}

func (w *web) counts() (accepted int, done map[int]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.accepted, maps.Clone(w.done)
}

// A database fails ten times below a queue and what uses it. Nothing is lost and
// nothing is done twice; no restart waits until the queue is empty.
func TestQueueBetweenADatabaseAndAServer(t *testing.T) {
	for _, strategy := range []dray.Strategy{dray.RestForOne, dray.OneForAll} {
		for _, how := range []func() error{fail, panics, exits} {
			t.Run(strategy.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					q, err := dray.New(dray.WithWorkers(3))
					require.NoError(t, err)
					db := newWorker(&journal{}, "db")
					front := &web{
						t: t, done: map[int]int{},
						enqueue: func(job dray.Func) error { return q.Enqueue(t.Context(), job) },
						takes:   func(n int) time.Duration { return time.Duration(n%5+1) * 970 * time.Millisecond },
					}
					r := supervise(t, strategy, dray.WithIntensity(10, time.Hour), dray.WithChildren(
						child(db), dray.Child{Name: "queue", Service: q}, dray.Child{Name: "web", Service: front}))
					for range 10 {
						time.Sleep(7*time.Second + 311*time.Millisecond)
						before := time.Now()
						db.kill(how)
						require.Equal(t, "db running, queue running, web running", r.states())
						require.Equal(t, before, time.Now(), "the restart waits for nothing")
					}
					require.NoError(t, r.Terminate("web"))
					time.Sleep(time.Hour)
					accepted, done := front.counts()
					for n := range accepted {
						require.Equal(t, 1, done[n], "job %d", n)
					}
					require.Greater(t, accepted, 70)
					s := q.Stats()
					require.EqualValues(t, accepted, s.Enqueued)
					require.EqualValues(t, accepted, s.Processed)
					require.Zero(t, s.Retried+s.Failed+s.Cancelled+s.Rejected, "no attempt was spent")
					require.NoError(t, r.stop())
					require.NoError(t, q.Close())
				})
			})
		}
	}
}

// A job that ignores its end is waited for as long as jobs are given, and not started
// a second time.
func TestRestartOfAQueueWithADeafJob(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q, err := dray.New(dray.WithWorkers(2), dray.WithShutdownTimeout(3*time.Second))
		require.NoError(t, err)
		var runs, others atomic.Int32
		require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error {
			runs.Add(1)
			time.Sleep(time.Hour)
			return nil
		}))
		for range 100 { // a line that would take long to drain
			require.NoError(t, q.Enqueue(t.Context(), func(ctx context.Context) error {
				select {
				case <-time.After(time.Minute):
					others.Add(1)
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}))
		}
		db := newWorker(&journal{}, "db")
		r := supervise(t, dray.OneForAll, dray.WithIntensity(100, time.Hour),
			dray.WithChildren(child(db), dray.Child{Name: "queue", Service: q}))
		for range 10 {
			time.Sleep(time.Second)
			db.kill(fail)
			time.Sleep(3 * time.Second)
			require.Equal(t, "db running, queue running", r.states())
		}
		time.Sleep(3 * time.Hour)
		require.EqualValues(t, 1, runs.Load())
		require.EqualValues(t, 100, others.Load())
		require.EqualValues(t, 101, q.Stats().Processed)
		require.NoError(t, r.stop())
		require.NoError(t, q.Close())
	})
}

// A queue that was stopped for good is open again as soon as the children after it
// are started, each time.
func TestQueueIsOpenBeforeTheNextChildStarts(t *testing.T) {
	for name, newService := range map[string]func(*testing.T) (dray.Service, func(context.Context) error, func() error){
		"queue": func(t *testing.T) (dray.Service, func(context.Context) error, func() error) {
			q, err := dray.New()
			require.NoError(t, err)
			return q, func(ctx context.Context) error { return q.Enqueue(ctx, nothing) }, q.Close
		},
		"pool": func(t *testing.T) (dray.Service, func(context.Context) error, func() error) {
			p, err := dray.NewPool(1)
			require.NoError(t, err)
			return p, func(ctx context.Context) error { return p.Run(ctx, nothing) }, p.Close
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				service, use, closes := newService(t)
				first := newWorker(&journal{}, "first")
				user := newWorker(&journal{}, "user")
				user.onInit = use
				s := build(t, dray.OneForAll, dray.WithIntensity(1000, time.Hour),
					dray.WithChildren(child(first), dray.Child{Name: name, Service: service}, child(user)))
				for range 50 {
					r := serve(t, s)
					require.Equal(t, fmt.Sprintf("first running, %s running, user running", name), r.states())
					first.kill(fail)
					require.Equal(t, fmt.Sprintf("first running, %s running, user running", name), r.states())
					require.NoError(t, r.stop())
					require.ErrorIs(t, use(t.Context()), dray.ErrClosed)
				}
				require.NoError(t, closes())
			})
		})
	}
}

func nothing(context.Context) error { return nil }

// A pool between two others goes on after each restart.
func TestPoolBetweenADatabaseAndAServer(t *testing.T) {
	for _, strategy := range []dray.Strategy{dray.RestForOne, dray.OneForAll} {
		bubble(t, func(t *testing.T) {
			p, err := dray.NewPool(5)
			require.NoError(t, err)
			db := newWorker(&journal{}, "db")
			front := &web{t: t, done: map[int]int{}, enqueue: p.RunAsync, takes: func(int) time.Duration { return 10 * time.Millisecond }}
			r := supervise(t, strategy, dray.WithIntensity(10, time.Hour), dray.WithChildren(
				child(db), dray.Child{Name: "pool", Service: p}, dray.Child{Name: "web", Service: front}))
			for range 10 {
				time.Sleep(7*time.Second + 311*time.Millisecond)
				db.kill(fail)
				require.Equal(t, "db running, pool running, web running", r.states())
				require.NoError(t, p.Run(t.Context(), nothing))
			}
			require.NoError(t, r.Terminate("web"))
			synctest.Wait()
			time.Sleep(time.Minute)
			accepted, done := front.counts()
			require.Len(t, done, accepted)
			require.NoError(t, r.stop())
			require.NoError(t, p.Close())
		})
	}
}

// A queue that was shut down, or is served by somebody else, cannot be a child: the
// start of its supervisor fails at once.
func TestQueueThatCannotBeServed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q, err := dray.New()
		require.NoError(t, err)
		require.NoError(t, q.Start())
		s := build(t, dray.OneForOne, dray.WithChildren(dray.Child{Name: "queue", Service: q}))
		require.ErrorIs(t, s.Serve(t.Context()), dray.ErrStarted)
		require.NoError(t, q.Close())
		require.ErrorIs(t, s.Serve(t.Context()), dray.ErrClosed)
	})
}

// underSupervision starts a supervisor of a queue and of a service that takes 2 s to stop, which
// is stopped first.
func underSupervision(t *testing.T, q *dray.Queue, shutdown time.Duration) (stop func(), ended <-chan error) {
	t.Helper()
	slow := dray.ServiceFunc(func(ctx context.Context) error { <-ctx.Done(); time.Sleep(2 * time.Second); return nil })
	s, err := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(
		dray.Child{Name: "queue", Service: q, Shutdown: shutdown}, dray.Child{Name: "slow", Service: slow}))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	end := make(chan error, 1)
	go func() { end <- s.Serve(ctx) }()
	synctest.Wait()
	return cancel, end
}

// While a supervisor stops, before it has come to the queue and after that, a Shutdown with a
// context that has ended cuts the drain short.
func TestShutdownWhileTheSupervisorStops(t *testing.T) {
	for _, at := range []time.Duration{time.Second, 5 * time.Second} {
		bubble(t, func(t *testing.T) {
			q, err := dray.New(dray.WithShutdownTimeout(time.Minute))
			require.NoError(t, err)
			stop, ended := underSupervision(t, q, 0)
			require.NoError(t, q.Enqueue(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }))
			synctest.Wait()
			begin := time.Now()
			stop()
			time.Sleep(at)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			report, err := q.Shutdown(ctx)
			require.ErrorIs(t, err, context.Canceled)
			require.Len(t, report.Interrupted, 1)
			require.Equal(t, at, time.Since(begin))
			require.NoError(t, <-ended)
			require.Equal(t, max(at, 2*time.Second), time.Since(begin))
		})
	}
}

// A queue keeps its own bounds: 5 s to drain and 5 s to cancel. A shutdown time below that is
// too short, so it has none by default; and a Shutdown after Serve waits for nothing more.
func TestQueueBoundsItsOwnStop(t *testing.T) {
	for shutdown, abandoned := range map[time.Duration]bool{0: false, 10*time.Second - 1: true} {
		bubble(t, func(t *testing.T) {
			q, err := dray.New()
			require.NoError(t, err)
			stop, ended := underSupervision(t, q, shutdown)
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { time.Sleep(time.Minute); return nil }))
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { return nil }, dray.WithDelay(time.Hour)))
			synctest.Wait()
			stop()
			err = <-ended
			require.Equal(t, abandoned, errors.Is(err, dray.ErrAbandoned), "%v", err)
			synctest.Wait()
			begin := time.Now()
			report, err := q.Shutdown(t.Context())
			require.ErrorIs(t, err, dray.ErrStillRunning)
			require.Len(t, report.Waiting, 1)
			require.Len(t, report.Abandoned, 1)
			require.Less(t, time.Since(begin), time.Second)
			time.Sleep(time.Hour)
		})
	}
}
