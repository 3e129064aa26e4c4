package schedule_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// A run of RunNow that is postponed is made while the task is paused.
func TestPauseDoesNotHoldUpPostponedRunNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t)
		s := q.Scheduler()
		release, dues := hourly(t, q, dray.WithOverlap(dray.QueueOverlap))
		require.NoError(t, s.Pause("x"))
		require.NoError(t, s.RunNow("x"))
		synctest.Wait()
		require.NoError(t, s.RunNow("x"))
		release()
		pass(time.Minute)
		require.Len(t, dues(), 2)
		require.Zero(t, info(t, q, "x").Waiting)
	})
}

// A task that is registered again, after it was removed while paused, is not paused.
func TestUnscheduleEndsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t)
		s := q.Scheduler()
		fn, ran := counter()
		require.NoError(t, s.Schedule("x", dray.Every(time.Minute), fn))
		require.NoError(t, s.Pause("x"))
		require.NoError(t, s.Unschedule("x"))
		require.NoError(t, s.Schedule("x", dray.Every(time.Minute), fn))
		pass(3*time.Minute + time.Second)
		require.Equal(t, int64(3), ran.Load())
	})
}

// What a task ended with, or hung at, is not what the next of its name has to tell.
func TestReloadForgetsWhatTheScheduleDid(t *testing.T) {
	for name, bad := range map[string]func(gate chan struct{}){
		"broken": func(chan struct{}) { panic("oops") },
		"hung":   func(gate chan struct{}) { <-gate },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				oddStart()
				q := started(t)
				s := q.Scheduler()
				first := minutes(time.Now())
				gate := make(chan struct{})
				require.NoError(t, s.Schedule("x", foreign(func(after time.Time) time.Time {
					if !after.Before(first) {
						bad(gate)
					}
					return minutes(after)
				}), kit.Nop))
				pass(3 * time.Minute)
				require.Error(t, info(t, q, "x").LastError)
				require.NoError(t, s.Schedule("x", dray.Every(time.Hour), kit.Nop))
				require.NoError(t, info(t, q, "x").LastError)
				close(gate)
				pass(time.Minute)
				require.NoError(t, info(t, q, "x").LastError)
			})
		})
	}
}

// A run that a task has taken over, and that comes due while it is paused, is a missed
// one when it is resumed.
func TestPauseOfATaskThatHasTakenARunOver(t *testing.T) {
	for name, when := range map[string]dray.Schedule{"every": dray.Every(time.Hour), "foreign": foreign(func(after time.Time) time.Time {
		return after.Truncate(time.Hour).Add(time.Hour)
	})} {
		for missed, ran := range map[dray.Missed]int64{dray.SkipMissed: 0, dray.RunOnce: 1, dray.RunAll(3): 1} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					oddStart()
					q := started(t)
					s := q.Scheduler()
					fn, n := counter()
					opts := []dray.TaskOption{dray.WithJitter(30 * time.Minute), dray.WithMissed(missed)}
					require.NoError(t, s.Schedule("x", when, kit.Nop, opts...))
					synctest.Wait()
					pass(time.Until(info(t, q, "x").Next) + time.Millisecond)
					require.NoError(t, s.Schedule("x", when, fn, opts...))
					require.NoError(t, s.Pause("x"))
					pass(31 * time.Minute)
					require.Zero(t, n.Load())
					require.NoError(t, s.Resume("x"))
					pass(time.Minute)
					require.Equal(t, ran, n.Load())
					i := info(t, q, "x")
					require.Equal(t, []uint64{1, uint64(1 - ran)}, []uint64{i.Due, i.Missed})
				})
			})
		}
	}
}

// A reload while jitter delays a run does not run it twice, also if it is told the last
// run, as a service tells it that keeps that.
func TestReloadWithLastRunWhileJittered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t)
		s := q.Scheduler()
		var mu sync.Mutex
		var dues []time.Time
		register := func(opts ...dray.TaskOption) {
			opts = append(opts, dray.WithJitter(10*time.Minute), dray.WithOverlap(dray.QueueOverlap))
			require.NoError(t, s.Schedule("x", dray.Daily(3, 0, time.UTC), func(ctx context.Context) error {
				_, due, _ := dray.TaskFrom(ctx)
				mu.Lock()
				defer mu.Unlock()
				dues = append(dues, due)
				return nil
			}, opts...))
		}
		ran := func() []time.Time {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(dues)
		}
		register()
		pass(48 * time.Hour)
		require.Len(t, ran(), 2)
		i := info(t, q, "x")
		pass(time.Until(i.Next) + time.Millisecond)
		require.Len(t, ran(), 2)
		for range 2 {
			register(dray.WithLastRun(i.Last))
			pass(time.Millisecond)
		}
		pass(20 * time.Minute)
		require.Len(t, ran(), 3)
		require.True(t, ran()[2].Equal(i.Next))
	})
}

// A lease is a Locker whose locks end with the context that it was called with, or when
// they are given back.
type lease struct {
	mu             sync.Mutex
	takes          time.Duration
	locks, unlocks int
	asked          context.Context
}

func (l *lease) Lock(ctx context.Context, _ string, _ time.Time) (context.Context, func(), error) {
	time.Sleep(l.takes)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.locks++
	held, cancel := context.WithCancel(ctx)
	l.asked = ctx
	return held, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.unlocks++
		cancel()
	}, nil
}

// over reports whether the context has ended that the last call was given.
func (l *lease) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked.Err() != nil
}

func (l *lease) counts() (locks, unlocks int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.locks, l.unlocks
}

