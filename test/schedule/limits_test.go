package schedule_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/goroutines"
	"github.com/a622d8ee/dray/test/kit"
)

// However many runs are missed, each is counted, and the newest are made up for.
func TestEachMissedRunIsCounted(t *testing.T) {
	for name, when := range map[string]dray.Schedule{
		"every":   dray.Every(time.Minute),
		"foreign": foreign(minutes),
		"zone":    dray.InZone(foreign(minutes), time.UTC),
	} {
		for _, n := range []int{10_000, 10_001, 50_000} {
			for _, keep := range []dray.Missed{dray.SkipMissed, dray.RunOnce, dray.RunAll(1), dray.RunAll(9_999), dray.RunAll(10_000)} {
				synctest.Test(t, func(t *testing.T) {
					time.Sleep(73*time.Hour + 11*time.Minute + 30*time.Second) // half a minute past, so that none is in time
					q := started(t)
					var mu sync.Mutex
					var dues []time.Time
					now := time.Now()
					require.NoError(t, q.Scheduler().Schedule("x", when, func(ctx context.Context) error {
						_, due, _ := dray.TaskFrom(ctx)
						mu.Lock()
						defer mu.Unlock()
						dues = append(dues, due)
						return nil
					}, dray.WithLastRun(now.Add(-time.Duration(n)*time.Minute-20*time.Second)), dray.WithMissed(keep)))
					pass(15 * time.Second)
					i := info(t, q, "x")
					require.Equal(t, uint64(n), i.Due, "%s %d", name, n)
					require.Equal(t, uint64(n-min(n, int(keep))), i.Missed)
					require.Len(t, dues, min(n, int(keep)))
					if len(dues) > 0 {
						require.Less(t, now.Sub(dues[len(dues)-1]), time.Minute, "the newest")
						require.Equal(t, time.Duration(len(dues)-1)*time.Minute, dues[len(dues)-1].Sub(dues[0]), "in order")
					}
					require.NoError(t, q.Close())
				})
			}
		}
	}
}

func TestMissedBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := started(t)
		s := q.Scheduler()
		for _, n := range []int{0, -1, 10_001, math.MaxInt, math.MinInt} {
			require.Error(t, s.Schedule("x", dray.Every(time.Hour), kit.Nop, dray.WithMissed(dray.RunAll(n))), n)
			_, err := dray.New(dray.WithPeriodic("x", dray.Every(time.Hour), kit.Nop, dray.WithMissed(dray.RunAll(n))))
			require.Error(t, err)
		}
		require.ErrorContains(t, s.Schedule("x", dray.Every(time.Hour), kit.Nop, dray.WithMissed(dray.RunAll(0))), "RunAll(0)")
		require.Empty(t, s.Tasks())
		for _, m := range []dray.Missed{dray.SkipMissed, dray.RunOnce, dray.RunAll(1), dray.RunAll(10_000)} {
			require.NoError(t, s.Schedule("x", dray.Every(time.Hour), kit.Nop, dray.WithMissed(m)))
		}
	})
}

// What is centuries away is neither now nor in the past.
func TestFarTimes(t *testing.T) {
	year := func(y int) time.Time { return time.Date(y, 3, 4, 5, 6, 7, 8, time.UTC) }
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t)
		s := q.Scheduler()
		fn, ran := counter()
		jitter := dray.WithJitter(365 * 24 * time.Hour)
		for name, when := range map[string]dray.Schedule{
			"at":     dray.At(year(2400), year(9999)),
			"far":    foreign(func(after time.Time) time.Time { return after.AddDate(500, 0, 0) }),
			"zone":   dray.InZone(dray.At(year(9999)), time.UTC),
			"every":  dray.Every(math.MaxInt64),
			"every2": dray.Every(math.MaxInt64 - 1),
		} {
			require.NoError(t, s.Schedule(name, when, fn))
			require.NoError(t, s.Schedule(name+" jittered", when, fn, jitter))
		}
		pass(400 * 24 * time.Hour)
		require.Zero(t, ran.Load())
		next, err := s.Preview("at", 5)
		require.NoError(t, err)
		require.Equal(t, []time.Time{year(2400), year(9999)}, next)
		require.True(t, info(t, q, "at jittered").Next.Equal(year(2400)))
		next, err = s.Preview("far", 3)
		require.NoError(t, err)
		require.Len(t, next, 3)
		require.Equal(t, 3500, next[2].Year())
	})
}

