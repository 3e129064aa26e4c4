package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/internal/testhook"
	"github.com/a622d8ee/dray/test/kit"
)

// taskLedger is what an observer can know of one task.
type taskLedger struct {
	fired, ended, overlapped, missed, locked, refused uint64
}

// note enters an event.
func (l *taskLedger) note(e dray.Event) {
	switch e.Kind {
	case dray.TaskFired:
		l.fired++
	case dray.TaskEnded:
		l.ended++
	case dray.TaskSkipped:
		switch {
		case errors.Is(e.Err, dray.ErrOverlap):
			l.overlapped += e.Count
		case errors.Is(e.Err, dray.ErrMissed):
			l.missed += e.Count
		case errors.Is(e.Err, dray.ErrLocked):
			l.locked += e.Count
		default:
			l.refused += e.Count
		}
	}
}

// fickleLock is not to be had now and then.
type fickleLock struct{ n atomic.Int64 }

func (l *fickleLock) Lock(ctx context.Context, _ string, _ time.Time) (context.Context, func(), error) {
	if l.n.Add(1)%3 == 0 {
		return nil, nil, dray.ErrLocked
	}
	return ctx, func() {}, nil
}

func taskOf(e dray.Event) string {
	switch e.Kind {
	case dray.TaskFired, dray.TaskEnded, dray.TaskSkipped:
		return e.Name
	}
	return ""
}

// years counts the years that this process has seen, as each takes a while: when
// tests are repeated, the further ones are only as long as a month.
var years atomic.Int64

func daysOfAYear() int {
	if years.Add(1) > 1 {
		return 30
	}
	return 365
}

// TestAYear lets a year pass, over all changes of the clocks, with every overlap
// policy, every policy for missed runs and every kind of schedule at once, in a
// queue that is paused, filled and set back now and then. In the end all books
// balance: those of each task, those of its events, and those of the queue.
func TestAYear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledgers := map[string]*taskLedger{}
		var mu sync.Mutex // for ledgers, while the tasks are planted
		q, set := skewed(t, dray.WithWorkers(8), dray.WithCapacity(20), dray.WithObserver(func(e dray.Event) {
			mu.Lock()
			defer mu.Unlock()
			if l := ledgers[taskOf(e)]; l != nil {
				l.note(e)
			}
		}))
		r := rand.New(rand.NewPCG(1, 2))
		mu.Lock()
		counts := plantTasks(t, q, ledgers)
		mu.Unlock()
		begin, days := time.Now(), daysOfAYear()
		for day := range days {
			trouble(t, q, set, r, day)
			time.Sleep(time.Until(begin.Add(time.Duration(day+1) * 24 * time.Hour)))
		}
		for _, i := range q.Scheduler().Tasks() {
			require.NoError(t, q.Scheduler().Resume(i.Name))
		}
		time.Sleep(time.Hour)
		testhook.Inside(q).StopScheduler()
		time.Sleep(48 * time.Hour) // what runs ends
		synctest.Wait()
		var runs, locked uint64
		for _, i := range q.Scheduler().Tasks() {
			l := ledgers[i.Name]
			require.Equal(t, i.Due, i.Runs+i.Skipped+uint64(i.Waiting), "%+v", i)
			require.Equal(t, taskLedger{i.Runs, i.Runs, i.Overlapped, i.Missed, i.Locked, i.Refused}, *l, i.Name)
			require.Zero(t, i.Waiting, i.Name)
			require.False(t, i.Running, i.Name)
			require.Greater(t, i.Runs, uint64(days)/4, i.Name)
			runs, locked = runs+i.Runs, locked+i.Locked
		}
		require.Positive(t, locked)
		s := q.Stats()
		require.Equal(t, s.Enqueued, s.Processed+s.Failed+s.Cancelled+s.Evicted, "%+v", s)
		require.Equal(t, s.Enqueued, runs+counts.others.Load())
		require.Equal(t, uint64(counts.ran.Load()), s.Processed+s.Failed+s.Cancelled+s.Retried-counts.others.Load()-locked-counts.neverBegun(s))
	})
}

