package schedule_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// slowMinutes is a schedule of each full minute, which from some time on takes a while.
func slowMinutes(from time.Time, takes time.Duration) dray.Schedule {
	return foreign(func(after time.Time) time.Time {
		if !after.Before(from) {
			time.Sleep(takes)
		}
		return minutes(after)
	})
}

// What is made of runs that were missed is the newest, however long it takes to find that.
func TestNewestMissedRunOfASlowSchedule(t *testing.T) {
	for keep, runs := range map[dray.Missed]uint64{dray.SkipMissed: 0, dray.RunOnce: 1} {
		synctest.Test(t, func(t *testing.T) {
			oddStart()
			q := started(t)
			now := time.Now()
			var dues []time.Time
			require.NoError(t, q.Scheduler().Schedule("x", slowMinutes(now.Add(-10*time.Minute), 40*time.Millisecond), func(ctx context.Context) error {
				_, due, _ := dray.TaskFrom(ctx)
				dues = append(dues, due)
				return nil
			}, dray.WithLastRun(now.Add(-10*time.Minute)), dray.WithMissed(keep)))
			pass(2 * time.Second)
			i := info(t, q, "x")
			require.Equal(t, uint64(10), i.Due)
			require.Equal(t, runs, i.Runs)
			require.Len(t, dues, int(runs))
			for _, due := range dues {
				require.Equal(t, now.Truncate(time.Minute), due)
			}
		})
	}
}

// What Unschedule drops is told at once, all together; what has become a job goes on.
func TestUnscheduleTellsWhatItDrops(t *testing.T) {
	queue := dray.WithOverlap(dray.QueueOverlap)
	for name, c := range map[string]struct {
		when    func() dray.Schedule
		opts    []dray.TaskOption
		prepare func(t *testing.T, q *dray.Queue)
		dropped uint64
		runs    uint64 // jobs that there are besides
		due     func(now time.Time) time.Time
	}{
		"nothing": {when: func() dray.Schedule { return dray.Every(time.Minute) }, prepare: func(*testing.T, *dray.Queue) { pass(time.Minute) }, runs: 1},
		"by hand": {
			when: func() dray.Schedule { return dray.Every(time.Hour) }, opts: []dray.TaskOption{queue},
			prepare: func(t *testing.T, q *dray.Queue) {
				require.NoError(t, q.Scheduler().RunNow("x"))
				require.NoError(t, q.Scheduler().RunNow("x"))
				synctest.Wait()
			},
			dropped: 1, runs: 1, due: func(now time.Time) time.Time { return now },
		},
		"by its time": {
			when: func() dray.Schedule { return dray.Every(time.Minute) }, opts: []dray.TaskOption{queue},
			prepare: func(*testing.T, *dray.Queue) { pass(150 * time.Second) },
			dropped: 1, runs: 1, due: func(now time.Time) time.Time { return now.Add(-30 * time.Second) },
		},
		"made up for": {
			when:    func() dray.Schedule { return dray.Every(time.Minute) },
			opts:    []dray.TaskOption{dray.WithMissed(dray.RunAll(5)), dray.WithLastRun(time.Date(1999, 12, 1, 0, 0, 0, 0, time.UTC))},
			prepare: func(*testing.T, *dray.Queue) { synctest.Wait() },
			dropped: 4, runs: 1, due: nil,
		},
		"delayed by jitter": {
			when: func() dray.Schedule { return dray.Every(time.Hour) }, opts: []dray.TaskOption{dray.WithJitter(time.Hour)},
			prepare: func(*testing.T, *dray.Queue) { pass(time.Hour + time.Second) },
			dropped: 1, due: func(now time.Time) time.Time { return now.Add(-time.Second) },
		},
		"several delayed by jitter": {
			when: func() dray.Schedule { return dray.Every(time.Second) }, opts: []dray.TaskOption{dray.WithJitter(time.Hour)},
			prepare: func(*testing.T, *dray.Queue) { pass(10*time.Second + time.Millisecond) },
			dropped: 10, due: func(now time.Time) time.Time { return now.Add(-time.Millisecond) },
		},
		"as its schedule is asked": {
			when: func() dray.Schedule { return slowMinutes(minutes(time.Now()), 20*time.Millisecond) },
			prepare: func(*testing.T, *dray.Queue) {
				time.Sleep(time.Until(minutes(time.Now())))
				pass(time.Millisecond)
			},
			dropped: 1, due: func(now time.Time) time.Time { return now.Add(-time.Millisecond) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				oddStart()
				told := &skips{}
				q := started(t, told.option())
				s := q.Scheduler()
				require.NoError(t, s.Schedule("x", c.when(), func(context.Context) error { time.Sleep(time.Hour); return nil }, c.opts...))
				c.prepare(t, q)
				require.Empty(t, told.of(dray.ErrCancelled))
				now := time.Now()
				require.NoError(t, s.Unschedule("x"))
				pass(24 * time.Hour)
				require.Equal(t, c.runs, q.Stats().Processed)
				found := told.of(dray.ErrCancelled)
				if c.dropped == 0 {
					require.Empty(t, found)
					return
				}
				require.Len(t, found, 1)
				require.Equal(t, "x", found[0].Name)
				require.Equal(t, c.dropped, found[0].Count)
				require.True(t, found[0].Time.Equal(now))
				if c.due != nil {
					require.True(t, found[0].Due.Equal(c.due(now)), "%v", found[0].Due)
				}
			})
		})
	}
}