// A last run in the year 1 is long ago.
func TestLastRunLongAgo(t *testing.T) {
	for name, when := range map[string]dray.Schedule{
		"every": dray.Every(time.Hour),
		"daily": dray.Daily(2, 30, time.UTC),
		"far":   foreign(func(after time.Time) time.Time { return after.AddDate(100, 0, 0) }),
	} {
		for _, last := range []time.Time{time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), time.Date(-200, 1, 1, 0, 0, 0, 0, time.UTC)} {
			synctest.Test(t, func(t *testing.T) {
				oddStart()
				q := started(t)
				fn, ran := counter()
				require.NoError(t, q.Scheduler().Schedule("x", when, fn, dray.WithLastRun(last)))
				pass(time.Minute)
				require.Equal(t, int64(1), ran.Load(), name)
				i := info(t, q, "x")
				require.Positive(t, i.Missed)
				require.True(t, i.Next.After(time.Now()), "%v", i.Next)
				require.NoError(t, q.Close())
			})
		}
	}
}

// What is run in the second after its time is in time; jitter is below its limit.
func TestOtherLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := started(t)
		s := q.Scheduler()
		const year = 365 * 24 * time.Hour
		require.NoError(t, s.Schedule("x", dray.Every(1), kit.Nop, dray.WithJitter(year)))
		require.Error(t, s.Schedule("x", dray.Every(1), kit.Nop, dray.WithJitter(year+1)))
		require.Error(t, s.Schedule("x", dray.Every(1), kit.Nop, dray.WithJitter(-1)))
		require.Error(t, s.Schedule("x", dray.Every(0), kit.Nop))
		require.NoError(t, s.Unschedule("x"))
		require.NoError(t, s.Schedule("h", dray.Daily(23, 59, time.UTC), kit.Nop))
		require.NoError(t, s.Schedule("h", dray.Daily(0, 0, time.UTC), kit.Nop))
		require.Error(t, s.Schedule("h", dray.Daily(24, 0, time.UTC), kit.Nop))
		require.Error(t, s.Schedule("h", dray.Daily(0, 60, time.UTC), kit.Nop))
		require.Error(t, s.Schedule("h", dray.Weekly(7, 0, 0, time.UTC), kit.Nop))
	})
}

// At most 1,024 runs of a priority stand in line before what is enqueued after them.
func TestRunsLetOthersPass(t *testing.T) {
	for _, n := range []int{1023, 1024, 1025, 3000} {
		synctest.Test(t, func(t *testing.T) {
			oddStart()
			q := started(t, dray.WithWorkers(1), dray.WithCapacity(2))
			at := time.Now().Add(time.Hour)
			fn, ran := counter()
			for i := range n {
				require.NoError(t, q.Scheduler().Schedule(time.Duration(i).String(), dray.At(at), func(ctx context.Context) error {
					time.Sleep(time.Second)
					return fn(ctx)
				}))
			}
			hold := make(chan struct{})
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { <-hold; return nil }))
			time.Sleep(time.Until(at))
			synctest.Wait()
			require.Equal(t, n, q.Stats().Pending)
			before := int64(-1)
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { before = ran.Load(); return nil }))
			close(hold)
			pass(2 * time.Hour)
			require.Equal(t, int64(min(n, 1024)), before)
			require.Equal(t, int64(n), ran.Load())
			require.NoError(t, q.Close())
		})
	}
}

