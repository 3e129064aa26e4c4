package calendar_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/internal/zonetest"
)

var (
	windows = flag.Int("windows", 300, "how many stretches of four days the sample has")
	seed    = flag.Uint64("seed", 1, "of the sample")
	every   = flag.Bool("every", false, "go through every change of the clocks from 1900 to 2100, and every end of a leap year")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// length is that of a window.
const length = 4 * 24 * time.Hour

// window is a zone and when to look at it.
type window struct {
	zonetest.Zone
	from time.Time
}

// sound reports whether the time package has the clocks right, which it has not
// before 1970 where a rule is in force: they jump for a second at midnight.
func (w window) sound() bool { return w.Data != "rule" || w.from.Year() >= 1970 }

// sample returns windows around changes of the clocks, ends of leap years, and
// others, from 1900 to 2100 and in some years far away.
func sample(t *testing.T, n int, seed uint64) []window {
	zones := zonetest.Zones(t)
	r := rand.New(rand.NewPCG(seed, 0))
	var all []window
	for range n {
		z := zones[r.IntN(len(zones))]
		year := 1900 + r.IntN(201)
		if r.IntN(10) == 0 {
			year = []int{1, 2, 1582, 1583, 1752, 1883, 2262, 2263, 2400, 3000, 9999, 10000, 12_000}[r.IntN(13)]
		}
		around := time.Date(year, 1, 1, 0, r.IntN(366*24*60), r.IntN(60), 0, time.UTC)
		switch r.IntN(3) {
		case 0:
			if last, ok := zonetest.LeapDay(z.Loc, year-year%4); ok {
				around = last
			}
		case 1:
			if changes := zonetest.Changes(z.Loc, year); len(changes) > 0 {
				around = changes[r.IntN(len(changes))]
			}
		}
		from := around.Add(-time.Duration(r.Int64N(int64(length)))).Truncate(time.Second)
		if first := (time.Time{}).AddDate(0, 0, 2); from.Before(first) {
			from = first // the zero time is never
		}
		if w := (window{z, from}); w.sound() {
			all = append(all, w)
		}
	}
	return all
}

// changes returns a window for every change and every end of a leap year.
func changes(t *testing.T) []window {
	var all []window
	for _, z := range zonetest.Zones(t) {
		for year := 1900; year <= 2100; year++ {
			moments := zonetest.Changes(z.Loc, year)
			if last, ok := zonetest.LeapDay(z.Loc, year); ok {
				moments = append(moments, last)
			}
			for _, m := range moments {
				if w := (window{z, m.Add(-length / 2)}); w.sound() {
					all = append(all, w)
				}
			}
		}
	}
	return all
}

// TestAgainstTheOracle compares each kind of schedule with an oracle that knows
// nothing of offsets and looks at the clock all the time.
func TestAgainstTheOracle(t *testing.T) {
	if *every {
		for i, w := range changes(t) {
			agrees(t, w, uint64(i))
		}
	}
	n := *windows
	if testing.Short() {
		n /= 3
	}
	for i, w := range sample(t, n, *seed) {
		agrees(t, w, *seed<<32+uint64(i))
	}
}

// agrees compares some schedules in one window.
func agrees(t *testing.T, w window, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	to := w.from.Add(length)
	for range 3 {
		rules := zonetest.Rules{SkipGap: r.IntN(2) == 0, RepeatFold: r.IntN(2) == 0}
		schedule, matches := choose(r, w, rules)
		what := func() string {
			return fmt.Sprintf("%v (data: %s) from %v, rules %+v, seed %d", schedule, w.Data, w.from, rules, seed)
		}
		want := zonetest.Due(w.Loc, w.from, to, matches, rules)
		var got []time.Time
		for next := schedule.Next(w.from.Add(-1)); !next.IsZero() && next.Before(to); next = schedule.Next(next) {
			got = append(got, next)
			require.LessOrEqual(t, len(got), len(want)+1, what())
		}
		same(t, want, got, what)
		require.Equal(t, got, dray.Preview(schedule, w.from.Add(-1), len(got)), what())
		anywhere(t, r, schedule, want, w, what)
	}
}

// anywhere asks from moments in between: it does not matter when a schedule is
// asked, only what for.
func anywhere(t *testing.T, r *rand.Rand, schedule dray.Schedule, want []time.Time, w window, what func() string) {
	for range 10 {
		at := w.from.Add(time.Duration(r.Int64N(int64(length))))
		for i, due := range want {
			if due.After(at) {
				require.True(t, schedule.Next(at).Equal(due), "%s: asked at %v: %v, want %v", what(), at, schedule.Next(at), due)
				require.True(t, i == 0 || !want[i-1].After(at))
				break
			}
		}
	}
}

func same(t *testing.T, want, got []time.Time, what func() string) {
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || !want[i].Equal(got[i]) {
			near := func(s []time.Time) []time.Time { return s[min(max(i-1, 0), len(s)):min(i+2, len(s))] }
			require.Failf(t, "they differ", "at %d: want %v, got %v: %s", i, near(want), near(got), what())
		}
	}
}

// choose makes a schedule, and says which readings it is made of.
func choose(r *rand.Rand, w window, rules zonetest.Rules) (dray.Schedule, func(time.Time) bool) {
	var dst dray.DST
	if rules.SkipGap {
		dst |= dray.SkipGap
	}
	if rules.RepeatFold {
		dst |= dray.RepeatFold
	}
	some := w.from.Add(time.Duration(r.Int64N(int64(length)))).In(w.Loc)
	if moments := zonetest.Changes(w.Loc, some.Year()); len(moments) > 0 && r.IntN(2) == 0 {
		some = moments[r.IntN(len(moments))].Add(time.Duration(r.IntN(7*60)-3*60) * time.Minute)
	}
	hour, minute, day := some.Hour(), some.Minute(), some.Weekday()
	if r.IntN(3) == 0 {
		minute -= minute % 30
	}
	at := func(t time.Time) bool { return t.Hour() == hour && t.Minute() == minute }
	switch r.IntN(4) {
	case 0:
		return dray.Daily(hour, minute, w.Loc, dst), at
	case 1:
		return dray.Weekly(day, hour, minute, w.Loc, dst), func(t time.Time) bool { return t.Weekday() == day && at(t) }
	case 2:
		date := some.Day()
		monthly := func(t time.Time) bool { return t.Day() == date && at(t) }
		return dray.InZone(readings{monthly, time.Minute, fmt.Sprintf("monthly on %d at %d:%02d", date, hour, minute)}, w.Loc, dst), monthly
	}
	step := time.Duration(1+r.IntN(200)) * time.Minute
	grid := func(t time.Time) bool { return t.Truncate(step).Equal(t) }
	return dray.InZone(readings{grid, step, fmt.Sprintf("each %v", step)}, w.Loc, dst), grid
}

// readings is a schedule of whole minutes, or of multiples of a step, that match.
type readings struct {
	matches func(time.Time) bool
	step    time.Duration
	name    string
}

func (s readings) Next(after time.Time) time.Time {
	next := after.Truncate(s.step).Add(s.step)
	for !s.matches(next) {
		next = next.Add(s.step)
	}
	return next
}

func (s readings) String() string { return s.name }
