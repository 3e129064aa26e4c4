package shutdown_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// foreign is the cause of a context; to ask it what it is would be a mistake.
type foreign struct{ _ []int }

func (foreign) Error() string { panic("asked for its text") }
func (foreign) Is(error) bool { panic("asked whether it is another") }
func (foreign) Unwrap() error { panic("unwrapped") }

var causes = map[string]error{"cancel": nil, "shutdown": dray.ErrShutdown, "foreign": foreign{}, "restart": dray.ErrRestart}

// What runs and what waits at the end of Serve, by the cause of its context's end.
func TestServeEnds(t *testing.T) {
	for name, cause := range causes {
		restart := name == "restart"
		bubble(t, name, func(t *testing.T) {
			var ran record[string]
			var started kit.Starts
			q := newQueue(t, dray.WithWorkers(2), dray.WithShutdownTimeout(5*time.Second), started.Option())
			v := serve(q)
			cut := add(t, q, ran.once("cut", time.Hour), dray.WithMaxAttempts(2))
			synctest.Wait() // two workers begin in any order
			add(t, q, func(ctx context.Context) error { ran.Add("done"); <-ctx.Done(); time.Sleep(time.Second); return nil })
			for i := range 3 {
				add(t, q, ran.Job(fmt.Sprint("waits ", i)))
			}
			synctest.Wait()
			took := v.end(t, cause)
			s := balanced(t, q)
			require.Zero(t, s.Running)
			require.Equal(t, uint64(1), s.Processed, "what returns nil is done")
			require.Equal(t, 4, s.Pending)
			require.Zero(t, s.Failed+s.Retried+s.Cancelled)
			err := q.Enqueue(t.Context(), ran.Job("later"))
			if restart {
				require.Equal(t, time.Second, took, "nothing is drained")
				require.NoError(t, err)
			} else {
				require.Equal(t, 6*time.Second, took)
				require.ErrorIs(t, err, dray.ErrClosed)
				for _, err := range []error{q.Pause(), q.Resume(), q.Resize(3), q.Requeue(1)} {
					require.ErrorIs(t, err, dray.ErrClosed)
				}
			}
			time.Sleep(time.Hour)
			require.Equal(t, []string{"cut", "done"}, ran.All(), "nothing starts while it is not served")
			for j := range q.Jobs() {
				require.Equal(t, dray.Pending, j.State)
				require.Zero(t, j.Attempt, "no attempt is spent")
			}
			serve(q)
			want := []string{"cut", "done", "cut", "waits 0", "waits 1", "waits 2"}
			if restart {
				want = append(want, "later")
			}
			require.ElementsMatch(t, want, ran.All())
			require.Equal(t, cut, started.All()[2], "the first to start")
			require.NoError(t, q.Enqueue(t.Context(), kit.Nop), "it is open again")
			balanced(t, q)
		})
	}
}

// The line drains for as long as it is allowed to, and no longer.
func TestServeDrains(t *testing.T) {
	bubble(t, "all", func(t *testing.T) {
		var ran record[int]
		q := newQueue(t, dray.WithWorkers(1), dray.WithShutdownTimeout(5*time.Second))
		v := serve(q)
		for i := range 5 {
			add(t, q, ran.sleeper(i, time.Second))
		}
		synctest.Wait()
		require.Equal(t, 5*time.Second-time.Nanosecond, func() time.Duration {
			time.Sleep(time.Nanosecond)
			return v.end(t, nil)
		}())
		require.Equal(t, uint64(5), balanced(t, q).Processed)
	})
	bubble(t, "not those whose time has not come", func(t *testing.T) {
		var ran record[int]
		q := newQueue(t, dray.WithWorkers(1))
		v := serve(q)
		add(t, q, ran.Job(1), dray.WithDelay(time.Second))
		add(t, q, func(context.Context) error { return kit.ErrBoom }, dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Second)))
		synctest.Wait()
		require.Zero(t, v.end(t, nil))
		s := balanced(t, q)
		require.Equal(t, []int{1, 1}, []int{s.Delayed, s.Retrying})
		time.Sleep(time.Hour)
		require.Empty(t, ran.All())
		serve(q)
		require.Equal(t, []int{1}, ran.All())
		require.Equal(t, uint64(1), balanced(t, q).Failed)
	})
}