// Under AllowOverlap the first run that waits takes no room, the others do.
func TestOverlappingRunsTakeRoom(t *testing.T) {
	for _, o := range []dray.Overflow{dray.Reject, dray.Block, dray.DropNewest, dray.DropOldest} {
		synctest.Test(t, func(t *testing.T) {
			oddStart()
			told := &skips{}
			q := started(t, dray.WithWorkers(1), dray.WithCapacity(3), dray.WithOverflow(o), told.option())
			s := q.Scheduler()
			require.NoError(t, q.Pause())
			require.NoError(t, s.Schedule("x", dray.Every(time.Minute), kit.Nop, dray.WithOverlap(dray.AllowOverlap)))
			pass(10 * time.Minute)
			i, st := info(t, q, "x"), q.Stats()
			require.Equal(t, uint64(10), i.Due)
			require.Equal(t, 4, st.Pending)
			switch o {
			case dray.Reject, dray.Block:
				require.Equal(t, uint64(6), i.Refused)
				require.Len(t, told.of(dray.ErrQueueFull), 6)
				require.ErrorIs(t, s.RunNow("x"), dray.ErrQueueFull)
			default:
				require.Equal(t, uint64(10), i.Runs)
				require.Equal(t, uint64(6), st.Evicted)
			}
			require.NoError(t, q.Resume())
			synctest.Wait()
			require.Equal(t, uint64(4), q.Stats().Processed)
			require.NoError(t, q.Close())
		})
	}
}

// Runs that are made up for and may overlap are made as far as there is room, the oldest first,
// and none is refused.
func TestMissedRunsThatOverlapWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t, dray.WithWorkers(1), dray.WithCapacity(1))
		s := q.Scheduler()
		require.NoError(t, q.Pause())
		begun := time.Now()
		var ran []time.Duration
		note := func(ctx context.Context) error {
			_, due, _ := dray.TaskFrom(ctx)
			ran = append(ran, due.Sub(begun))
			return nil
		}
		require.NoError(t, s.Schedule("x", dray.Every(time.Minute), note, dray.WithOverlap(dray.AllowOverlap), dray.WithMissed(dray.RunAll(3))))
		for _, c := range []struct {
			pause   time.Duration
			due     uint64
			missed  uint64
			waiting int
		}{
			{4 * time.Minute, 4, 1, 1}, // of 2, 3 and 4 the first takes no room
			{3 * time.Minute, 7, 2, 3}, // 4 goes, as 7 has come
		} {
			require.NoError(t, s.Pause("x"))
			pass(c.pause)
			require.NoError(t, s.Resume("x"))
			synctest.Wait()
			i := info(t, q, "x")
			require.Equal(t, c.due, i.Due)
			require.Equal(t, uint64(2), i.Runs)
			require.Equal(t, c.missed, i.Missed)
			require.Equal(t, c.waiting, i.Waiting)
		}
		require.NoError(t, s.Pause("x"))
		require.NoError(t, q.Resume())
		pass(time.Second)
		require.NoError(t, s.Resume("x"))
		synctest.Wait()
		require.Equal(t, []time.Duration{2, 3, 5, 6, 7}, minutesOf(ran))
		require.Zero(t, info(t, q, "x").Refused)
	})
}

// One that could be made at once does not overtake those that have waited for room before it.
func TestMissedRunsThatOverlapKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		pass(43 * time.Second) // the minute is full
		q := draytest.New(t, dray.WithWorkers(1), dray.WithCapacity(1))
		s := q.Scheduler()
		begun, release := time.Now().Truncate(time.Minute), make(chan struct{})
		var ran []time.Duration
		note := func(ctx context.Context) error {
			_, due, _ := dray.TaskFrom(ctx)
			ran = append(ran, due.Sub(begun))
			<-release
			return nil
		}
		require.NoError(t, q.Pause())
		require.NoError(t, s.Schedule("x", foreign(minutes), note, dray.WithOverlap(dray.AllowOverlap), dray.WithMissed(dray.RunAll(3))))
		require.NoError(t, s.Pause("x"))
		pass(3 * time.Minute)
		require.NoError(t, s.Resume("x"))
		synctest.Wait()
		require.Equal(t, 1, info(t, q, "x").Waiting, "1 takes no room, 2 does, 3 waits for some")
		require.NoError(t, q.Resume())
		synctest.Wait()
		require.Len(t, ran, 1, "so that another run would take no room")
		draytest.SetClock(t, q, 2*time.Minute)
		require.NoError(t, s.Schedule("y", dray.Every(time.Hour), kit.Nop))
		require.NoError(t, s.Pause("y")) // has the clock be looked at
		synctest.Wait()
		close(release)
		synctest.Wait()
		require.Equal(t, []time.Duration{1, 2, 3, 4, 5}, minutesOf(ran))
		require.Zero(t, info(t, q, "x").Refused)
	})
}

