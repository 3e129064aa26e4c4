package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/goroutines"
	"github.com/a622d8ee/dray/test/kit"
)

// foreign is a schedule that is not dray's.
type foreign func(after time.Time) time.Time

func (f foreign) Next(after time.Time) time.Time { return f(after) }

// minutes is a schedule of another library: each full minute.
func minutes(after time.Time) time.Time { return after.Truncate(time.Minute).Add(time.Minute) }

// A skips collects the TaskSkipped events of a queue.
type skips struct {
	mu  sync.Mutex
	all []dray.Event
}

func (s *skips) option() dray.Option {
	return dray.WithObserver(func(e dray.Event) {
		if e.Kind == dray.TaskSkipped {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.all = append(s.all, e)
		}
	})
}

func (s *skips) of(why error) (found []dray.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.all {
		if errors.Is(e.Err, why) {
			found = append(found, e)
		}
	}
	return found
}

// counter returns a job that counts its runs.
func counter() (fn dray.Func, n *atomic.Int64) {
	n = new(atomic.Int64)
	return func(context.Context) error { n.Add(1); return nil }, n
}

// A schedule that does not return makes its own task hung, and holds up no other.
func TestHungSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		told := &skips{}
		q := started(t, told.option())
		s := q.Scheduler()
		release := make(chan struct{})
		var asked atomic.Int64
		first := minutes(time.Now())
		hangs := foreign(func(after time.Time) time.Time {
			asked.Add(1)
			if !after.Before(first) {
				<-release
			}
			return minutes(after)
		})
		fn, ran := counter()
		other, others := counter()
		every, ticks := counter()
		require.NoError(t, s.Schedule("hangs", hangs, fn))
		require.NoError(t, s.Schedule("other", foreign(minutes), other))
		require.NoError(t, s.Schedule("daily", dray.Daily(0, 0, time.UTC), kit.Nop))
		require.NoError(t, s.Schedule("every", dray.Every(time.Second), every))
		time.Sleep(time.Until(first))
		pass(500 * time.Millisecond)
		require.Equal(t, int64(1), ran.Load(), "the run that was due is made")
		require.NoError(t, info(t, q, "hangs").LastError)
		pass(500*time.Millisecond - time.Nanosecond)
		require.NoError(t, info(t, q, "hangs").LastError, "it may take a second")
		pass(time.Nanosecond)
		i := info(t, q, "hangs")
		require.ErrorIs(t, i.LastError, dray.ErrTimeout)
		require.Zero(t, i.Next)
		require.Len(t, told.of(dray.ErrTimeout), 1)
		pass(10 * time.Minute)
		require.Len(t, told.of(dray.ErrTimeout), 1, "told once")
		require.Equal(t, int64(2), asked.Load(), "and not asked again")
		require.Equal(t, int64(11), others.Load())
		require.GreaterOrEqual(t, ticks.Load(), int64(601))
		require.NoError(t, s.RunNow("hangs"))
		synctest.Wait()
		require.Equal(t, int64(2), ran.Load())
		require.ErrorIs(t, info(t, q, "hangs").LastError, dray.ErrTimeout)
		close(release)
		pass(time.Millisecond)
		i = info(t, q, "hangs")
		require.NoError(t, i.LastError)
		require.False(t, i.Next.IsZero())
		require.Equal(t, uint64(9), i.Missed, "of ten runs since one is made up for")
		require.Equal(t, int64(3), ran.Load())
		pass(time.Minute)
		require.Equal(t, int64(4), ran.Load())
		require.NoError(t, q.Close())
	})
}

// A shutdown is bounded, and names the task whose schedule does not return.
func TestShutdownNamesAHungSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t)
		release := make(chan struct{})
		defer close(release)
		first := minutes(time.Now())
		require.NoError(t, q.Scheduler().Schedule("the-task", foreign(func(after time.Time) time.Time {
			if !after.Before(first) {
				<-release
			}
			return first
		}), kit.Nop))
		pass(2 * time.Minute)
		begin := time.Now()
		report, err := q.Shutdown(t.Context())
		require.ErrorContains(t, err, "the-task")
		require.ErrorIs(t, err, dray.ErrAbandoned)
		require.Empty(t, report)
		require.LessOrEqual(t, time.Since(begin), time.Second)
	})
}

// A Next that is slow, but returns, delays the end and is not named.
func TestShutdownWaitsForASlowSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := started(t)
		first := minutes(time.Now())
		require.NoError(t, q.Scheduler().Schedule("x", foreign(func(after time.Time) time.Time {
			if !after.Before(first) {
				time.Sleep(900 * time.Millisecond)
			}
			return minutes(after)
		}), kit.Nop))
		time.Sleep(time.Until(first))
		synctest.Wait()
		_, err := q.Shutdown(t.Context())
		require.NoError(t, err)
	})
}

// At most 64 goroutines are kept by schedules; then other calendar tasks wait, and
// say so, and those of Every go on.
func TestManyHungSchedules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		told := &skips{}
		q := started(t, told.option())
		s := q.Scheduler()
		release := make(chan struct{})
		first := minutes(time.Now())
		hangs := foreign(func(after time.Time) time.Time {
			if !after.Before(first) {
				<-release
			}
			return minutes(after)
		})
		fn, ran := counter()
		every, ticks := counter()
		require.NoError(t, s.Schedule("every", dray.Every(time.Second), every))
		for i := range 64 {
			require.NoError(t, s.Schedule(fmt.Sprint("hangs", i), hangs, fn))
		}
		time.Sleep(time.Until(first))
		pass(10 * time.Second)
		require.Equal(t, int64(64), ran.Load(), "what was due is made")
		require.Len(t, told.of(dray.ErrTimeout), 64)
		synctest.Wait()
		before := goroutines.InBubble()
		late, lateRan := counter()
		for i := range 100 {
			require.NoError(t, s.Schedule(fmt.Sprint("late", i), foreign(minutes), late))
		}
		pass(2 * time.Minute)
		require.LessOrEqual(t, goroutines.InBubble(), before+1)
		require.Len(t, told.of(dray.ErrTimeout), 164)
		require.ErrorIs(t, info(t, q, "late7").LastError, dray.ErrTimeout)
		require.Equal(t, int64(100), lateRan.Load(), "that is the run that was known")
		require.GreaterOrEqual(t, ticks.Load(), int64(130))
		close(release)
		pass(2 * time.Minute)
		require.NoError(t, info(t, q, "late7").LastError)
		require.Greater(t, lateRan.Load(), int64(300))
		require.NoError(t, q.Close())
	})
}

