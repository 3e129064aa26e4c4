package schedule_test

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// task returns the only task, whose books must balance.
func task(t *testing.T, q *dray.Queue) dray.PeriodicInfo {
	t.Helper()
	tasks := q.Scheduler().Tasks()
	require.Len(t, tasks, 1)
	inOrder(t, tasks[0])
	return tasks[0]
}

// inOrder checks the books of a task.
func inOrder(t *testing.T, i dray.PeriodicInfo) {
	t.Helper()
	require.Equal(t, i.Due, i.Runs+i.Skipped+uint64(i.Waiting), "%+v", i)
	require.Equal(t, i.Skipped, i.Overlapped+i.Missed+i.Refused, "%+v", i)
}

// slow returns a job that notes its start, and takes its time.
func slow(d time.Duration) (fn dray.Func, at func() []time.Duration) {
	note, at := ticks()
	return func(ctx context.Context) error {
		_ = note(ctx)
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}, at
}

// TestMissedOneAfterTheOther: under every policy but AllowOverlap the runs made
// up for follow each other, and the regular ones keep to the overlap policy.
func TestMissedOneAfterTheOther(t *testing.T) {
	for name, c := range map[string]struct {
		overlap    dray.Overlap
		want       []time.Duration
		overlapped uint64
	}{
		"skip":   {dray.SkipOverlap, seconds(10, 55, 61, 67, 80, 90), 2},      // those of 60 and 70
		"queue":  {dray.QueueOverlap, seconds(10, 55, 61, 67, 73, 80, 90), 1}, // that of 60 would be behind those owed
		"allow":  {dray.AllowOverlap, seconds(10, 55, 55, 55, 60, 70, 80, 90), 0},
		"cancel": {dray.CancelPrevious, seconds(10, 55, 60, 70, 80, 90), 2}, // that of 60 replaces those owed
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fn, at := slow(6 * time.Second)
				q := kit.Start(t, dray.WithWorkers(9))
				s := q.Scheduler()
				require.NoError(t, s.Schedule("x", dray.Every(10*time.Second), fn, dray.WithMissed(dray.RunAll(3)), dray.WithOverlap(c.overlap)))
				pass(19 * time.Second)
				require.NoError(t, s.Pause("x"))
				require.Zero(t, task(t, q).Next)
				pass(36 * time.Second) // 20, 30, 40 and 50 are missed
				require.NoError(t, s.Resume("x"))
				require.NoError(t, s.Resume("x"))
				pass(40 * time.Second)
				require.Equal(t, c.want, at())
				i := task(t, q)
				require.Equal(t, uint64(9), i.Due)
				require.Equal(t, uint64(1), i.Missed)
				require.Equal(t, c.overlapped, i.Overlapped)
			})
		})
	}
}

// TestPausedRunIsMissed: also a single one, by either clock.
func TestPausedRunIsMissed(t *testing.T) {
	for name, when := range map[string]func() dray.Schedule{
		"every": func() dray.Schedule { return dray.Every(10 * time.Second) },
		"at": func() dray.Schedule {
			return dray.At(time.Now().Add(10*time.Second), time.Now().Add(20*time.Second), time.Now().Add(30*time.Second))
		},
	} {
		kit.Bubble(t, name, func(t *testing.T) {
			fn, at := ticks()
			q := kit.Start(t, dray.WithPeriodic("x", when(), fn, dray.WithMissed(dray.SkipMissed)))
			synctest.Wait()
			require.NoError(t, q.Scheduler().Pause("x"))
			pass(10*time.Second + time.Millisecond)
			require.NoError(t, q.Scheduler().RunNow("x"))
			require.NoError(t, q.Scheduler().Resume("x"))
			pass(10 * time.Second)
			require.Equal(t, []time.Duration{10*time.Second + time.Millisecond, 20 * time.Second}, at())
			require.Equal(t, uint64(1), task(t, q).Missed)
		})
	}
}

// A task that is paused before the queue is started stays so when it is.
func TestPausedBeforeTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fn, at := ticks()
		q := kit.Paused(t, dray.WithPeriodic("x", dray.Every(10*time.Second), fn))
		require.NoError(t, q.Scheduler().Pause("x"))
		require.NoError(t, q.Start())
		pass(25 * time.Second)
		require.Empty(t, at())
		require.NoError(t, q.Scheduler().Resume("x"))
		pass(5 * time.Second)
		require.Equal(t, seconds(25, 30), at())
	})
}

