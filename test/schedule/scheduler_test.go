package schedule_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// pass lets virtual time pass, and everything happen that does in it.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// ticks returns a job that notes when it ran, since now.
func ticks() (fn dray.Func, at func() []time.Duration) {
	begin := time.Now()
	var mu sync.Mutex
	var noted []time.Duration
	fn = func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		noted = append(noted, time.Since(begin))
		return nil
	}
	return fn, func() []time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(noted)
	}
}

func seconds(ns ...float64) []time.Duration {
	ds := make([]time.Duration, len(ns))
	for i, n := range ns {
		ds[i] = time.Duration(n * float64(time.Second))
	}
	return ds
}

func TestPeriodicTaskKeepsItsInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fn, at := ticks()
		q := kit.Start(t, dray.WithWorkers(2), dray.WithPeriodic("tick", dray.Every(10*time.Second), fn))
		// A slow and a failing task are beside it, and must not matter.
		require.NoError(t, q.Scheduler().Schedule("slow", dray.Every(time.Second), func(ctx context.Context) error {
			select {
			case <-time.After(7 * time.Second):
			case <-ctx.Done():
			}
			return nil
		}))
		require.NoError(t, q.Scheduler().Schedule("bad", dray.Every(time.Second), func(context.Context) error { panic("bad") }))
		pass(31 * time.Second)
		require.Equal(t, seconds(10, 20, 30), at())
		kit.Balanced(t, q)
	})
}

func TestTasksTellsNextAndLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("boom")
		begin := time.Now()
		q := kit.Start(t)
		s := q.Scheduler()
		require.NoError(t, s.Schedule("b", dray.Every(2*time.Second), func(context.Context) error { return boom }))
		require.NoError(t, s.Schedule("a", dray.At(begin.Add(3*time.Second)), kit.Nop))
		pass(2 * time.Second)
		synctest.Wait()
		tasks := s.Tasks()
		require.Len(t, tasks, 2)
		require.Equal(t, "a", tasks[0].Name)
		require.True(t, tasks[0].Next.Equal(begin.Add(3*time.Second)))
		require.Equal(t, "b", tasks[1].Name)
		require.True(t, tasks[1].Next.Equal(begin.Add(4*time.Second)))
		require.True(t, tasks[1].Last.Equal(begin.Add(2*time.Second)))
		require.ErrorIs(t, tasks[1].LastError, boom)
		require.Equal(t, uint64(1), tasks[1].Runs)
		pass(2 * time.Second)
		tasks = s.Tasks()
		require.Equal(t, "a", tasks[1].Name, "a task without a next run comes last")
		require.True(t, tasks[1].Next.IsZero())
	})
}

func TestScheduleRefusesNonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		s := q.Scheduler()
		require.Error(t, s.Schedule("", dray.Every(1), kit.Nop))
		require.Error(t, s.Schedule("x", nil, kit.Nop))
		require.ErrorIs(t, s.Schedule("x", dray.Every(1), nil), dray.ErrNilFunc)
		require.Error(t, s.Schedule("x", dray.Every(0), kit.Nop))
		require.Error(t, s.Schedule("x", dray.Every(-time.Second), kit.Nop))
		require.Error(t, s.Schedule("x", dray.At(time.Now().Add(-time.Second)), kit.Nop))
		require.Error(t, s.Schedule("x", throwing{}, kit.Nop))
		require.Error(t, s.Schedule("x", dray.Every(1), kit.Nop, dray.WithMaxAttempts(0)))
		require.Error(t, s.Schedule("x", dray.Every(1), kit.Nop, dray.WithOverlap(9)))
		require.Error(t, s.Schedule("x", dray.Every(1), kit.Nop, dray.WithMissed(-1)))
		require.Empty(t, s.Tasks())
		require.ErrorIs(t, s.Unschedule("x"), dray.ErrNotFound)
		require.ErrorIs(t, s.RunNow("x"), dray.ErrNotFound)
		require.ErrorIs(t, s.Pause("x"), dray.ErrNotFound)
		_, err := dray.New(dray.WithPeriodic("x", dray.Every(0), kit.Nop))
		require.Error(t, err)
		require.NoError(t, q.Close())
		require.ErrorIs(t, s.Schedule("x", dray.Every(time.Second), kit.Nop), dray.ErrClosed)
	})
}

// throwing is a schedule that panics.
type throwing struct{}

func (throwing) Next(time.Time) time.Time { panic("no idea") }

// fickle is a schedule that works once.
type fickle struct{ first time.Time }

func (f fickle) Next(after time.Time) time.Time {
	if after.Before(f.first) {
		return f.first
	}
	panic("no idea")
}

func TestBrokenScheduleEndsItsTaskAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fn, at := ticks()
		q := kit.Start(t, dray.WithPeriodic("good", dray.Every(time.Second), fn))
		broken, ran := ticks()
		require.NoError(t, q.Scheduler().Schedule("broken", fickle{time.Now().Add(time.Second)}, broken))
		pass(2500 * time.Millisecond)
		require.Equal(t, seconds(1, 2), at())
		require.Equal(t, seconds(1), ran())
		require.Zero(t, q.Stats().Restarts)
	})
}

func TestOverlap(t *testing.T) {
	for name, c := range map[string]struct {
		policy  dray.Overlap
		starts  []time.Duration
		skipped uint64
	}{
		"skip":   {dray.SkipOverlap, seconds(1, 4), 4},
		"queue":  {dray.QueueOverlap, seconds(1, 3.4, 5.8), 2},
		"allow":  {dray.AllowOverlap, seconds(1, 2, 3, 4, 5, 6), 0},
		"cancel": {dray.CancelPrevious, seconds(1, 2, 3, 4, 5, 6), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				note, at := ticks()
				q := kit.Start(t, dray.WithWorkers(8))
				require.NoError(t, q.Scheduler().Schedule("slow", dray.Every(time.Second), func(ctx context.Context) error {
					_ = note(ctx)
					select {
					case <-time.After(2400 * time.Millisecond):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}, dray.WithOverlap(c.policy)))
				pass(6*time.Second + 100*time.Millisecond)
				require.Equal(t, c.starts, at())
				require.Equal(t, c.skipped, q.Scheduler().Tasks()[0].Skipped)
				if c.policy == dray.CancelPrevious {
					require.Equal(t, uint64(5), kit.Balanced(t, q).Cancelled)
				}
			})
		})
	}
}

func TestMissedRuns(t *testing.T) {
	for name, c := range map[string]struct {
		policy  dray.Missed
		runs    []time.Duration
		skipped uint64
	}{
		"skip": {dray.SkipMissed, seconds(1, 6), 4},
		"once": {dray.RunOnce, seconds(1, 5.5, 6), 3},
		"all":  {dray.RunAll(3), seconds(1, 5.5, 5.5, 5.5, 6), 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fn, at := ticks()
				q := kit.Start(t, dray.WithWorkers(1))
				s := q.Scheduler()
				require.NoError(t, s.Schedule("x", dray.Every(time.Second), fn,
					dray.WithMissed(c.policy), dray.WithOverlap(dray.AllowOverlap)))
				pass(1500 * time.Millisecond)
				require.NoError(t, s.Pause("x"))
				pass(4 * time.Second) // the runs at 2, 3, 4 and 5 s are missed
				require.NoError(t, s.Resume("x"))
				pass(time.Second)
				require.Equal(t, c.runs, at())
				require.Equal(t, c.skipped, s.Tasks()[0].Skipped)
			})
		})
	}
}

func TestUnscheduleReplaceAndRunNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, at1 := ticks()
		second, at2 := ticks()
		q := kit.Start(t)
		s := q.Scheduler()
		require.NoError(t, s.Schedule("x", dray.Every(time.Second), first))
		pass(1100 * time.Millisecond)
		require.NoError(t, s.Schedule("x", dray.Every(time.Second), second))
		pass(time.Second)
		require.NoError(t, s.RunNow("x"))
		pass(100 * time.Millisecond)
		require.NoError(t, s.Unschedule("x"))
		pass(time.Minute)
		require.Equal(t, seconds(1), at1())
		require.Equal(t, seconds(2.1, 2.1), at2())
		require.Empty(t, s.Tasks())
	})
}

func TestLastRunAndJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fn, at := ticks()
		q := kit.Start(t, dray.WithPeriodic("hourly", dray.Every(time.Hour), fn, dray.WithLastRun(time.Now().Add(-90*time.Minute))))
		synctest.Wait()
		require.Equal(t, seconds(0), at(), "the run missed while the service was down")
		pass(30 * time.Minute)
		synctest.Wait()
		require.Equal(t, seconds(0, 1800), at(), "the interval goes on from the last run")

		jittered, late := ticks()
		require.NoError(t, q.Scheduler().Schedule("j", dray.Every(time.Minute), jittered, dray.WithJitter(10*time.Second)))
		pass(5 * time.Minute)
		require.GreaterOrEqual(t, len(late()), 4)
		offset := late()[0] - time.Minute
		require.True(t, offset >= 0 && offset < 10*time.Second)
		for i, d := range late() {
			require.Equal(t, time.Duration(i+1)*time.Minute+offset, d)
		}
	})
}
