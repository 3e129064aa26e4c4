package schedule_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// What is postponed goes on at once when the task is registered anew so that runs may overlap, and
// those that come due later go on behind it.
func TestReloadToAllowOverlap(t *testing.T) {
	for name, opts := range map[string][]dray.TaskOption{
		"queued":    {dray.WithOverlap(dray.QueueOverlap)},
		"made up":   {dray.WithMissed(dray.RunAll(20)), dray.WithLastRun(time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC))},
		"in a rush": {dray.WithMissed(dray.RunAll(200)), dray.WithLastRun(time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC))},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := kit.Start(t, dray.WithWorkers(1000))
				s := q.Scheduler()
				require.NoError(t, s.Schedule("task", dray.Every(time.Minute), draytest.Slow(time.Hour), opts...))
				time.Sleep(3*time.Minute + time.Second)
				require.Positive(t, info(t, q, "task").Waiting)
				require.NoError(t, s.Schedule("task", dray.Every(time.Minute), draytest.Slow(time.Hour), dray.WithOverlap(dray.AllowOverlap)))
				for range 5 {
					synctest.Wait()
					i := info(t, q, "task")
					require.Zero(t, i.Waiting)
					require.Equal(t, int(i.Runs), q.Stats().Running)
					time.Sleep(time.Minute)
				}
				require.NoError(t, q.Close())
			})
		})
	}
}

// Missed runs that a full queue has no room for are made when there is, and those that come due
// meanwhile behind them.
func TestMadeUpInAFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(10), dray.WithCapacity(1))
		s := q.Scheduler()
		require.NoError(t, s.Schedule("task", dray.Every(time.Minute), draytest.Slow(time.Hour),
			dray.WithOverlap(dray.AllowOverlap), dray.WithMissed(dray.RunAll(3))))
		require.NoError(t, s.Pause("task"))
		time.Sleep(10*time.Minute + time.Second)
		gate := make(chan struct{})
		for range 10 {
			require.NoError(t, q.Enqueue(t.Context(), kit.Until(gate)))
			synctest.Wait()
		}
		require.NoError(t, q.Enqueue(t.Context(), kit.Until(gate)))
		require.NoError(t, s.Resume("task"))
		synctest.Wait()
		require.Equal(t, 2, info(t, q, "task").Waiting)
		close(gate)
		pass(2 * time.Minute)
		require.Zero(t, info(t, q, "task").Waiting)
		require.Equal(t, 5, q.Stats().Running)
		require.NoError(t, s.RunNow("task"))
		synctest.Wait()
		require.Equal(t, 6, q.Stats().Running)
		require.NoError(t, q.Close())
	})
}

// A schedule that takes long to say its first time, while that comes due for the task that is to be
// replaced, has it run once.
func TestReloadWithASlowSchedule(t *testing.T) {
	for name, takes := range map[string]time.Duration{"3 s": 3 * time.Second, "minutes": 5 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := kit.Start(t)
				s := q.Scheduler()
				fn, all := dues()
				require.NoError(t, s.Schedule("task", kit.Grid(time.Minute), fn))
				time.Sleep(58 * time.Second)
				first := true
				require.NoError(t, s.Schedule("task", foreign(func(after time.Time) time.Time {
					if first {
						first = false
						time.Sleep(takes)
					}
					return minutes(after)
				}), fn))
				end := time.Date(2000, 1, 1, 0, 8, 30, 0, time.UTC)
				time.Sleep(time.Until(end))
				require.Equal(t, []string{
					"01 00:01", "01 00:02", "01 00:03", "01 00:04", "01 00:05", "01 00:06", "01 00:07", "01 00:08",
				}, all())
				require.NoError(t, q.Close())
			})
		})
	}
}

