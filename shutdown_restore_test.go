package dray_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// cut ends q without a drain and returns what was left.
func cut(t testing.TB, q *dray.Queue) dray.Report {
	t.Helper()
	require.NoError(t, q.Close())
	report, err := q.Shutdown(context.Background())
	require.NoError(t, err)
	return report
}

func TestRestoreKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := start(t, dray.WithWorkers(1))
		var got record[int]
		gate := make(chan struct{})
		first := func(ctx context.Context) error {
			got.add(0)
			return until(gate)(ctx)
		}
		add(t, old, first)
		synctest.Wait()
		for i := range 5 {
			require.NoError(t, old.Enqueue(t.Context(), got.job(i+1)))
		}
		report := cut(t, old)
		q := paused(t, dray.WithWorkers(1), dray.WithCapacity(1))
		add(t, q, got.job(-1))
		require.NoError(t, q.Restore(report), "there is always room")
		require.Equal(t, 7, balanced(t, q).Pending)
		close(gate)
		require.NoError(t, q.Start())
		synctest.Wait()
		require.Equal(t, []int{0, -1, 0, 1, 2, 3, 4, 5}, got.all())
		require.Equal(t, uint64(7), balanced(t, q).Processed)
	})
}

func TestRestoreKeepsOptionsAndAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := start(t, dray.WithWorkers(1))
		began := time.Now()
		var seen record[dray.JobInfo]
		var at record[time.Duration]
		add(t, old, func(ctx context.Context) error {
			info, _ := dray.JobFrom(ctx)
			deadline, _ := ctx.Deadline()
			require.Equal(t, time.Minute, time.Until(deadline))
			seen.add(info)
			at.add(time.Since(began))
			return errBoom
		}, dray.WithLabel("l"), dray.WithKey("k"), dray.WithPriority(dray.High), dray.WithTimeout(time.Minute),
			dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(time.Minute)))
		add(t, old, func(context.Context) error { at.add(time.Since(began)); return nil }, dray.WithDelay(10*time.Second))
		elapse(4 * time.Second)
		report := cut(t, old)
		require.Len(t, report.Waiting, 2)
		elapse(time.Second)
		q := start(t, dray.WithWorkers(1))
		require.NoError(t, q.Restore(report))
		s := balanced(t, q)
		require.Equal(t, []int{1, 1}, []int{s.Delayed, s.Retrying}, "each in the state it had")
		elapse(time.Hour)
		require.Equal(t, []time.Duration{0, 10 * time.Second, time.Minute, 2 * time.Minute}, at.all())
		for i, info := range seen.all() {
			require.Equal(t, []any{i + 1, "l", "k", dray.High}, []any{info.Attempt, info.Label, info.Key, info.Priority})
			require.WithinDuration(t, began, info.EnqueuedAt, 0)
		}
		s = balanced(t, q)
		require.Equal(t, []uint64{1, 1}, []uint64{s.Failed, s.Processed})
	})
}

func TestRestoreKeepsTheOrderOfAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := start(t, dray.WithKey("k"), dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(time.Minute)))
		var got record[string]
		n := 0
		add(t, old, func(context.Context) error {
			if n++; n == 1 {
				return errBoom
			}
			got.add("first")
			return nil
		})
		add(t, old, got.job("second"))
		synctest.Wait()
		q := start(t)
		require.NoError(t, q.Restore(cut(t, old)))
		elapse(time.Hour)
		require.Equal(t, []string{"first", "second"}, got.all())
	})
}

func TestRestoreTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := paused(t)
		var got record[int]
		for i := range 3 {
			add(t, old, got.job(i))
		}
		report := cut(t, old)
		a, b := start(t), start(t)
		require.NoError(t, a.Restore(report))
		for _, q := range []*dray.Queue{a, b, a} {
			require.ErrorIs(t, q.Restore(report), dray.ErrDuplicate)
		}
		copied := dray.Report{Waiting: append([]dray.Leftover(nil), report.Waiting...)}
		require.ErrorIs(t, b.Restore(copied), dray.ErrDuplicate)
		synctest.Wait()
		require.Len(t, got.all(), 3)
		require.Zero(t, balanced(t, b).Enqueued)
	})
}

func TestRestoreOfUniqueJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := paused(t)
		unique := dray.WithUnique("u", dray.KeepExisting)
		add(t, old, nop, unique)
		add(t, old, nop)
		report := cut(t, old)
		q := paused(t)
		add(t, q, nop, unique)
		require.ErrorIs(t, q.Restore(report), dray.ErrDuplicate)
		require.Equal(t, 2, balanced(t, q).Pending, "all others were taken")
		other := paused(t)
		require.ErrorIs(t, other.Restore(report), dray.ErrDuplicate, "the one taken by q")
		require.Equal(t, 1, balanced(t, other).Pending, "the one that q refused")
		require.ErrorIs(t, other.Enqueue(t.Context(), nop, dray.WithUnique("u", dray.RejectDuplicate)), dray.ErrDuplicate)
	})
}

func TestRestoreRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := paused(t)
		bad := dray.Report{Waiting: []dray.Leftover{{Func: nop}, {}}}
		require.ErrorIs(t, q.Restore(bad), dray.ErrNilFunc)
		require.Zero(t, balanced(t, q).Enqueued)
		require.NoError(t, q.Restore(dray.Report{}))
		require.NoError(t, q.Close())
		require.ErrorIs(t, q.Restore(dray.Report{Waiting: []dray.Leftover{{Func: nop}}}), dray.ErrClosed)
	})
}

func TestRestoreOfAHandmadeReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t)
		var got record[int]
		report := dray.Report{
			Interrupted: []dray.Leftover{{Func: got.job(1)}},
			Waiting:     []dray.Leftover{{Func: got.job(2), JobInfo: dray.JobInfo{Label: "l", Priority: dray.High, Key: "k"}}},
			Abandoned:   []dray.JobInfo{{ID: 7}},
		}
		require.NoError(t, q.Restore(report))
		synctest.Wait()
		require.ElementsMatch(t, []int{1, 2}, got.all())
		require.Equal(t, uint64(2), balanced(t, q).Processed)
	})
}

func TestFailuresAndRequeue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(1), dray.WithFailuresKept(3), dray.WithCapacity(10))
		broken := true
		job := func(context.Context) error {
			if broken {
				return errBoom
			}
			return nil
		}
		for range 5 {
			add(t, q, job, dray.WithLabel("l"), dray.WithDelay(time.Second))
		}
		elapse(time.Second)
		f := q.Failures()
		require.Len(t, f, 3)
		require.Equal(t, []dray.ID{5, 4, 3}, []dray.ID{f[0].ID, f[1].ID, f[2].ID})
		require.ErrorIs(t, f[0].Err, errBoom)
		require.Equal(t, "l", f[0].Label)
		require.WithinDuration(t, time.Now(), f[0].FailedAt, 0)
		broken = false
		require.ErrorIs(t, q.Requeue(1), dray.ErrNotFound)
		require.NoError(t, q.Requeue(4))
		require.ErrorIs(t, q.Requeue(4), dray.ErrNotFound)
		synctest.Wait()
		s := balanced(t, q)
		require.Equal(t, []uint64{6, 5, 1}, []uint64{s.Enqueued, s.Failed, s.Processed})
		require.Len(t, q.Failures(), 2)
	})
}

func TestRequeueStartsWithFreshAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(1), dray.WithCapacity(1))
		var seen record[int]
		id := add(t, q, func(ctx context.Context) error {
			info, _ := dray.JobFrom(ctx)
			seen.add(info.Attempt)
			return errors.New("again")
		}, dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Second)))
		elapse(time.Minute)
		require.NoError(t, q.Pause())
		add(t, q, nop)
		require.NoError(t, q.Requeue(id), "there is always room for it")
		require.NoError(t, q.Resume())
		elapse(time.Minute)
		require.Equal(t, []int{1, 2, 1, 2}, seen.all())
		require.Len(t, q.Failures(), 1)
	})
}

func TestNoFailuresKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithFailuresKept(0))
		id := add(t, q, fail)
		synctest.Wait()
		require.Empty(t, q.Failures())
		require.ErrorIs(t, q.Requeue(id), dray.ErrNotFound)
		require.Equal(t, uint64(1), balanced(t, q).Failed)
	})
}
