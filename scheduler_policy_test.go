package dray_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// task returns the only task, whose books must balance.
func task(t *testing.T, q *dray.Queue) dray.PeriodicInfo {
	t.Helper()
	tasks := q.Scheduler().Tasks()
	require.Len(t, tasks, 1)
	inOrder(t, tasks[0])
	return tasks[0]
}

// inOrder checks the books of a task.
func inOrder(t *testing.T, i dray.PeriodicInfo) {
	t.Helper()
	require.Equal(t, i.Due, i.Runs+i.Skipped+uint64(i.Waiting), "%+v", i)
	require.Equal(t, i.Skipped, i.Overlapped+i.Missed+i.Refused, "%+v", i)
}

// slow returns a job that notes its start, and takes its time.
func slow(d time.Duration) (fn dray.Func, at func() []time.Duration) {
	note, at := ticks()
	return func(ctx context.Context) error {
		_ = note(ctx)
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}, at
}

// TestMissedOneAfterTheOther: under every policy but AllowOverlap the runs made
// up for follow each other, and the regular ones keep to the overlap policy.
func TestMissedOneAfterTheOther(t *testing.T) {
	for name, c := range map[string]struct {
		overlap    dray.Overlap
		want       []time.Duration
		overlapped uint64
	}{
		"skip":   {dray.SkipOverlap, seconds(10, 55, 61, 67, 80, 90), 2},      // those of 60 and 70
		"queue":  {dray.QueueOverlap, seconds(10, 55, 61, 67, 73, 80, 90), 1}, // that of 60 would be behind those owed
		"allow":  {dray.AllowOverlap, seconds(10, 55, 55, 55, 60, 70, 80, 90), 0},
		"cancel": {dray.CancelPrevious, seconds(10, 55, 60, 70, 80, 90), 2}, // that of 60 replaces those owed
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fn, at := slow(6 * time.Second)
				q := start(t, dray.WithWorkers(9))
				s := q.Scheduler()
				require.NoError(t, s.Schedule("x", dray.Every(10*time.Second), fn, dray.WithMissed(dray.RunAll(3)), dray.WithOverlap(c.overlap)))
				pass(19 * time.Second)
				require.NoError(t, s.Pause("x"))
				require.Zero(t, task(t, q).Next)
				pass(36 * time.Second) // 20, 30, 40 and 50 are missed
				require.NoError(t, s.Resume("x"))
				require.NoError(t, s.Resume("x"))
				pass(40 * time.Second)
				require.Equal(t, c.want, at())
				i := task(t, q)
				require.Equal(t, uint64(9), i.Due)
				require.Equal(t, uint64(1), i.Missed)
				require.Equal(t, c.overlapped, i.Overlapped)
			})
		})
	}
}

// TestPausedRunIsMissed: also a single one.
func TestPausedRunIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fn, at := ticks()
		q := start(t, dray.WithPeriodic("x", dray.Every(10*time.Second), fn, dray.WithMissed(dray.SkipMissed)))
		synctest.Wait()
		require.NoError(t, q.Scheduler().Pause("x"))
		pass(10*time.Second + time.Millisecond)
		require.NoError(t, q.Scheduler().RunNow("x"))
		require.NoError(t, q.Scheduler().Resume("x"))
		pass(10 * time.Second)
		require.Equal(t, []time.Duration{10*time.Second + time.Millisecond, 20 * time.Second}, at())
		require.Equal(t, uint64(1), task(t, q).Missed)
	})
}

func TestLastRun(t *testing.T) {
	for name, c := range map[string]struct {
		missed dray.Missed
		runs   int
		lost   uint64
	}{
		"skip": {dray.SkipMissed, 0, 3},
		"once": {dray.RunOnce, 1, 2},
		"all":  {dray.RunAll(100), 3, 0},
		"two":  {dray.RunAll(2), 2, 1},
	} {
		for kind, when := range map[string]dray.Schedule{"interval": dray.Every(time.Hour), "calendar": dray.InZone(hours{0, 23}, time.UTC)} {
			t.Run(name+" "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					fn, at := ticks()
					opts := []dray.TaskOption{dray.WithLastRun(time.Now().Add(-3 * time.Hour)), dray.WithMissed(c.missed)}
					pass(time.Minute)
					q := start(t, dray.WithPeriodic("x", when, fn, opts...))
					pass(time.Minute)
					require.Len(t, at(), c.runs)
					require.Equal(t, c.lost, task(t, q).Missed)
				})
			})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		fn, at := ticks()
		q := start(t)
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Hour), fn, dray.WithLastRun(time.Now().Add(time.Hour))))
		pass(time.Hour)
		require.Equal(t, []time.Duration{time.Hour}, at(), "a time in the future counts as now")
	})
}