// The new schedule is asked by when it has replaced the old one, also if others keep it waiting.
func TestReloadBesideASlowSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithCapacity(dray.Unbounded))
		s := q.Scheduler()
		fn, ran := dueTimes()
		opts := []dray.TaskOption{dray.WithOverlap(dray.AllowOverlap), dray.WithMissed(dray.RunAll(10_000))}
		require.NoError(t, s.Schedule("task", kit.Grid(5*time.Millisecond), fn, opts...))
		require.NoError(t, s.Schedule("slow", foreign(func(after time.Time) time.Time {
			time.Sleep(20 * time.Millisecond)
			return after.Add(time.Millisecond)
		}), kit.Nop))
		for range 50 {
			time.Sleep(33 * time.Millisecond)
			first := true
			require.NoError(t, s.Schedule("task", foreign(func(after time.Time) time.Time {
				if first {
					first = false
					time.Sleep(12 * time.Millisecond)
				}
				return kit.Grid(5 * time.Millisecond).Next(after)
			}), fn, opts...))
		}
		require.NoError(t, s.Unschedule("slow"))
		pass(time.Second)
		requireEvery(t, 5*time.Millisecond, ran())
		require.NoError(t, q.Close())
	})
}

// A loop of reloads, in which runs come due at any moment, neither loses nor doubles one.
func TestReloadAgainAndAgain(t *testing.T) {
	q := kit.Start(t, dray.WithCapacity(dray.Unbounded))
	s := q.Scheduler()
	made := make(chan time.Time, 100_000)
	fn := func(ctx context.Context) error {
		_, due, _ := dray.TaskFrom(ctx)
		made <- due
		return nil
	}
	for len(made) < 300 {
		require.NoError(t, s.Schedule("task", kit.Grid(time.Millisecond), fn,
			dray.WithOverlap(dray.AllowOverlap), dray.WithMissed(dray.RunAll(10_000))))
	}
	// All that has come due is made, if late and in any order, before the task goes.
	end := time.Now()
	first := <-made
	at := []time.Time{first}
	for len(at) <= int(end.Sub(first)/time.Millisecond) {
		if due := <-made; !due.After(end) {
			at = append(at, due)
			first = slices.MinFunc(at, time.Time.Compare)
		}
	}
	requireEvery(t, time.Millisecond, at)
}

// requireEvery fails the test unless there was a run at each of the times, in any order, and one alone.
func requireEvery(t *testing.T, d time.Duration, at []time.Time) {
	t.Helper()
	slices.SortFunc(at, time.Time.Compare)
	for i := range at[1:] {
		require.Equal(t, d, at[i+1].Sub(at[i]))
	}
}

// A run that jitter delays beyond a reload is dropped, and told, by an Unschedule after that.
func TestUnscheduleWhatAReplacedTaskDelays(t *testing.T) {
	for name, when := range map[string]dray.Schedule{"interval": dray.Every(time.Hour), "calendar": kit.Grid(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var skipped skips
				q := kit.Start(t, skipped.option())
				s := q.Scheduler()
				require.NoError(t, s.Schedule("n7", when, kit.Nop, dray.WithJitter(50*time.Minute))) // 38 min
				time.Sleep(time.Hour + 2*time.Minute)
				for range 2 {
					require.NoError(t, s.Schedule("n7", dray.Every(10*time.Hour), kit.Nop))
				}
				pass(time.Minute)
				require.NoError(t, s.Unschedule("n7"))
				synctest.Wait()
				told := skipped.of(dray.ErrCancelled)
				require.Len(t, told, 1)
				require.Equal(t, uint64(1), told[0].Count)
				require.NoError(t, s.Schedule("n7", dray.Every(10*time.Hour), kit.Nop))
				pass(time.Hour)
				require.Len(t, skipped.of(dray.ErrCancelled), 1, "not once more")
				require.Zero(t, info(t, q, "n7").Due)
				require.NoError(t, q.Close())
			})
		})
	}
}

