package schedule_test

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

// What came due in a pause was missed, all of it and at once, also if the clock is set back before the
// pause ends: by however much, once or again, and whoever ends it.
func TestSetBackAfterDueInAPause(t *testing.T) {
	for _, backs := range [][]time.Duration{{}, {5 * time.Minute}, {11 * time.Minute}, {5 * time.Hour}, {11 * time.Minute, 5 * time.Hour}} {
		for _, reload := range []bool{false, true} {
			for keep, missed := range map[int]dray.Missed{0: dray.SkipMissed, 1: dray.RunOnce, 100: dray.RunAll(100)} {
				synctest.Test(t, func(t *testing.T) {
					q, set := skewed(t)
					fn, all := dues()
					given := make([]time.Time, 20)
					for i := range given {
						given[i] = time.Now().Add(time.Duration(i+1) * time.Minute)
					}
					tasks := map[string]dray.Schedule{"grid": kit.Grid(time.Minute), "given": dray.At(given...)}
					each := func(do func(s *dray.Scheduler, name string) error) {
						for name := range tasks {
							require.NoError(t, do(q.Scheduler(), name))
						}
					}
					schedule := func(s *dray.Scheduler, name string) error {
						return s.Schedule(name, tasks[name], fn, dray.WithMissed(missed))
					}
					each(schedule)
					time.Sleep(30 * time.Second)
					each((*dray.Scheduler).Pause)
					time.Sleep(10*time.Minute + 27*time.Second) // the clocks were compared since the last was due
					for _, back := range backs {
						set(-back)
						time.Sleep(time.Second)
						each((*dray.Scheduler).Pause) // it looks at the clocks
					}
					if reload {
						each(schedule)
					} else {
						each((*dray.Scheduler).Resume)
					}
					time.Sleep(100 * time.Millisecond)
					for name := range tasks {
						i := info(t, q, name)
						require.EqualValues(t, 10, i.Due, "%s: %v, reload %v: %v", name, backs, reload, all())
						require.EqualValues(t, 10-min(keep, 10), i.Missed, "%s: %v, reload %v: %v", name, backs, reload, all())
					}
					require.Len(t, all(), 2*min(keep, 10))
					if !reload {
						time.Sleep(6 * time.Hour)
						require.EqualValues(t, len(given), info(t, q, "given").Due, "each once: %v", backs)
					}
				})
			}
		}
	}
}

// Runs that jitter delays have come due: all of them count when the clock is set back for good, and of a
// task that has been replaced since those before that.
func TestSetBackWhileJitterDelaysMany(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			q, set := skewed(t)
			schedule := func(when dray.Schedule) {
				for n := range 8 {
					require.NoError(t, q.Scheduler().Schedule(strconv.Itoa(n), when, kit.Nop,
						dray.WithJitter(3*time.Hour), dray.WithMissed(dray.RunAll(100)), dray.WithOverlap(dray.AllowOverlap)))
				}
			}
			time.Sleep(20 * time.Second) // so the clocks are compared between the runs
			schedule(kit.Grid(time.Minute))
			time.Sleep(9*time.Minute + 50*time.Second)
			if replaced {
				schedule(kit.Grid(24 * time.Hour))
				time.Sleep(10*time.Minute - 5*time.Second)
			}
			delayed := withoutRuns(t, q)
			set(-5 * time.Hour)
			time.Sleep(2 * time.Minute)
			for _, name := range delayed {
				i := info(t, q, name)
				require.Equal(t, []uint64{10, 10}, []uint64{i.Due, i.Runs}, "task %s, replaced: %v", name, replaced)
			}
		})
	}
}

// withoutRuns returns the tasks of which no run has been made, as their jitter is long. There are such.
func withoutRuns(t *testing.T, q *dray.Queue) (names []string) {
	t.Helper()
	for _, i := range q.Scheduler().Tasks() {
		if i.Due == 0 {
			names = append(names, i.Name)
		}
	}
	require.NotEmpty(t, names)
	return names
}

