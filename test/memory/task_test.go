package memory_test

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// taskOptions has for each exported function that returns a TaskOption what a task is
// given to try it.
var taskOptions = map[string]func(t *trap) []dray.TaskOption{
	"WithOverlap":  func(*trap) []dray.TaskOption { return []dray.TaskOption{dray.WithOverlap(dray.QueueOverlap)} },
	"WithMissed":   func(*trap) []dray.TaskOption { return []dray.TaskOption{dray.WithMissed(dray.RunAll(5))} },
	"WithJitter":   func(*trap) []dray.TaskOption { return []dray.TaskOption{dray.WithJitter(time.Second)} },
	"WithLastRun":  func(*trap) []dray.TaskOption { return []dray.TaskOption{dray.WithLastRun(time.Now().Add(-time.Hour))} },
	"WithLocation": func(*trap) []dray.TaskOption { return []dray.TaskOption{dray.WithLocation(time.UTC)} },
	"WithLock":     func(t *trap) []dray.TaskOption { return []dray.TaskOption{dray.WithLock(locker{t.watch("locker")})} },
}

type locker struct{ *probe }

func (locker) Lock(context.Context, string, time.Time) (context.Context, func(), error) {
	return nil, nil, nil
}

func TestEachTaskOptionHasARow(t *testing.T) {
	exported := functionsThatReturn(t, "TaskOption")
	require.NotEmpty(t, exported)
	for _, name := range exported {
		require.Contains(t, taskOptions, name, "what does %s let a task capture, and is it let go of?", name)
	}
	require.Len(t, taskOptions, len(exported), "rows of options that are no more")
}

// runEndings are what the runs of a task do.
var runEndings = map[string]func(tr *trap, ctx context.Context) error{
	"processed": func(*trap, context.Context) error { return nil },
	"failed":    func(tr *trap, _ context.Context) error { return failure{tr.watch("error")} },
	"panicked":  func(tr *trap, _ context.Context) error { panic(tr.watch("panic value")) },
	"Goexit":    func(*trap, context.Context) error { runtime.Goexit(); return nil },
	"slow":      func(*trap, context.Context) error { time.Sleep(150 * time.Second); return nil },
	"cancelled": func(_ *trap, ctx context.Context) error {
		select {
		case <-ctx.Done():
		case <-time.After(150 * time.Second):
		}
		return ctx.Err()
	},
}

// taskEnds are how a task comes to its end.
var taskEnds = map[string]func(t *testing.T, q *dray.Queue){
	"unscheduled": func(t *testing.T, q *dray.Queue) { require.NoError(t, q.Scheduler().Unschedule("task")) },
	"replaced": func(t *testing.T, q *dray.Queue) {
		require.NoError(t, q.Scheduler().Schedule("task", dray.Every(1000*time.Hour), func(context.Context) error { return nil }))
	},
	"unscheduled while paused": func(t *testing.T, q *dray.Queue) {
		require.NoError(t, q.Scheduler().Pause("task"))
		require.NoError(t, q.Scheduler().Unschedule("task"))
	},
	"unscheduled with a run waiting": func(t *testing.T, q *dray.Queue) {
		require.NoError(t, q.Pause())
		time.Sleep(10 * time.Minute)
		require.NoError(t, q.Scheduler().Unschedule("task"))
		require.NoError(t, q.Resume())
	},
}

// A schedule that has captured a probe.
type schedule struct {
	*probe
	dray.Schedule
}

// Once a task is gone, and its runs have ended, nothing that it has captured is kept:
// neither its function, schedule and locker, nor what its runs had.
func TestTasksAreLetGoOf(t *testing.T) {
	for name, end := range taskEnds {
		for what, run := range runEndings {
			t.Run(name+"/"+what, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					traps := &trap{}
					var queues []*dray.Queue
					for option, opts := range optionsOfTasks(traps) {
						queues = append(queues, runTask(t, traps, option, run, opts))
					}
					for _, q := range queues {
						end(t, q)
					}
					time.Sleep(time.Hour)
					synctest.Wait()
					collect()
					names := traps.alive()
					if name == "replaced" { // the new task goes on with the last error
						names = slices.DeleteFunc(names, func(n string) bool { return n == "error" || n == "panic value" })
						require.LessOrEqual(t, len(traps.alive())-len(names), len(queues))
					}
					if len(names) > 0 {
						t.Errorf("kept: %q", names)
					}
					for _, q := range queues {
						require.NoError(t, q.Close())
					}
				})
			})
		}
	}
}

// optionsOfTasks are those of tasks and those of jobs, one by one.
func optionsOfTasks(traps *trap) map[string][]dray.TaskOption {
	all := make(map[string][]dray.TaskOption)
	for _, name := range slices.Sorted(maps.Keys(taskOptions)) {
		all[name] = taskOptions[name](traps)
	}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if name == "WithGroup" || name == "WithRunAt" {
			continue // a group belongs to a queue, and a time to one run
		}
		sc := &scene{}
		var opts []dray.TaskOption
		for _, o := range options[name](sc) {
			opts = append(opts, o)
		}
		traps.names, traps.probes = append(traps.names, sc.names...), append(traps.probes, sc.probes...)
		all[name] = opts
	}
	return all
}

// A task that is taken out is let go of at once, and not when its next run would have
// been due.
func TestRareTasksAreLetGoOf(t *testing.T) {
	for name, end := range taskEnds {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				traps := &trap{}
				q := started(t)
				scheduleRare(t, q, traps, dray.Every(8000*time.Hour))
				end(t, q)
				scheduleRare(t, q, traps, schedule{traps.watch("schedule"), dray.At(time.Now().Add(8000 * time.Hour))})
				end(t, q)
				synctest.Wait()
				collect()
				if names := traps.alive(); len(names) > 0 {
					t.Errorf("kept: %q", names)
				}
				require.NoError(t, q.Close())
			})
		})
	}
}

func scheduleRare(t *testing.T, q *dray.Queue, traps *trap, when dray.Schedule) {
	require.NoError(t, q.Scheduler().Schedule("task", when, uses(traps.watch("function")), dray.WithLock(locker{traps.watch("locker")})))
}

// runTask has a task run some times.
func runTask(t *testing.T, traps *trap, option string, run func(*trap, context.Context) error, opts []dray.TaskOption) *dray.Queue {
	q := started(t, dray.WithFailuresKept(0))
	fn, when := traps.watch("function "+option), schedule{traps.watch("schedule " + option), dray.Every(time.Minute)}
	require.NoError(t, q.Scheduler().Schedule("task", when, func(ctx context.Context) error {
		defer runtime.KeepAlive(fn)
		return run(traps, ctx)
	}, opts...))
	if err := q.Scheduler().RunNow("task"); err != nil { // one that was missed may run already
		require.ErrorIs(t, err, dray.ErrOverlap)
	}
	time.Sleep(5 * time.Minute)
	synctest.Wait()
	return q
}
