package cron_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/cron"
	"github.com/a622d8ee/dray/internal/zonetest"
)

var (
	windows = flag.Int("windows", 400, "how many stretches of time TestAgainstTheOracle has")
	seed    = flag.Uint64("seed", 0, "the first of their seeds")
)

// field is one field: what it allows, and how it is written.
type field struct {
	text    string
	allowed [60]bool
}

// makeField makes a field of values from low to high, where high+1 is low again.
func makeField(r *rand.Rand, low, high int) field {
	var f field
	var items []string
	for range 1 + r.IntN(3) {
		a, b := low+r.IntN(high-low+1), low+r.IntN(high-low+1)
		text := fmt.Sprintf("%d-%d", a, b)
		switch r.IntN(5) {
		case 0:
			a, b, text = low, high, "*"
		case 1:
			b, text = a, strconv.Itoa(a)
		}
		step := 1
		if text != strconv.Itoa(a) && r.IntN(2) == 0 {
			step = 1 + r.IntN(high+5)
			text += "/" + strconv.Itoa(step)
		}
		items = append(items, text)
		for i, v := 0, a; ; i++ {
			if i%step == 0 {
				f.allowed[v] = true
			}
			if v == b {
				break
			}
			if v++; v > high {
				v = low
			}
		}
	}
	f.text = strings.Join(items, ",")
	return f
}

// expression is five fields.
type expression [5]field

func makeExpression(r *rand.Rand) expression {
	e := expression{makeField(r, 0, 59), makeField(r, 0, 23), all(31), all(12), all(6)}
	if r.IntN(3) == 0 {
		v := r.IntN(60)
		e[0] = field{text: strconv.Itoa(v)}
		e[0].allowed[v] = true
	}
	for i, low := range []int{1, 1, 0} {
		if r.IntN(4) == 0 {
			e[2+i] = makeField(r, low, []int{31, 12, 6}[i])
		}
	}
	return e
}

func all(high int) field {
	f := field{text: "*"}
	for v := range high + 1 {
		f.allowed[v] = true
	}
	return f
}

func (e expression) String() string {
	return strings.Join([]string{e[0].text, e[1].text, e[2].text, e[3].text, e[4].text}, " ")
}

// matches says whether the clock on the wall shows a time of the expression.
func (e expression) matches(wall time.Time) bool {
	day, weekday := e[2].allowed[wall.Day()], e[4].allowed[wall.Weekday()]
	days := day && weekday
	if e[2].text[0] != '*' && e[4].text[0] != '*' {
		days = day || weekday
	}
	return days && e[0].allowed[wall.Minute()] && e[1].allowed[wall.Hour()] && e[3].allowed[wall.Month()]
}

// oracle returns when the expression is due from one minute to another, exclusive.
func oracle(e expression, loc *time.Location, from, to time.Time, dst dray.DST) []time.Time {
	rules := zonetest.Rules{SkipGap: dst&dray.SkipGap != 0, RepeatFold: dst&dray.RepeatFold != 0}
	return zonetest.Due(loc, from, to, e.matches, rules)
}

// same says where two lists begin to differ. All of both is more than anybody reads.
func same(t *testing.T, want, got []time.Time, format string, args ...any) {
	t.Helper()
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || !want[i].Equal(got[i]) {
			window := func(s []time.Time) []time.Time { return s[min(max(i-1, 0), len(s)):min(i+2, len(s))] }
			require.Failf(t, "they differ", "at %d: want %v, got %v: %s", i, window(want), window(got), fmt.Sprintf(format, args...))
		}
	}
}

// moments are zones, and a time shortly before their clocks changed.
var moments = []struct{ zone, at string }{
	{"Australia/Lord_Howe", "2025-10-04T15:00:00Z"}, // forward by half an hour
	{"Australia/Lord_Howe", "2026-04-04T14:00:00Z"}, // back by half an hour
	{"America/Sao_Paulo", "2018-11-03T23:00:00Z"},   // midnight does not exist
	{"America/Sao_Paulo", "2018-02-17T22:00:00Z"},   // 23:00 to midnight comes twice
	{"Pacific/Apia", "2011-12-29T20:00:00Z"},        // 30 December does not exist
	{"Europe/Berlin", "2026-03-28T22:00:00Z"},
	{"Europe/Berlin", "2026-10-24T22:00:00Z"},
	{"America/New_York", "2026-03-08T04:00:00Z"},
	{"America/New_York", "2026-11-01T03:00:00Z"},
	{"Asia/Kolkata", "2026-03-29T00:00:00Z"},      // never changes
	{"Africa/Cairo", "2026-04-23T20:00:00Z"},      // midnight does not exist
	{"Africa/Cairo", "2026-10-29T19:00:00Z"},      // 23:00 to midnight comes twice
	{"Africa/Casablanca", "2026-02-15T00:00:00Z"}, // back for Ramadan
	{"Africa/Casablanca", "2026-03-22T00:00:00Z"},
	{"America/Havana", "2026-03-08T03:00:00Z"}, // midnight does not exist
	{"America/Havana", "2026-11-01T03:00:00Z"},
	{"Antarctica/Troll", "2026-03-28T23:00:00Z"}, // forward by two hours
	{"Antarctica/Troll", "2026-10-24T23:00:00Z"},
	{"America/St_Johns", "2006-10-29T01:00:00Z"}, // back at one minute past midnight
	{"Asia/Pyongyang", "2018-05-04T13:00:00Z"},   // forward by half an hour, for good
	{"Asia/Tehran", "2022-03-21T18:00:00Z"},      // midnight does not exist
	{"Pacific/Kwajalein", "1993-08-20T20:00:00Z"},
}

