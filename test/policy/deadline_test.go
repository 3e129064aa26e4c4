package policy_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

func TestDeadlineOfAWaitingJob(t *testing.T) {
	waits := map[string]func(t *testing.T, q *dray.Queue) []dray.JobOption{
		"in line": func(*testing.T, *dray.Queue) []dray.JobOption { return nil },
		"high":    func(*testing.T, *dray.Queue) []dray.JobOption { return []dray.JobOption{dray.WithPriority(dray.High)} },
		"behind its key": func(t *testing.T, q *dray.Queue) []dray.JobOption {
			kit.Add(t, q, kit.Nop, dray.WithKey("k"))
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
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1))
			release := kit.Occupy(t, q)
			opts := append(wait(t, q), dray.WithDeadline(time.Minute))
			id := kit.Add(t, q, func(context.Context) error { t.Error("it was run"); return nil }, opts...)
			kit.Elapse(time.Minute - 1)
			require.Zero(t, kit.Balanced(t, q).Failed)
			kit.Elapse(1)
			require.Equal(t, uint64(1), kit.Balanced(t, q).Failed)
			f := q.Failures()[0]
			require.Equal(t, id, f.ID)
			require.ErrorIs(t, f.Err, dray.ErrDeadline)
			require.Zero(t, f.Attempt)
			require.ErrorIs(t, q.Cancel(id), dray.ErrNotFound)
			kit.Add(t, q, kit.Nop, opts[:len(opts)-1]...) // its unique key is free
			release()
		})
	}
}

// Others share the date of the one before them, where several are enqueued at once.
func TestDeadlineCountsFromItsOwnCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		release := kit.Occupy(t, q)
		for range 3 { // the first is taken in at once, the others in 0.1 ms
			require.NoError(t, q.Enqueue(context.Background(), kit.Nop, dray.WithLabel("x")))
			kit.Elapse(20 * time.Microsecond)
		}
		require.NoError(t, q.Enqueue(context.Background(), kit.Nop, dray.WithDeadline(time.Millisecond)))
		kit.Elapse(time.Millisecond - 1)
		require.Zero(t, kit.Balanced(t, q).Failed)
		kit.Elapse(1)
		require.Equal(t, uint64(1), kit.Balanced(t, q).Failed)
		release()
	})
}

// A worker does not read the clock for each of very short jobs, but for each with a timeout:
// also behind one among these that has taken long after all.
func TestTimeoutAmongShortJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(dray.Unbounded))
		long := func(context.Context) error { time.Sleep(900 * time.Microsecond); return nil }
		timed := func(ctx context.Context) error {
			time.Sleep(1500 * time.Microsecond)
			return context.Cause(ctx)
		}
		for short := range 300 {
			require.NoError(t, q.Pause())
			for range 100 + short {
				require.NoError(t, q.Enqueue(context.Background(), kit.Nop))
			}
			require.NoError(t, q.Enqueue(context.Background(), long))
			require.NoError(t, q.Enqueue(context.Background(), timed, dray.WithTimeout(2*time.Millisecond)))
			require.NoError(t, q.Resume())
			kit.Elapse(3 * time.Second)
			require.Zero(t, kit.Balanced(t, q).Failed, "%d", short)
		}
	})
}

