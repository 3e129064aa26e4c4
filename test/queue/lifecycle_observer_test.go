package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// name says which event it is, and of which job's attempt.
func name(ev dray.Event) string {
	s := ev.Kind.String()
	switch ev.Kind {
	case dray.JobStarted:
		s += fmt.Sprint(" ", ev.Job.Attempt)
	case dray.JobRetrying, dray.JobFailed:
		s += fmt.Sprint(" ", ev.Err)
	}
	return s
}

// jobEvents is an observer that keeps those of jobs.
func jobEvents(r *kit.Record[string]) dray.Option {
	return dray.WithObserver(func(ev dray.Event) {
		if s := name(ev); strings.HasPrefix(s, "Job") {
			r.Add(s)
		}
	})
}

func TestEventsOfOneJob(t *testing.T) {
	retry := []dray.JobOption{dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Second))}
	tests := map[string]struct {
		fn   dray.Func
		opts []dray.JobOption
		act  func(q *dray.Queue)
		want []string
	}{
		"processed": {kit.Nop, nil, nil, []string{"JobEnqueued", "JobStarted 1", "JobProcessed"}},
		"failed":    {kit.Fail, nil, nil, []string{"JobEnqueued", "JobStarted 1", "JobFailed boom"}},
		"retried":   {kit.Fail, retry, nil, []string{"JobEnqueued", "JobStarted 1", "JobRetrying boom", "JobStarted 2", "JobFailed boom"}},
		"delayed":   {kit.Nop, []dray.JobOption{dray.WithDelay(time.Second)}, nil, []string{"JobEnqueued", "JobStarted 1", "JobProcessed"}},
		"snoozed": {func() dray.Func {
			n := 0
			return func(context.Context) error {
				if n++; n == 1 {
					return dray.Snooze(time.Second)
				}
				return nil
			}
		}(), nil, nil, []string{"JobEnqueued", "JobStarted 1", "JobSnoozed", "JobStarted 1", "JobProcessed"}},
		"progress": {func(ctx context.Context) error { dray.Progress(ctx, 1, 2); return nil }, nil, nil,
			[]string{"JobEnqueued", "JobStarted 1", "JobProgress", "JobProcessed"}},
		"cancelled": {draytest.Slow(time.Hour), nil, func(q *dray.Queue) { _ = q.Cancel(1) }, []string{"JobEnqueued", "JobStarted 1", "JobCancelled"}},
		"cancelled in time": {kit.Nop, []dray.JobOption{dray.WithDelay(time.Hour)}, func(q *dray.Queue) { _ = q.Cancel(1) },
			[]string{"JobEnqueued", "JobCancelled"}},
		"stuck": {draytest.Stubborn(time.Minute, kit.ErrBoom), []dray.JobOption{dray.WithTimeout(time.Second)}, nil,
			[]string{"JobEnqueued", "JobStarted 1", "JobStuck", "JobFailed dray: job timed out: boom"}},
		"interrupted": {draytest.Slow(time.Hour), nil, func(q *dray.Queue) { _ = q.Close() }, []string{"JobEnqueued", "JobStarted 1", "JobInterrupted"}},
	}
	for name, tc := range tests {
		kit.Bubble(t, name, func(t *testing.T) {
			var got kit.Record[string]
			q := kit.Start(t, jobEvents(&got), dray.WithWorkers(1))
			require.NoError(t, q.Enqueue(t.Context(), tc.fn, tc.opts...))
			synctest.Wait()
			if tc.act != nil {
				tc.act(q)
			}
			kit.Elapse(time.Hour)
			require.Equal(t, tc.want, got.All())
		})
	}
}