// TestFullQueueLosesNothing: runs wait for room; under SkipMissed for a second.
func TestFullQueueLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(1), dray.WithCapacity(2))
		once, at := ticks()
		never, atNever := ticks()
		release := make(chan struct{})
		hold := func(context.Context) error { <-release; return nil }
		require.NoError(t, q.Enqueue(t.Context(), hold))
		synctest.Wait()
		require.NoError(t, q.Enqueue(t.Context(), nop))
		require.NoError(t, q.Enqueue(t.Context(), nop))
		require.NoError(t, q.Scheduler().Schedule("a", dray.Every(10*time.Second), once))
		require.NoError(t, q.Scheduler().Schedule("b", dray.Every(10*time.Second), never, dray.WithMissed(dray.SkipMissed)))
		pass(15 * time.Second)
		require.Equal(t, 1, q.Scheduler().Tasks()[0].Waiting)
		close(release)
		pass(time.Second)
		require.Len(t, at(), 1)
		require.Less(t, at()[0]-15*time.Second, 10*time.Millisecond)
		require.Empty(t, atNever())
		pass(5 * time.Second)
		require.Len(t, at(), 2)
		require.Len(t, atNever(), 1)
		tasks := q.Scheduler().Tasks()
		require.Equal(t, []uint64{0, 1}, []uint64{tasks[0].Missed, tasks[1].Missed})
		require.Zero(t, q.Stats().Rejected)
	})
}

// TestManyDueAtOnce: they are spread over the pool, in order of priority, leave
// room for other jobs, and none is lost.
func TestManyDueAtOnce(t *testing.T) {
	const n = 20_000
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(4), dray.WithCapacity(500))
		when := dray.At(time.Now().Add(time.Hour))
		var runs, urgent atomic.Int64
		for i := range n {
			p, count := dray.Normal, &runs
			if i >= n-1000 { // the last in line, but for their priority
				p, count = dray.High, &urgent
			}
			require.NoError(t, q.Scheduler().Schedule(fmt.Sprint(i), when, func(context.Context) error {
				count.Add(1)
				time.Sleep(10 * time.Millisecond)
				return nil
			}, dray.WithPriority(p)))
		}
		pass(time.Hour)
		for range 3 {
			st := q.Stats()
			require.LessOrEqual(t, st.Pending, 260)
			require.Equal(t, 4, st.Running)
			require.NoError(t, q.Enqueue(t.Context(), nop), "there is room for others")
			pass(time.Second)
		}
		require.Equal(t, int64(1000), urgent.Load())
		pass(time.Minute)
		require.Equal(t, int64(n-1000), runs.Load())
		st := balanced(t, q)
		require.Equal(t, uint64(n+3), st.Processed)
		require.Zero(t, st.Rejected)
	})
}

// TestCancelPreviousInLine: what is cancelled before it got into the queue is
// dropped, what got there is cancelled.
func TestCancelPreviousInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := dray.New(dray.WithWorkers(1))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, q.Close()) })
		fn, at := slow(5 * time.Second)
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Hour), fn, dray.WithOverlap(dray.CancelPrevious)))
		for range 3 { // nothing is enqueued before the start
			require.NoError(t, q.Scheduler().RunNow("x"))
		}
		require.Equal(t, 1, task(t, q).Waiting)
		require.Equal(t, uint64(2), task(t, q).Overlapped)
		require.NoError(t, q.Start())
		pass(time.Second)
		require.True(t, task(t, q).Running)
		require.NoError(t, q.Scheduler().RunNow("x"))
		pass(time.Minute)
		require.Equal(t, seconds(0, 1), at())
		i := task(t, q)
		require.False(t, i.Running)
		require.Equal(t, uint64(2), i.Runs)
		require.Equal(t, uint64(1), balanced(t, q).Cancelled)
	})
}

// TestJobOptionsOfATask: timeout, attempts and priority are those of its runs.
func TestJobOptionsOfATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []int
		var label string
		q := start(t, dray.WithWorkers(1))
		require.NoError(t, q.Scheduler().Schedule("x", dray.At(time.Now().Add(time.Second)), func(ctx context.Context) error {
			info, _ := dray.JobFrom(ctx)
			attempts, label = append(attempts, info.Attempt), info.Label
			require.Equal(t, dray.High, info.Priority)
			<-ctx.Done()
			return context.Cause(ctx)
		}, dray.WithTimeout(time.Second), dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(time.Second)), dray.WithPriority(dray.High), dray.WithDelay(time.Second)))
		pass(time.Minute)
		require.Equal(t, []int{1, 2, 3}, attempts)
		require.Equal(t, "x", label)
		require.ErrorIs(t, task(t, q).LastError, dray.ErrTimeout)
		require.Equal(t, uint64(1), task(t, q).Runs)
		require.False(t, task(t, q).Running)
	})
}