// A lock that was given in the last moment of an attempt, and after it, is that of the
// attempts that follow.
func TestLockGivenAfterTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		l := &lease{takes: 2 * time.Second}
		q := started(t)
		runs := 0
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(24*time.Hour), func(ctx context.Context) error {
			runs++
			return ctx.Err()
		}, dray.WithLock(l), dray.WithTimeout(time.Second), dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(0))))
		require.NoError(t, q.Scheduler().RunNow("x"))
		pass(time.Minute)
		locks, unlocks := l.counts()
		require.Equal(t, []int{2, 1, 1}, []int{runs, locks, unlocks})
		require.Equal(t, uint64(1), q.Stats().Processed)
		require.NoError(t, info(t, q, "x").LastError)
	})
}

// A run that was handed back keeps the lock for one attempt where it is restored: nobody
// there would give it back if it were cancelled between two.
func TestLockOfARestoredRunIsHeldForOneAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		l := &lease{}
		q := started(t)
		var runs atomic.Int64
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(24*time.Hour), func(context.Context) error {
			if runs.Add(1) < 3 {
				return errors.New("boom")
			}
			return nil
		}, dray.WithLock(l), dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(time.Minute))))
		require.NoError(t, q.Pause())
		require.NoError(t, q.Scheduler().RunNow("x"))
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Len(t, report.Waiting, 1)
		another := started(t)
		require.NoError(t, another.Restore(report))
		synctest.Wait()
		require.Equal(t, int64(1), runs.Load())
		locks, unlocks := l.counts()
		require.Equal(t, []int{1, 1}, []int{locks, unlocks})
		require.True(t, l.over())
		pass(time.Hour)
		require.Equal(t, uint64(1), another.Stats().Processed)
	})
}

// The contexts of a lock end with the run between two attempts, too, and a run that is
// restored does not take that for a lock that is lost.
func TestContextOfALockEndsWithTheRun(t *testing.T) {
	for _, handedBack := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			oddStart()
			l := &lease{}
			q := started(t)
			runs := 0
			require.NoError(t, q.Scheduler().Schedule("x", dray.Every(24*time.Hour), func(context.Context) error {
				if runs++; runs == 1 {
					return errors.New("boom")
				}
				return nil
			}, dray.WithLock(l), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Minute))))
			require.NoError(t, q.Scheduler().RunNow("x"))
			synctest.Wait()
			require.False(t, l.over())
			if !handedBack {
				cancelAll(t, q)
				synctest.Wait()
				require.True(t, l.over())
				return
			}
			report, err := q.Shutdown(t.Context())
			require.NoError(t, err)
			synctest.Wait()
			require.True(t, l.over())
			another := started(t)
			require.NoError(t, another.Restore(report))
			pass(time.Hour)
			require.Equal(t, uint64(1), another.Stats().Processed)
		})
	}
}

// Last is when the last run was due: by a calendar a time that it has named.
func TestLastIsWhenTheRunWasDue(t *testing.T) {
	for name, when := range map[string]dray.Schedule{
		"Daily": dray.Daily(3, 30, time.UTC), "Every": dray.Every(24 * time.Hour), "InZone": dray.InZone(dray.Daily(3, 30, time.UTC), time.UTC),
	} {
		synctest.Test(t, func(t *testing.T) {
			oddStart()
			q := started(t)
			dues := make(chan time.Time, 1)
			require.NoError(t, q.Scheduler().Schedule("x", when, func(ctx context.Context) error {
				_, due, _ := dray.TaskFrom(ctx)
				dues <- due
				return nil
			}))
			for range 3 {
				pass(24 * time.Hour)
				last, due := q.Scheduler().Tasks()[0].Last, <-dues
				require.True(t, last.Equal(due), "%s: %v, due at %v", name, last, due)
			}
		})
	}
}

// Last is told in the zone in which the schedule has named it, as Next and Due are.
func TestLastKeepsItsZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		q := started(t)
		require.NoError(t, q.Scheduler().Schedule("x", dray.Daily(8, 0, berlin), kit.Nop))
		next := info(t, q, "x").Next
		pass(24 * time.Hour)
		require.Equal(t, next, info(t, q, "x").Last)
		require.Equal(t, "2000-01-01T08:00:00+01:00", next.Format(time.RFC3339))
		// It is that of the run, whatever the task is by now.
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Hour), kit.Nop))
		require.Equal(t, next, info(t, q, "x").Last)
		pass(time.Hour)
		require.Equal(t, time.Now().Location(), info(t, q, "x").Last.Location())
	})
}

// A Locker that does not give the lock can leave to its context what it has begun.
func TestContextOfALockThatIsNotGivenEnds(t *testing.T) {
	for name, answer := range map[string]func() error{
		"locked": func() error { return dray.ErrLocked },
		"error":  func() error { return errors.New("no connection") },
		"panic":  func() error { panic("no connection") },
	} {
		synctest.Test(t, func(t *testing.T) {
			q := started(t)
			ended := make(chan struct{})
			locker := lockFunc(func(ctx context.Context) error {
				go func() { <-ctx.Done(); close(ended) }()
				return answer()
			})
			require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Hour), kit.Nop, dray.WithLock(locker)))
			require.NoError(t, q.Scheduler().RunNow("x"))
			synctest.Wait()
			select {
			case <-ended:
			default:
				t.Errorf("%s: the context goes on", name)
			}
			require.NoError(t, q.Close())
			<-ended
		})
	}
}

type lockFunc func(context.Context) error

func (f lockFunc) Lock(ctx context.Context, _ string, _ time.Time) (context.Context, func(), error) {
	return nil, nil, f(ctx)
}
