package schedule_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// A pause holds up runs in line, also such as wait for room or another attempt.
func TestPauseHoldsUpRunsInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t, dray.WithWorkers(1), dray.WithCapacity(1))
		s := q.Scheduler()
		fn, ran := counter()
		require.NoError(t, s.Schedule("x", dray.Every(time.Minute), fn, dray.WithMissed(dray.SkipMissed)))
		require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { time.Sleep(90 * time.Second); return nil }))
		pass(time.Minute)
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop), "the run takes no room")
		require.NoError(t, s.Pause("x"))
		pass(10 * time.Minute)
		require.Zero(t, ran.Load())
		require.Equal(t, 1, q.Stats().Pending)
		require.ErrorIs(t, s.RunNow("x"), dray.ErrOverlap)
		require.NoError(t, s.Resume("x"))
		synctest.Wait()
		require.Equal(t, int64(1), ran.Load())
		i := info(t, q, "x")
		require.Equal(t, uint64(1), i.Overlapped)
		require.Equal(t, uint64(10), i.Missed)
	})
}

// A pause holds up the attempts of a run that has failed, and RunNow is not paused.
func TestPauseHoldsUpRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t)
		s := q.Scheduler()
		var tries atomic.Int64
		require.NoError(t, s.Schedule("x", dray.Every(time.Hour), func(context.Context) error {
			tries.Add(1)
			return errors.New("boom")
		}, dray.WithMaxAttempts(5), dray.WithBackoff(dray.Constant(time.Minute))))
		pass(time.Hour)
		require.Equal(t, int64(1), tries.Load())
		require.NoError(t, s.Pause("x"))
		pass(10 * time.Minute)
		require.Equal(t, int64(1), tries.Load())
		require.NoError(t, s.Resume("x"))
		pass(10 * time.Minute)
		require.Equal(t, int64(5), tries.Load())
		require.NoError(t, s.Pause("x"))
		require.NoError(t, s.RunNow("x"))
		pass(10 * time.Minute)
		require.Equal(t, int64(10), tries.Load())
	})
}

// A pause stops the catching up, which goes on after it.
func TestPauseStopsCatchingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t, dray.WithWorkers(1))
		s := q.Scheduler()
		var ran atomic.Int64
		require.NoError(t, s.Schedule("x", dray.Every(time.Hour), func(context.Context) error {
			ran.Add(1)
			time.Sleep(time.Minute)
			return nil
		}, dray.WithLastRun(time.Now().Add(-10*time.Hour-time.Minute)), dray.WithMissed(dray.RunAll(10))))
		pass(3*time.Minute + time.Second)
		require.Equal(t, int64(4), ran.Load())
		require.NoError(t, s.Pause("x"))
		pass(30 * time.Minute)
		require.Equal(t, int64(4), ran.Load())
		require.Equal(t, 6, info(t, q, "x").Waiting)
		require.NoError(t, s.Resume("x"))
		pass(10 * time.Minute)
		require.Equal(t, int64(10), ran.Load())
		require.NoError(t, s.Pause("x"))
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Empty(t, report)
	})
}

// A task that is paused while its schedule is being asked does not run.
func TestPauseWhileAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t)
		s := q.Scheduler()
		first := minutes(time.Now())
		fn, ran := counter()
		require.NoError(t, s.Schedule("x", foreign(func(after time.Time) time.Time {
			if !after.Before(first) {
				time.Sleep(20 * time.Millisecond)
			}
			return minutes(after)
		}), fn, dray.WithMissed(dray.SkipMissed)))
		time.Sleep(time.Until(first))
		pass(time.Millisecond)
		require.NoError(t, s.Pause("x"))
		pass(5*time.Minute + time.Second)
		require.Zero(t, ran.Load())
		require.NoError(t, s.Resume("x"))
		pass(time.Second)
		require.Zero(t, ran.Load())
		require.Equal(t, uint64(6), info(t, q, "x").Missed)
		pass(time.Minute)
		require.Equal(t, int64(1), ran.Load())
	})
}

// A task that is paused while its schedule hangs does not run again what has been run.
func TestPauseWhileHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t)
		s := q.Scheduler()
		first := minutes(time.Now())
		fn, ran := counter()
		require.NoError(t, s.Schedule("x", foreign(func(after time.Time) time.Time {
			if after.Equal(first) {
				time.Sleep(5 * time.Second)
			}
			return minutes(after)
		}), fn))
		time.Sleep(time.Until(first))
		pass(100 * time.Millisecond)
		require.Equal(t, int64(1), ran.Load())
		require.NoError(t, s.Pause("x"))
		pass(30 * time.Second)
		require.NoError(t, info(t, q, "x").LastError)
		require.NoError(t, s.Resume("x"))
		pass(10 * time.Second)
		require.Equal(t, int64(1), ran.Load())
		pass(20 * time.Second)
		require.Equal(t, int64(2), ran.Load())
		require.Equal(t, uint64(2), info(t, q, "x").Due)
	})
}

// A preview of a paused task has the times after now, as what came due in between is missed.
func TestPreviewOfAPausedTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t)
		s := q.Scheduler()
		require.NoError(t, s.Schedule("every", dray.Every(10*time.Second), kit.Nop))
		require.NoError(t, s.Schedule("foreign", foreign(minutes), kit.Nop))
		for _, name := range []string{"every", "foreign"} {
			require.NoError(t, s.Pause(name))
		}
		for _, name := range []string{"every", "foreign"} {
			before, err := s.Preview(name, 20)
			require.NoError(t, err)
			time.Sleep(95 * time.Second)
			got, err := s.Preview(name, 3)
			require.NoError(t, err)
			want := slices.DeleteFunc(before, func(at time.Time) bool { return at.Before(time.Now()) })[:3]
			require.Equal(t, want, got, name)
			require.NoError(t, s.Resume(name))
			synctest.Wait()
			got, err = s.Preview(name, 3)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	})
}
