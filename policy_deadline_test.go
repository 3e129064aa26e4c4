package dray_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

func TestDeadlineOfAWaitingJob(t *testing.T) {
	waits := map[string]func(t *testing.T, q *dray.Queue) []dray.JobOption{
		"in line": func(*testing.T, *dray.Queue) []dray.JobOption { return nil },
		"high":    func(*testing.T, *dray.Queue) []dray.JobOption { return []dray.JobOption{dray.WithPriority(dray.High)} },
		"behind its key": func(t *testing.T, q *dray.Queue) []dray.JobOption {
			add(t, q, nop, dray.WithKey("k"))
			return []dray.JobOption{dray.WithKey("k")}
		},
		"behind its limiter": func(*testing.T, *dray.Queue) []dray.JobOption {
			return []dray.JobOption{dray.WithRateLimit(closed{})}
		},
		"unique": func(*testing.T, *dray.Queue) []dray.JobOption {
			return []dray.JobOption{dray.WithUnique("u", dray.RejectDuplicate)}
		},
	}
	for name, wait := range waits {
		bubble(t, name, func(t *testing.T) {
			q := start(t, dray.WithWorkers(1))
			release := occupy(t, q)
			opts := append(wait(t, q), dray.WithDeadline(time.Minute))
			id := add(t, q, func(context.Context) error { t.Error("it was run"); return nil }, opts...)
			elapse(time.Minute - 1)
			require.Zero(t, balanced(t, q).Failed)
			elapse(1)
			require.Equal(t, uint64(1), balanced(t, q).Failed)
			f := q.Failures()[0]
			require.Equal(t, id, f.ID)
			require.ErrorIs(t, f.Err, dray.ErrDeadline)
			require.Zero(t, f.Attempt)
			require.ErrorIs(t, q.Cancel(id), dray.ErrNotFound)
			add(t, q, nop, opts[:len(opts)-1]...) // its unique key is free
			release()
		})
	}
}

func TestDeadlineOfARunningJob(t *testing.T) {
	bubble(t, "it heeds its context", func(t *testing.T) {
		q := start(t, dray.WithMaxAttempts(5), dray.WithDeadline(time.Minute), dray.WithTimeout(time.Hour))
		var until time.Time
		task, err := dray.Submit(t.Context(), q, func(ctx context.Context) (int, error) {
			until, _ = ctx.Deadline()
			<-ctx.Done()
			return 0, context.Cause(ctx)
		})
		require.NoError(t, err)
		begin := time.Now()
		_, err = task.Wait(t.Context())
		require.ErrorIs(t, err, dray.ErrDeadline)
		require.Equal(t, time.Minute, time.Since(begin))
		require.Equal(t, begin.Add(time.Minute), until)
		require.Equal(t, uint64(1), balanced(t, q).Failed)
	})
	bubble(t, "it ignores it and succeeds", func(t *testing.T) {
		q := start(t, dray.WithDeadline(time.Minute))
		add(t, q, func(context.Context) error { time.Sleep(time.Hour); return nil })
		elapse(time.Minute)
		require.Equal(t, 1, balanced(t, q).Stuck)
		elapse(time.Hour)
		require.Equal(t, uint64(1), balanced(t, q).Processed)
	})
	bubble(t, "the timeout comes first", func(t *testing.T) {
		q := start(t, dray.WithDeadline(time.Minute), dray.WithTimeout(40*time.Second), dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(0)))
		var causes record[error]
		add(t, q, func(ctx context.Context) error {
			<-ctx.Done()
			causes.add(context.Cause(ctx))
			return context.Cause(ctx)
		})
		elapse(time.Hour)
		require.Equal(t, []error{dray.ErrTimeout, dray.ErrDeadline}, causes.all())
		require.Equal(t, uint64(1), balanced(t, q).Failed)
	})
}

func TestNoRetryPastTheDeadline(t *testing.T) {
	for name, again := range map[string]error{"retry": errBoom, "snooze": dray.Snooze(20 * time.Second)} {
		bubble(t, name, func(t *testing.T) {
			q := start(t, dray.WithDeadline(time.Minute), dray.WithMaxAttempts(100), dray.WithBackoff(dray.Constant(20*time.Second)))
			begin := time.Now()
			var runs record[time.Duration]
			add(t, q, func(context.Context) error { runs.add(time.Since(begin)); return again })
			elapse(40 * time.Second)
			require.Equal(t, []time.Duration{0, 20 * time.Second, 40 * time.Second}, runs.all())
			require.Equal(t, uint64(1), balanced(t, q).Failed, "at once, not only at the deadline")
			f := q.Failures()[0]
			require.ErrorIs(t, f.Err, dray.ErrDeadline)
			if name == "retry" {
				require.ErrorIs(t, f.Err, errBoom)
			}
			elapse(time.Hour)
			require.Len(t, runs.all(), 3)
		})
	}
}

// The time goes on in the next queue; a requeued failure has all of it again.
func TestDeadlineOfRestoredAndRequeued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := paused(t), paused(t)
		add(t, first, nop, dray.WithDeadline(time.Minute))
		elapse(40 * time.Second)
		report, err := first.Shutdown(t.Context())
		require.NoError(t, err)
		require.NoError(t, second.Restore(report))
		require.NoError(t, second.Pause())
		require.NoError(t, second.Start())
		elapse(20*time.Second - 1)
		require.Equal(t, 1, balanced(t, second).Pending)
		elapse(1)
		require.Equal(t, uint64(1), balanced(t, second).Failed)
		require.NoError(t, second.Requeue(second.Failures()[0].ID))
		elapse(time.Minute - 1)
		require.Equal(t, 1, balanced(t, second).Pending)
		require.NoError(t, second.Resume())
		synctest.Wait()
		require.Equal(t, uint64(1), balanced(t, second).Processed)
	})
}
