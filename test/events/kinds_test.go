package events_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
	"github.com/a622d8ee/dray/test/virtual"
)

// words is an event as a line.
func words(e dray.Event) string {
	err := ""
	if e.Err != nil {
		err = e.Err.Error()
	}
	return fmt.Sprint(e.Kind, e.Time, e.Queue, e.Supervisor, e.Name, e.Job.ID, e.Job.State, e.Wait, e.Run, e.Due, e.Next,
		e.By, e.Worker, e.Restarts, e.Count, err, len(e.Stack) > 0, e.Stats)
}

// eventful has nearly all happen to a queue that can, one after the other.
func eventful(t *testing.T, opts ...dray.Option) {
	q, err := dray.New(append(opts, dray.WithName("mail"), dray.WithWorkers(1), dray.WithCapacity(2), dray.WithShutdownTimeout(time.Second),
		dray.WithoutLatency())...)
	require.NoError(t, err)
	add := func(fn dray.Func, opts ...dray.JobOption) {
		t.Helper()
		require.NoError(t, q.Enqueue(context.Background(), fn, opts...))
		kit.Elapse(time.Second)
	}
	retries := []dray.JobOption{dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Second))}
	require.NoError(t, q.Start())
	for range 100 { // by each of the ways that a job can take to an idle worker
		add(kit.Nop)
		_, err := dray.Run(context.Background(), q, kit.One)
		require.NoError(t, err)
	}
	add(draytest.Slow(time.Millisecond), dray.WithKey("k"))
	add(kit.Fail, retries...)
	add(draytest.Exiting())
	n := 0
	add(func(ctx context.Context) error {
		if n++; n == 1 {
			dray.Progress(ctx, 1, 2)
			return dray.Snooze(time.Millisecond)
		}
		return nil
	})
	add(draytest.Stubborn(500*time.Millisecond, kit.ErrBoom), dray.WithTimeout(time.Millisecond))
	add(kit.Nop, dray.WithRateLimit(&limiter{fails: []func() error{boom}}))
	kit.Elapse(time.Minute)
	require.NoError(t, q.Pause())
	add(kit.Nop, dray.WithUnique("u", dray.ReplacePending))
	add(kit.Nop, dray.WithUnique("u", dray.ReplacePending))
	add(kit.Nop)
	require.ErrorIs(t, q.Enqueue(context.Background(), kit.Nop), dray.ErrQueueFull)
	for j := range q.Jobs() {
		require.NoError(t, q.Cancel(j.ID))
	}
	require.NoError(t, q.Resume())
	require.NoError(t, q.Resize(2))
	require.NoError(t, q.Scheduler().Schedule("report", dray.Every(time.Hour), draytest.Slow(90*time.Minute)))
	kit.Elapse(285 * time.Minute) // the second of its runs is over
	require.NoError(t, q.Scheduler().Unschedule("report"))
	draytest.CrashOwner(t, q)
	add(func(ctx context.Context) error { <-ctx.Done(); return kit.ErrBoom })
	require.NoError(t, q.Close())
	synctest.Wait()
}

// An observer gets the events of its kinds as one gets them that has asked for all, and
// neither does it matter who else listens.
func TestObserverGetsItsKinds(t *testing.T) {
	var all []dray.Event
	synctest.Test(t, func(t *testing.T) {
		eventful(t, dray.WithObserver(func(e dray.Event) { all = append(all, e) }))
	})
	of := func(kinds ...dray.EventKind) (want []string) {
		for _, e := range all {
			if slices.Contains(kinds, e.Kind) {
				want = append(want, words(e))
			}
		}
		return want
	}
	happened := 0
	for k := dray.JobEnqueued; k <= dray.EventsDropped; k++ {
		kinds := []dray.EventKind{k, dray.JobFailed, k}
		if len(of(k)) > 0 {
			happened++
		}
		for name, more := range map[string][]dray.Option{
			"alone": nil, "with a log": {dray.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))},
		} {
			t.Run(k.String()+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var one, two []string
					eventful(t, append(more, dray.WithObserver(func(e dray.Event) { one = append(one, words(e)) }, k),
						dray.WithObserver(func(e dray.Event) { two = append(two, words(e)) }, kinds...))...)
					require.Equal(t, of(k), one)
					require.Equal(t, of(kinds...), two)
				})
			})
		}
	}
	require.GreaterOrEqual(t, happened, 27)
}

// perJob is how many allocations a plain job costs in a queue with these options.
func perJob(t *testing.T, opts ...dray.Option) float64 {
	const jobs = 20_000
	q, err := dray.New(append(opts, dray.WithWorkers(1), dray.WithCapacity(dray.Unbounded))...)
	require.NoError(t, err)
	defer q.Close()
	require.NoError(t, q.Start())
	batch := func() {
		for range jobs {
			if err := q.Enqueue(context.Background(), kit.Nop); err != nil {
				panic(err)
			}
		}
		done := make(chan struct{})
		if err := q.Enqueue(context.Background(), func(context.Context) error { close(done); return nil }); err != nil {
			panic(err)
		}
		<-done
	}
	batch() // until everything is there that is kept
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	batch()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / jobs
}

