package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// A reload at 03:01 does not lose the run of 03:00 that its jitter delays, nor does it
// run it twice.
func TestReloadKeepsTheRunThatIsDue(t *testing.T) {
	for name, when := range map[string]func() dray.Schedule{
		"daily": func() dray.Schedule { return dray.Daily(3, 0, time.UTC) },
		"foreign": func() dray.Schedule {
			return dray.InZone(foreign(func(after time.Time) time.Time { return after.Truncate(24 * time.Hour).Add(27 * time.Hour) }), time.UTC)
		},
		"at": func() dray.Schedule { return dray.At(time.Date(2000, 1, 2, 3, 0, 0, 0, time.UTC)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(23*time.Hour + 17*time.Minute)
				q := started(t)
				s := q.Scheduler()
				old, oldRan := counter()
				var dues []time.Time
				again := func(ctx context.Context) error {
					_, due, _ := dray.TaskFrom(ctx)
					dues = append(dues, due)
					return nil
				}
				jitter := dray.WithJitter(time.Hour)
				require.NoError(t, s.Schedule("backup", when(), old, jitter))
				time.Sleep(time.Until(time.Date(2000, 1, 2, 3, 0, 1, 0, time.UTC)))
				require.Zero(t, oldRan.Load())
				for range 3 {
					later := dray.Daily(4, 30, time.UTC)
					if name == "daily" {
						later = when()
					}
					require.NoError(t, s.Schedule("backup", later, again, jitter))
					pass(time.Second)
				}
				pass(time.Hour)
				require.Zero(t, oldRan.Load())
				require.Len(t, dues, 1)
				require.True(t, dues[0].Equal(time.Date(2000, 1, 2, 3, 0, 0, 0, time.UTC)))
				i := info(t, q, "backup")
				require.Equal(t, uint64(1), i.Runs)
				require.Zero(t, i.Skipped)
				require.NoError(t, s.Schedule("backup", dray.Daily(5, 0, time.UTC), again))
				require.NoError(t, s.Unschedule("backup"))
				pass(48 * time.Hour)
				require.Len(t, dues, 1)
			})
		})
	}
}

// A reload while a run is running does not let two run at once, and the books go on. A
// run that is cancelled may take a moment to return, beside the next one: so what counts
// is those that do not know yet that they are.
func TestReloadRemembersTheRunThatRuns(t *testing.T) {
	for _, o := range []dray.Overlap{dray.SkipOverlap, dray.QueueOverlap, dray.CancelPrevious} {
		synctest.Test(t, func(t *testing.T) {
			oddStart()
			q := started(t, dray.WithWorkers(8))
			s := q.Scheduler()
			var mu sync.Mutex
			running := map[context.Context]bool{}
			most, ran := 0, 0
			fn := func(ctx context.Context) error {
				mu.Lock()
				ran++
				running[ctx] = true
				valid := 0
				for c := range running {
					if c.Err() == nil {
						valid++
					}
				}
				most = max(most, valid)
				mu.Unlock()
				defer func() {
					mu.Lock()
					defer mu.Unlock()
					delete(running, ctx)
				}()
				select {
				case <-time.After(100 * time.Second):
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			require.NoError(t, s.Schedule("x", dray.Every(time.Minute), fn, dray.WithOverlap(o)))
			for range 10 {
				pass(61 * time.Second)
				require.True(t, info(t, q, "x").Running)
				require.NoError(t, s.Schedule("x", dray.Every(time.Minute), fn, dray.WithOverlap(o)))
				require.True(t, info(t, q, "x").Running)
			}
			require.Equal(t, 1, most, o)
			i := info(t, q, "x")
			require.Equal(t, uint64(10), i.Due, o)
			require.Equal(t, uint64(ran), i.Runs)
			require.Equal(t, map[dray.Overlap]uint64{dray.CancelPrevious: 9}[o], q.Stats().Cancelled)
			pass(time.Minute)
			require.NoError(t, q.Close())
		})
	}
}

// A reload takes over what is postponed, and what waits for another attempt.
func TestReloadTakesOverWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t)
		s := q.Scheduler()
		old, oldRan := counter()
		again, ran := counter()
		opts := []dray.TaskOption{dray.WithOverlap(dray.QueueOverlap), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Minute))}
		require.NoError(t, s.Schedule("x", dray.Every(time.Hour), func(ctx context.Context) error {
			_ = old(ctx)
			return errors.New("boom")
		}, opts...))
		require.NoError(t, s.RunNow("x"))
		synctest.Wait()
		require.NoError(t, s.RunNow("x"))
		require.NoError(t, s.Pause("x"))
		require.NoError(t, s.Schedule("x", dray.Every(time.Hour), again, opts...))
		i := info(t, q, "x")
		require.False(t, i.Paused)
		require.True(t, i.Running)
		require.Equal(t, 1, i.Waiting)
		require.Equal(t, uint64(2), i.Due)
		pass(2 * time.Minute)
		require.Equal(t, int64(2), oldRan.Load(), "the run goes on as it was made")
		require.Equal(t, int64(1), ran.Load())
		i = info(t, q, "x")
		require.Equal(t, uint64(2), i.Runs)
		require.Zero(t, i.Waiting)
	})
}

