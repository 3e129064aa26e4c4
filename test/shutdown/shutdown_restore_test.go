package shutdown_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

func TestRestoreKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := kit.Start(t, dray.WithWorkers(1))
		var got kit.Record[int]
		gate := make(chan struct{})
		first := func(ctx context.Context) error {
			got.Add(0)
			return kit.Until(gate)(ctx)
		}
		kit.Add(t, old, first)
		synctest.Wait()
		for i := range 5 {
			require.NoError(t, old.Enqueue(t.Context(), got.Job(i+1)))
		}
		report := kit.CutShort(t, old)
		q := kit.Paused(t, dray.WithWorkers(1), dray.WithCapacity(1))
		kit.Add(t, q, got.Job(-1))
		require.NoError(t, q.Restore(report), "there is always room")
		require.Equal(t, 7, kit.Balanced(t, q).Pending)
		close(gate)
		require.NoError(t, q.Start())
		synctest.Wait()
		require.Equal(t, []int{0, -1, 0, 1, 2, 3, 4, 5}, got.All())
		require.Equal(t, uint64(7), kit.Balanced(t, q).Processed)
	})
}

func TestRestoreKeepsOptionsAndAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := kit.Start(t, dray.WithWorkers(1))
		began := time.Now()
		var seen kit.Record[dray.JobInfo]
		var at kit.Record[time.Duration]
		kit.Add(t, old, func(ctx context.Context) error {
			info, _ := dray.JobFrom(ctx)
			deadline, _ := ctx.Deadline()
			require.Equal(t, time.Minute, time.Until(deadline))
			seen.Add(info)
			at.Add(time.Since(began))
			return kit.ErrBoom
		}, dray.WithLabel("l"), dray.WithKey("k"), dray.WithPriority(dray.High), dray.WithTimeout(time.Minute),
			dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(time.Minute)))
		kit.Add(t, old, func(context.Context) error { at.Add(time.Since(began)); return nil }, dray.WithDelay(10*time.Second))
		kit.Elapse(4 * time.Second)
		report := kit.CutShort(t, old)
		require.Len(t, report.Waiting, 2)
		kit.Elapse(time.Second)
		q := kit.Start(t, dray.WithWorkers(1))
		require.NoError(t, q.Restore(report))
		s := kit.Balanced(t, q)
		require.Equal(t, []int{1, 1}, []int{s.Delayed, s.Retrying}, "each in the state it had")
		kit.Elapse(time.Hour)
		require.Equal(t, []time.Duration{0, 10 * time.Second, time.Minute, 2 * time.Minute}, at.All())
		for i, info := range seen.All() {
			require.Equal(t, []any{i + 1, "l", "k", dray.High}, []any{info.Attempt, info.Label, info.Key, info.Priority})
			require.WithinDuration(t, began, info.EnqueuedAt, 0)
		}
		s = kit.Balanced(t, q)
		require.Equal(t, []uint64{1, 1}, []uint64{s.Failed, s.Processed})
	})
}

func TestRestoreKeepsTheOrderOfAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := kit.Start(t, dray.WithKey("k"), dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(time.Minute)))
		var got kit.Record[string]
		n := 0
		kit.Add(t, old, func(context.Context) error {
			if n++; n == 1 {
				return kit.ErrBoom
			}
			got.Add("first")
			return nil
		})
		kit.Add(t, old, got.Job("second"))
		synctest.Wait()
		q := kit.Start(t)
		require.NoError(t, q.Restore(kit.CutShort(t, old)))
		kit.Elapse(time.Hour)
		require.Equal(t, []string{"first", "second"}, got.All())
	})
}

func TestRestoreTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := kit.Paused(t)
		var got kit.Record[int]
		for i := range 3 {
			kit.Add(t, old, got.Job(i))
		}
		report := kit.CutShort(t, old)
		a, b := kit.Start(t), kit.Start(t)
		require.NoError(t, a.Restore(report))
		for _, q := range []*dray.Queue{a, b, a} {
			require.ErrorIs(t, q.Restore(report), dray.ErrDuplicate)
		}
		copied := dray.Report{Waiting: append([]dray.Leftover(nil), report.Waiting...)}
		require.ErrorIs(t, b.Restore(copied), dray.ErrDuplicate)
		synctest.Wait()
		require.Len(t, got.All(), 3)
		require.Zero(t, kit.Balanced(t, b).Enqueued)
	})
}

func TestRestoreOfUniqueJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := kit.Paused(t)
		unique := dray.WithUnique("u", dray.KeepExisting)
		kit.Add(t, old, kit.Nop, unique)
		kit.Add(t, old, kit.Nop)
		report := kit.CutShort(t, old)
		q := kit.Paused(t)
		kit.Add(t, q, kit.Nop, unique)
		require.ErrorIs(t, q.Restore(report), dray.ErrDuplicate)
		require.Equal(t, 2, kit.Balanced(t, q).Pending, "all others were taken")
		other := kit.Paused(t)
		require.ErrorIs(t, other.Restore(report), dray.ErrDuplicate, "the one taken by q")
		require.Equal(t, 1, kit.Balanced(t, other).Pending, "the one that q refused")
		require.ErrorIs(t, other.Enqueue(t.Context(), kit.Nop, dray.WithUnique("u", dray.RejectDuplicate)), dray.ErrDuplicate)
	})
}

func TestRestoreRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t)
		bad := dray.Report{Waiting: []dray.Leftover{{Func: kit.Nop}, {}}}
		require.ErrorIs(t, q.Restore(bad), dray.ErrNilFunc)
		require.Zero(t, kit.Balanced(t, q).Enqueued)
		require.NoError(t, q.Restore(dray.Report{}))
		require.NoError(t, q.Close())
		require.ErrorIs(t, q.Restore(dray.Report{Waiting: []dray.Leftover{{Func: kit.Nop}}}), dray.ErrClosed)
	})
}

func TestRestoreOfAHandmadeReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		var got kit.Record[int]
		report := dray.Report{
			Interrupted: []dray.Leftover{{Func: got.Job(1)}},
			Waiting:     []dray.Leftover{{Func: got.Job(2), JobInfo: dray.JobInfo{Label: "l", Priority: dray.High, Key: "k"}}},
			Abandoned:   []dray.JobInfo{{ID: 7}},
		}
		require.NoError(t, q.Restore(report))
		synctest.Wait()
		require.ElementsMatch(t, []int{1, 2}, got.All())
		require.Equal(t, uint64(2), kit.Balanced(t, q).Processed)
	})
}

func TestFailuresAndRequeue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithFailuresKept(3), dray.WithCapacity(10))
		broken := true
		job := func(context.Context) error {
			if broken {
				return kit.ErrBoom
			}
			return nil
		}
		for range 5 {
			kit.Add(t, q, job, dray.WithLabel("l"), dray.WithDelay(time.Second))
		}
		kit.Elapse(time.Second)
		f := q.Failures()
		require.Len(t, f, 3)
		require.Equal(t, []dray.ID{5, 4, 3}, []dray.ID{f[0].ID, f[1].ID, f[2].ID})
		require.ErrorIs(t, f[0].Err, kit.ErrBoom)
		require.Equal(t, "l", f[0].Label)
		require.WithinDuration(t, time.Now(), f[0].FailedAt, 0)
		broken = false
		require.ErrorIs(t, q.Requeue(1), dray.ErrNotFound)
		require.NoError(t, q.Requeue(4))
		require.ErrorIs(t, q.Requeue(4), dray.ErrNotFound)
		synctest.Wait()
		s := kit.Balanced(t, q)
		require.Equal(t, []uint64{6, 5, 1}, []uint64{s.Enqueued, s.Failed, s.Processed})
		require.Len(t, q.Failures(), 2)
	})
}

func TestRequeueStartsWithFreshAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(1))
		var seen kit.Record[int]
		id := kit.Add(t, q, func(ctx context.Context) error {
			info, _ := dray.JobFrom(ctx)
			seen.Add(info.Attempt)
			return errors.New("again")
		}, dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Second)))
		kit.Elapse(time.Minute)
		require.NoError(t, q.Pause())
		kit.Add(t, q, kit.Nop)
		require.NoError(t, q.Requeue(id), "there is always room for it")
		require.NoError(t, q.Resume())
		kit.Elapse(time.Minute)
		require.Equal(t, []int{1, 2, 1, 2}, seen.All())
		require.Len(t, q.Failures(), 1)
	})
}

func TestNoFailuresKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithFailuresKept(0))
		id := kit.Add(t, q, kit.Fail)
		synctest.Wait()
		require.Empty(t, q.Failures())
		require.ErrorIs(t, q.Requeue(id), dray.ErrNotFound)
		require.Equal(t, uint64(1), kit.Balanced(t, q).Failed)
	})
}
