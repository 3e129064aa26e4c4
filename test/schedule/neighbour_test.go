package schedule_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
	"github.com/a622d8ee/dray/test/virtual"
)

// A schedule that takes longer than its interval, each time, keeps no other from its times.
func TestSlowSchedules(t *testing.T) {
	for _, takes := range []time.Duration{20 * time.Millisecond, 999 * time.Millisecond, 1300 * time.Millisecond, 2010 * time.Millisecond, 30 * time.Second} {
		kit.Bubble(t, takes.String(), func(t *testing.T) {
			oddStart()
			q := draytest.New(t, dray.WithWorkers(2))
			s := q.Scheduler()
			asked, late := 0, 0
			require.NoError(t, s.Schedule("slow", foreign(func(after time.Time) time.Time {
				if asked++; asked > 1 {
					virtual.Sleep(takes)
				}
				return everySecond(after)
			}), kit.Nop))
			require.NoError(t, s.Schedule("other", foreign(everySecond), func(ctx context.Context) error {
				_, due, _ := dray.TaskFrom(ctx)
				if time.Since(due) > 50*time.Millisecond {
					late++
				}
				return nil
			}))
			kit.Elapse(time.Hour)
			require.Zero(t, late)
			i := info(t, q, "other")
			require.Equal(t, []uint64{3600, 3600, 0}, []uint64{i.Due, i.Runs, i.Skipped})
			require.NoError(t, q.Close())
			kit.Elapse(time.Hour)
		})
	}
}

// Nor does one that was slow before it hangs for good.
func TestScheduleThatIsSlowAndThenHangs(t *testing.T) {
	for takes := 1900 * time.Millisecond; takes < 2*time.Second; takes += 9 * time.Millisecond {
		kit.Bubble(t, takes.String(), func(t *testing.T) {
			q := draytest.New(t, dray.WithWorkers(2))
			s := q.Scheduler()
			asked, release := 0, make(chan struct{})
			defer close(release)
			require.NoError(t, s.Schedule("slow", foreign(func(after time.Time) time.Time {
				switch asked++; asked {
				case 2:
					virtual.Sleep(takes)
				case 3:
					<-release
				}
				return everySecond(after)
			}), kit.Nop))
			other, ran := counter()
			require.NoError(t, s.Schedule("other", foreign(func(after time.Time) time.Time {
				return after.Truncate(3 * time.Second).Add(3 * time.Second)
			}), other))
			kit.Elapse(time.Hour + time.Second)
			require.EqualValues(t, 1200, ran.Load())
		})
	}
}

// The shortest interval there is does not keep the scheduler from its end: a crash of the owner, which
// ends it too, leaves none behind. It runs in real time, as in a bubble no time would pass.
func TestShortestIntervalOverACrash(t *testing.T) {
	abandoned := make(chan dray.Event, 1)
	q, err := dray.New(dray.WithObserver(func(e dray.Event) { abandoned <- e }, dray.ChildAbandoned))
	require.NoError(t, err)
	defer q.Close()
	require.NoError(t, q.Start())
	require.NoError(t, q.Scheduler().Schedule("x", dray.Every(1), kit.Nop))
	for range 3 {
		draytest.CrashOwner(t, q)
		_, err = dray.Run(t.Context(), q, kit.One)
		require.NoError(t, err)
	}
	require.NoError(t, q.Close())
	require.Empty(t, abandoned)
}