// The interval of a task begins with the first start, so that the time before it counts for
// nothing.
func TestIntervalsBeginWithTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fn, at := ticks()
		q := kit.Paused(t, dray.WithPeriodic("x", dray.Every(10*time.Second), fn))
		pass(35 * time.Second)
		require.NoError(t, q.Start())
		pass(25 * time.Second)
		require.Equal(t, seconds(45, 55), at())
		require.Equal(t, uint64(2), task(t, q).Due)
		require.Zero(t, task(t, q).Missed)
	})
}

// What a run failed with is told until another one has settled, not only been handed back.
func TestLastErrorBesideARunThatIsHandedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithPeriodic("x", dray.Every(10*time.Second), func(context.Context) error { return io.ErrUnexpectedEOF }))
		pass(15 * time.Second)
		require.ErrorIs(t, task(t, q).LastError, io.ErrUnexpectedEOF)
		require.NoError(t, q.Pause())
		pass(10 * time.Second)
		require.NoError(t, q.Close())
		r, _ := q.Shutdown(t.Context())
		require.Len(t, r.Waiting, 1)
		require.ErrorIs(t, task(t, q).LastError, io.ErrUnexpectedEOF)
	})
}

// A run that is due is a job, which stays when its task goes, as do those behind it; one
// that is delayed by its jitter goes with its task.
func TestUnscheduleWhileDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stays, staysAt := ticks()
		behind, behindAt := ticks()
		jittered, jitteredAt := ticks()
		q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(1),
			dray.WithPeriodic("stays", dray.Every(10*time.Second), stays),
			dray.WithPeriodic("behind", dray.Every(10*time.Second), behind),
			dray.WithPeriodic("jittered", dray.Every(10*time.Second), jittered, dray.WithJitter(8*time.Second)))
		kit.Add(t, q, draytest.Slow(15*time.Second))
		synctest.Wait()
		kit.Add(t, q, draytest.Slow(3*time.Second))
		pass(10*time.Second + time.Millisecond)
		require.NoError(t, q.Scheduler().Unschedule("stays"))
		require.NoError(t, q.Scheduler().Unschedule("jittered"))
		pass(9 * time.Second)
		require.Empty(t, jitteredAt())
		require.Equal(t, seconds(18), staysAt())
		require.Equal(t, seconds(18), behindAt())
	})
}

func TestLastRun(t *testing.T) {
	for name, c := range map[string]struct {
		missed dray.Missed
		runs   int
		lost   uint64
	}{
		"skip": {dray.SkipMissed, 0, 3},
		"once": {dray.RunOnce, 1, 2},
		"all":  {dray.RunAll(100), 3, 0},
		"two":  {dray.RunAll(2), 2, 1},
	} {
		for kind, when := range map[string]dray.Schedule{"interval": dray.Every(time.Hour), "calendar": dray.InZone(hours{0, 23}, time.UTC)} {
			t.Run(name+" "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					fn, at := ticks()
					opts := []dray.TaskOption{dray.WithLastRun(time.Now().Add(-3 * time.Hour)), dray.WithMissed(c.missed)}
					pass(time.Minute)
					q := kit.Start(t, dray.WithPeriodic("x", when, fn, opts...))
					pass(time.Minute)
					require.Len(t, at(), c.runs)
					require.Equal(t, c.lost, task(t, q).Missed)
				})
			})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		fn, at := ticks()
		q := kit.Start(t)
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Hour), fn, dray.WithLastRun(time.Now().Add(time.Hour))))
		pass(time.Hour)
		require.Equal(t, []time.Duration{time.Hour}, at(), "a time in the future counts as now")
	})
}

// TestFullQueueLosesNothing: a run takes no room, so a full queue accepts it.
func TestFullQueueLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(2))
		once, at := ticks()
		release := make(chan struct{})
		hold := func(context.Context) error { <-release; return nil }
		require.NoError(t, q.Enqueue(t.Context(), hold))
		synctest.Wait()
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
		require.NoError(t, q.Scheduler().Schedule("a", dray.Every(10*time.Second), once, dray.WithMissed(dray.SkipMissed)))
		pass(15 * time.Second)
		require.True(t, task(t, q).Running)
		require.Equal(t, 3, q.Stats().Pending)
		require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop), dray.ErrQueueFull)
		close(release)
		pass(time.Millisecond)
		require.Len(t, at(), 1)
		pass(5 * time.Second)
		require.Len(t, at(), 2)
		require.Zero(t, task(t, q).Skipped)
		require.Equal(t, uint64(1), q.Stats().Rejected)
	})
}

