package schedule_test

import (
	"context"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// Very many runs of a task are made in several steps, in their order, and a run that is wanted
// meanwhile comes after them.
func TestVeryManyMissedRuns(t *testing.T) {
	const n = 1000
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := draytest.New(t, dray.WithWorkers(1))
		s := q.Scheduler()
		var ran []time.Time
		note := func(ctx context.Context) error {
			_, due, _ := dray.TaskFrom(ctx)
			ran = append(ran, due)
			return nil
		}
		require.NoError(t, q.Pause())
		require.NoError(t, s.Schedule("x", dray.Every(time.Second), note, dray.WithOverlap(dray.AllowOverlap),
			dray.WithMissed(dray.RunAll(n)), dray.WithLastRun(time.Now().Add(-n*time.Second))))
		for info(t, q, "x").Runs == 0 {
			runtime.Gosched()
		}
		require.NoError(t, s.RunNow("x"))
		synctest.Wait()
		require.Equal(t, n+1, q.Stats().Pending)
		require.NoError(t, q.Resume())
		synctest.Wait()
		require.Len(t, ran, n+1)
		require.True(t, slices.IsSortedFunc(ran, time.Time.Compare), "%v", ran)
	})
}

// So are those that waited for room, when there is some: also if nothing else happens.
func TestVeryManyRunsThatWaitedForRoom(t *testing.T) {
	const n = 300
	synctest.Test(t, func(t *testing.T) {
		q := draytest.New(t, dray.WithWorkers(1), dray.WithCapacity(n))
		s := q.Scheduler()
		release := make(chan struct{})
		require.NoError(t, s.Schedule("x", dray.Every(time.Second), kit.Until(release), dray.WithOverlap(dray.AllowOverlap), dray.WithMissed(dray.RunAll(n))))
		require.NoError(t, s.RunNow("x"))
		synctest.Wait()
		require.Equal(t, 1, q.Stats().Running)
		require.NoError(t, q.Pause())
		for range n {
			require.NoError(t, q.Enqueue(t.Context(), kit.Nop, dray.WithKey("k")))
		}
		require.NoError(t, s.Pause("x"))
		time.Sleep(n*time.Second + time.Millisecond)
		require.NoError(t, s.Resume("x"))
		synctest.Wait()
		require.Equal(t, n+1, q.Stats().Pending, "one takes no room")
		require.Equal(t, n, q.CancelKey("k"))
		close(release)
		synctest.Wait()
		require.Equal(t, n, q.Stats().Pending)
		require.NoError(t, q.Resume())
		synctest.Wait()
	})
}

// The runs that a new one cancels are cancelled, however many, and it is not.
func TestVeryManyRunsAreCancelled(t *testing.T) {
	const n = 1000
	for name, act := range map[string]func(t *testing.T, q *dray.Queue){
		"RunNow": func(t *testing.T, q *dray.Queue) { require.NoError(t, q.Scheduler().RunNow("x")) },
		"twice": func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Scheduler().RunNow("x"))
			require.NoError(t, q.Scheduler().RunNow("x"))
		},
		"replaced meanwhile": func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Scheduler().RunNow("x"))
			require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Hour), kit.Nop))
		},
		"replaced, then removed": func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Scheduler().RunNow("x"))
			require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Hour), kit.Nop))
			require.NoError(t, q.Scheduler().Unschedule("x"))
		},
		"removed meanwhile": func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Scheduler().RunNow("x"))
			require.NoError(t, q.Scheduler().Unschedule("x"))
		},
	} {
		kit.Bubble(t, name, func(t *testing.T) {
			q := draytest.New(t, dray.WithWorkers(3), dray.WithCapacity(dray.Unbounded))
			s := q.Scheduler()
			untilCancelled := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
			require.NoError(t, s.Schedule("x", dray.Every(time.Hour), untilCancelled, dray.WithOverlap(dray.AllowOverlap)))
			for range n {
				require.NoError(t, s.RunNow("x"))
			}
			synctest.Wait()
			require.Equal(t, 3, q.Stats().Running)
			require.NoError(t, q.Pause())
			require.NoError(t, s.Schedule("x", dray.Every(time.Hour), kit.Nop, dray.WithOverlap(dray.CancelPrevious)))
			act(t, q)
			synctest.Wait()
			last := 1
			if name == "twice" {
				last++
			}
			books := q.Stats()
			require.Equal(t, []int{n + last - 1, 1}, []int{int(books.Cancelled), books.Pending}) //nolint:gosec // few
			require.NoError(t, q.Resume())
		})
	}
}

