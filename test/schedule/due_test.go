package schedule_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/internal/testhook"
	"github.com/a622d8ee/dray/test/kit"
)

// A told is what an event says of the runs of a task, with times from when the test began.
type told struct {
	kind  dray.EventKind
	due   time.Duration
	count uint64
}

// teller returns an observer that takes down when runs were due that are made or skipped.
func teller(begun time.Time) (observer dray.Option, all func() []told) {
	var r kit.Record[told]
	return dray.WithObserver(func(ev dray.Event) {
		r.Add(told{ev.Kind, ev.Due.Sub(begun), ev.Count})
	}, dray.TaskFired, dray.TaskSkipped), r.All
}

// What is told of runs that were skipped together is when the last of them was due, also where
// no run is listed but those that are made.
func TestSkippedIsToldWithTheLastThatWas(t *testing.T) {
	for name, when := range map[string]dray.Schedule{"interval": dray.Every(10 * time.Second), "calendar": kit.Grid(10 * time.Second)} {
		for keep := range 4 {
			missed := dray.Missed(keep) // SkipMissed, RunOnce, RunAll(2), RunAll(3)
			for n := 1; n < 9; n++ {
				kit.Bubble(t, fmt.Sprintf("%s, %d of %d", name, keep, n), func(t *testing.T) {
					begun := time.Now()
					observer, all := teller(begun)
					q := started(t, observer)
					require.NoError(t, q.Scheduler().Schedule("x", when, kit.Nop, dray.WithMissed(missed)))
					require.NoError(t, q.Scheduler().Pause("x"))
					pass(time.Duration(n)*10*time.Second + 5*time.Second)
					require.NoError(t, q.Scheduler().Resume("x"))
					synctest.Wait()
					var want []told
					skipped := max(n-keep, 0)
					if skipped > 0 {
						want = append(want, told{dray.TaskSkipped, time.Duration(skipped) * 10 * time.Second, uint64(skipped)})
					}
					for i := skipped; i < n; i++ {
						want = append(want, told{dray.TaskFired, time.Duration(i+1) * 10 * time.Second, 0})
					}
					require.Equal(t, want, all())
				})
			}
		}
	}
}

// The newest run is in time, so it is made whatever the policy, and those before it are skipped.
func TestSkippedBeforeARunInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		observer, all := teller(begun)
		q, set := skewed(t, observer)
		require.NoError(t, q.Scheduler().Schedule("x", kit.Grid(time.Hour), kit.Nop, dray.WithMissed(dray.SkipMissed)))
		pass(30 * time.Minute)
		set(4*time.Hour + 30*time.Minute)
		pass(time.Minute)
		require.Equal(t, []told{{dray.TaskSkipped, 4 * time.Hour, 4}, {dray.TaskFired, 5 * time.Hour, 0}}, all())
	})
}

// A clock that was set forward is noticed up to a minute late. What was due in that time is in
// time for all tasks, also for those whose schedules answer after others have.
func TestClockSetForwardIsNoticedLateForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := draytest.New(t)
		var ran kit.Record[int]
		slow := foreign(func(after time.Time) time.Time {
			time.Sleep(time.Millisecond)
			return after.Truncate(time.Hour).Add(time.Hour)
		})
		for i := range 5 {
			require.NoError(t, q.Scheduler().Schedule(fmt.Sprint(i), slow, ran.Job(i), dray.WithMissed(dray.SkipMissed)))
		}
		pass(time.Minute + time.Second)
		draytest.SetClock(t, q, 58*time.Minute) // it is 0:59:01, and noticed at 1:00:01 at the latest
		pass(30 * time.Second)
		draytest.SetClock(t, q, 25*time.Second)
		pass(time.Minute)
		require.ElementsMatch(t, []int{0, 1, 2, 3, 4}, ran.All())
	})
}

// So it is where there are more tasks than are taken at a time.
func TestClockSetForwardIsNoticedLateForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := dray.New()
		require.NoError(t, err)
		t.Cleanup(func() { _ = q.Close() })
		var skew atomic.Int64
		testhook.Inside(q).Skew(func() time.Duration { return time.Duration(skew.Add(1)) }) // no two looks are the same
		require.NoError(t, q.Start())
		var ran atomic.Int64
		const n = 3000
		for i := range n {
			require.NoError(t, q.Scheduler().Schedule(fmt.Sprint(i), kit.Grid(time.Hour), func(context.Context) error {
				ran.Add(1)
				return nil
			}, dray.WithMissed(dray.SkipMissed)))
		}
		pass(30 * time.Second)
		skew.Add(int64(59*time.Minute + 35*time.Second))
		pass(time.Minute)
		require.Equal(t, int64(n), ran.Load())
	})
}

// Of more missed runs than are counted the newest may be in time. If it cannot be found, the
// newest is the last that was.
func TestNewestOfMoreThanTenMillionRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	const most = 10_000_000 * time.Second
	t.Run("in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			observer, all := teller(begun)
			q, set := skewed(t, observer)
			require.NoError(t, q.Scheduler().Schedule("x", foreign(everySecond), kit.Nop,
				dray.WithMissed(dray.SkipMissed), dray.WithLocation(time.UTC)))
			time.Sleep(time.Millisecond)
			set(most + time.Hour)
			time.Sleep(time.Second)
			synctest.Wait()
			require.Len(t, all(), 2)
			require.Equal(t, told{dray.TaskFired, most + time.Hour + time.Second, 0}, all()[1])
			require.NoError(t, q.Close())
		})
	})
	t.Run("unknown", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			observer, all := teller(begun)
			q := started(t, observer)
			end := begun.Add(-time.Minute)
			when := foreign(func(after time.Time) time.Time {
				if after.After(end) && after.Before(begun) {
					panic("it does not know")
				}
				return everySecond(after)
			})
			require.NoError(t, q.Scheduler().Schedule("x", when, kit.Nop,
				dray.WithLastRun(begun.Add(-most-time.Hour)), dray.WithLocation(time.UTC)))
			synctest.Wait()
			newest := -time.Hour + time.Second // the one that counting has come to
			require.Equal(t, []told{{dray.TaskSkipped, newest - time.Second, 10_000_000}, {dray.TaskFired, newest, 0}}, all())
			require.ErrorContains(t, info(t, q, "x").LastError, "it does not know")
			require.NoError(t, q.Close())
		})
	})
}