// TestManyDueAtOnce: they are spread over the pool, in order of priority, leave
// room for other jobs, and none is lost.
func TestManyDueAtOnce(t *testing.T) {
	const n = 20_000
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(4), dray.WithCapacity(500))
		when := dray.At(time.Now().Add(time.Hour))
		var runs, urgent atomic.Int64
		for i := range n {
			p, count := dray.Normal, &runs
			if i >= n-1000 { // the last in line, but for their priority
				p, count = dray.High, &urgent
			}
			require.NoError(t, q.Scheduler().Schedule(fmt.Sprint(i), when, func(context.Context) error {
				count.Add(1)
				time.Sleep(10 * time.Millisecond)
				return nil
			}, dray.WithPriority(p)))
		}
		pass(time.Hour)
		for range 3 {
			st := q.Stats()
			require.Greater(t, st.Pending, 10_000, "each is a job")
			require.Equal(t, 4, st.Running)
			require.NoError(t, q.Enqueue(t.Context(), kit.Nop), "there is room for others")
			pass(time.Second)
		}
		require.Equal(t, int64(1000), urgent.Load())
		pass(time.Minute)
		require.Equal(t, int64(n-1000), runs.Load())
		st := kit.Balanced(t, q)
		require.Equal(t, uint64(n+3), st.Processed)
		require.Zero(t, st.Rejected)
	})
}

// TestCancelPreviousInLine: a run that has not started is cancelled as well.
func TestCancelPreviousInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := dray.New(dray.WithWorkers(1), dray.WithCapacity(1))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, q.Close()) })
		fn, at := slow(5 * time.Second)
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Hour), fn, dray.WithOverlap(dray.CancelPrevious)))
		for range 3 {
			require.NoError(t, q.Scheduler().RunNow("x"))
		}
		require.True(t, task(t, q).Running)
		require.Equal(t, uint64(2), q.Stats().Cancelled)
		require.NoError(t, q.Start())
		pass(time.Second)
		require.NoError(t, q.Scheduler().RunNow("x"))
		pass(time.Minute)
		require.Equal(t, seconds(0, 1), at())
		i := task(t, q)
		require.False(t, i.Running)
		require.Equal(t, uint64(4), i.Runs)
		require.Equal(t, uint64(3), kit.Balanced(t, q).Cancelled)
	})
}

// TestJobOptionsOfATask: timeout, attempts and priority are those of its runs.
func TestJobOptionsOfATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []int
		var label string
		q := kit.Start(t, dray.WithWorkers(1))
		require.NoError(t, q.Scheduler().Schedule("x", dray.At(time.Now().Add(time.Second)), func(ctx context.Context) error {
			info, _ := dray.JobFrom(ctx)
			attempts, label = append(attempts, info.Attempt), info.Label
			require.Equal(t, dray.High, info.Priority)
			<-ctx.Done()
			return context.Cause(ctx)
		}, dray.WithTimeout(time.Second), dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(time.Second)), dray.WithPriority(dray.High), dray.WithDelay(time.Second)))
		pass(time.Minute)
		require.Equal(t, []int{1, 2, 3}, attempts)
		require.Equal(t, "x", label)
		require.ErrorIs(t, task(t, q).LastError, dray.ErrTimeout)
		require.Equal(t, uint64(1), task(t, q).Runs)
		require.False(t, task(t, q).Running)
	})
}

// TestUniqueRunIsRefused: while another job holds its key.
func TestUniqueRunIsRefused(t *testing.T) {
	for _, p := range []dray.UniquePolicy{dray.KeepExisting, dray.RejectDuplicate} {
		synctest.Test(t, func(t *testing.T) {
			fn, at := ticks()
			q := kit.Start(t)
			require.NoError(t, q.Enqueue(t.Context(), kit.Nop, dray.WithUnique("k", p), dray.WithDelay(15*time.Second)))
			require.NoError(t, q.Scheduler().Schedule("x", dray.Every(10*time.Second), fn, dray.WithUnique("k", p)))
			pass(20 * time.Second)
			require.Equal(t, seconds(20), at())
			require.Equal(t, uint64(1), task(t, q).Refused)
		})
	}
}