// A reload while the old schedule is being asked keeps the run that is due.
func TestReloadWhileAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t)
		s := q.Scheduler()
		first := minutes(time.Now())
		fn, ran := counter()
		require.NoError(t, s.Schedule("x", foreign(func(after time.Time) time.Time {
			if !after.Before(first) {
				time.Sleep(10 * time.Millisecond)
			}
			return minutes(after)
		}), kit.Nop))
		time.Sleep(time.Until(first))
		pass(time.Millisecond)
		require.NoError(t, s.Schedule("x", foreign(minutes), fn))
		pass(time.Second)
		require.Equal(t, int64(1), ran.Load())
		pass(time.Minute)
		require.Equal(t, int64(2), ran.Load())
		require.Equal(t, uint64(2), info(t, q, "x").Due)
	})
}

// A task that is replaced while Tasks collects is in the list, under one registration or the other.
func TestTasksWhileOneIsReplaced(t *testing.T) {
	q := started(t)
	const n = 600
	replace := func(i int) error { return q.Scheduler().Schedule(fmt.Sprint(i), dray.Every(time.Hour), kit.Nop) }
	for i := range n {
		require.NoError(t, replace(i))
	}
	done, ended := make(chan struct{}), make(chan error)
	go func() {
		for i := 0; ; i = (i + 1) % n {
			select {
			case <-done:
				ended <- nil
				return
			default:
			}
			if err := replace(i); err != nil {
				ended <- errors.Join(err, errors.New("no more tasks are replaced"))
				return
			}
			runtime.Gosched() // or, on one processor, each step of Tasks waits for a time slice of this
		}
	}()
	for range 200 {
		names, tasks := map[string]bool{}, q.Scheduler().Tasks()
		for _, i := range tasks {
			names[i.Name] = true
		}
		if len(names) != n || len(tasks) != n {
			t.Errorf("%d of %d tasks, %d times", len(names), n, len(tasks))
			break
		}
	}
	close(done)
	require.NoError(t, <-ended)
}

// Tasks are in the order of their next runs, to the nanosecond, and then of their names,
// however many there are.
func TestOrderOfTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t)
		s := q.Scheduler()
		now := time.Now()
		var want []string
		for _, i := range rand.Perm(1000) {
			name := fmt.Sprintf("%03d", i)
			when := dray.At(now.Add(time.Hour - time.Duration(i/10))) // ten at each
			if i >= 900 {
				when = dray.At(now.Add(time.Second)) // and then never
			}
			require.NoError(t, s.Schedule(name, when, kit.Nop))
		}
		pass(time.Minute)
		for i := range 1000 {
			name := fmt.Sprintf("%03d", 890-i/10*10+i%10)
			if i >= 900 {
				name = fmt.Sprintf("%03d", i)
			}
			if i%7 == 0 {
				require.NoError(t, s.Unschedule(name))
			} else {
				want = append(want, name)
			}
		}
		var got []string
		for _, i := range s.Tasks() {
			got = append(got, i.Name)
		}
		require.Equal(t, want, got)
	})
}