// A replaced task is forgotten once the run that its jitter delayed is found.
func TestReplacedTasksAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		schedule := func() weak.Pointer[grid] {
			g := &grid{Grid: kit.Grid(time.Hour)}
			require.NoError(t, q.Scheduler().Schedule("n7", g, kit.Nop, dray.WithJitter(50*time.Minute)))
			return weak.Make(g)
		}
		old := schedule()
		time.Sleep(time.Hour + time.Minute)
		schedule()
		runtime.GC()
		require.NotNil(t, old.Value())
		pass(time.Hour)
		require.Equal(t, uint64(1), info(t, q, "n7").Runs)
		runtime.GC()
		require.Nil(t, old.Value())
		require.NoError(t, q.Close())
	})
}

// grid is a schedule of which it can be told whether it is still used: as it has a pointer, it shares
// its memory with nothing else.
type grid struct {
	kit.Grid
	_ *testing.T
}

// A run that came due in a pause, or before the process was started, is a missed one, also if jitter
// still delays it then.
func TestJitterHidesNoMissedRun(t *testing.T) {
	skip, jitter := dray.WithMissed(dray.SkipMissed), dray.WithJitter(50*time.Minute) // 38 min
	for name, when := range map[string]dray.Schedule{"interval": dray.Every(time.Hour), "calendar": kit.Grid(time.Hour)} {
		for how, play := range map[string]func(t *testing.T, s *dray.Scheduler){
			"paused": func(t *testing.T, s *dray.Scheduler) {
				require.NoError(t, s.Schedule("n7", when, kit.Nop, skip, jitter))
				require.NoError(t, s.Pause("n7"))
				time.Sleep(time.Hour + time.Minute)
				require.NoError(t, s.Resume("n7"))
			},
			"replaced while paused": func(t *testing.T, s *dray.Scheduler) {
				require.NoError(t, s.Schedule("n7", when, kit.Nop, skip, jitter))
				require.NoError(t, s.Pause("n7"))
				time.Sleep(time.Hour + time.Minute)
				require.NoError(t, s.Schedule("n7", when, kit.Nop, skip, jitter))
			},
			"down": func(t *testing.T, s *dray.Scheduler) {
				time.Sleep(time.Hour + time.Minute)
				require.NoError(t, s.Schedule("n7", when, kit.Nop, skip, jitter, dray.WithLastRun(time.Now().Add(-61*time.Minute))))
			},
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					q := kit.Start(t)
					play(t, q.Scheduler())
					pass(45 * time.Minute)
					i := info(t, q, "n7")
					require.Equal(t, []uint64{1, 0, 1}, []uint64{i.Due, i.Runs, i.Missed})
					pass(2 * time.Hour)
					require.Equal(t, uint64(1), info(t, q, "n7").Missed, "the next ones are in time")
					require.NoError(t, q.Close())
				})
			})
		}
	}
}

// A run that was in time, and is postponed, does not give way to missed ones.
func TestPostponedInTimeIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		s := q.Scheduler()
		gate := make(chan struct{})
		var ran kit.Record[string]
		fn := func(ctx context.Context) error {
			_, due, _ := dray.TaskFrom(ctx)
			ran.Add(due.UTC().Format("15:04"))
			return kit.Until(gate)(ctx)
		}
		require.NoError(t, s.Schedule("task", dray.Every(time.Minute), fn, dray.WithOverlap(dray.QueueOverlap), dray.WithMissed(dray.RunAll(3))))
		time.Sleep(2*time.Minute + time.Second)
		for range 2 {
			require.NoError(t, s.Pause("task"))
			time.Sleep(5 * time.Minute)
			require.NoError(t, s.Resume("task"))
			pass(time.Second)
		}
		require.Equal(t, 4, info(t, q, "task").Waiting)
		close(gate)
		synctest.Wait()
		require.Equal(t, []string{"00:01", "00:02", "00:10", "00:11", "00:12"}, ran.All())
		require.NoError(t, q.Close())
	})
}
