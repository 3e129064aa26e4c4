package schedule_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests name zones, which not every machine has

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	require.NoError(t, err)
	return loc
}

// hours is a schedule of readings: on the hour, from one to another.
type hours struct{ from, to int }

func (h hours) Next(after time.Time) time.Time {
	next := after.Truncate(time.Hour).Add(time.Hour)
	for next.Hour() < h.from || next.Hour() > h.to {
		next = next.Add(time.Hour)
	}
	return next
}

// scheduleOf reads the schedule of a row of the table.
func scheduleOf(t *testing.T, text string, loc *time.Location, dst dray.DST) dray.Schedule {
	var h, m int
	var day string
	if _, err := fmt.Sscanf(text, "daily %d:%d", &h, &m); err == nil {
		return dray.Daily(h, m, loc, dst)
	}
	if _, err := fmt.Sscanf(text, "hours %d-%d", &h, &m); err == nil {
		return dray.InZone(hours{h, m}, loc, dst)
	}
	_, err := fmt.Sscanf(text, "weekly %s %d:%d", &day, &h, &m)
	require.NoError(t, err, text)
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.HasPrefix(d.String(), day) {
			return dray.Weekly(d, h, m, loc, dst)
		}
	}
	require.Fail(t, "no such day", text)
	return nil
}

// TestTruthTable checks each row of the table in docs/scheduler.md.
func TestTruthTable(t *testing.T) {
	text, err := os.ReadFile("../../docs/scheduler.md")
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^\| ([A-Z]\w+/\w+) \| (\S+) \| (\d) \| ([^|]+) \|([^|]*)\| ([^|]+) \|$`).FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(rows), 25)
	for _, row := range rows {
		t.Run(strings.Join(row[1:6], " "), func(t *testing.T) {
			loc := zone(t, row[1])
			from, err := time.ParseInLocation(time.DateOnly, row[2], loc)
			require.NoError(t, err)
			days, err := strconv.Atoi(row[3])
			require.NoError(t, err)
			dst := map[string]dray.DST{"": 0, "SkipGap": dray.SkipGap, "RepeatFold": dray.RepeatFold}[strings.TrimSpace(row[5])]
			s := scheduleOf(t, row[4], loc, dst)
			want := strings.Split(row[6], ", ")
			var got []string
			for _, next := range dray.Preview(s, from.Add(-1), 20) {
				if !next.Before(from.AddDate(0, 0, days)) {
					break
				}
				layout := "02 15:04"
				if len(got) < len(want) && len(want[len(got)]) > len(layout) {
					layout += " -0700"
				}
				got = append(got, next.Format(layout))
			}
			require.Equal(t, want, got)
		})
	}
}

// TestAnyMomentWillDo: it does not matter when a schedule is asked, only what for.
func TestAnyMomentWillDo(t *testing.T) {
	loc := zone(t, "America/New_York")
	for _, dst := range []dray.DST{0, dray.SkipGap, dray.RepeatFold} {
		s := dray.Daily(1, 30, loc, dst)
		from := time.Date(2026, 10, 30, 0, 0, 0, 0, loc)
		all := dray.Preview(s, from, 6)
		for i, next := range all[1:] {
			for at := all[i]; at.Before(next); at = at.Add(7 * time.Minute) {
				require.True(t, s.Next(at).Equal(next), "asked at %v: %v", at, s.Next(at))
			}
		}
	}
}

// doubling is a library's daily schedule that knows nothing of folds, as most do.
type doubling struct{ hour, minute int }

func (d doubling) Next(after time.Time) time.Time {
	next := after.Truncate(time.Minute).Add(time.Minute)
	for next.Hour() != d.hour || next.Minute() != d.minute {
		next = next.Add(time.Minute)
	}
	return next
}

// TestGuardAgainstDoubling: the scheduler suppresses what a schedule repeats.
func TestGuardAgainstDoubling(t *testing.T) {
	loc := zone(t, "Europe/Berlin")
	from := time.Date(2026, 10, 24, 12, 0, 0, 0, loc)
	s := doubling{2, 30}
	require.Equal(t, time.Hour, s.Next(s.Next(from)).Sub(s.Next(from)), "it does double")
	times := dray.Preview(s, from, 3)
	require.Len(t, times, 3)
	for i, next := range times {
		require.Equal(t, fmt.Sprintf("2026-10-%d 02:30", 25+i), next.Format("2006-01-02 15:04"))
	}
	require.Equal(t, s.Next(from), times[0], "the first of both")
	// As readings it is not to blame for anything.
	require.Equal(t, times, dray.Preview(dray.InZone(s, loc), from, 3))
	require.Len(t, dray.Preview(dray.InZone(s, loc, dray.RepeatFold), from, 2), 2)
}

func TestPreviewOfBadSchedules(t *testing.T) {
	now := time.Now()
	require.Empty(t, dray.Preview(nil, now, 3))
	require.Empty(t, dray.Preview(throwing{}, now, 3))
	require.Empty(t, dray.Preview(standing{}, now, 3))
	require.Empty(t, dray.Preview(dray.InZone(standing{}, time.UTC), now, 3))
	require.Empty(t, dray.Preview(dray.Daily(3, 0, nil), now, 3))
	require.Empty(t, dray.Preview(dray.Daily(24, 0, time.UTC), now, 3))
	require.Len(t, dray.Preview(dray.At(now, now.Add(1), now.Add(1), now.Add(2)), now, 9), 2)
	require.Empty(t, dray.Preview(dray.At(), now, 1))
	require.Len(t, dray.Preview(fickle{now.Add(time.Hour)}, now, 3), 1)
}

// standing is a schedule that does not go forward.
type standing struct{}

func (standing) Next(after time.Time) time.Time { return after }
