package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// TestSchedulesMayCallBack: a schedule is never asked under a lock.
func TestSchedulesMayCallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		fn, at := ticks()
		require.NoError(t, q.Scheduler().Schedule("x", calling{q}, fn))
		pass(3 * time.Second)
		require.Len(t, at(), 3)
		require.Equal(t, "calling", task(t, q).Schedule)
	})
}

// calling is a schedule that calls whatever it can.
type calling struct{ q *dray.Queue }

func (c calling) Next(after time.Time) time.Time {
	_ = c.q.Scheduler().Tasks()
	_ = c.q.Scheduler().Pause("nobody")
	_ = c.q.Scheduler().Schedule("y", dray.Every(time.Hour), func(context.Context) error { return nil })
	_ = c.q.Scheduler().Unschedule("y")
	_ = c.q.Stats()
	return after.Add(time.Second)
}

func (c calling) String() string { return "calling" }

// TestScheduleThatEnds: whatever ends a schedule, its last run is run, the other
// tasks are, and the reason is told.
func TestScheduleThatEnds(t *testing.T) {
	for name, c := range map[string]struct {
		last func(first time.Time) time.Time
		err  string
	}{
		"never":         {func(time.Time) time.Time { return time.Time{} }, ""},
		"the same":      {func(first time.Time) time.Time { return first }, "not later"},
		"earlier":       {func(first time.Time) time.Time { return first.Add(-time.Hour) }, "not later"},
		"panic":         {func(time.Time) time.Time { panic("no idea") }, "no idea"},
		"Goexit":        {func(time.Time) time.Time { runtime.Goexit(); return time.Time{} }, "Goexit"},
		"far, far away": {func(time.Time) time.Time { return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				good, at := ticks()
				ending, ran := ticks()
				q := kit.Start(t, dray.WithPeriodic("good", dray.Every(time.Second), good))
				first := time.Now().Add(time.Second)
				require.NoError(t, q.Scheduler().Schedule("ending", scheduleFunc(func(after time.Time) time.Time {
					if after.Before(first) {
						return first
					}
					return c.last(first)
				}), ending))
				pass(3500 * time.Millisecond)
				require.Equal(t, seconds(1, 2, 3), at())
				require.Equal(t, seconds(1), ran())
				for _, i := range q.Scheduler().Tasks() {
					inOrder(t, i)
					if i.Name == "ending" && c.err == "" {
						require.NoError(t, i.LastError)
					} else if i.Name == "ending" {
						require.ErrorContains(t, i.LastError, c.err)
						require.Zero(t, i.Next)
						require.NoError(t, q.Scheduler().RunNow("ending"))
					}
				}
			})
		})
	}
}

type scheduleFunc func(time.Time) time.Time

func (f scheduleFunc) Next(after time.Time) time.Time { return f(after) }

func TestPreview(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		s := q.Scheduler()
		begin := time.Now()
		require.NoError(t, s.Schedule("daily", dray.Daily(9, 0, time.UTC), kit.Nop))
		require.NoError(t, s.Schedule("interval", dray.Every(time.Hour), kit.Nop, dray.WithJitter(time.Minute)))
		require.NoError(t, s.Schedule("twice", dray.At(begin.Add(time.Hour), begin.Add(2*time.Hour)), kit.Nop))
		pass(90 * time.Minute)
		for name, want := range map[string][]time.Duration{
			"daily":    {9 * time.Hour, 33 * time.Hour, 57 * time.Hour},
			"interval": {2 * time.Hour, 3 * time.Hour, 4 * time.Hour},
			"twice":    {2 * time.Hour},
		} {
			times, err := s.Preview(name, 3)
			require.NoError(t, err)
			var got []time.Duration
			for _, next := range times {
				got = append(got, next.Sub(begin))
			}
			require.Equal(t, want, got, name)
		}
		pass(time.Hour)
		times, err := s.Preview("twice", 3)
		require.NoError(t, err)
		require.Empty(t, times)
		times, err = s.Preview("daily", 0)
		require.NoError(t, err)
		require.Empty(t, times)
		_, err = s.Preview("nobody", 1)
		require.ErrorIs(t, err, dray.ErrNotFound)
	})
}