// TestUniqueRunIsRefused: while another job holds its key.
func TestUniqueRunIsRefused(t *testing.T) {
	for _, p := range []dray.UniquePolicy{dray.KeepExisting, dray.RejectDuplicate} {
		synctest.Test(t, func(t *testing.T) {
			fn, at := ticks()
			q := start(t)
			require.NoError(t, q.Enqueue(t.Context(), nop, dray.WithUnique("k", p), dray.WithDelay(15*time.Second)))
			require.NoError(t, q.Scheduler().Schedule("x", dray.Every(10*time.Second), fn, dray.WithUnique("k", p)))
			pass(20 * time.Second)
			require.Equal(t, seconds(20), at())
			require.Equal(t, uint64(1), task(t, q).Refused)
		})
	}
}

// TestSchedulesMayCallBack: a schedule is never asked under a lock.
func TestSchedulesMayCallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t)
		fn, at := ticks()
		require.NoError(t, q.Scheduler().Schedule("x", calling{q}, fn))
		pass(3 * time.Second)
		require.Len(t, at(), 3)
		require.Equal(t, "calling", task(t, q).Schedule)
	})
}

// calling is a schedule that calls whatever it can.
type calling struct{ q *dray.Queue }

func (c calling) Next(after time.Time) time.Time {
	_ = c.q.Scheduler().Tasks()
	_ = c.q.Scheduler().Pause("nobody")
	_ = c.q.Scheduler().Schedule("y", dray.Every(time.Hour), func(context.Context) error { return nil })
	_ = c.q.Scheduler().Unschedule("y")
	_ = c.q.Stats()
	return after.Add(time.Second)
}

func (c calling) String() string { return "calling" }

// TestScheduleThatEnds: whatever ends a schedule, its last run is run, the other
// tasks are, and the reason is told.
func TestScheduleThatEnds(t *testing.T) {
	for name, c := range map[string]struct {
		last func(first time.Time) time.Time
		err  string
	}{
		"never":         {func(time.Time) time.Time { return time.Time{} }, ""},
		"the same":      {func(first time.Time) time.Time { return first }, "not later"},
		"earlier":       {func(first time.Time) time.Time { return first.Add(-time.Hour) }, "not later"},
		"panic":         {func(time.Time) time.Time { panic("no idea") }, "no idea"},
		"Goexit":        {func(time.Time) time.Time { runtime.Goexit(); return time.Time{} }, "Goexit"},
		"far, far away": {func(time.Time) time.Time { return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				good, at := ticks()
				ending, ran := ticks()
				q := start(t, dray.WithPeriodic("good", dray.Every(time.Second), good))
				first := time.Now().Add(time.Second)
				require.NoError(t, q.Scheduler().Schedule("ending", scheduleFunc(func(after time.Time) time.Time {
					if after.Before(first) {
						return first
					}
					return c.last(first)
				}), ending))
				pass(3500 * time.Millisecond)
				require.Equal(t, seconds(1, 2, 3), at())
				require.Equal(t, seconds(1), ran())
				for _, i := range q.Scheduler().Tasks() {
					inOrder(t, i)
					if i.Name == "ending" && c.err == "" {
						require.NoError(t, i.LastError)
					} else if i.Name == "ending" {
						require.ErrorContains(t, i.LastError, c.err)
						require.Zero(t, i.Next)
						require.NoError(t, q.Scheduler().RunNow("ending"))
					}
				}
			})
		})
	}
}

type scheduleFunc func(time.Time) time.Time

func (f scheduleFunc) Next(after time.Time) time.Time { return f(after) }

// inMemory is a Locker for the instances of one process, written as one for a
// database would be.
type inMemory struct {
	mu   sync.Mutex
	held map[string]bool
	last map[string]time.Time
}

func (l *inMemory) Lock(ctx context.Context, name string, due time.Time) (context.Context, func(), error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[name] || !due.After(l.last[name]) {
		return nil, nil, fmt.Errorf("%s: %w", name, dray.ErrLocked)
	}
	l.held[name], l.last[name] = true, due
	return ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.held, name)
	}, nil
}

