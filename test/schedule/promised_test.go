package schedule_test

import (
	"context"
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

// untilTold runs until its context ends.
func untilTold(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// A run that is postponed has been accepted: a shutdown hands it back whatever would
// refuse it by then. Each case lets something come between.
func TestPostponedRunIsHandedBackWhateverRefusesIt(t *testing.T) {
	anew := func(t *testing.T, q *dray.Queue, opts ...dray.TaskOption) {
		opts = append(opts, dray.WithOverlap(dray.QueueOverlap))
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(24*time.Hour), untilTold, opts...))
	}
	later := dray.WithDelay(time.Hour)
	for name, c := range map[string]struct {
		opts    []dray.TaskOption
		queue   []dray.Option
		between func(t *testing.T, q *dray.Queue)
		others  int
	}{
		"its run before has the key, reject":  {opts: []dray.TaskOption{dray.WithUnique("k", dray.RejectDuplicate)}},
		"its run before has the key, keep":    {opts: []dray.TaskOption{dray.WithUnique("k", dray.KeepExisting)}},
		"its run before has the key, replace": {opts: []dray.TaskOption{dray.WithUnique("k", dray.ReplacePending)}},
		"the key is taken for a while":        {opts: []dray.TaskOption{dray.WithUnique("k", dray.RejectDuplicate), dray.WithUniquePeriod(time.Hour)}},
		"another job has the key": {between: func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Enqueue(t.Context(), kit.Nop, dray.WithUnique("k", dray.KeepExisting), later))
			anew(t, q, dray.WithUnique("k", dray.ReplacePending))
		}, others: 1},
		"its group is complete": {between: func(t *testing.T, q *dray.Queue) {
			g, err := dray.NewGroup(q)
			require.NoError(t, err)
			anew(t, q, dray.WithGroup(g))
			require.NoError(t, g.Wait(t.Context()))
		}},
		"its group was cancelled": {between: func(t *testing.T, q *dray.Queue) {
			g, err := dray.NewGroup(q)
			require.NoError(t, err)
			anew(t, q, dray.WithGroup(g))
			g.Cancel()
		}},
		"the queue is full, reject":      {queue: []dray.Option{dray.WithCapacity(1), dray.WithOverflow(dray.Reject)}, between: fill, others: 1},
		"the queue is full, block":       {queue: []dray.Option{dray.WithCapacity(1), dray.WithOverflow(dray.Block)}, between: fill, others: 1},
		"the queue is full, drop newest": {queue: []dray.Option{dray.WithCapacity(1), dray.WithOverflow(dray.DropNewest)}, between: fill, others: 1},
		"the queue is full, drop oldest": {queue: []dray.Option{dray.WithCapacity(1), dray.WithOverflow(dray.DropOldest)}, between: fill, others: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				oddStart()
				told := &skips{}
				q := started(t, append(c.queue, dray.WithWorkers(1), dray.WithShutdownTimeout(time.Second), told.option())...)
				anew(t, q, c.opts...)
				require.NoError(t, q.Scheduler().RunNow("x"))
				synctest.Wait()
				require.NoError(t, q.Scheduler().RunNow("x"))
				if c.between != nil {
					c.between(t, q)
				}
				report, _ := q.Shutdown(ended())
				require.Len(t, report.Interrupted, 1)
				require.Len(t, report.Waiting, 1+c.others)
				i := info(t, q, "x")
				require.Equal(t, []uint64{2, 2, 0}, []uint64{i.Due, i.Runs, i.Skipped})
				require.Zero(t, q.Stats().Evicted)
				synctest.Wait()
				require.Empty(t, told.all)
			})
		})
	}
}

// A group that was cancelled, and has yet to end, hears nothing of a run that was
// postponed then and is handed back.
func TestGroupThatIsCancelledBeforeItsPostponedRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t, dray.WithWorkers(2), dray.WithShutdownTimeout(time.Second))
		g, err := dray.NewGroup(q)
		require.NoError(t, err)
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(24*time.Hour), untilTold, dray.WithOverlap(dray.QueueOverlap)))
		require.NoError(t, q.Scheduler().RunNow("x"))
		require.NoError(t, g.Enqueue(t.Context(), func(context.Context) error { time.Sleep(time.Hour); return nil }))
		synctest.Wait()
		require.NoError(t, q.Scheduler().RunNow("x"))
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(24*time.Hour), kit.Nop, dray.WithOverlap(dray.QueueOverlap), dray.WithGroup(g)))
		g.Cancel()
		report, _ := q.Shutdown(ended())
		require.Len(t, report.Waiting, 1)
		require.Len(t, report.Abandoned, 1)
		require.NotErrorIs(t, g.Wait(t.Context()), dray.ErrShutdown)
	})
}

func fill(t *testing.T, q *dray.Queue) { require.NoError(t, q.Enqueue(t.Context(), kit.Nop)) }

