package schedule_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// dueTimes returns a function that notes when its runs were due, and how to read that.
func dueTimes() (fn dray.Func, all func() []time.Time) {
	var r kit.Record[time.Time]
	return func(ctx context.Context) error {
		_, due, _ := dray.TaskFrom(ctx)
		r.Add(due)
		return nil
	}, r.All
}

// dues is dueTimes, to be read as days and times of day in UTC.
func dues() (fn dray.Func, all func() []string) {
	fn, times := dueTimes()
	return fn, func() []string { return daysAndTimes(times()) }
}

func daysAndTimes(times []time.Time) (s []string) {
	for _, at := range times {
		s = append(s, at.UTC().Format("02 15:04"))
	}
	return s
}

// A clock that is set back by more than three hours is noticed whatever the only calendar task is in:
// paused, registered before the start, being asked.
func TestClockSetBackWhileNothingIsArmed(t *testing.T) {
	const by = -5 * 24 * time.Hour
	again, all := dues()
	for name, play := range map[string]func(t *testing.T, s *dray.Scheduler, start, set func()){
		"armed": func(_ *testing.T, _ *dray.Scheduler, start, set func()) { start(); set() },
		"before the start": func(_ *testing.T, _ *dray.Scheduler, start, set func()) {
			set()
			time.Sleep(2 * time.Minute)
			start()
		},
		"registered anew before the start": func(t *testing.T, s *dray.Scheduler, start, set func()) {
			set()
			require.NoError(t, s.Schedule("task", dray.Daily(12, 0, time.UTC), again))
			start()
		},
		"in the place of given times": func(t *testing.T, s *dray.Scheduler, start, set func()) {
			start()
			require.NoError(t, s.Schedule("task", dray.At(time.Now().Add(time.Minute)), kit.Nop))
			time.Sleep(2 * time.Minute)
			set()
			require.NoError(t, s.Schedule("task", dray.Daily(12, 0, time.UTC), again))
		},
		"set while a schedule is asked": func(t *testing.T, s *dray.Scheduler, start, set func()) {
			start()
			require.NoError(t, s.Schedule("other", foreign(func(after time.Time) time.Time {
				set()
				return after.Add(365 * 24 * time.Hour)
			}), kit.Nop))
			require.NoError(t, s.Unschedule("other"))
		},
		"paused": func(t *testing.T, s *dray.Scheduler, start, set func()) {
			start()
			require.NoError(t, s.Pause("task"))
			set()
			time.Sleep(2 * time.Minute)
			require.NoError(t, s.Resume("task"))
		},
		"paused, long ago": func(t *testing.T, s *dray.Scheduler, start, set func()) {
			start()
			require.NoError(t, s.Pause("task"))
			time.Sleep(10 * time.Hour)
			set()
			require.NoError(t, s.Resume("task"))
		},
		"beside a task that comes": func(t *testing.T, s *dray.Scheduler, start, set func()) {
			start()
			require.NoError(t, s.Pause("task"))
			set()
			require.NoError(t, s.Schedule("other", dray.Daily(3, 0, time.UTC), kit.Nop))
			require.NoError(t, s.Unschedule("other"))
			require.NoError(t, s.Resume("task"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, set := skewedLater(t)
				before := len(all())
				require.NoError(t, q.Scheduler().Schedule("task", dray.Daily(12, 0, time.UTC), again))
				play(t, q.Scheduler(), func() { require.NoError(t, q.Start()) }, func() { set(by) })
				time.Sleep(3 * 24 * time.Hour)
				require.Equal(t, []string{"27 12:00", "28 12:00", "29 12:00"}, all()[before:])
			})
		})
	}
}

// While the only calendar task is being asked, or hangs, the clock is set back by a day: the answer
// counts, and then the new time.
func TestClockSetBackWhileAsked(t *testing.T) {
	for _, takes := range []time.Duration{10 * time.Second, 500 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			q, set := skewed(t)
			fn, all := dues()
			var wait atomic.Int64
			require.NoError(t, q.Scheduler().Schedule("task", foreign(func(after time.Time) time.Time {
				time.Sleep(time.Duration(wait.Load()))
				return minutes(after)
			}), fn))
			time.Sleep(59 * time.Second)
			wait.Store(int64(takes))
			time.Sleep(time.Second + 100*time.Millisecond)
			wait.Store(0)
			set(-24 * time.Hour)
			time.Sleep(5 * time.Minute)
			require.Equal(t, []string{"01 00:01", "31 00:02", "31 00:03", "31 00:04", "31 00:05"}, all()[:5])
		})
	}
}