// TestLock: of three instances, one runs each tick, and never two at a time; a
// panic and a Goexit give the lock back.
func TestLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lock := &inMemory{held: map[string]bool{}, last: map[string]time.Time{}}
		var running, runs atomic.Int64
		var skipped atomic.Int64
		fn := func(context.Context) error {
			if !running.CompareAndSwap(0, 1) {
				return errors.New("two at a time")
			}
			defer running.Store(0)
			switch n := runs.Add(1); n {
			case 3:
				panic("oops")
			case 4:
				runtime.Goexit()
			case 5:
				time.Sleep(90 * time.Second)
			}
			return nil
		}
		var qs []*dray.Queue
		for range 3 {
			qs = append(qs, start(t, dray.WithObserver(func(e dray.Event) {
				if s, ok := e.(dray.TaskSkipped); ok && errors.Is(s.Err, dray.ErrLocked) {
					skipped.Add(1)
				}
			}), dray.WithPeriodic("x", scheduleFunc(func(after time.Time) time.Time { return after.Truncate(time.Minute).Add(time.Minute) }), fn, dray.WithLock(lock))))
			pass(time.Second) // they do not start together
		}
		pass(10 * time.Minute)
		require.Equal(t, int64(9), runs.Load(), "the sixth minute fell into the fifth run")
		var due, locked, enqueued, overlapped uint64
		for _, q := range qs {
			i := task(t, q)
			due, locked, enqueued, overlapped = due+i.Due, locked+i.Locked, enqueued+i.Runs, overlapped+i.Overlapped
			balanced(t, q)
		}
		require.Equal(t, uint64(30), due)
		require.Equal(t, uint64(30), enqueued+overlapped)
		require.Equal(t, uint64(9), enqueued-locked)
		require.Equal(t, int64(locked), skipped.Load())
	})
}

// brokenLock is a Locker that fails, and one that returns nothing.
type brokenLock struct{ err error }

func (l brokenLock) Lock(context.Context, string, time.Time) (context.Context, func(), error) {
	return nil, nil, l.err
}

func TestLockerThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fn, at := ticks()
		q := start(t)
		down := errors.New("database is down")
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Minute), fn, dray.WithLock(brokenLock{down}), dray.WithMaxAttempts(2)))
		pass(90 * time.Second)
		require.ErrorIs(t, task(t, q).LastError, down)
		require.Equal(t, uint64(1), q.Stats().Retried)
		require.Empty(t, at())
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Minute), fn, dray.WithLock(brokenLock{})))
		pass(time.Minute)
		require.Len(t, at(), 1, "nil stands for ctx, and for nothing to do")
		require.Error(t, q.Scheduler().Schedule("x", dray.Every(time.Minute), fn, dray.WithLock(nil)))
	})
}

func TestPreview(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t)
		s := q.Scheduler()
		begin := time.Now()
		require.NoError(t, s.Schedule("daily", dray.Daily(9, 0, time.UTC), nop))
		require.NoError(t, s.Schedule("interval", dray.Every(time.Hour), nop, dray.WithJitter(time.Minute)))
		require.NoError(t, s.Schedule("twice", dray.At(begin.Add(time.Hour), begin.Add(2*time.Hour)), nop))
		pass(90 * time.Minute)
		for name, want := range map[string][]time.Duration{
			"daily":    {9 * time.Hour, 33 * time.Hour, 57 * time.Hour},
			"interval": {2 * time.Hour, 3 * time.Hour, 4 * time.Hour},
			"twice":    {2 * time.Hour},
		} {
			times, err := s.Preview(name, 3)
			require.NoError(t, err)
			var got []time.Duration
			for _, next := range times {
				got = append(got, next.Sub(begin))
			}
			require.Equal(t, want, got, name)
		}
		pass(time.Hour)
		times, err := s.Preview("twice", 3)
		require.NoError(t, err)
		require.Empty(t, times)
		times, err = s.Preview("daily", 0)
		require.NoError(t, err)
		require.Empty(t, times)
		_, err = s.Preview("nobody", 1)
		require.ErrorIs(t, err, dray.ErrNotFound)
	})
}