func minutesOf(ds []time.Duration) (minutes []time.Duration) {
	for _, d := range ds {
		minutes = append(minutes, d/time.Minute)
	}
	return minutes
}

// At most 64 goroutines are kept by String methods; what nobody has asked has no words,
// and Tasks returns within a second.
func TestManyHungStrings(t *testing.T) {
	for _, n := range []int{63, 64, 65} {
		synctest.Test(t, func(t *testing.T) {
			oddStart()
			q := started(t)
			release := make(chan struct{})
			for i := range n {
				require.NoError(t, q.Scheduler().Schedule(fmt.Sprint(i), worded{minutes, func() string { <-release; return "late" }}, kit.Nop))
			}
			synctest.Wait()
			before := goroutines.InBubble()
			for range 3 {
				begin := time.Now()
				require.Len(t, q.Scheduler().Tasks(), n)
				require.LessOrEqual(t, time.Since(begin), time.Second)
			}
			require.LessOrEqual(t, goroutines.InBubble()-before, 64)
			close(release)
			synctest.Wait()
			for _, i := range q.Scheduler().Tasks() {
				require.Equal(t, "late", i.Schedule)
			}
			require.NoError(t, q.Close())
		})
	}
}

// everySecond is a schedule of each full second, made for speed.
func everySecond(after time.Time) time.Time { return after.Truncate(time.Second).Add(time.Second) }

// Of missed runs of a calendar 10 million are counted one by one; the newest is made up
// for however many there are.
func TestTenMillionMissedRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	const limit = 10_000_000
	for _, n := range []int{limit - 1, limit, limit + 100_000} {
		synctest.Test(t, func(t *testing.T) {
			oddStart()
			q := started(t)
			now := time.Now()
			var due time.Time
			require.NoError(t, q.Scheduler().Schedule("x", foreign(everySecond), func(ctx context.Context) error {
				if due.IsZero() {
					_, due, _ = dray.TaskFrom(ctx)
				}
				return nil
			}, dray.WithLastRun(now.Truncate(time.Second).Add(-time.Duration(n)*time.Second)), dray.WithLocation(time.UTC)))
			pass(time.Millisecond)
			i := info(t, q, "x")
			require.True(t, due.Equal(now.Truncate(time.Second)), "%v", due)
			require.GreaterOrEqual(t, i.Due, uint64(min(n, limit)))
			require.LessOrEqual(t, i.Due, uint64(min(n, limit+10)))
			require.Equal(t, i.Due-1, i.Missed)
			require.NoError(t, q.Close())
		})
	}
}

// On a clock that is set as far ahead as can be told, what is later is never due.
func TestNothingIsDueAtTheEndOfTime(t *testing.T) {
	for name, when := range map[string]dray.Schedule{
		"At":    dray.At(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)),
		"Daily": dray.Daily(23, 59, time.UTC),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := draytest.New(t)
				draytest.SetClock(t, q, math.MaxInt64)
				runs := 0
				require.NoError(t, q.Scheduler().Schedule("x", when, func(context.Context) error { runs++; return nil }))
				time.Sleep(30 * 24 * time.Hour)
				synctest.Wait()
				require.Zero(t, runs)
				require.NoError(t, q.Close())
			})
		})
	}
}