// A panic, a Goexit, a time that is not later end their task, and hurt nobody else.
func TestSchedulesThatThrow(t *testing.T) {
	for name, c := range map[string]struct {
		next func(after time.Time) time.Time
		want error
	}{
		"panic":     {func(time.Time) time.Time { panic("no idea") }, nil},
		"goexit":    {func(time.Time) time.Time { runtime.Goexit(); return time.Time{} }, dray.ErrGoexit},
		"not later": {func(after time.Time) time.Time { return after }, nil},
		"year 1":    {func(time.Time) time.Time { return time.Time{}.Add(time.Hour) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				oddStart()
				q := started(t)
				s := q.Scheduler()
				first := minutes(time.Now())
				fn, ran := counter()
				other, others := counter()
				for i := range 10 {
					require.NoError(t, s.Schedule(fmt.Sprint("bad", i), foreign(func(after time.Time) time.Time {
						if after.Before(first) {
							return first
						}
						return c.next(after)
					}), fn))
				}
				require.NoError(t, s.Schedule("other", foreign(minutes), other))
				time.Sleep(time.Until(first))
				pass(3 * time.Minute)
				require.Equal(t, int64(10), ran.Load())
				require.Equal(t, int64(4), others.Load())
				require.Zero(t, q.Stats().Restarts)
				i := info(t, q, "bad3")
				require.Zero(t, i.Next)
				require.Error(t, i.LastError)
				if c.want != nil {
					require.ErrorIs(t, i.LastError, c.want)
				}
				require.NoError(t, q.Close())
			})
		})
	}
}

// worded is a schedule with a String method.
type worded struct {
	foreign
	words func() string
}

func (w worded) String() string { return w.words() }

// The words of a schedule are asked for without a lock, and for a second at most.
func TestWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t)
		s := q.Scheduler()
		release := make(chan struct{})
		for name, words := range map[string]func() string{
			"fine":   func() string { return "each minute" },
			"panics": func() string { panic("no words") },
			"exits":  func() string { runtime.Goexit(); return "" },
			"blocks": func() string { <-release; return "late" },
			"calls": func() string {
				_ = s.Tasks()
				_, _ = s.Preview("fine", 3)
				return fmt.Sprint(s.RunNow("fine"))
			},
			"slow": func() string { time.Sleep(500 * time.Millisecond); return "slow" },
		} {
			require.NoError(t, s.Schedule(name, worded{minutes, words}, kit.Nop))
			require.NoError(t, s.Schedule(name+" in UTC", dray.InZone(worded{minutes, words}, time.UTC), kit.Nop))
		}
		require.NoError(t, s.Schedule("daily", dray.Daily(1, 2, time.UTC), kit.Nop))
		for range 5 {
			begin := time.Now()
			got := map[string]string{}
			for _, i := range s.Tasks() {
				got[i.Name] = i.Schedule
			}
			require.LessOrEqual(t, time.Since(begin), time.Second)
			require.Equal(t, "each minute", got["fine"])
			require.Equal(t, "each minute UTC", got["fine in UTC"])
			require.Equal(t, "slow", got["slow"])
			require.Equal(t, "daily at 01:02 UTC", got["daily"])
			require.Empty(t, got["blocks"])
			require.Empty(t, got["panics"])
			require.Empty(t, got["exits"])
			require.Len(t, got, 13)
		}
		pass(time.Minute)
		close(release)
		synctest.Wait()
		require.Equal(t, "late", info(t, q, "blocks").Schedule)
		require.NoError(t, q.Close())
	})
}

// A task that catches up with very many runs holds up no other, be it slow to ask.
func TestCatchingUpHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t)
		s := q.Scheduler()
		now := time.Now()
		slow := foreign(func(after time.Time) time.Time {
			if after.Before(now.Add(-time.Minute)) {
				time.Sleep(time.Millisecond)
			}
			return minutes(after)
		})
		var late []time.Duration
		note := func(ctx context.Context) error {
			_, due, _ := dray.TaskFrom(ctx)
			late = append(late, time.Since(due))
			return nil
		}
		fn, ran := counter()
		for i := range 100 {
			require.NoError(t, s.Schedule(fmt.Sprint("week", i), slow, fn, dray.WithLastRun(now.Add(-7*24*time.Hour))))
		}
		require.NoError(t, s.Schedule("other", foreign(everySecond), note))
		pass(time.Minute)
		require.NoError(t, s.Pause("other"))
		require.Len(t, late, 60)
		for _, d := range late {
			require.Less(t, d, 100*time.Millisecond)
		}
		require.NoError(t, s.Unschedule("other"))
		pass(30 * time.Minute)
		week := info(t, q, "week7")
		require.GreaterOrEqual(t, week.Missed, uint64(7*24*60-1))
		require.Equal(t, uint64(time.Since(now.Add(-7*24*time.Hour).Truncate(time.Minute))/time.Minute), week.Due)
		require.GreaterOrEqual(t, ran.Load(), int64(100))
	})
}
