package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// Over many cycles of Serve each run of a task is made once, or is missed and counted;
// one that is cut off begins again and is the only one; and what the end is called for
// makes no difference to that.
func TestTasksOverManyServes(t *testing.T) {
	for name, cause := range map[string]func(i int) error{
		"ends":     func(int) error { return context.Canceled },
		"restarts": func(int) error { return dray.ErrRestart },
		"both":     func(i int) error { return []error{context.Canceled, dray.ErrRestart}[i%2] },
	} {
		for _, o := range []dray.Overlap{dray.SkipOverlap, dray.QueueOverlap} {
			t.Run(fmt.Sprint(name, " ", o), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { manyServes(t, cause, o) })
			})
		}
	}
}

func manyServes(t *testing.T, cause func(i int) error, o dray.Overlap) {
	oddStart()
	told := &skips{}
	q, err := dray.New(told.option(), dray.WithWorkers(4), dray.WithShutdownTimeout(5*time.Second))
	require.NoError(t, err)
	var mu sync.Mutex
	running, ended := map[string]int{}, map[string]int{} // by the name, and by the run
	fn := func(ctx context.Context) error {
		task, due, _ := dray.TaskFrom(ctx)
		mu.Lock()
		running[task]++
		require.Equal(t, 1, running[task], "two at once")
		mu.Unlock()
		var err error
		select {
		case <-time.After(50 * time.Second):
		case <-ctx.Done():
			err = errors.New("cut off")
		}
		mu.Lock()
		defer mu.Unlock()
		running[task]--
		if err == nil {
			ended[fmt.Sprint(task, due.UTC())]++
		}
		return err
	}
	s := q.Scheduler()
	begin := time.Now()
	require.NoError(t, s.Schedule("minutes", foreign(minutes), fn, dray.WithOverlap(o), dray.WithMissed(dray.RunAll(3))))
	require.NoError(t, s.Schedule("every", dray.Every(time.Minute), fn, dray.WithOverlap(o), dray.WithMissed(dray.RunOnce)))
	for i := range 20 {
		ctx, cancel := context.WithCancelCause(t.Context())
		served := make(chan error, 1)
		go func() { served <- q.Serve(ctx) }()
		synctest.Wait()
		if i == 0 {
			begin = time.Now()
		}
		pass(time.Duration(i*17%13) * 10 * time.Second)
		cancel(cause(i))
		require.NoError(t, <-served)
		synctest.Wait()
		require.Empty(t, told.of(dray.ErrCancelled))
		pass(time.Duration(i*11%7) * 20 * time.Second)
		info(t, q, "every")
	}
	require.NoError(t, q.Start())
	pass(10 * time.Minute)
	for _, task := range s.Tasks() {
		due := uint64(time.Since(begin) / time.Minute)
		if task.Name == "minutes" {
			due = uint64(time.Now().Truncate(time.Minute).Sub(begin.Truncate(time.Minute)) / time.Minute)
		}
		require.Equal(t, due, task.Due, task.Name)
	}
	report, err := q.Shutdown(t.Context())
	require.NoError(t, err)
	require.Empty(t, report)
	runs := uint64(0)
	for _, task := range s.Tasks() {
		require.Equal(t, task.Due, task.Runs+task.Skipped, task.Name)
		runs += task.Runs
	}
	require.Len(t, ended, int(runs))
	for run, n := range ended {
		require.Equal(t, 1, n, run)
	}
	var skipped uint64
	for _, e := range told.all {
		skipped += e.Count
	}
	for _, task := range s.Tasks() {
		skipped -= task.Skipped
	}
	require.Zero(t, skipped, "each is told")
}

// Where Serve ends for good, it waits for an unlock and for a schedule that are on their
// way, for a second at most; a restart does not.
func TestServeWaitsForUserCode(t *testing.T) {
	for name, c := range map[string]struct {
		cause error
		takes time.Duration
		want  time.Duration
	}{
		"returns":           {context.Canceled, 900 * time.Millisecond, 900 * time.Millisecond},
		"at the limit":      {context.Canceled, time.Second - 1, time.Second - 1},
		"does not return":   {context.Canceled, time.Hour, time.Second},
		"a restart":         {dray.ErrRestart, time.Hour, 0},
		"nothing to await ": {context.Canceled, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				oddStart()
				q, err := dray.New()
				require.NoError(t, err)
				ctx, cancel := context.WithCancelCause(t.Context())
				served := make(chan error, 1)
				go func() { served <- q.Serve(ctx) }()
				synctest.Wait()
				l := &ledger{unlock: func() { time.Sleep(c.takes) }}
				require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Hour), func(context.Context) error { return errors.New("boom") },
					dray.WithLock(l), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Minute))))
				require.NoError(t, q.Scheduler().RunNow("x"))
				synctest.Wait()
				require.Equal(t, 1, cancelWaiting(t, q)) // between two attempts: its unlock is called aside
				begin := time.Now()
				cancel(c.cause)
				require.NoError(t, <-served)
				require.Equal(t, c.want, time.Since(begin))
				time.Sleep(2 * time.Hour)
				require.NoError(t, q.Close())
			})
		})
	}
}

// cancelWaiting cancels all jobs that wait.
func cancelWaiting(t *testing.T, q *dray.Queue) (n int) {
	t.Helper()
	for j := range q.Jobs() {
		require.NoError(t, q.Cancel(j.ID))
		n++
	}
	return n
}