// TestScheduleRefusesBadCalendars: at registration, with a reason.
func TestScheduleRefusesBadCalendars(t *testing.T) {
	q, err := dray.New()
	require.NoError(t, err)
	defer q.Close()
	for name, when := range map[string]dray.Schedule{
		"no such time":    dray.Daily(24, 0, time.UTC),
		"weekdays":        dray.Weekly(7, 12, 0, time.UTC),
		"nil location":    dray.Daily(12, 0, nil),
		"nil schedule":    dray.InZone(nil, time.UTC),
		"no such rule":    dray.Daily(12, 0, time.UTC, 4),
		"at least 1 ns":   dray.InZone(dray.Every(0), time.UTC),
		"not later":       standing{},
		"no idea":         throwing{},
		"no time ahead":   dray.At(time.Unix(0, 0)),
		"Every(-1ns)":     dray.Every(-1),
		"comes after":     dray.InZone(standing{}, time.UTC),
		"has no time ahe": scheduleFunc(func(time.Time) time.Time { return time.Time{} }),
	} {
		require.ErrorContains(t, q.Scheduler().Schedule("x", when, nop), name)
	}
	require.Error(t, q.Scheduler().Schedule("x", dray.Every(1), nop, dray.WithLocation(nil)))
	require.Error(t, q.Scheduler().Schedule("x", dray.Every(1), nop, dray.DST(9)))
	require.Error(t, q.Scheduler().Schedule("x", dray.Every(1), nop, nil))
	require.Empty(t, q.Scheduler().Tasks())
}

// TestWithLocation: a schedule that goes by the zone of the time it is given.
func TestWithLocation(t *testing.T) {
	q, err := dray.New()
	require.NoError(t, err)
	defer q.Close()
	loc := zone(t, "Asia/Kolkata")
	require.NoError(t, q.Scheduler().Schedule("x", doubling{9, 30}, nop, dray.WithLocation(loc), dray.SkipGap))
	require.Equal(t, "09:30 +0530", q.Scheduler().Tasks()[0].Next.Format("15:04 -0700"))
	require.NoError(t, q.Scheduler().Schedule("x", dray.Daily(9, 30, loc), nop, dray.RepeatFold))
	require.Equal(t, "daily at 09:30 Asia/Kolkata", q.Scheduler().Tasks()[0].Schedule)
}

// TestTaskFromOutside: elsewhere there is no task.
func TestTaskFromOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t)
		var kept context.Context
		for _, opts := range [][]dray.JobOption{nil, {dray.WithLabel("l")}} {
			require.NoError(t, q.Enqueue(t.Context(), func(ctx context.Context) error {
				if _, _, ok := dray.TaskFrom(ctx); ok {
					return errors.New("this is no task")
				}
				return nil
			}, opts...))
		}
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Second), func(ctx context.Context) error {
			kept = ctx
			if name, _, ok := dray.TaskFrom(ctx); !ok || name != "x" {
				return errors.New("this is x")
			}
			return nil
		}))
		pass(time.Second)
		require.Zero(t, q.Stats().Failed)
		_, _, ok := dray.TaskFrom(kept)
		require.False(t, ok)
		_, _, ok = dray.TaskFrom(t.Context())
		require.False(t, ok)
	})
}

// TestEventsOfATask tells a short life.
func TestEventsOfATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		q := start(t, dray.WithWorkers(1), dray.WithObserver(func(e dray.Event) {
			switch e := e.(type) {
			case dray.TaskScheduled:
				got = append(got, "scheduled")
			case dray.TaskFired:
				got = append(got, fmt.Sprint("fired ", e.ID))
			case dray.TaskSkipped:
				got = append(got, fmt.Sprint("skipped ", e.Count, " ", e.Err))
			case dray.TaskEnded:
				got = append(got, fmt.Sprint("ended ", e.ID, " ", e.Err))
			case dray.TaskUnscheduled:
				got = append(got, "unscheduled")
			}
		}))
		s := q.Scheduler()
		fn, _ := slow(15 * time.Second)
		require.NoError(t, s.Schedule("x", dray.Every(10*time.Second), fn))
		pass(31 * time.Second) // 10, 20 is skipped, 30
		require.NoError(t, s.Pause("x"))
		pass(40 * time.Second) // 40, 50, 60, 70
		require.NoError(t, s.Resume("x"))
		pass(time.Second)
		require.NoError(t, s.Unschedule("x"))
		pass(time.Minute)
		require.Equal(t, []string{
			"scheduled", "fired 1", "skipped 1 " + dray.ErrOverlap.Error(), "ended 1 <nil>", "fired 2", "ended 2 <nil>",
			"skipped 3 " + dray.ErrMissed.Error(), "fired 3", "unscheduled", "ended 3 <nil>",
		}, got)
	})
}

func TestOverlapString(t *testing.T) {
	require.Equal(t, []string{"skip", "queue", "allow", "cancel previous", "Overlap(4)"}, slices.Collect(func(yield func(string) bool) {
		for o := range dray.Overlap(5) {
			yield(o.String())
		}
	}))
}
