package calendar_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/internal/zonetest"
)

func nothing(context.Context) error { return nil }

// TestEndsOfLeapYears: with every kind of zone data a schedule goes on over the last
// days of each leap year, also one with its next time years ahead.
func TestEndsOfLeapYears(t *testing.T) {
	for _, z := range zonetest.Zones(t) {
		for year := 2024; year <= 2100; year += 4 {
			from := time.Date(year, 12, 28, 0, 0, 0, 0, z.Loc)
			for i, next := range dray.Preview(dray.Daily(12, 30, z.Loc), from, 8) {
				require.Equal(t, time.Date(year, 12, 28+i, 12, 30, 0, 0, z.Loc), next, "%s, data: %s", z.Name, z.Data)
			}
		}
		leapDay := func(t time.Time) bool { return t.Month() == time.February && t.Day() == 29 }
		yearly := dray.InZone(readings{leapDay, 24 * time.Hour, "29 February"}, z.Loc)
		for i, next := range dray.Preview(yearly, time.Date(2026, 1, 1, 0, 0, 0, 0, z.Loc), 5) {
			require.Equal(t, time.Date(2028+4*i, 2, 29, 0, 0, 0, 0, z.Loc), next, "%s, data: %s", z.Name, z.Data)
		}
	}
}

// wall is a schedule of readings that says what comes after each.
type wall func(after time.Time) time.Time

func (w wall) Next(after time.Time) time.Time { return w(after) }

// inGap is at half past two on each second Sunday of March, which clocks in New York
// do not show since 2007.
func inGap(after time.Time) time.Time {
	for year := after.Year(); ; year++ {
		first := time.Date(year, time.March, 8, 2, 30, 0, 0, time.UTC)
		if next := first.AddDate(0, 0, (7-int(first.Weekday()))%7); next.After(after) {
			return next
		}
	}
}

// TestSearchesEnd: a schedule that has no time according to the rules is told from
// one that has, however long it would go on.
func TestSearchesEnd(t *testing.T) {
	newYork := zoneNamed(t, "America/New_York", "go")
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	q, err := dray.New()
	require.NoError(t, err)
	t.Cleanup(func() { _ = q.Close() })

	never := dray.InZone(wall(inGap), newYork, dray.SkipGap)
	require.Len(t, dray.Preview(dray.InZone(wall(inGap), newYork), now, 3), 3)
	require.Empty(t, dray.Preview(never, now, 3))
	require.Zero(t, never.Next(now))
	require.ErrorContains(t, q.Scheduler().Schedule("never", never, nothing), "left out")
	require.Empty(t, dray.Preview(dray.InZone(never, time.UTC), now, 3))

	// One that does its own zone, and has only the second of two equal readings.
	second := wall(func(after time.Time) time.Time {
		for year := after.Year(); ; year++ {
			first := time.Date(year, time.November, 1, 6, 30, 0, 0, time.UTC)
			if next := first.AddDate(0, 0, (7-int(first.Weekday()))%7); next.After(after) {
				return next.In(newYork)
			}
		}
	})
	require.Empty(t, dray.Preview(second, now, 3))
	require.ErrorContains(t, q.Scheduler().Schedule("second", second, nothing), "left out")
	require.NoError(t, q.Scheduler().Schedule("second", second, nothing, dray.RepeatFold))
}

// A repetition is left out as a whole, however many times a schedule has within it.
func TestRepetitionsAreLeftOutAsAWhole(t *testing.T) {
	newYork := zoneNamed(t, "America/New_York", "go")
	asked := 0
	each := func(after time.Time) time.Time { asked++; return after.Add(time.Millisecond) }
	last := time.Date(2026, time.November, 1, 5, 59, 59, int(999*time.Millisecond), time.UTC).In(newYork)
	require.Equal(t, "01:59:59 EDT", last.Format("15:04:05 MST"))
	next := dray.Preview(wall(each), last, 1)
	require.Len(t, next, 1)
	require.Equal(t, "02:00:00 EST", next[0].Format("15:04:05 MST"))
	require.Less(t, asked, 5)
}

func zoneNamed(t *testing.T, name, data string) *time.Location {
	for _, z := range zonetest.Zones(t) {
		if z.Name == name && z.Data == data {
			return z.Loc
		}
	}
	require.Fail(t, "no such zone", name)
	return nil
}

// TestFarAway: times are compared, not the durations between them, which end after
// 292 years.
func TestFarAway(t *testing.T) {
	for _, z := range zonetest.Zones(t) {
		for _, year := range []int{1, 1583, 1900, 2100, 2262, 2263, 2400, 2600, 9999, 12_000, 1_000_000} {
			from := time.Date(year, 2, 27, 12, 0, 0, 0, z.Loc)
			for i, next := range dray.Preview(dray.Daily(12, 0, z.Loc), from, 4) {
				require.Equal(t, time.Date(year, 2, 28+i, 12, 0, 0, 0, z.Loc), next)
			}
			far := time.Date(year, 7, 4, 12, 0, 0, 0, time.UTC)
			once := dray.InZone(dray.At(far), z.Loc)
			got := dray.Preview(once, time.Date(1, 1, 9, 0, 0, 0, 0, time.UTC), 2)
			require.Equal(t, []time.Time{time.Date(year, 7, 4, 12, 0, 0, 0, z.Loc)}, got, "%s, data: %s", z.Name, z.Data)
			require.Empty(t, dray.Preview(once, far.AddDate(0, 0, 3), 2))
			require.Equal(t, []time.Time{far}, dray.Preview(dray.At(far), time.Time{}, 2))
		}
	}
}

// TestLastTimeOfAll: the end of what time.Time can tell is an end.
func TestLastTimeOfAll(t *testing.T) {
	last := time.Unix(1<<63-62135596801, 999999999)
	for _, s := range []dray.Schedule{dray.Daily(12, 0, time.UTC), dray.Weekly(time.Friday, 0, 0, time.UTC), dray.Every(time.Hour), dray.At(last)} {
		require.Empty(t, dray.Preview(s, last.UTC(), 2), "%v", s)
	}
}