func TestDeadlineOfARunningJob(t *testing.T) {
	kit.Bubble(t, "it heeds its context", func(t *testing.T) {
		q := kit.Start(t, dray.WithMaxAttempts(5), dray.WithDeadline(time.Minute), dray.WithTimeout(time.Hour))
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
		require.Equal(t, uint64(1), kit.Balanced(t, q).Failed)
	})
	kit.Bubble(t, "it ignores it and succeeds", func(t *testing.T) {
		q := kit.Start(t, dray.WithDeadline(time.Minute))
		kit.Add(t, q, func(context.Context) error { time.Sleep(time.Hour); return nil })
		kit.Elapse(time.Minute)
		require.Equal(t, 1, kit.Balanced(t, q).Stuck)
		kit.Elapse(time.Hour)
		require.Equal(t, uint64(1), kit.Balanced(t, q).Processed)
	})
	kit.Bubble(t, "the timeout comes first", func(t *testing.T) {
		q := kit.Start(t, dray.WithDeadline(time.Minute), dray.WithTimeout(40*time.Second), dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(0)))
		var causes kit.Record[error]
		kit.Add(t, q, func(ctx context.Context) error {
			<-ctx.Done()
			causes.Add(context.Cause(ctx))
			return context.Cause(ctx)
		})
		kit.Elapse(time.Hour)
		require.Equal(t, []error{dray.ErrTimeout, dray.ErrDeadline}, causes.All())
		require.Equal(t, uint64(1), kit.Balanced(t, q).Failed)
	})
}

func TestNoRetryPastTheDeadline(t *testing.T) {
	for name, again := range map[string]error{"retry": kit.ErrBoom, "snooze": dray.Snooze(20 * time.Second)} {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, dray.WithDeadline(time.Minute), dray.WithMaxAttempts(100), dray.WithBackoff(dray.Constant(20*time.Second)))
			begin := time.Now()
			var runs kit.Record[time.Duration]
			kit.Add(t, q, func(context.Context) error { runs.Add(time.Since(begin)); return again })
			kit.Elapse(40 * time.Second)
			require.Equal(t, []time.Duration{0, 20 * time.Second, 40 * time.Second}, runs.All())
			require.Equal(t, uint64(1), kit.Balanced(t, q).Failed, "at once, not only at the deadline")
			f := q.Failures()[0]
			require.ErrorIs(t, f.Err, dray.ErrDeadline)
			if name == "retry" {
				require.ErrorIs(t, f.Err, kit.ErrBoom)
			}
			kit.Elapse(time.Hour)
			require.Len(t, runs.All(), 3)
		})
	}
}

// The time goes on in the next queue; a requeued failure has all of it again.
func TestDeadlineOfRestoredAndRequeued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := kit.Paused(t), kit.Paused(t)
		kit.Add(t, first, kit.Nop, dray.WithDeadline(time.Minute))
		kit.Elapse(40 * time.Second)
		report, err := first.Shutdown(t.Context())
		require.NoError(t, err)
		require.NoError(t, second.Restore(report))
		require.NoError(t, second.Pause())
		require.NoError(t, second.Start())
		kit.Elapse(20*time.Second - 1)
		require.Equal(t, 1, kit.Balanced(t, second).Pending)
		kit.Elapse(1)
		require.Equal(t, uint64(1), kit.Balanced(t, second).Failed)
		require.NoError(t, second.Requeue(second.Failures()[0].ID))
		kit.Elapse(time.Minute - 1)
		require.Equal(t, 1, kit.Balanced(t, second).Pending)
		require.NoError(t, second.Resume())
		synctest.Wait()
		require.Equal(t, uint64(1), kit.Balanced(t, second).Processed)
	})
}

// While a queue is not served nothing ends by its deadline: it does when the queue is, or where it is
// restored after that.
func TestDeadlineWhileNotServed(t *testing.T) {
	for _, restored := range []bool{false, true} {
		kit.Bubble(t, strconv.FormatBool(restored), func(t *testing.T) {
			q := kit.Paused(t)
			kit.Add(t, q, kit.Nop, dray.WithDeadline(time.Minute))
			kit.Elapse(time.Hour)
			require.Equal(t, 1, kit.Balanced(t, q).Pending)
			if restored {
				report := kit.CutShort(t, q)
				q = kit.Paused(t)
				require.NoError(t, q.Restore(report))
			}
			require.NoError(t, q.Start())
			synctest.Wait()
			require.Equal(t, uint64(1), kit.Balanced(t, q).Failed)
			require.ErrorIs(t, q.Failures()[0].Err, dray.ErrDeadline)
		})
	}
}