// What is cut off goes before all that waits, in the order in which it had started,
// priority by priority, and again and again.
func TestCutOffGoesToTheFront(t *testing.T) {
	bubble(t, "order", func(t *testing.T) {
		var ran record[string]
		q := newQueue(t, dray.WithWorkers(4))
		back := map[string]time.Duration{"a": 3 * time.Second, "b": time.Second, "c": 2 * time.Second, "d": 0}
		block := true
		job := func(name string) dray.Func {
			return func(ctx context.Context) error {
				ran.Add(name)
				if !block {
					return nil
				}
				<-ctx.Done()
				time.Sleep(back[name])
				return ctx.Err()
			}
		}
		v := serve(q)
		for _, name := range []string{"a", "b", "c", "d"} {
			var opts []dray.JobOption
			if name == "c" {
				opts = append(opts, dray.WithLabel("with a record"), dray.WithKey("k"))
			}
			add(t, q, job(name), opts...)
			time.Sleep(time.Millisecond)
		}
		add(t, q, ran.Job("low"), dray.WithPriority(dray.Low))
		add(t, q, ran.Job("next"))
		add(t, q, ran.Job("in key"), dray.WithKey("k"))
		for range 3 {
			v.end(t, dray.ErrRestart)
			v = serve(q)
			require.Equal(t, 4, balanced(t, q).Running)
		}
		v.end(t, dray.ErrRestart)
		require.NoError(t, q.Resize(1))
		add(t, q, ran.Job("high"), dray.WithPriority(dray.High))
		block = false
		ran = record[string]{}
		serve(q)
		require.Equal(t, []string{"high", "a", "b", "c", "d", "next", "in key", "low"}, ran.All())
		require.Zero(t, balanced(t, q).Pending)
	})
}

// Jobs that do not return stay running, keep their slot, and are not started twice.
func TestServeAgainWithStuckJobs(t *testing.T) {
	for name, cause := range causes {
		for _, end := range []error{nil, kit.ErrBoom} {
			bubble(t, fmt.Sprint(name, " ", end), func(t *testing.T) {
				var ran record[string]
				q := newQueue(t, dray.WithWorkers(2), dray.WithShutdownTimeout(time.Second))
				v := serve(q)
				first := true
				add(t, q, func(ctx context.Context) error {
					if !first {
						return ran.Job("again")(ctx)
					}
					first = false
					return ran.deaf("deaf", time.Hour, end)(ctx)
				})
				synctest.Wait()
				for range 3 {
					v.end(t, cause)
					s := balanced(t, q)
					require.Equal(t, []int{1, 1}, []int{s.Running, s.Stuck})
					v = serve(q)
					add(t, q, ran.Job("other"))
					add(t, q, ran.Job("other"))
					synctest.Wait()
					s = balanced(t, q)
					require.Equal(t, []int{1, 1, 0}, []int{s.Running, s.Stuck, s.Pending}, "the other worker works")
				}
				require.Len(t, ran.All(), 7)
				time.Sleep(time.Hour)
				require.Equal(t, uint64(7), balanced(t, q).Processed)
				if end == nil {
					require.Len(t, ran.All(), 7)
				} else {
					require.Equal(t, "again", ran.All()[7], "cut off late, it is run again at once")
				}
			})
		}
	}
}

// A context that has ended before Serve starts and drains nothing, whatever happened before.
func TestServeOfAnEndedContext(t *testing.T) {
	for name, cause := range causes {
		bubble(t, name, func(t *testing.T) {
			var ran record[int]
			q := newQueue(t, dray.WithWorkers(1))
			add(t, q, ran.Job(1))
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(cause)
			began := time.Now()
			require.NoError(t, q.Serve(ctx))
			require.Zero(t, time.Since(began))
			require.Empty(t, ran.All())
			require.Equal(t, 1, balanced(t, q).Pending)
			err := q.Enqueue(t.Context(), kit.Nop)
			require.Equal(t, name == "restart", err == nil, "%v", err)
			v := serve(q)
			require.Equal(t, []int{1}, ran.All())
			require.ErrorIs(t, q.Serve(ctx), dray.ErrStarted)
			require.NoError(t, q.Enqueue(t.Context(), kit.Nop), "what is refused changes nothing")
			v.end(t, nil)
			require.NoError(t, q.Close())
			require.ErrorIs(t, q.Serve(ctx), dray.ErrClosed)
		})
	}
}

// Start goes on as well, and only Shutdown and Close are final.
func TestStartAfterServe(t *testing.T) {
	bubble(t, "start", func(t *testing.T) {
		var ran record[int]
		q := newQueue(t, dray.WithWorkers(1))
		serve(q).end(t, nil)
		require.NoError(t, q.Start())
		require.ErrorIs(t, q.Start(), dray.ErrStarted)
		add(t, q, ran.Job(1))
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Empty(t, report)
		require.Equal(t, []int{1}, ran.All())
		require.ErrorIs(t, q.Start(), dray.ErrClosed)
	})
}

