package cron_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/cron"
)

// weekdayNear is the day of a month from Monday to Friday that is nearest to a day
// of it, by looking at the days around; 0 if the month has no such day.
func weekdayNear(year int, month time.Month, day int) int {
	isOne := func(d int) bool {
		t := time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
		return t.Month() == month && isWorkday(t)
	}
	if time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Month() != month {
		return 0
	}
	for away := range 4 {
		for _, d := range []int{day - away, day + away} {
			if isOne(d) {
				return d
			}
		}
	}
	return 0
}

func isWorkday(t time.Time) bool { return t.Weekday() != time.Saturday && t.Weekday() != time.Sunday }

// lastOf is the last day of t's month.
func lastOf(t time.Time) int { return time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day() }

// day is an item of a field for days, and says of a day whether it is one.
type day struct {
	text string
	is   func(t time.Time) bool
}

func dayOfMonth(r *rand.Rand) day {
	n := 1 + r.IntN(31)
	switch r.IntN(6) {
	case 0:
		return day{"L", func(t time.Time) bool { return t.Day() == lastOf(t) }}
	case 1:
		n = 1 + r.IntN(30)
		return day{fmt.Sprintf("l-%d", n), func(t time.Time) bool { return t.Day() == lastOf(t)-n }}
	case 2:
		return day{fmt.Sprintf("%dW", n), func(t time.Time) bool { return t.Day() == weekdayNear(t.Year(), t.Month(), n) }}
	case 3:
		return day{"LW", func(t time.Time) bool {
			d := lastOf(t)
			for !isWorkday(t.AddDate(0, 0, d-t.Day())) {
				d--
			}
			return t.Day() == d
		}}
	case 4:
		return day{"*/2", func(t time.Time) bool { return t.Day()%2 == 1 }}
	}
	return day{fmt.Sprint(n), func(t time.Time) bool { return t.Day() == n }}
}

func dayOfWeek(r *rand.Rand) day {
	w := time.Weekday(r.IntN(7))
	name := strings.ToUpper(w.String()[:3])
	if r.IntN(2) == 0 {
		name = fmt.Sprint(int(w))
	}
	switch r.IntN(4) {
	case 0:
		n := 1 + r.IntN(5)
		return day{fmt.Sprintf("%s#%d", name, n), func(t time.Time) bool { return t.Weekday() == w && (t.Day()+6)/7 == n }}
	case 1:
		return day{name + "#L", func(t time.Time) bool { return t.Weekday() == w && t.Day() > lastOf(t)-7 }}
	case 2:
		return day{"*/3", func(t time.Time) bool { return t.Weekday()%3 == 0 }}
	}
	return day{name, func(t time.Time) bool { return t.Weekday() == w }}
}

// fieldOf joins some items.
func fieldOf(r *rand.Rand, item func(*rand.Rand) day) (text string, is func(t time.Time) bool) {
	if r.IntN(4) == 0 {
		return "*", func(time.Time) bool { return true }
	}
	var texts []string
	var items []day
	for range 1 + r.IntN(3) {
		d := item(r)
		items, texts = append(items, d), append(texts, d.text)
	}
	return strings.Join(texts, ","), func(t time.Time) bool {
		for _, d := range items {
			if d.is(t) {
				return true
			}
		}
		return false
	}
}

// TestDays compares what the fields for days allow with a walk over the days of
// six years: L, W and #, lists of them, and which of both days counts.
func TestDays(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 5))
		month, inMonth := fieldOf(r, dayOfMonth)
		week, inWeek := fieldOf(r, dayOfWeek)
		expr := fmt.Sprintf("0 0 %s * %s", month, week)
		s, err := cron.ParseIn(expr, time.UTC)
		require.NoError(t, err, expr)
		next := s.Next(time.Date(2023, 12, 31, 23, 0, 0, 0, time.UTC))
		for d := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() < 2030; d = d.AddDate(0, 0, 1) {
			want := inMonth(d) && inWeek(d)
			if month[0] != '*' && week[0] != '*' {
				want = inMonth(d) || inWeek(d)
			}
			if next.Equal(d) != want {
				require.Failf(t, "wrong day", "seed %d: %q on %v: want %v, next is %v", seed, expr, d, want, next)
			}
			if want {
				next = s.Next(d)
			}
		}
	}
}
