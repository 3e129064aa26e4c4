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
		{"*/60 * * * *", "^^^^", cron.Minute},
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
