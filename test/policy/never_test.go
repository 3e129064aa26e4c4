package policy_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// What is to run after all time does not run now.
func TestNeverIsNotNow(t *testing.T) {
	far := time.Date(9999, 12, 31, 23, 59, 59, 999, time.UTC)
	for name, opts := range map[string][]dray.JobOption{
		"the year 9999":   {dray.WithRunAt(far)},
		"292 years":       {dray.WithRunAt(time.Now().Add(math.MaxInt64))},
		"the last moment": {dray.WithRunAt(time.Unix(1<<62, 0))},
		"a year":          {dray.WithDelay(year)},
		"with a period":   {dray.WithRunAt(far), dray.WithUnique("u", dray.RejectDuplicate), dray.WithUniquePeriod(year)},
		"with a timeout":  {dray.WithRunAt(far), dray.WithTimeout(year)},
	} {
		bubble(t, name, func(t *testing.T) {
			q := start(t)
			r := add(t, q, func(context.Context) error { t.Error("it ran"); return nil }, opts...)
			require.Zero(t, r.Position)
			kit.Elapse(time.Hour)
			s := q.Stats()
			require.Equal(t, 1, s.Delayed)
			report, err := q.Shutdown(t.Context())
			require.NoError(t, err)
			require.True(t, report.Waiting[0].RunAt.After(time.Now().Add(year-2*time.Hour)))
			next := start(t)
			require.NoError(t, next.Restore(report))
			kit.Elapse(time.Hour)
			require.Equal(t, 1, next.Stats().Delayed)
		})
	}
}

// A time far in the past is past.
func TestLongAgoIsNow(t *testing.T) {
	for _, long := range []time.Time{time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(-1<<62, 0)} {
		bubble(t, long.String(), func(t *testing.T) {
			q := start(t)
			add(t, q, kit.Nop, dray.WithRunAt(long))
			synctest.Wait()
			require.Equal(t, uint64(1), q.Stats().Processed)
		})
	}
}

func TestSnoozeForEver(t *testing.T) {
	for _, d := range []time.Duration{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64 - 42*time.Hour} {
		bubble(t, d.String(), func(t *testing.T) {
			q := start(t)
			var runs record[int]
			add(t, q, func(context.Context) error { runs.Add(1); return dray.Snooze(d) })
			kit.Elapse(time.Hour)
			require.Len(t, runs.All(), 1)
			require.Equal(t, 1, q.Stats().Delayed)
		})
	}
}

// With a deadline there is no time for it.
func TestSnoozeForEverWithADeadline(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		q := start(t)
		add(t, q, func(context.Context) error { return dray.Snooze(math.MaxInt64) }, dray.WithDeadline(year))
		synctest.Wait()
		require.ErrorIs(t, q.Failures()[0].Err, dray.ErrDeadline)
	})
}

// A backoff of any length is one from nothing to a year.
func TestBackoffAtItsExtremes(t *testing.T) {
	for _, tc := range []struct{ gives, waits time.Duration }{
		{math.MinInt64, 0}, {-1, 0}, {0, 0}, {1, 1}, {year - 1, year - 1}, {year, year}, {year + 1, year}, {math.MaxInt64, year},
	} {
		bubble(t, tc.gives.String(), func(t *testing.T) {
			q := start(t)
			var at record[time.Time]
			add(t, q, func(context.Context) error { at.Add(time.Now()); return kit.ErrBoom },
				dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(tc.gives)))
			kit.Elapse(2 * year)
			require.Len(t, at.All(), 2)
			require.Equal(t, tc.waits, at.All()[1].Sub(at.All()[0]))
		})
	}
	for _, b := range []dray.Backoff{
		dray.Exponential(math.MaxInt64, math.MaxInt64), dray.Exponential(1, math.MaxInt64), dray.Exponential(math.MinInt64, math.MinInt64),
	} {
		for _, attempt := range []int{math.MinInt, -1, 0, 1, 63, 64, 1000, math.MaxInt} {
			require.GreaterOrEqual(t, b(attempt), time.Duration(0))
		}
	}
}

// Leftovers made by hand may have any times.
func TestRestoreOfImpossibleTimes(t *testing.T) {
	for _, at := range []time.Time{{}, time.Unix(-1<<62, 0), time.Unix(1<<62, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		bubble(t, at.String(), func(t *testing.T) {
			q := start(t)
			ran := 0
			fn := func(context.Context) error { ran++; return nil }
			require.NoError(t, q.Restore(dray.Report{Waiting: []dray.Leftover{{JobInfo: dray.JobInfo{EnqueuedAt: at}, Func: fn}}}))
			synctest.Wait()
			require.Equal(t, 1, ran)
			require.NoError(t, q.Restore(dray.Report{Waiting: []dray.Leftover{{JobInfo: dray.JobInfo{RunAt: time.Unix(1<<62, 0)}, Func: fn}}}))
			kit.Elapse(time.Hour)
			require.Equal(t, 1, ran)
			require.GreaterOrEqual(t, q.Stats().OldestPending, time.Duration(0))
		})
	}
}