// perRun is how many allocations a Run costs.
func perRun(t *testing.T, opts ...dray.Option) float64 {
	q, err := dray.New(append(opts, dray.WithWorkers(1))...)
	require.NoError(t, err)
	defer q.Close()
	require.NoError(t, q.Start())
	return testing.AllocsPerRun(2000, func() {
		if _, err := dray.Run(context.Background(), q, kit.One); err != nil {
			panic(err)
		}
	})
}

// What nobody has asked for is not made: a plain job beside a log, or an observer of what
// is rare, costs no allocation; to one of what comes with each job it does.
func TestEventsThatNobodyWantsAreNotMade(t *testing.T) {
	kit.CountsAllocations(t)
	nothing := func(dray.Event) {}
	rare := []dray.EventKind{
		dray.JobFailed, dray.JobRetrying, dray.JobSnoozed, dray.JobStuck, dray.JobCancelled, dray.JobEvicted, dray.JobRejected,
		dray.JobInterrupted, dray.JobProgress, dray.QueueStopped, dray.WorkerStarted, dray.ChildFailed, dray.TaskFired,
	}
	for name, opt := range map[string]dray.SharedOption{
		"log": dray.WithLogger(slog.New(slog.DiscardHandler)), "rare": dray.WithObserver(nothing, rare...),
	} {
		require.Less(t, perJob(t, opt), 0.1, name)
		require.Less(t, perRun(t, opt), perRun(t)+1, name)
	}
	for _, k := range []dray.EventKind{dray.JobEnqueued, dray.JobStarted, dray.JobProcessed} {
		require.GreaterOrEqual(t, perJob(t, dray.WithObserver(nothing, k)), 1.0, k)
	}
}

// deepError panics when it is asked for its text.
type deepError struct{}

func (deepError) Error() string {
	deepInAFunctionWithANameSoLongThatAHundredFramesOfItAreMoreThanSixteenKibibytesOfStack(1000, func() { panic(kit.ErrBoom) })
	return ""
}

// Undelivered events are bounded in bytes, the stacks among them.
func TestBoundCountsStacks(t *testing.T) {
	deep := func(do func()) dray.Func {
		return func(context.Context) error {
			deepInAFunctionWithANameSoLongThatAHundredFramesOfItAreMoreThanSixteenKibibytesOfStack(1000, do)
			return nil
		}
	}
	boom := func() { panic(kit.ErrBoom) }
	late := deep(func() { virtual.Sleep(time.Second / 2); boom() })
	atFirst := func(do dray.Func) dray.Func {
		return func(ctx context.Context) error {
			if j, _ := dray.JobFrom(ctx); j.Attempt == 1 {
				return do(ctx)
			}
			return nil
		}
	}
	again := []dray.JobOption{dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Millisecond))}
	brief := []dray.JobOption{dray.WithTimeout(time.Millisecond)}
	const limit, stack = 16 << 20, 16 << 10
	for name, tc := range map[string]struct {
		kind dray.EventKind
		job  dray.Func
		opts []dray.JobOption
	}{
		"a panic":                                  {dray.JobFailed, deep(boom), nil},
		"a panic after a timeout":                  {dray.JobFailed, late, brief},
		"a panic that is retried":                  {dray.JobRetrying, deep(boom), again},
		"of the attempt before":                    {dray.JobProcessed, atFirst(deep(boom)), again},
		"of the attempt before, after its timeout": {dray.JobProcessed, atFirst(late), slices.Concat(again, brief)},
		"of the error before, which panics":        {dray.JobProcessed, atFirst(func(context.Context) error { return deepError{} }), again},
		"where a job is stuck":                     {dray.JobStuck, deep(func() { virtual.Sleep(2 * time.Second) }), brief},
	} {
		kit.Bubble(t, name, func(t *testing.T) {
			gate, kept := make(chan struct{}), 0
			var missed uint64
			q := kit.Start(t, dray.WithWorkers(1), dray.WithFailuresKept(0), dray.WithObserver(func(e dray.Event) {
				<-gate
				if e.Kind == dray.EventsDropped {
					missed += e.Count
				} else {
					kept++
				}
			}, tc.kind, dray.EventsDropped))
			const n = limit/stack + 100
			for range n {
				kit.Add(t, q, tc.job, tc.opts...)
				kit.Elapse(3 * time.Second)
			}
			close(gate)
			synctest.Wait()
			require.Equal(t, n, kept+int(missed))
			require.LessOrEqual(t, kept*stack, limit)
			require.Greater(t, kept*stack, limit*9/10)
		})
	}
}