// A run that has come due, and that jitter delays, is made at once if the clock is set back so that it
// no longer says when the jitter ends, also one of a task that was replaced since.
func TestDelayedRunOverASetBack(t *testing.T) {
	for name, c := range map[string]struct {
		jitter  time.Duration
		by      time.Duration
		opts    []dray.TaskOption
		replace bool
		want    []string // by 12:00 of the clock that is set
	}{
		"a little, repeating":      {50 * time.Minute, -2 * time.Second, []dray.TaskOption{dray.RepeatFold}, false, []string{"01 01:00"}},
		"over its time, repeating": {50 * time.Minute, -time.Hour, []dray.TaskOption{dray.RepeatFold}, false, []string{"01 01:00", "01 01:00"}},
		"a little":                 {50 * time.Minute, -time.Hour, nil, false, []string{"01 01:00"}},
		"by more than three hours": {50 * time.Minute, -47 * time.Hour, nil, false, []string{"01 01:00", "31 01:00", "01 01:00"}},
		"replaced":                 {50 * time.Minute, -47 * time.Hour, nil, true, []string{"01 01:00", "31 01:00", "01 01:00"}},
		"replaced, a little":       {50 * time.Minute, -time.Hour, nil, true, []string{"01 01:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, set := skewed(t)
				s, opts := q.Scheduler(), slices.Concat(c.opts, []dray.TaskOption{dray.WithJitter(c.jitter)})
				fn, all := dues()
				schedule := func() { require.NoError(t, s.Schedule("n7", dray.Daily(1, 0, time.UTC), fn, opts...)) } // 38 min of jitter
				schedule()
				time.Sleep(time.Hour + 5*time.Minute)
				if c.replace {
					schedule()
				}
				set(c.by)
				time.Sleep(10*time.Hour + 55*time.Minute - c.by)
				require.Equal(t, c.want, all())
				require.Equal(t, uint64(len(c.want)), info(t, q, "n7").Due)
			})
		})
	}
}

// A run that came due in a pause is a missed one, also if the clock is set back before that ends, and
// whether that is noticed in the pause or at its end.
func TestSetBackInAPause(t *testing.T) {
	for _, noticed := range []bool{false, true} {
		for missed, runs := range map[dray.Missed]uint64{dray.SkipMissed: 0, dray.RunOnce: 1} {
			synctest.Test(t, func(t *testing.T) {
				q, set := skewed(t)
				s := q.Scheduler()
				require.NoError(t, s.Schedule("task", dray.Daily(1, 0, time.UTC), kit.Nop, dray.WithMissed(missed)))
				if noticed { // by the clocks being watched for another task
					require.NoError(t, s.Schedule("other", dray.Daily(12, 0, time.UTC), kit.Nop))
				}
				require.NoError(t, s.Pause("task"))
				time.Sleep(65 * time.Minute)
				set(-47 * time.Hour)
				time.Sleep(2 * time.Minute)
				require.NoError(t, s.Resume("task"))
				pass(time.Minute)
				i := info(t, q, "task")
				require.Equal(t, []uint64{1, runs, 1 - runs}, []uint64{i.Due, i.Runs, i.Missed})
				pass(24 * time.Hour)
				require.Equal(t, runs+1, info(t, q, "task").Runs)
			})
		}
	}
}

// What the clock was set back by is not repeated by a reload either.
func TestReloadAfterASetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, set := skewed(t)
		fn, all := dues()
		schedule := func() { require.NoError(t, q.Scheduler().Schedule("task", dray.Daily(1, 0, time.UTC), fn)) }
		schedule()
		time.Sleep(90 * time.Minute)
		set(-time.Hour)
		schedule() // at once, and once it is noticed
		time.Sleep(10 * time.Minute)
		schedule()
		time.Sleep(25 * time.Hour)
		require.Equal(t, []string{"01 01:00", "02 01:00"}, all())
		set(-30 * 24 * time.Hour) // it was wrong before
		schedule()
		time.Sleep(24 * time.Hour)
		require.Len(t, all(), 3)
	})
}

// How late runs may be after a jump is a minute at most, as the clocks are compared that often, not
// what the queue was not served for.
func TestJumpWhileNotServed(t *testing.T) {
	for _, by := range []time.Duration{0, 20 * time.Second, -20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			q, set := skewedLater(t)
			fn, all := dues()
			require.NoError(t, q.Scheduler().Schedule("task", kit.Grid(time.Hour), fn, dray.WithMissed(dray.SkipMissed)))
			serve := func(d time.Duration) {
				ctx, cancel := context.WithTimeout(t.Context(), d)
				defer cancel()
				require.NoError(t, q.Serve(ctx))
			}
			serve(10 * time.Minute)
			set(by)
			time.Sleep(65 * time.Minute)
			serve(10 * time.Minute)
			require.Empty(t, all())
			require.Equal(t, uint64(1), info(t, q, "task").Missed)
		})
	}
}

// A schedule that goes by the zone of the time that it is given, and answers in another, is asked in
// its own each time.
func TestLocationOfEachQuestion(t *testing.T) {
	york, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	nine := foreign(func(after time.Time) time.Time {
		y, m, d := after.Date()
		next := time.Date(y, m, d, 9, 0, 0, 0, after.Location())
		if !next.After(after) {
			next = next.AddDate(0, 0, 1)
		}
		return next.UTC()
	})
	synctest.Test(t, func(t *testing.T) {
		q, _ := skewed(t)
		fn, all := dues()
		require.NoError(t, q.Scheduler().Schedule("task", nine, fn, dray.WithLocation(york)))
		want := []string{"01 14:00", "02 14:00", "03 14:00"}
		preview, err := q.Scheduler().Preview("task", 3)
		require.NoError(t, err)
		require.Equal(t, want, daysAndTimes(preview))
		require.Equal(t, want, daysAndTimes(dray.Preview(nine, time.Now().In(york), 3)))
		require.NoError(t, q.Scheduler().Pause("task"))
		time.Sleep(15 * time.Hour)
		preview, err = q.Scheduler().Preview("task", 2)
		require.NoError(t, err)
		require.Equal(t, want[1:], daysAndTimes(preview))
		require.NoError(t, q.Scheduler().Resume("task"))
		time.Sleep(3 * 24 * time.Hour)
		require.Equal(t, want, all()[:3])
	})
}
