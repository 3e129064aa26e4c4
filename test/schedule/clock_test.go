package schedule_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // the tests name zones, which not every machine has

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/internal/testhook"
	"github.com/a622d8ee/dray/test/kit"
)

// skewed returns a running queue whose wall clock can be set.
func skewed(t *testing.T, opts ...dray.Option) (q *dray.Queue, set func(by time.Duration)) {
	q, set = skewedLater(t, opts...)
	require.NoError(t, q.Start())
	return q, set
}

// skewedLater is skewed for a queue that the test starts.
func skewedLater(t *testing.T, opts ...dray.Option) (q *dray.Queue, set func(by time.Duration)) {
	var skew atomic.Int64
	q, err := dray.New(opts...)
	require.NoError(t, err)
	testhook.Inside(q).Skew(func() time.Duration { return time.Duration(skew.Load()) })
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	return q, func(by time.Duration) { skew.Add(int64(by)) }
}

// TestClockJumps: a bubble's clocks run together, so the wall clock is set through
// a testhook. It is 10:00 when the tasks are registered, and 10:30 when it is set.
// Times are readings of the wall clock; those after | were run after the jump, by
// 14:00 on the clock as it then is.
func TestClockJumps(t *testing.T) {
	minutes := func(from, to string, step time.Duration) (s []string) {
		a, _ := time.Parse("15:04", from)
		b, _ := time.Parse("15:04", to)
		for ; !a.After(b); a = a.Add(step) {
			s = append(s, a.Format("15:04"))
		}
		return s
	}
	hour, quarter := time.Hour, 15*time.Minute
	for name, c := range map[string]struct {
		jump    time.Duration
		every   time.Duration // of the calendar
		opts    []dray.TaskOption
		want    []string // when they were due
		skipped uint64
	}{
		"none":                                  {0, hour, nil, minutes("11:00", "14:00", hour), 0},
		"slewed":                                {900 * time.Millisecond, hour, nil, minutes("11:00", "14:00", hour), 0},
		"forward over none":                     {20 * time.Minute, hour, nil, minutes("11:00", "14:00", hour), 0},
		"forward over one":                      {hour, hour, nil, minutes("11:00", "14:00", hour), 0},
		"forward over one, skip":                {hour, hour, []dray.TaskOption{dray.WithMissed(dray.SkipMissed)}, minutes("12:00", "14:00", hour), 1},
		"forward over three":                    {3 * hour, hour, nil, minutes("13:00", "14:00", hour), 2},
		"forward over three, skip":              {3 * hour, hour, []dray.TaskOption{dray.WithMissed(dray.SkipMissed)}, []string{"14:00"}, 3},
		"forward over three, all":               {3 * hour, hour, []dray.TaskOption{dray.WithMissed(dray.RunAll(9))}, minutes("11:00", "14:00", hour), 0},
		"forward over three, two":               {3 * hour, hour, []dray.TaskOption{dray.WithMissed(dray.RunAll(2))}, minutes("12:00", "14:00", hour), 1},
		"exactly onto one":                      {30 * time.Minute, hour, []dray.TaskOption{dray.WithMissed(dray.SkipMissed)}, minutes("11:00", "14:00", hour), 0},
		"back by an hour":                       {-hour, quarter, nil, append(minutes("10:15", "10:30", quarter), minutes("10:45", "14:00", quarter)...), 0},
		"back by three hours":                   {-3 * hour, quarter, nil, append(minutes("10:15", "10:30", quarter), minutes("10:45", "14:00", quarter)...), 0},
		"back by an hour, repeating":            {-hour, quarter, []dray.TaskOption{dray.RepeatFold}, append(minutes("10:15", "10:30", quarter), minutes("09:45", "14:00", quarter)...), 0},
		"back by an hour, its schedule repeats": {-hour, quarter, nil, append(minutes("10:15", "10:30", quarter), minutes("09:45", "14:00", quarter)...), 0},
		"back by four: it was wrong":            {-4 * hour, quarter, nil, append(minutes("10:15", "10:30", quarter), minutes("06:45", "14:00", quarter)...), 0},
		"back by four, the given times":         {-4 * hour, 0, nil, []string{"10:15", "11:00"}, 0},
		"forward over both given times":         {2 * hour, 0, []dray.TaskOption{dray.WithMissed(dray.RunAll(5))}, []string{"10:15", "11:00"}, 0},
		"forward over the rest, skipped":        {2 * hour, 0, []dray.TaskOption{dray.WithMissed(dray.SkipMissed)}, []string{"10:15"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(10 * time.Hour) // bubbles begin at midnight UTC
				var jumps []time.Duration
				q, set := skewed(t, dray.WithWorkers(1), dray.WithObserver(func(e dray.Event) {
					if e.Kind == dray.ClockJumped {
						jumps = append(jumps, e.By)
					}
				}))
				begin := time.Now()
				var due []string
				var ticks []time.Duration
				when := dray.Schedule(kit.Grid(c.every))
				if c.every == 0 {
					when = dray.At(begin.Add(15*time.Minute), begin.Add(time.Hour))
				}
				dst := dray.DST(0)
				if strings.HasSuffix(name, "its schedule repeats") {
					dst = dray.RepeatFold
				}
				require.NoError(t, q.Scheduler().Schedule("calendar", dray.InZone(when, time.UTC, dst), func(ctx context.Context) error {
					_, d, _ := dray.TaskFrom(ctx)
					due = append(due, d.UTC().Format("15:04"))
					return nil
				}, c.opts...))
				if c.every == 0 { // At itself, not in a zone
					require.NoError(t, q.Scheduler().Schedule("calendar", when, func(ctx context.Context) error {
						_, d, _ := dray.TaskFrom(ctx)
						due = append(due, d.UTC().Format("15:04"))
						return nil
					}, c.opts...))
				}
				require.NoError(t, q.Scheduler().Schedule("interval", dray.Every(20*time.Minute), func(context.Context) error {
					ticks = append(ticks, time.Since(begin))
					return nil
				}))
				time.Sleep(30*time.Minute + 500*time.Millisecond)
				set(c.jump - 500*time.Millisecond)
				rest := 3*time.Hour + 30*time.Minute - c.jump
				time.Sleep(rest + time.Second)
				synctest.Wait()
				require.Equal(t, c.want, due)
				var want []time.Duration
				for d := 20 * time.Minute; d <= time.Since(begin); d += 20 * time.Minute {
					want = append(want, d)
				}
				require.Equal(t, want, ticks, "intervals go by the other clock")
				for _, i := range q.Scheduler().Tasks() {
					if i.Name == "calendar" {
						require.Equal(t, c.skipped, i.Missed)
						require.Equal(t, i.Due, i.Runs+i.Skipped)
					}
				}
				if c.jump.Abs() > time.Minute {
					require.Len(t, jumps, 1)
					require.InDelta(t, c.jump, jumps[0], float64(time.Second))
				} else {
					require.Empty(t, jumps)
				}
			})
		})
	}
}