// The report of a shutdown after many runs has each job once, and does not wait for
// what had its time when Serve ended.
func TestShutdownAfterServe(t *testing.T) {
	for name, cause := range causes {
		bubble(t, name, func(t *testing.T) {
			var ran record[string]
			q := newQueue(t, dray.WithWorkers(2), dray.WithShutdownTimeout(time.Second))
			v := serve(q)
			add(t, q, ran.sleeper("cut", time.Hour), dray.WithLabel("cut"))
			add(t, q, ran.deaf("deaf", time.Hour, nil), dray.WithLabel("deaf"))
			add(t, q, kit.Nop, dray.WithLabel("waits"))
			add(t, q, kit.Nop, dray.WithLabel("delayed"), dray.WithDelay(time.Hour))
			synctest.Wait()
			for range 3 {
				v.end(t, cause)
				v = serve(q)
			}
			v.end(t, cause)
			began := time.Now()
			report, err := q.Shutdown(context.Background())
			require.ErrorIs(t, err, dray.ErrStillRunning)
			require.Zero(t, time.Since(began))
			require.Equal(t, []string{"cut"}, labels(report.Interrupted))
			require.Equal(t, []string{"waits", "delayed"}, labels(report.Waiting))
			require.Len(t, report.Abandoned, 1)
			require.Equal(t, "deaf", report.Abandoned[0].Label)
			require.Zero(t, report.Interrupted[0].Attempt)
			require.ErrorIs(t, q.Close(), dray.ErrStillRunning)
			balanced(t, q)
			time.Sleep(2 * time.Hour)
			require.Equal(t, uint64(1), balanced(t, q).Processed)
		})
	}
}

// Shutdown, Close, Serve and Start at any moment of an ending Serve.
func TestEndOfServeRaces(t *testing.T) {
	type call struct {
		do   func(t *testing.T, q *dray.Queue) error
		errs []error
	}
	calls := map[string]call{
		"Shutdown": {func(_ *testing.T, q *dray.Queue) error {
			_, err := q.Shutdown(context.Background())
			return err
		}, []error{nil, context.DeadlineExceeded, dray.ErrRestart, dray.ErrStillRunning}},
		"Close": {func(_ *testing.T, q *dray.Queue) error { return q.Close() }, []error{nil, context.DeadlineExceeded, dray.ErrRestart, dray.ErrStillRunning}},
		"Serve": {func(t *testing.T, q *dray.Queue) error { return q.Serve(within(t, time.Second)) }, []error{nil, dray.ErrStarted}},
		"Start": {func(_ *testing.T, q *dray.Queue) error { return q.Start() }, []error{nil, dray.ErrStarted}},
	}
	for name, c := range calls {
		for cause, err := range causes {
			for _, after := range []time.Duration{-time.Nanosecond, 0, time.Nanosecond, time.Second, 2*time.Second - 1, 2 * time.Second, 2*time.Second + 1, 3 * time.Second, 4 * time.Second, 5 * time.Second} {
				bubble(t, fmt.Sprint(name, " ", cause, " ", after), func(t *testing.T) {
					q := newQueue(t, dray.WithWorkers(3), dray.WithShutdownTimeout(2*time.Second))
					var ran record[int]
					v := serve(q)
					add(t, q, ran.sleeper(0, time.Hour))
					add(t, q, ran.deaf(1, 3*time.Second, kit.ErrBoom))
					add(t, q, ran.deaf(2, 20*time.Second, nil))
					for i := range 5 {
						add(t, q, ran.sleeper(3+i, 700*time.Millisecond))
					}
					synctest.Wait()
					var wg sync.WaitGroup
					wg.Go(func() {
						time.Sleep(time.Nanosecond)
						v.stop(err)
					})
					wg.Go(func() {
						time.Sleep(time.Nanosecond + after)
						got := c.do(t, q)
						for _, want := range c.errs {
							if got == nil && want == nil || want != nil && errors.Is(got, want) {
								return
							}
						}
						t.Errorf("%v", got)
					})
					wg.Wait()
					require.LessOrEqual(t, v.wait(t), 12*time.Second)
					report, _ := q.Shutdown(context.Background())
					time.Sleep(time.Hour)
					s := balanced(t, q)
					require.Equal(t, uint64(8), s.Enqueued)
					require.Equal(t, 8, int(s.Processed+s.Failed)+len(report.Waiting)+len(report.Interrupted), "%+v %+v", s, report)
				})
			}
		}
	}
}