// A task that is replaced leaves all its runs that were due by then, and no others, to
// the new one, however they are found.
func TestReplacementFindsAllThatWasDue(t *testing.T) {
	const jitter = 20 * time.Minute
	for name, c := range map[string]struct {
		when    func() dray.Schedule
		opts    []dray.TaskOption
		wait    time.Duration
		unpause bool
		due     uint64 // of the old one
	}{
		"jitter of several intervals": {when: func() dray.Schedule { return dray.Every(time.Minute) }, opts: []dray.TaskOption{dray.WithJitter(jitter)}, wait: 150 * time.Second, due: 2},
		"the same by a calendar":      {when: func() dray.Schedule { return foreign(minutes) }, opts: []dray.TaskOption{dray.WithJitter(jitter)}, wait: 200 * time.Second, due: 3},
		"at that very moment":         {when: func() dray.Schedule { return dray.Every(time.Minute) }, opts: []dray.TaskOption{dray.WithJitter(jitter)}, wait: time.Minute, due: 1},
		"the same by the calendar":    {when: func() dray.Schedule { return foreign(minutes) }, opts: []dray.TaskOption{dray.WithJitter(jitter)}, wait: 43 * time.Second, due: 1},
		"catching up": {
			when: func() dray.Schedule { return slowMinutes(time.Time{}, time.Millisecond) },
			opts: []dray.TaskOption{dray.WithLastRun(time.Date(2000, 1, 4, 0, 0, 0, 0, time.UTC))}, wait: 10 * time.Millisecond, due: 71,
		},
		"paused": {when: func() dray.Schedule { return dray.Every(time.Minute) }, wait: 150 * time.Second, unpause: true, due: 2},
		"paused, of a calendar": {
			when: func() dray.Schedule { return foreign(minutes) }, wait: 200 * time.Second, unpause: true, due: 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				oddStart() // at 1:11:17 on 4 January
				told := &skips{}
				q := started(t, told.option())
				s := q.Scheduler()
				require.NoError(t, s.Schedule("x", c.when(), kit.Nop, c.opts...))
				if c.unpause {
					require.NoError(t, s.Pause("x"))
				}
				time.Sleep(c.wait)
				synctest.Wait()
				require.Zero(t, info(t, q, "x").Due)
				at := time.Now()
				var mu sync.Mutex
				var made []time.Time
				ran := func() []time.Time {
					mu.Lock()
					defer mu.Unlock()
					return slices.Clone(made)
				}
				require.NoError(t, s.Schedule("x", dray.At(at.Add(24*time.Hour)), func(ctx context.Context) error {
					_, due, _ := dray.TaskFrom(ctx)
					mu.Lock()
					defer mu.Unlock()
					made = append(made, due)
					return nil
				}, dray.WithLastRun(at.Add(-1000*time.Hour)), dray.WithMissed(dray.RunAll(3)), dray.WithOverlap(dray.QueueOverlap)))
				pass(time.Hour)
				i := info(t, q, "x")
				require.Equal(t, c.due, i.Due)
				require.Equal(t, min(c.due, 3), i.Runs)
				dues := ran()
				require.Len(t, dues, int(min(c.due, 3)))
				require.Less(t, at.Sub(dues[len(dues)-1]), time.Minute, "the newest among them")
				require.Empty(t, told.of(dray.ErrCancelled))
				pass(24 * time.Hour)
				require.Len(t, ran(), int(min(c.due, 3))+1)
			})
		})
	}
}