// Of two runs that have the same unique key a Restore takes the first, says so of the
// other, and takes that once the key is free.
func TestRestoreOfTwoRunsOfOneKey(t *testing.T) {
	for _, p := range []dray.UniquePolicy{dray.KeepExisting, dray.ReplacePending, dray.RejectDuplicate} {
		synctest.Test(t, func(t *testing.T) {
			oddStart()
			q := started(t, dray.WithShutdownTimeout(time.Second))
			var stopped atomic.Bool
			var ran atomic.Int64
			require.NoError(t, q.Scheduler().Schedule("x", dray.Every(24*time.Hour), func(ctx context.Context) error {
				if stopped.Load() {
					ran.Add(1)
					return nil
				}
				return untilTold(ctx)
			}, dray.WithOverlap(dray.QueueOverlap), dray.WithUnique("k", p)))
			require.NoError(t, q.Scheduler().RunNow("x"))
			synctest.Wait()
			require.NoError(t, q.Scheduler().RunNow("x"))
			report, _ := q.Shutdown(ended())
			stopped.Store(true)
			another := started(t)
			require.ErrorIs(t, another.Restore(report), dray.ErrDuplicate)
			synctest.Wait()
			require.Equal(t, int64(1), ran.Load())
			require.ErrorIs(t, another.Restore(report), dray.ErrDuplicate, "the first was restored before")
			synctest.Wait()
			require.Equal(t, int64(2), ran.Load())
			require.ErrorIs(t, another.Restore(report), dray.ErrDuplicate)
			synctest.Wait()
			require.Equal(t, int64(2), ran.Load())
		})
	}
}

// What was postponed takes no room where it is restored either.
func TestPostponedRunTakesNoRoomElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t, dray.WithShutdownTimeout(time.Second))
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(24*time.Hour), untilTold, dray.WithOverlap(dray.QueueOverlap)))
		require.NoError(t, q.Scheduler().RunNow("x"))
		synctest.Wait()
		require.NoError(t, q.Scheduler().RunNow("x"))
		report, _ := q.Shutdown(ended())
		another, err := dray.New(dray.WithCapacity(1), dray.WithOverflow(dray.Reject))
		require.NoError(t, err)
		require.NoError(t, another.Restore(report))
		require.NoError(t, another.Enqueue(t.Context(), kit.Nop))
		require.ErrorIs(t, another.Enqueue(t.Context(), kit.Nop), dray.ErrQueueFull)
		require.NoError(t, another.Close())
	})
}

// hourly returns an hourly task "x", whose first run lasts until release is called, and
// the times at which its runs were due.
func hourly(t *testing.T, q *dray.Queue, opts ...dray.TaskOption) (release func(), dues func() []time.Time) {
	var mu sync.Mutex
	var all []time.Time
	gate := make(chan struct{})
	require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Hour), func(ctx context.Context) error {
		_, due, _ := dray.TaskFrom(ctx)
		mu.Lock()
		all = append(all, due)
		first := len(all) == 1
		mu.Unlock()
		if first {
			<-gate
		}
		return nil
	}, opts...))
	return func() { close(gate) }, func() []time.Time {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

func since(begun time.Time, dues []time.Time) (ds []time.Duration) {
	for _, due := range dues {
		ds = append(ds, due.Sub(begun))
	}
	return ds
}

// A run of RunNow that is postponed takes no place of missed ones, nor is it dropped for
// one of these.
func TestRunNowTakesNoPlaceOfMissedRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t)
		s := q.Scheduler()
		release, dues := hourly(t, q, dray.WithOverlap(dray.QueueOverlap), dray.WithMissed(dray.RunAll(2)))
		synctest.Wait()
		begun := time.Now()
		require.NoError(t, s.RunNow("x"))
		pass(time.Minute)
		require.NoError(t, s.RunNow("x"))
		for range 2 {
			require.NoError(t, s.Pause("x"))
			pass(5 * time.Hour)
			require.NoError(t, s.Resume("x"))
			pass(time.Second)
			require.Equal(t, 3, info(t, q, "x").Waiting)
		}
		release()
		pass(time.Minute)
		require.Equal(t, []time.Duration{0, time.Minute, 9 * time.Hour, 10 * time.Hour}, since(begun, dues()))
		require.Equal(t, uint64(8), info(t, q, "x").Missed)
	})
}

// Missed runs of several pauses do not add up to more than are to be made up for.
func TestMissedRunsOfTwoPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oddStart()
		q := started(t)
		s := q.Scheduler()
		release, dues := hourly(t, q, dray.WithMissed(dray.RunAll(2)))
		synctest.Wait()
		begun := time.Now()
		require.NoError(t, s.RunNow("x"))
		pass(time.Minute)
		for range 2 {
			require.NoError(t, s.Pause("x"))
			pass(5 * time.Hour)
			require.NoError(t, s.Resume("x"))
			pass(time.Second)
			require.Equal(t, 2, info(t, q, "x").Waiting)
		}
		release()
		pass(time.Minute)
		require.Equal(t, []time.Duration{0, 9 * time.Hour, 10 * time.Hour}, since(begun, dues()))
		require.Equal(t, uint64(8), info(t, q, "x").Missed)
	})
}