// place returns a zone and a time in it, close to a change of its clocks or not.
func place(zones []zonetest.Zone, r *rand.Rand) (z zonetest.Zone, from time.Time) {
	z = zones[r.IntN(len(zones))]
	year := 1970 + r.IntN(131)
	if z.Data != "rule" && r.IntN(2) == 0 { // Go has the clocks of rules right since 1970
		year -= 70
	}
	around := time.Date(year, 1, 1, 0, r.IntN(366*24*60), 0, 0, time.UTC)
	if last, ok := zonetest.LeapDay(z.Loc, year-year%4); ok && r.IntN(4) == 0 {
		around = last
	} else if changes := zonetest.Changes(z.Loc, year); len(changes) > 0 {
		around = changes[r.IntN(len(changes))]
	}
	return z, around.Add(-time.Duration(r.IntN(36*60)) * time.Minute)
}

// agrees compares two days of a schedule with the oracle.
func agrees(t *testing.T, zones []zonetest.Zone, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	z, from := place(zones, r)
	e := makeExpression(r)
	dst := dray.DST(r.IntN(4))
	to := from.Add(36 * time.Hour)
	s, err := cron.ParseIn(e.String(), z.Loc, dst)
	if err != nil { // it matches no day of any year
		require.ErrorContains(t, err, "matches no day", "seed %d: %s", seed, e)
		return
	}
	var got []time.Time
	for next := s.Next(from.Add(-1)); !next.IsZero() && next.Before(to); next = s.Next(next) {
		got = append(got, next.UTC())
	}
	same(t, oracle(e, z.Loc, from, to, dst), got, "seed %d: %q in %s (data: %s) from %v, rules %d", seed, e, z.Name, z.Data, from, dst)
}

func TestAgainstTheOracle(t *testing.T) {
	zones := zonetest.Zones(t)
	n := *windows
	if testing.Short() {
		n /= 3
	}
	for i := range n {
		agrees(t, zones, *seed+uint64(i))
	}
}

// TestSchedulerAgainstTheOracle is the same for what a queue really runs, in
// virtual time.
func TestSchedulerAgainstTheOracle(t *testing.T) {
	for seed := range uint64(80) {
		schedulerAgrees(t, seed)
	}
}

func FuzzAgainstTheOracle(f *testing.F) {
	f.Add(uint64(1))
	zones := zonetest.Zones(f)
	f.Fuzz(func(t *testing.T, seed uint64) {
		agrees(t, zones, seed)
		schedulerAgrees(t, seed)
	})
}

// schedulerAgrees lets a queue run some expressions over a change of the clocks.
func schedulerAgrees(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	m := moments[r.IntN(len(moments))]
	from, err := time.Parse(time.RFC3339, m.at)
	require.NoError(t, err)
	from = from.Add(-time.Duration(r.IntN(24*60)) * time.Minute)
	if from.Year() < 2000 {
		return // bubbles begin in 2000
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(from) - time.Second)
		q, err := dray.New(dray.WithWorkers(2))
		require.NoError(t, err)
		require.NoError(t, q.Start())
		defer q.Close()
		to := from.Add(30 * time.Hour)
		type task struct {
			e   expression
			dst dray.DST
			ran []time.Time
		}
		var tasks []*task
		for i := range 4 {
			k := &task{e: makeExpression(r), dst: dray.DST(r.IntN(4))}
			s, err := cron.ParseIn(k.e.String(), zone(t, m.zone), k.dst)
			if err != nil {
				continue
			}
			tasks = append(tasks, k)
			require.NoError(t, q.Scheduler().Schedule(strconv.Itoa(i), s, func(ctx context.Context) error {
				now := time.Now()
				if _, due, ok := dray.TaskFrom(ctx); !ok || !due.Equal(now) {
					return fmt.Errorf("due at %v, ran at %v", due, now)
				}
				if now.Before(to) {
					k.ran = append(k.ran, now.Round(0).UTC())
				}
				return nil
			}))
		}
		time.Sleep(time.Until(to))
		synctest.Wait()
		for _, k := range tasks {
			same(t, oracle(k.e, zone(t, m.zone), from, to, k.dst), k.ran, "seed %d: %q in %s from %v, rules %d", seed, k.e, m.zone, from, k.dst)
		}
		require.Zero(t, q.Stats().Failed)
	})
}

// FuzzParse: no expression panics, and one that is accepted has a time ahead.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"* * * * *", "TZ=UTC", "CRON_TZ=Europe/Berlin 0 3 L * FRI#3", "@every 1s", "1-5/2,7 22-3 LW JAN *", "0 0 15W,L-3 */2 ?"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		s, err := cron.ParseIn(expr, time.UTC)
		if err != nil {
			var e *cron.Error
			require.ErrorAs(t, err, &e)
			require.LessOrEqual(t, e.Offset, len(e.Expr))
			_ = e.Pointer()
			return
		}
		from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		times := dray.Preview(s, from, 3)
		require.NotEmpty(t, times)
		for _, next := range times {
			require.True(t, next.After(from))
			from = next
		}
	})
}