// TestScheduleRefusesBadCalendars: at registration, with a reason.
func TestScheduleRefusesBadCalendars(t *testing.T) {
	q, err := dray.New()
	require.NoError(t, err)
	defer q.Close()
	for name, when := range map[string]dray.Schedule{
		"no such time":    dray.Daily(24, 0, time.UTC),
		"day of the week": dray.Weekly(7, 12, 0, time.UTC),
		"nil location":    dray.Daily(12, 0, nil),
		"nil schedule":    dray.InZone(nil, time.UTC),
		": nil schedule":  dray.InZone((*standing)(nil), time.UTC),
		"): nil schedule": (*standing)(nil),
		"no such rule":    dray.Daily(12, 0, time.UTC, 4),
		"at least 1 ns":   dray.InZone(dray.Every(0), time.UTC),
		"not later":       standing{},
		"no idea":         throwing{},
		"no time ahead":   dray.At(time.Unix(0, 0)),
		"Every(-1ns)":     dray.Every(-1),
		"comes after":     dray.InZone(standing{}, time.UTC),
		"has no time ahe": scheduleFunc(func(time.Time) time.Time { return time.Time{} }),
	} {
		require.ErrorContains(t, q.Scheduler().Schedule("x", when, kit.Nop), name)
	}
	require.Error(t, q.Scheduler().Schedule("x", dray.Every(1), kit.Nop, dray.WithLocation(nil)))
	require.Error(t, q.Scheduler().Schedule("x", dray.Every(1), kit.Nop, dray.DST(9)))
	require.Error(t, q.Scheduler().Schedule("x", dray.Every(1), kit.Nop, nil))
	require.Empty(t, q.Scheduler().Tasks())
}

// TestWithLocation: a schedule that goes by the zone of the time it is given.
func TestWithLocation(t *testing.T) {
	q, err := dray.New()
	require.NoError(t, err)
	defer q.Close()
	loc := zone(t, "Asia/Kolkata")
	require.NoError(t, q.Scheduler().Schedule("x", doubling{9, 30}, kit.Nop, dray.WithLocation(loc), dray.SkipGap))
	require.Equal(t, "09:30 +0530", q.Scheduler().Tasks()[0].Next.Format("15:04 -0700"))
	require.NoError(t, q.Scheduler().Schedule("x", dray.Daily(9, 30, loc), kit.Nop, dray.RepeatFold))
	require.Equal(t, "daily at 09:30 Asia/Kolkata", q.Scheduler().Tasks()[0].Schedule)
}

// TestTaskFromOutside: elsewhere there is no task.
func TestTaskFromOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		var kept context.Context
		for _, opts := range [][]dray.JobOption{nil, {dray.WithLabel("l")}} {
			require.NoError(t, q.Enqueue(t.Context(), func(ctx context.Context) error {
				if _, _, ok := dray.TaskFrom(ctx); ok {
					return errors.New("this is no task")
				}
				return nil
			}, opts...))
		}
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Second), func(ctx context.Context) error {
			kept = ctx
			if name, _, ok := dray.TaskFrom(ctx); !ok || name != "x" {
				return errors.New("this is x")
			}
			return nil
		}))
		pass(time.Second)
		require.Zero(t, q.Stats().Failed)
		_, _, ok := dray.TaskFrom(kept)
		require.False(t, ok)
		_, _, ok = dray.TaskFrom(t.Context())
		require.False(t, ok)
	})
}

// TestEventsOfATask tells a short life.
func TestEventsOfATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		q := kit.Start(t, dray.WithWorkers(1), dray.WithObserver(func(e dray.Event) {
			switch e.Kind {
			case dray.TaskScheduled:
				got = append(got, "scheduled")
			case dray.TaskFired:
				got = append(got, fmt.Sprint("fired ", e.Job.ID))
			case dray.TaskSkipped:
				got = append(got, fmt.Sprint("skipped ", e.Count, " ", e.Err))
			case dray.TaskEnded:
				got = append(got, fmt.Sprint("ended ", e.Job.ID, " ", e.Err))
			case dray.TaskUnscheduled:
				got = append(got, "unscheduled")
			}
		}))
		s := q.Scheduler()
		fn, _ := slow(15 * time.Second)
		require.NoError(t, s.Schedule("x", dray.Every(10*time.Second), fn))
		pass(31 * time.Second) // 10, 20 is skipped, 30
		require.NoError(t, s.Pause("x"))
		pass(40 * time.Second) // 40, 50, 60, 70
		require.NoError(t, s.Resume("x"))
		pass(time.Second)
		require.NoError(t, s.Unschedule("x"))
		pass(time.Minute)
		require.Equal(t, []string{
			"scheduled", "fired 1", "skipped 1 " + dray.ErrOverlap.Error(), "ended 1 <nil>", "fired 2", "ended 2 <nil>",
			"skipped 3 " + dray.ErrMissed.Error(), "fired 3", "unscheduled", "ended 3 <nil>",
		}, got)
	})
}

func TestOverlapString(t *testing.T) {
	require.Equal(t, []string{"skip", "queue", "allow", "cancel previous", "Overlap(4)"}, slices.Collect(func(yield func(string) bool) {
		for o := range dray.Overlap(5) {
			yield(o.String())
		}
	}))
}
