package cron_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests name zones, which not every machine has

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/cron"
	"github.com/a622d8ee/dray/internal/zonetest"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	require.NoError(t, err)
	return loc
}

const layout = "Mon 2006-01-02 15:04 MST"

func TestParse(t *testing.T) {
	from := time.Date(2026, time.January, 15, 12, 0, 0, 0, time.UTC) // a Thursday
	for expr, want := range map[string][]string{
		"0 12 * * *":                           {"Fri 2026-01-16 12:00 UTC", "Sat 2026-01-17 12:00 UTC"},
		"*/20 12 * * *":                        {"Thu 2026-01-15 12:20 UTC", "Thu 2026-01-15 12:40 UTC", "Fri 2026-01-16 12:00 UTC"},
		"5,35 22-0 * * *":                      {"Thu 2026-01-15 22:05 UTC", "Thu 2026-01-15 22:35 UTC", "Thu 2026-01-15 23:05 UTC"},
		"50/5 * * * *":                         {"Thu 2026-01-15 12:50 UTC", "Thu 2026-01-15 12:55 UTC", "Thu 2026-01-15 13:50 UTC"},
		"0 9 * * mon-fri":                      {"Fri 2026-01-16 09:00 UTC", "Mon 2026-01-19 09:00 UTC"},
		"0 9 * * 7":                            {"Sun 2026-01-18 09:00 UTC", "Sun 2026-01-25 09:00 UTC"},
		"0 0 13 * FRI":                         {"Fri 2026-01-16 00:00 UTC", "Fri 2026-01-23 00:00 UTC", "Fri 2026-01-30 00:00 UTC", "Fri 2026-02-06 00:00 UTC", "Fri 2026-02-13 00:00 UTC"},
		"0 0 20 * FRI":                         {"Fri 2026-01-16 00:00 UTC", "Tue 2026-01-20 00:00 UTC", "Fri 2026-01-23 00:00 UTC"},
		"0 0 31 * *":                           {"Sat 2026-01-31 00:00 UTC", "Tue 2026-03-31 00:00 UTC", "Sun 2026-05-31 00:00 UTC"},
		"0 0 29 2 *":                           {"Tue 2028-02-29 00:00 UTC", "Sun 2032-02-29 00:00 UTC"},
		"0 0 29 2 ?":                           {"Tue 2028-02-29 00:00 UTC", "Sun 2032-02-29 00:00 UTC"},
		"0 0 L * *":                            {"Sat 2026-01-31 00:00 UTC", "Sat 2026-02-28 00:00 UTC", "Tue 2026-03-31 00:00 UTC"},
		"0 0 L-2 * *":                          {"Thu 2026-01-29 00:00 UTC", "Thu 2026-02-26 00:00 UTC"},
		"0 0 LW * *":                           {"Fri 2026-01-30 00:00 UTC", "Fri 2026-02-27 00:00 UTC"},
		"0 0 1W * *":                           {"Mon 2026-02-02 00:00 UTC", "Mon 2026-03-02 00:00 UTC", "Wed 2026-04-01 00:00 UTC"},
		"0 0 * * FRI#3":                        {"Fri 2026-01-16 00:00 UTC", "Fri 2026-02-20 00:00 UTC"},
		"0 0 * * FRI#L":                        {"Fri 2026-01-30 00:00 UTC", "Fri 2026-02-27 00:00 UTC"},
		"0 0 1 DEC-FEB *":                      {"Sun 2026-02-01 00:00 UTC", "Tue 2026-12-01 00:00 UTC"},
		"0 12 * * SAT-MON/2":                   {"Sat 2026-01-17 12:00 UTC", "Mon 2026-01-19 12:00 UTC", "Sat 2026-01-24 12:00 UTC"},
		"0 12 * * 7-2/2":                       {"Sun 2026-01-18 12:00 UTC", "Tue 2026-01-20 12:00 UTC", "Sun 2026-01-25 12:00 UTC"},
		"0 12 * * 5/2":                         {"Fri 2026-01-16 12:00 UTC", "Sun 2026-01-18 12:00 UTC", "Fri 2026-01-23 12:00 UTC"},
		"0 12 * * */6":                         {"Sat 2026-01-17 12:00 UTC", "Sun 2026-01-18 12:00 UTC", "Sat 2026-01-24 12:00 UTC"},
		"0 12 * * */7":                         {"Sun 2026-01-18 12:00 UTC", "Sun 2026-01-25 12:00 UTC"},
		"*/60 */24 * * *":                      {"Fri 2026-01-16 00:00 UTC", "Sat 2026-01-17 00:00 UTC"},
		"*/90 20-4/6 * * *":                    {"Thu 2026-01-15 20:00 UTC", "Fri 2026-01-16 02:00 UTC", "Fri 2026-01-16 20:00 UTC"},
		"0 0 30-3/2 * *":                       {"Fri 2026-01-30 00:00 UTC", "Sun 2026-02-01 00:00 UTC", "Tue 2026-02-03 00:00 UTC"},
		"0 0 */31 */12 *":                      {"Fri 2027-01-01 00:00 UTC", "Sat 2028-01-01 00:00 UTC"},
		"0 0 1 NOV-MAR/2 *":                    {"Sun 2026-03-01 00:00 UTC", "Sun 2026-11-01 00:00 UTC", "Fri 2027-01-01 00:00 UTC"},
		"0 0 */2 * FRI":                        {"Fri 2026-01-23 00:00 UTC", "Fri 2026-02-13 00:00 UTC", "Fri 2026-02-27 00:00 UTC"},
		"0 0 ?/2 * FRI":                        {"Fri 2026-01-23 00:00 UTC", "Fri 2026-02-13 00:00 UTC"},
		"0 0 13 * */5":                         {"Fri 2026-02-13 00:00 UTC", "Fri 2026-03-13 00:00 UTC", "Sun 2026-09-13 00:00 UTC"},
		"0 0 1-31/2 * FRI":                     {"Fri 2026-01-16 00:00 UTC", "Sat 2026-01-17 00:00 UTC", "Mon 2026-01-19 00:00 UTC"},
		"0 0 29,* * FRI":                       {"Fri 2026-01-16 00:00 UTC", "Sat 2026-01-17 00:00 UTC"},
		"0 0 *,29 * FRI":                       {"Fri 2026-01-16 00:00 UTC", "Fri 2026-01-23 00:00 UTC"},
		"0 0 L,15W * *":                        {"Sat 2026-01-31 00:00 UTC", "Mon 2026-02-16 00:00 UTC", "Sat 2026-02-28 00:00 UTC"},
		"0 0 * 2 MON#5":                        {"Mon 2044-02-29 00:00 UTC", "Mon 2072-02-29 00:00 UTC", "Mon 2112-02-29 00:00 UTC"},
		"\n0 12 * *\t*\r\n":                    {"Fri 2026-01-16 12:00 UTC"},
		"TZ=UTC\n@EVERY\t1h":                   {"Thu 2026-01-15 13:00 UTC"},
		"  0\t0 1  1 * ":                       {"Fri 2027-01-01 00:00 UTC"},
		"@yearly":                              {"Fri 2027-01-01 00:00 UTC"},
		"@Annually":                            {"Fri 2027-01-01 00:00 UTC"},
		"@monthly":                             {"Sun 2026-02-01 00:00 UTC"},
		"@weekly":                              {"Sun 2026-01-18 00:00 UTC"},
		"@daily":                               {"Fri 2026-01-16 00:00 UTC"},
		"@midnight":                            {"Fri 2026-01-16 00:00 UTC"},
		" @hourly ":                            {"Thu 2026-01-15 13:00 UTC"},
		"@every 90m":                           {"Thu 2026-01-15 13:30 UTC", "Thu 2026-01-15 15:00 UTC"},
		"TZ=UTC 0 3 * * *":                     {"Fri 2026-01-16 03:00 UTC"},
		"CRON_TZ=America/New_York 0 3 * * *":   {"Fri 2026-01-16 03:00 EST"},
		"TZ=Asia/Kolkata   */30 18 * * *":      {"Thu 2026-01-15 18:00 IST", "Thu 2026-01-15 18:30 IST"},
		"CRON_TZ=America/New_York @every 1h1m": {"Thu 2026-01-15 13:01 UTC"},
	} {
		t.Run(expr, func(t *testing.T) {
			s, err := cron.ParseIn(expr, time.UTC)
			require.NoError(t, err)
			var got []string
			for _, next := range dray.Preview(s, from, len(want)) {
				got = append(got, next.Format(layout))
			}
			require.Equal(t, want, got)
			require.NotEmpty(t, fmt.Sprint(s))
		})
	}
}