// None of those that a new run cancels starts once that is there: also if the queue's end comes at the
// same moment, which hands back the new one alone.
func TestNoneStartsBehindTheRunThatCancelsIt(t *testing.T) {
	const n = 5000
	for name, fire := range map[string]func(t *testing.T, q *dray.Queue) (report dray.Report){
		"RunNow": func(t *testing.T, q *dray.Queue) (report dray.Report) {
			require.NoError(t, q.Resume())
			require.NoError(t, q.Scheduler().RunNow("x"))
			return report
		},
		"due": func(t *testing.T, q *dray.Queue) (report dray.Report) {
			require.NoError(t, q.Resume())
			time.Sleep(time.Hour)
			return report
		},
		"due at the end": func(t *testing.T, q *dray.Queue) dray.Report {
			time.Sleep(time.Hour)
			ctx, end := context.WithCancel(context.Background())
			end()
			report, err := q.Shutdown(ctx)
			require.NoError(t, err) // nothing runs
			require.Len(t, report.Waiting, 1)
			return report
		},
	} {
		kit.Bubble(t, name, func(t *testing.T) {
			oddStart()
			var events []dray.Event
			q := started(t, dray.WithWorkers(1), dray.WithCapacity(dray.Unbounded),
				dray.WithObserver(func(e dray.Event) { events = append(events, e) }, dray.TaskFired, dray.JobStarted))
			s := q.Scheduler()
			require.NoError(t, q.Pause())
			require.NoError(t, s.Schedule("x", dray.Every(2*time.Hour), draytest.Slow(time.Hour), dray.WithOverlap(dray.AllowOverlap)))
			for range n {
				require.NoError(t, s.RunNow("x"))
			}
			require.NoError(t, s.Schedule("x", dray.Every(time.Hour), kit.Nop, dray.WithOverlap(dray.CancelPrevious)))
			left := fire(t, q).Waiting
			synctest.Wait()
			var last dray.ID
			for _, e := range events {
				if e.Kind == dray.TaskFired {
					last = max(last, e.Job.ID)
				} else if last > n {
					require.GreaterOrEqual(t, e.Job.ID, last)
				}
			}
			require.EqualValues(t, n+1, last)
			for _, l := range left {
				require.Equal(t, last, l.ID)
			}
		})
	}
}

// A queue that is not served does the same.
func TestRunsAreCancelledBeforeTheStart(t *testing.T) {
	const n = 1000
	q, err := dray.New(dray.WithCapacity(dray.Unbounded))
	require.NoError(t, err)
	s := q.Scheduler()
	require.NoError(t, s.Schedule("x", dray.Every(time.Hour), kit.Nop, dray.WithOverlap(dray.AllowOverlap)))
	for range n {
		require.NoError(t, s.RunNow("x"))
	}
	require.NoError(t, s.Schedule("x", dray.Every(time.Hour), kit.Nop, dray.WithOverlap(dray.CancelPrevious)))
	require.NoError(t, s.RunNow("x"))
	require.EqualValues(t, n, q.Stats().Cancelled)
	report, err := q.Shutdown(context.Background())
	require.NoError(t, err)
	require.Len(t, report.Waiting, 1)
}

// A pause holds up the runs that are being made, and not RunNow's behind them.
func TestPauseWhileVeryManyRunsAreMade(t *testing.T) {
	const n = 10_000
	for range 10 {
		synctest.Test(t, func(t *testing.T) {
			oddStart()
			q := started(t, dray.WithWorkers(4), dray.WithCapacity(dray.Unbounded))
			s := q.Scheduler()
			begun := time.Now()
			var manual atomic.Int64
			require.NoError(t, q.Pause())
			require.NoError(t, s.Schedule("x", dray.Every(time.Second), func(ctx context.Context) error {
				if _, due, _ := dray.TaskFrom(ctx); !due.Before(begun) {
					manual.Add(1)
				}
				return nil
			}, dray.WithOverlap(dray.AllowOverlap), dray.WithMissed(dray.RunAll(n)), dray.WithLastRun(begun.Add(-n*time.Second))))
			for info(t, q, "x").Runs == 0 {
				runtime.Gosched()
			}
			made := make(chan error, 1)
			go func() { made <- s.RunNow("x") }()
			for info(t, q, "x").Due == n {
				runtime.Gosched()
			}
			require.NoError(t, s.Pause("x")) // probably before all are made, RunNow's the last
			require.NoError(t, <-made)
			require.NoError(t, s.RunNow("x"))
			require.NoError(t, q.Resume())
			synctest.Wait()
			require.EqualValues(t, 2, manual.Load())
			require.EqualValues(t, 2, q.Stats().Processed)
			require.NoError(t, s.Resume("x"))
			synctest.Wait()
			require.EqualValues(t, n+2, q.Stats().Processed)
		})
	}
}