// yearCounts is what the jobs of the year count themselves.
type yearCounts struct {
	ran    atomic.Int64
	others atomic.Uint64
	cancel atomic.Uint64 // that saw their cancellation
}

// neverBegun is how many were cancelled in line.
func (c *yearCounts) neverBegun(s dray.Stats) uint64 { return s.Cancelled - c.cancel.Load() }

var year yearCounts

// plantTasks registers one task of each combination.
func plantTasks(t *testing.T, q *dray.Queue, ledgers map[string]*taskLedger) *yearCounts {
	year = yearCounts{}
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	lordHowe, err := time.LoadLocation("Australia/Lord_Howe")
	require.NoError(t, err)
	schedules := map[string]dray.Schedule{
		"interval": dray.Every(5*time.Hour + 7*time.Minute), "daily": dray.Daily(2, 30, berlin), "twice": dray.Daily(1, 45, lordHowe, dray.RepeatFold),
		"grid": kit.Grid(6 * time.Hour),
	}
	for kind, when := range schedules {
		for o := dray.SkipOverlap; o <= dray.CancelPrevious; o++ {
			for _, m := range []dray.Missed{dray.SkipMissed, dray.RunOnce, dray.RunAll(3)} {
				name := fmt.Sprint(kind, " ", o, " ", int(m))
				opts := []dray.TaskOption{dray.WithOverlap(o), dray.WithMissed(m), dray.WithJitter(10 * time.Minute), dray.WithMaxAttempts(2), dray.WithTimeout(30 * time.Hour)}
				if kind == "grid" {
					opts = append(opts, dray.WithLock(new(fickleLock)))
				}
				ledgers[name] = new(taskLedger)
				require.NoError(t, q.Scheduler().Schedule(name, when, yearJob(uint64(len(ledgers))), opts...))
			}
		}
	}
	return &year
}

// yearJob returns a job that is mostly quick, sometimes slower than its period,
// and sometimes fails.
func yearJob(seed uint64) dray.Func {
	var n atomic.Uint64
	return func(ctx context.Context) error {
		year.ran.Add(1)
		r := rand.New(rand.NewPCG(seed, n.Add(1)))
		d := time.Duration(r.IntN(60)) * time.Second
		if r.IntN(40) == 0 {
			d = time.Duration(r.IntN(20)) * time.Hour
		}
		select {
		case <-time.After(d):
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), dray.ErrCancelled) {
				year.cancel.Add(1)
			}
			return context.Cause(ctx)
		}
		if r.IntN(20) == 0 {
			return errors.New("not today")
		}
		return nil
	}
}

// trouble makes one day different from the others.
func trouble(t *testing.T, q *dray.Queue, set func(time.Duration), r *rand.Rand, day int) {
	s := q.Scheduler()
	tasks := s.Tasks()
	some := tasks[r.IntN(len(tasks))].Name
	switch day % 9 {
	case 0:
		require.NoError(t, s.Pause(some))
	case 1:
		for _, i := range tasks {
			require.NoError(t, s.Resume(i.Name))
		}
	case 2:
		for range 2 {
			if err := s.RunNow(some); err != nil {
				require.ErrorIs(t, err, dray.ErrOverlap)
			}
		}
	case 3:
		require.NoError(t, q.Pause())
		time.Sleep(3 * time.Hour)
		require.NoError(t, q.Resume())
	case 5:
		set(time.Duration(r.IntN(12)-6) * time.Hour)
	case 6:
		for range 20 {
			if err := q.Enqueue(t.Context(), func(context.Context) error { time.Sleep(time.Hour); return nil }); err == nil {
				year.others.Add(1)
			}
		}
	case 7:
		set(time.Duration(r.IntN(120)-60) * time.Minute)
	}
}