// TestErrorsPointAtTheField: the marks stand below what is wrong.
func TestErrorsPointAtTheField(t *testing.T) {
	for _, c := range []struct {
		expr, marks string
		field       cron.Field
	}{
		{"60 * * * *", "^^", cron.Minute},
		{"* 25 * * *", "  ^^", cron.Hour},
		{"0 0-24 * * *", "  ^^^^", cron.Hour},
		{"0 0 0 * *", "    ^", cron.DayOfMonth},
		{"0 0 32 * *", "    ^^", cron.DayOfMonth},
		{"0 0 L-31 * *", "    ^^^^", cron.DayOfMonth},
		{"0 0 1 13 *", "      ^^", cron.Month},
		{"0 0 1 JANUARY *", "      ^^^^^^^", cron.Month},
		{"0  0 1 * 8", "         ^", cron.DayOfWeek},
		{"0 0 * * FRI#6", "        ^^^^^", cron.DayOfWeek},
		{"*/0 * * * *", "^^^", cron.Minute},
		{"*-5 * * * *", "^^^", cron.Minute},
		{"+5 * * * *", "^^", cron.Minute},
		{"*/ * * * *", "^^", cron.Minute},
		{"/5 * * * *", "^^", cron.Minute},
		{"1-/5 * * * *", "^^^^", cron.Minute},
		{"*/9999999999 * * * *", "^^^^^^^^^^^^", cron.Minute},
		{"٥ * * * *", "^", cron.Minute},
		{"0 MON * * *", "  ^^^", cron.Hour},
		{"0 0 1-5W * *", "    ^^^^", cron.DayOfMonth},
		{"0 0 L/2 * *", "    ^^^", cron.DayOfMonth},
		{"0 0 * * L", "        ^", cron.DayOfWeek},
		{"0 0 * * FRI#1-3", "        ^^^^^^^", cron.DayOfWeek},
		{"0 0 * * 8#1", "        ^^^", cron.DayOfWeek},
		{"1,,2 * * * *", "^^^^", cron.Minute},
		{", * * * *", "^", cron.Minute},
		{"-1 * * * *", "^^", cron.Minute},
		{"1-2-3 * * * *", "^^^^^", cron.Minute},
		{"1/2/3 * * * *", "^^^^^", cron.Minute},
		{"x * * * *", "^", cron.Minute},
		{"H * * * *", "^", cron.Minute},
		{"1 1 30 2 *", "    ^^", cron.DayOfMonth},
		{"0 0 31 4,6 *", "    ^^", cron.DayOfMonth},
		{"TZ=Mars/Olympus 0 0 * * *", "   ^^^^^^^^^^^^", cron.Zone},
		{"CRON_TZ=Mars 0 99 * * *", "        ^^^^", cron.Zone},
		{"TZ=UTC 0 99 * * *", "         ^^", cron.Hour},
		{"TZ= 0 0 * * *", "   ^", cron.Zone},
		{"TZ=UTC", "      ^", cron.Expression},
		{"TZ=UTC ", "       ^", cron.Expression},
		{"", "^", cron.Expression},
		{"* * * *", "^^^^^^^", cron.Expression},
		{"0 * * * * *", "^^^^^^^^^^^", cron.Expression},
		{"@fortnightly", "^^^^^^^^^^^^", cron.Descriptor},
		{"@every", "^^^^^^", cron.Descriptor},
		{"@every soon", "       ^^^^", cron.Descriptor},
		{"@every 0s", "       ^^", cron.Descriptor},
		{"@every -1h", "       ^^^", cron.Descriptor},
		{"@reboot", "^^^^^^^", cron.Descriptor},
	} {
		t.Run(c.expr, func(t *testing.T) {
			_, err := cron.Parse(c.expr)
			var e *cron.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.field, e.Field, "%v", err)
			require.Equal(t, c.expr+"\n"+c.marks, e.Pointer())
			require.NotEmpty(t, e.Error())
			require.Error(t, e.Unwrap())
			require.Panics(t, func() { cron.MustParse(c.expr) })
		})
	}
	_, err := cron.Parse(strings.Repeat("1", 10_000))
	require.ErrorContains(t, err, "longer")
	_, err = cron.ParseIn("* * * * *", nil)
	require.ErrorContains(t, err, "nil location")
	_, err = cron.ParseIn("* * * * *", time.UTC, 8)
	require.ErrorContains(t, err, "no such rule")
}

// TestEveryIsAnInterval: @every goes by the monotonic clock, as dray.Every does.
func TestEveryIsAnInterval(t *testing.T) {
	s, err := cron.Parse("@every 1m30s")
	require.NoError(t, err)
	require.Equal(t, dray.Every(90*time.Second), s)
}

// TestLongSearches: 29 February on a Monday, over many ends of leap years; and a time
// that the clocks do not show since 2007, for which the search ends.
func TestLongSearches(t *testing.T) {
	from := time.Date(2026, time.November, 28, 0, 0, 0, 0, time.UTC)
	for _, z := range zonetest.Zones(t) {
		s, err := cron.ParseIn("0 9 * 2 MON#5", z.Loc)
		require.NoError(t, err)
		for i, next := range dray.Preview(s, from, 3) {
			require.Equal(t, time.Date([]int{2044, 2072, 2112}[i], 2, 29, 9, 0, 0, 0, z.Loc), next)
		}
		s, err = cron.ParseIn("30 2 * 3 SUN#2", z.Loc, dray.SkipGap)
		require.NoError(t, err)
		require.Equal(t, z.Name == "America/New_York", len(dray.Preview(s, from, 1)) == 0, z.Name)
	}
}