// Each time by which a clock is set back counts by itself: what has been run is not run again after
// several small ones, by a reload either.
func TestReloadAfterSeveralSetBacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, set := skewed(t)
		fn, all := dues()
		schedule := func() { require.NoError(t, q.Scheduler().Schedule("task", kit.Grid(time.Hour), fn)) }
		schedule()
		time.Sleep(10*time.Hour + 30*time.Minute)
		before := all()
		for range 3 {
			set(-2 * time.Hour)
			time.Sleep(2 * time.Minute)
			schedule()
		}
		time.Sleep(6 * time.Hour)
		require.Equal(t, before, all())
		time.Sleep(time.Hour)
		require.Len(t, all(), len(before)+1)
	})
}

// The times count from the one to which the clock is set back, not from when the schedule can be asked next.
func TestSetBackBeforeTheScheduleIsAsked(t *testing.T) {
	const each = 10 * time.Minute
	for _, back := range []time.Duration{0, 5 * time.Hour} {
		for _, hangs := range []time.Duration{2 * time.Hour, 8 * time.Hour} { // until the clock shows an earlier time than before, or a later one
			t.Run("as it hangs", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					q, set := skewed(t)
					asked := 0
					require.NoError(t, q.Scheduler().Schedule("task", foreign(func(after time.Time) time.Time {
						if asked++; asked == 2 {
							time.Sleep(hangs)
						}
						return kit.Grid(each).Next(after)
					}), kit.Nop))
					time.Sleep(15 * time.Minute) // at 10 it was due, and has been asked since
					synctest.Wait()
					set(-back)
					time.Sleep(hangs + time.Hour)
					require.EqualValues(t, 1+(hangs+time.Hour)/each, info(t, q, "task").Due, "set back by %v", back)
				})
			})
		}
		t.Run("as the queue is not served", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, set := skewedLater(t)
				require.NoError(t, q.Scheduler().Schedule("task", kit.Grid(each), kit.Nop))
				serve := func(d time.Duration) {
					ctx, cancel := context.WithTimeoutCause(t.Context(), d, dray.ErrRestart)
					defer cancel()
					_ = q.Serve(ctx)
				}
				serve(5 * time.Minute)
				set(-back)
				require.NoError(t, q.Scheduler().Resume("task")) // it notices
				time.Sleep(3 * time.Hour)
				serve(time.Hour)
				require.EqualValues(t, 4*time.Hour/each, info(t, q, "task").Due, "set back by %v", back)
			})
		})
	}
}

// What has come due and jitter delays is made by a shutdown, also if the clock shows an earlier time by then.
func TestShutdownAfterASetBackMakesWhatJitterDelays(t *testing.T) {
	for _, back := range []time.Duration{0, 30 * time.Minute, 5 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			q, set := skewed(t)
			fn, all := dues()
			for n := range 8 {
				require.NoError(t, q.Scheduler().Schedule(strconv.Itoa(n), kit.Grid(time.Hour), fn, dray.WithJitter(50*time.Minute)))
			}
			time.Sleep(time.Hour + time.Second)
			withoutRuns(t, q)
			set(-back)
			time.Sleep(2 * time.Minute)
			_, err := q.Shutdown(t.Context())
			require.NoError(t, err)
			require.Len(t, all(), 8, "set back by %v", back)
		})
	}
}

// Given times are of the clock as it is: one that was ahead before a task was registered has run none of its.
func TestGivenTimesAfterTheClockWasAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, set := skewed(t)
		fn, all := dues()
		require.NoError(t, q.Scheduler().Schedule("other", kit.Grid(time.Hour), kit.Nop))
		time.Sleep(10 * time.Hour)
		set(-10 * time.Hour)
		time.Sleep(2 * time.Minute)
		at := dray.At(time.Now().Add(-10*time.Hour+30*time.Minute), time.Now().Add(-9*time.Hour))
		schedule := func() { require.NoError(t, q.Scheduler().Schedule("task", at, fn)) }
		schedule()
		require.NoError(t, q.Scheduler().Pause("task"))
		require.NoError(t, q.Scheduler().Resume("task"))
		schedule()
		time.Sleep(time.Second)
		require.Zero(t, info(t, q, "task").Due)
		time.Sleep(24 * time.Hour)
		require.Equal(t, []string{"01 00:32", "01 01:02"}, all())
	})
}