// TestNoStormAfterAJump: a hundred tasks a minute, over a week's sleep, give a
// hundred runs to make up for it, and none doubled.
func TestNoStormAfterAJump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, set := skewed(t)
		var runs atomic.Int64
		for i := range 100 {
			require.NoError(t, q.Scheduler().Schedule(dray.ID(i).String(), kit.Grid(time.Minute), func(context.Context) error {
				runs.Add(1)
				return nil
			}))
		}
		time.Sleep(90 * time.Second)
		synctest.Wait()
		require.Equal(t, int64(100), runs.Load())
		set(7 * 24 * time.Hour)
		time.Sleep(29 * time.Second)
		synctest.Wait()
		require.LessOrEqual(t, runs.Load(), int64(200))
		time.Sleep(120 * time.Second)
		synctest.Wait()
		require.Equal(t, int64(300), runs.Load(), "one for the week and the minute in which it was noticed, one for the next")
		for _, i := range q.Scheduler().Tasks() {
			require.Equal(t, i.Due, i.Runs+i.Skipped)
			require.Equal(t, uint64(7*24*60), i.Missed, "counted one by one for a week")
		}
	})
}

// TestNextFollowsTheClock: what Tasks says is by the wall clock as it is.
func TestNextFollowsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, set := skewed(t)
		nothing := func(context.Context) error { return nil }
		require.NoError(t, q.Scheduler().Schedule("interval", dray.Every(time.Hour), nothing))
		begin := time.Now()
		set(24 * time.Hour)
		next, err := q.Scheduler().Preview("interval", 2)
		require.NoError(t, err)
		require.True(t, next[0].Equal(begin.Add(25*time.Hour)))
		require.True(t, next[1].Equal(begin.Add(26*time.Hour)))
	})
}

// TestStaleEntriesAreSwept: pausing, resuming and replacing leave nothing behind.
func TestStaleEntriesAreSwept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := skewed(t)
		s := q.Scheduler()
		nothing := func(context.Context) error { return nil }
		for i := range 100 {
			require.NoError(t, s.Schedule(dray.ID(i).String(), dray.Every(time.Hour), nothing))
		}
		for range 10_000 {
			require.NoError(t, s.Pause("5"))
			require.NoError(t, s.Resume("5"))
			require.NoError(t, s.Pause("6"))
			require.NoError(t, s.Resume("6"))
			require.NoError(t, s.Schedule("7", dray.Every(time.Hour), nothing))
			require.NoError(t, s.Schedule("x", dray.Every(time.Hour), nothing))
			require.NoError(t, s.Unschedule("x"))
		}
		entries := testhook.Inside(q).Entries
		all, armed := entries()
		require.Less(t, all, 400)
		require.Equal(t, 100, armed)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, uint64(100), q.Stats().Processed)
		all, _ = entries()
		require.Equal(t, 100, all)
	})
}

// TestJitterIsThatOfTheName: it must not change between versions, nor favour
// anything in names that differ at the end.
func TestJitterIsThatOfTheName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := skewed(t, dray.WithCapacity(dray.Unbounded))
		var mu sync.Mutex
		jitter := map[string]time.Duration{}
		schedule := func(name string, most time.Duration) {
			require.NoError(t, q.Scheduler().Schedule(name, dray.Every(24*time.Hour), func(ctx context.Context) error {
				_, due, _ := dray.TaskFrom(ctx)
				mu.Lock()
				defer mu.Unlock()
				jitter[name] = time.Since(due)
				return nil
			}, dray.WithJitter(most)))
		}
		schedule("cleanup", time.Hour)
		schedule("report", time.Minute)
		schedule("at once", 0)
		for i := range 10_000 {
			schedule("tenant-"+dray.ID(i).String(), time.Hour)
		}
		time.Sleep(26 * time.Hour)
		synctest.Wait()
		require.Equal(t, 226394433894*time.Nanosecond, jitter["cleanup"])
		require.Equal(t, 18504005706*time.Nanosecond, jitter["report"])
		require.Zero(t, jitter["at once"])
		var buckets [10]int
		for i := range 10_000 {
			j := jitter["tenant-"+dray.ID(i).String()]
			require.True(t, j >= 0 && j < time.Hour)
			buckets[j*10/time.Hour]++
		}
		require.Greater(t, slices.Min(buckets[:]), 800, buckets)
		require.Less(t, slices.Max(buckets[:]), 1200, buckets)
	})
}
