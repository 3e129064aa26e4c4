package schedule_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// A run that is looked at a second after its time is in time, and missed after that.
func TestLateByASecond(t *testing.T) {
	for late, ran := range map[time.Duration]int64{0: 1, time.Second: 1, time.Second + 1: 0} {
		for name, when := range map[string]func(at time.Time) dray.Schedule{
			"at":      func(at time.Time) dray.Schedule { return dray.At(at) },
			"foreign": func(at time.Time) dray.Schedule { return foreign(func(time.Time) time.Time { return at }) },
		} {
			synctest.Test(t, func(t *testing.T) {
				oddStart()
				q, err := dray.New()
				require.NoError(t, err)
				fn, n := counter()
				at := time.Now().Add(10 * time.Second)
				require.NoError(t, q.Scheduler().Schedule("x", when(at), fn, dray.WithMissed(dray.SkipMissed)))
				time.Sleep(10*time.Second + late)
				require.NoError(t, q.Start())
				pass(time.Minute)
				require.Equal(t, ran, n.Load(), "%s %v", name, late)
				require.Equal(t, uint64(1-ran), info(t, q, "x").Missed)
				require.NoError(t, q.Close())
			})
		}
	}
}

// RunNow says why there is no run.
func TestRunNowSaysWhyNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		told := &skips{}
		q := started(t, told.option())
		s := q.Scheduler()
		g, err := dray.NewGroup(q)
		require.NoError(t, err)
		g.Cancel()
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop, dray.WithUnique("u", dray.KeepExisting), dray.WithDelay(time.Hour)))
		for name, c := range map[string]struct {
			opts []dray.TaskOption
			want error
		}{
			"reject": {[]dray.TaskOption{dray.WithUnique("u", dray.RejectDuplicate)}, dray.ErrDuplicate},
			"keep":   {[]dray.TaskOption{dray.WithUnique("u", dray.KeepExisting)}, dray.ErrDuplicate},
			"group":  {[]dray.TaskOption{dray.WithGroup(g)}, dray.ErrGroupDone},
		} {
			require.NoError(t, s.Schedule(name, dray.Every(24*time.Hour), kit.Nop, c.opts...))
			require.ErrorIs(t, s.RunNow(name), c.want, name)
			require.Equal(t, uint64(1), info(t, q, name).Refused)
			synctest.Wait()
			require.NotEmpty(t, told.of(c.want))
		}
		require.ErrorIs(t, s.RunNow("nobody"), dray.ErrNotFound)
		block := func(ctx context.Context) error { <-ctx.Done(); return nil }
		require.NoError(t, s.Schedule("skip", dray.Every(24*time.Hour), block))
		require.NoError(t, s.RunNow("skip"))
		require.ErrorIs(t, s.RunNow("skip"), dray.ErrOverlap)
		require.NoError(t, s.Schedule("queue", dray.Every(24*time.Hour), block, dray.WithOverlap(dray.QueueOverlap)))
		require.NoError(t, s.RunNow("queue"))
		require.NoError(t, s.RunNow("queue"))
		require.ErrorIs(t, s.RunNow("queue"), dray.ErrOverlap)
		require.NoError(t, q.Close())
		require.ErrorIs(t, s.RunNow("queue"), dray.ErrClosed)
		require.ErrorIs(t, s.RunNow("nobody"), dray.ErrClosed)
	})
}

// A lock is given back once, whatever ends the run, and what its unlock does hurts the
// run alone, which is not run again.
func TestUnlockOnceWhateverEndsTheRun(t *testing.T) {
	for name, c := range map[string]struct {
		job    func(ctx context.Context) error
		during func(t *testing.T, q *dray.Queue)
		unlock func()
		failed uint64
	}{
		"panic":              {job: func(context.Context) error { panic("oops") }, failed: 1},
		"goexit":             {job: func(context.Context) error { runtime.Goexit(); return nil }, failed: 1},
		"cancelled running":  {job: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, during: cancelAll},
		"cancelled retrying": {job: func(context.Context) error { return errors.New("boom") }, during: cancelAll},
		"unlock panics":      {job: kit.Nop, unlock: func() { panic("oops") }, failed: 1},
		"unlock exits":       {job: kit.Nop, unlock: runtime.Goexit, failed: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				oddStart()
				l := &ledger{unlock: c.unlock}
				q := started(t)
				runs := 0
				require.NoError(t, q.Scheduler().Schedule("x", dray.Every(24*time.Hour), func(ctx context.Context) error {
					runs++
					return c.job(ctx)
				}, dray.WithLock(l), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Hour))))
				require.NoError(t, q.Scheduler().RunNow("x"))
				synctest.Wait()
				if c.during != nil {
					c.during(t, q)
				}
				pass(3 * time.Hour)
				locks, unlocks, held := l.state()
				require.Equal(t, []any{1, 1, false}, []any{locks, unlocks, held})
				s := q.Stats()
				require.Equal(t, c.failed, s.Failed)
				require.Zero(t, s.Processed)
				require.False(t, info(t, q, "x").Running)
				if c.unlock != nil {
					require.Equal(t, 1, runs)
				}
				require.NoError(t, q.Close())
			})
		})
	}
}

func cancelAll(t *testing.T, q *dray.Queue) {
	for j := range q.Jobs() {
		require.NoError(t, q.Cancel(j.ID))
	}
}

// A run whose lock is lost sees its context end, and is not tried again without it.
func TestLostLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		l := &ledger{}
		q := started(t)
		runs := 0
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(24*time.Hour), func(ctx context.Context) error {
			runs++
			if runs == 1 {
				return errors.New("boom")
			}
			<-ctx.Done()
			return context.Cause(ctx)
		}, dray.WithLock(l), dray.WithMaxAttempts(9), dray.WithBackoff(dray.Constant(time.Minute))))
		require.NoError(t, q.Scheduler().RunNow("x"))
		pass(2 * time.Minute)
		require.Equal(t, 2, runs)
		l.lost()
		pass(10 * time.Minute)
		require.Equal(t, 2, runs)
		require.Equal(t, uint64(1), q.Stats().Failed)
		require.Equal(t, uint64(1), q.Stats().Retried)
		require.ErrorContains(t, info(t, q, "x").LastError, "lost")
		_, unlocks, _ := l.state()
		require.Equal(t, 1, unlocks)
	})
}