func TestEventsOfOverflow(t *testing.T) {
	tests := map[dray.Overflow][]string{
		dray.Reject:     {"JobEnqueued", "JobRejected"},
		dray.DropNewest: {"JobEnqueued", "JobEnqueued", "JobEvicted"},
		dray.DropOldest: {"JobEnqueued", "JobEvicted", "JobEnqueued"},
	}
	for policy, want := range tests {
		for way, opts := range map[string][]dray.JobOption{"plain": nil, "label": {dray.WithLabel("x")}} {
			kit.Bubble(t, fmt.Sprint(policy, way), func(t *testing.T) {
				var got kit.Record[string]
				q := kit.Paused(t, jobEvents(&got), dray.WithCapacity(1), dray.WithOverflow(policy))
				_ = q.Enqueue(t.Context(), kit.Nop, opts...)
				_ = q.Enqueue(t.Context(), kit.Nop, opts...)
				_ = q.Stats()
				synctest.Wait()
				require.Equal(t, want, got.All())
			})
		}
	}
}

func TestEventsOfTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got kit.Record[string]
		q := kit.Paused(t, dray.WithWorkers(1), dray.WithObserver(func(ev dray.Event) {
			if s := name(ev); strings.HasPrefix(s, "Queue") {
				got.Add(s)
			}
		}))
		require.NoError(t, q.Start())
		require.NoError(t, q.Pause())
		require.NoError(t, q.Pause())
		require.NoError(t, q.Resume())
		require.NoError(t, q.Resize(2))
		kit.Add(t, q, kit.Nop)
		require.NoError(t, q.Close())
		require.Equal(t, []string{"QueueStarted", "QueuePaused", "QueueResumed", "QueueResized", "QueueStopped"}, got.All(),
			"Close lets observers hear of everything")
	})
}

func TestJobStuckShowsWhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got kit.Record[dray.Event]
		q := kit.Start(t, dray.WithObserver(func(ev dray.Event) {
			if ev.Kind == dray.JobStuck {
				got.Add(ev)
			}
		}))
		kit.Add(t, q, draytest.Stubborn(time.Minute, nil), dray.WithTimeout(time.Second), dray.WithLabel("l"))
		kit.Elapse(2 * time.Second)
		require.Len(t, got.All(), 1)
		e := got.All()[0]
		require.ErrorIs(t, e.Err, dray.ErrTimeout)
		require.Contains(t, string(e.Stack), "Stubborn")
		require.Equal(t, []any{"l", dray.Stuck}, []any{e.Job.Label, e.Job.State})
		kit.Elapse(time.Hour)
	})
}

func TestThrowingObserver(t *testing.T) {
	for name, throw := range map[string]func(){"panic": func() { panic("observer") }, "Goexit": runtime.Goexit} {
		kit.Bubble(t, name, func(t *testing.T) {
			var before, after kit.Record[string]
			q := kit.Start(t, jobEvents(&before), dray.WithObserver(func(dray.Event) { throw() }), jobEvents(&after))
			for range 20 {
				require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
			}
			synctest.Wait()
			require.Equal(t, uint64(20), kit.Balanced(t, q).Processed)
			require.Len(t, before.All(), 60)
			require.Len(t, after.All(), 60)
			require.NoError(t, q.Close())
		})
	}
}

// An observer may call whatever it likes, at the worst it waits for itself for a while.
func TestObserverCallsTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q *dray.Queue
		var calls kit.Record[error]
		ready := make(chan struct{})
		q = kit.Paused(t, dray.WithObserver(func(ev dray.Event) {
			<-ready
			_ = q.Stats()
			for range q.Jobs() {
			}
			if ev.Kind == dray.JobProcessed && ev.Job.Label == "first" {
				calls.Add(q.Enqueue(context.Background(), kit.Nop))
				calls.Add(q.Pause())
				calls.Add(q.Resume())
				calls.Add(q.Resize(3))
				_ = q.Cancel(ev.Job.ID)
				calls.Add(q.Close())
			}
		}))
		close(ready)
		require.NoError(t, q.Start())
		kit.Add(t, q, kit.Nop, dray.WithLabel("first"))
		kit.Elapse(time.Minute)
		require.Equal(t, make([]error, 5), calls.All())
		require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop), dray.ErrClosed)
		kit.Balanced(t, q)
	})
}

func TestSlowObserverHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithObserver(func(dray.Event) { time.Sleep(time.Hour) }))
		for range 100 {
			require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
		}
		synctest.Wait()
		require.Equal(t, uint64(100), kit.Balanced(t, q).Processed)
		began := time.Now()
		require.ErrorIs(t, q.Close(), dray.ErrAbandoned) // it is in the middle of a call
		require.LessOrEqual(t, time.Since(began), 10*time.Second)
		kit.Elapse(1000 * time.Hour)
		require.NoError(t, q.Close())
	})
}

func TestMiddleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got kit.Record[string]
		note := func(s string) dray.Middleware {
			return func(next dray.Handler) dray.Handler {
				return func(ctx context.Context, j *dray.Job) error {
					got.Add(fmt.Sprint(s, " ", j.ID, j.Kind, j.Label, j.Attempt))
					defer got.Add(s + " end")
					return next(ctx, j)
				}
			}
		}
		q := kit.Start(t, dray.WithWorkers(1), dray.WithMiddleware(note("a"), note("b")), dray.WithMiddleware(note("c")))
		k, err := dray.Handle(q, "k", func(context.Context, int) error { return nil })
		require.NoError(t, err)
		require.NoError(t, k.Enqueue(t.Context(), 1, dray.WithLabel("l")))
		synctest.Wait()
		require.Equal(t, []string{"a 1kl1", "b 1kl1", "c 1kl1", "c end", "b end", "a end"}, got.All())
	})
}

func TestMiddlewareDecides(t *testing.T) {
	tests := map[string]struct {
		m                 dray.Middleware
		processed, failed uint64
	}{
		"swallows": {func(next dray.Handler) dray.Handler {
			return func(ctx context.Context, j *dray.Job) error { _ = next(ctx, j); return nil }
		}, 10, 0},
		"skips": {func(dray.Handler) dray.Handler { return func(context.Context, *dray.Job) error { return nil } }, 10, 0},
		"wraps": {func(next dray.Handler) dray.Handler {
			return func(ctx context.Context, j *dray.Job) error { return errors.Join(next(ctx, j)) }
		}, 0, 10},
		"panics": {func(dray.Handler) dray.Handler { return func(context.Context, *dray.Job) error { panic("middleware") } }, 0, 10},
		"exits": {func(dray.Handler) dray.Handler {
			return func(context.Context, *dray.Job) error { runtime.Goexit(); return nil }
		}, 0, 10},
	}
	for name, tc := range tests {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1), dray.WithMiddleware(tc.m))
			for range 10 {
				require.NoError(t, q.Enqueue(t.Context(), kit.Fail))
			}
			synctest.Wait()
			s := kit.Balanced(t, q)
			require.Equal(t, []uint64{tc.processed, tc.failed}, []uint64{s.Processed, s.Failed})
			require.Equal(t, 1, s.Idle)
		})
	}
}

func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		q := kit.Start(t, dray.WithName("mail"), dray.WithLogger(slog.New(slog.NewTextHandler(&out, nil))))
		kit.Add(t, q, kit.Fail, dray.WithLabel("report"))
		synctest.Wait()
		require.NoError(t, q.Close())
		synctest.Wait()
		for _, want := range []string{"dray=mail", `msg="job failed"`, "error=boom", "label=report", `msg="queue stopped"`, "enqueued=1", "failed=1"} {
			require.Contains(t, out.String(), want)
		}
	})
}

// A logger whose handler panics costs its records and nothing else.
func TestThrowingLogHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithLogger(slog.New(slog.NewTextHandler(throwingWriter{}, nil))))
		for range 10 {
			kit.Add(t, q, kit.Fail)
		}
		synctest.Wait()
		require.Equal(t, uint64(10), kit.Balanced(t, q).Failed)
		require.NoError(t, q.Close())
	})
}

type throwingWriter struct{}

func (throwingWriter) Write([]byte) (int, error) { panic("writer") }