// A reload of a service's tasks with the options that they had makes up for nothing again.
func TestReloadDoesNotCatchUpAgain(t *testing.T) {
	for name, when := range map[string]dray.Schedule{"every": dray.Every(time.Minute), "minutes": foreign(minutes)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				oddStart()
				q := started(t)
				fn, ran := counter()
				last := dray.WithLastRun(time.Now().Add(-10*time.Minute - 30*time.Second))
				for n := range 5 {
					require.NoError(t, q.Scheduler().Schedule("x", when, fn, last))
					pass(time.Millisecond)
					require.Equal(t, int64(1), ran.Load(), n)
				}
				pass(time.Minute)
				require.Equal(t, int64(2), ran.Load())
				require.Equal(t, uint64(1), q.Stats().Processed-1)
			})
		})
	}
}

// A run that jitter delays has come due: a shutdown runs it, or hands it back.
func TestShutdownDuringJitter(t *testing.T) {
	for name, when := range map[string]dray.Schedule{"every": dray.Every(time.Hour), "hours": foreign(func(after time.Time) time.Time { return after.Truncate(time.Hour).Add(time.Hour) })} {
		for _, end := range []string{"Shutdown", "Close", "Serve"} {
			t.Run(name+" "+end, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					oddStart()
					q, err := dray.New()
					require.NoError(t, err)
					ctx, cancel := context.WithCancel(t.Context())
					served := make(chan error, 1)
					go func() { served <- q.Serve(ctx) }()
					synctest.Wait()
					fn, ran := counter()
					require.NoError(t, q.Scheduler().Schedule("x", when, fn, dray.WithJitter(50*time.Minute)))
					next := info(t, q, "x").Next
					time.Sleep(time.Until(next) - time.Nanosecond)
					require.NoError(t, q.Scheduler().Schedule("not yet", dray.At(next.Add(1)), fn, dray.WithJitter(time.Minute)))
					pass(time.Nanosecond)
					require.Zero(t, info(t, q, "x").Due)
					if end == "Serve" {
						cancel()
						require.NoError(t, <-served)
						require.Equal(t, int64(1), ran.Load())
						go func() { served <- q.Serve(t.Context()) }()
						pass(time.Second)
						require.Equal(t, uint64(1), info(t, q, "x").Due)
						require.Equal(t, int64(1), ran.Load())
						pass(time.Minute)
						require.Equal(t, int64(2), ran.Load(), "the other one")
						require.NoError(t, q.Close())
						return
					}
					if end == "Close" {
						require.NoError(t, q.Close())
					}
					report, err := q.Shutdown(t.Context())
					require.NoError(t, err)
					require.Equal(t, uint64(1), info(t, q, "x").Runs)
					require.Equal(t, 1, int(ran.Load())+len(report.Waiting))
					require.NoError(t, <-served)
					cancel()
				})
			})
		}
	}
}

// What is postponed when the queue fails past its restart intensity is handed back.
func TestPostponedRunsOfAQueueThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t)
		s := q.Scheduler()
		require.NoError(t, s.Schedule("x", dray.Every(time.Hour), func(ctx context.Context) error {
			<-ctx.Done()
			return errors.New("cut off")
		}, dray.WithOverlap(dray.QueueOverlap)))
		require.NoError(t, s.RunNow("x"))
		synctest.Wait()
		require.NoError(t, s.RunNow("x"))
		for range 4 {
			draytest.CrashOwner(t, q)
		}
		pass(5 * time.Hour)
		require.ErrorIs(t, s.RunNow("x"), dray.ErrClosed)
		require.Equal(t, uint64(2), info(t, q, "x").Due)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		report, err := q.Shutdown(ctx)
		require.ErrorIs(t, err, dray.ErrIntensity)
		i := info(t, q, "x")
		require.Equal(t, uint64(2), i.Runs)
		require.Zero(t, i.Waiting)
		require.Equal(t, i.Runs, settled(q, report))
	})
}
