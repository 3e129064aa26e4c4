package memory_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/virtual"
)

// ended is a context that has.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func started(t *testing.T, opts ...dray.Option) *dray.Queue {
	t.Helper()
	q, err := dray.New(append([]dray.Option{dray.WithWorkers(1)}, opts...)...)
	require.NoError(t, err)
	require.NoError(t, q.Start())
	return q
}

// A failed job is kept whole, as it can be requeued, but without those who were told of
// its end; as many are as WithFailuresKept says, the newest, and none that was dropped.
func TestFailuresAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		traps := &trap{}
		q := started(t, dray.WithFailuresKept(2))
		for i := range 5 {
			submitFailing(t, q, traps, i)
		}
		collect()
		require.Equal(t, []string{"function 3", "value 3", "error 3", "function 4", "value 4", "error 4"}, traps.alive())
		require.NoError(t, q.DropFailure(q.Failures()[1].ID))
		collect()
		require.Equal(t, []string{"function 4", "value 4", "error 4"}, traps.alive())
		require.Equal(t, 1, q.DropFailures())
		collect()
		require.Empty(t, traps.alive())
		require.NoError(t, q.Close())
	})
}

// submitFailing has the i-th job fail, whose handle and group are forgotten.
func submitFailing(t *testing.T, q *dray.Queue, traps *trap, i int) {
	done := traps.watch(fmt.Sprint("completion ", i))
	g, err := dray.NewGroup(q, dray.WithCompletion(func(context.Context, error) error { runtime.KeepAlive(done); return nil }))
	require.NoError(t, err)
	fn, value := traps.watch(fmt.Sprint("function ", i)), traps.watch(fmt.Sprint("value ", i))
	ctx := context.WithValue(t.Context(), key("value"), value)
	task, err := dray.Submit(ctx, q, func(context.Context) (*probe, error) {
		runtime.KeepAlive(fn)
		return traps.watch(fmt.Sprint("result ", i)), failure{traps.watch(fmt.Sprint("error ", i))}
	}, dray.WithGroup(g), dray.WithContextValues())
	require.NoError(t, err)
	_, err = task.Wait(t.Context())
	require.Error(t, err)
	require.Error(t, g.Wait(t.Context()))
	synctest.Wait()
}

// A Task keeps its result and its error, and neither its function nor its queue.
func TestTaskKeepsItsResult(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		traps := &trap{}
		tasks := func() (tasks []*dray.Task[*probe]) {
			q := started(t, dray.WithMiddleware(capturing(traps.watch("queue"))))
			for range 2 {
				fn := traps.watch("function")
				task, err := dray.Submit(t.Context(), q, func(context.Context) (*probe, error) {
					runtime.KeepAlive(fn)
					return traps.watch("result"), nil
				})
				require.NoError(t, err)
				synctest.Wait()
				tasks = append(tasks, task)
			}
			require.NoError(t, q.Close())
			return tasks
		}()
		collect()
		require.Equal(t, []string{"result", "result"}, traps.alive())
		for _, task := range tasks {
			r, err := task.Wait(t.Context())
			require.NoError(t, err)
			require.NotNil(t, r)
			require.ErrorIs(t, task.Cancel(), dray.ErrNotFound)
		}
	})
}

// A Report keeps the jobs that it hands back, and not the queue they were in.
func TestReportKeepsWhatItHandsBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		traps := &trap{}
		r := handedBack(t, traps)
		collect()
		require.ElementsMatch(t, handBacks, traps.alive())
		r.Waiting = r.Waiting[1:]
		q := started(t)
		require.NoError(t, q.Restore(r)) // the last use of the report
		time.Sleep(200 * time.Hour)
		synctest.Wait()
		require.EqualValues(t, len(handBacks)-3, q.Stats().Processed)
		collect()
		require.Empty(t, traps.alive())
		require.NoError(t, q.Close())
	})
}

// handBacks are the jobs that are handed back.
var handBacks = []string{"interrupted", "plain", "delayed", "keyed", "unique", "grouped", "submitted", "values", "value", "middleware", "with middleware", "run of a task", "run with a lock"}

type noLock struct{}

func (noLock) Lock(context.Context, string, time.Time) (context.Context, func(), error) {
	return nil, nil, nil
}

// handedBack returns the report of a queue that nobody refers to any more.
func handedBack(t *testing.T, traps *trap) dray.Report {
	q := started(t, dray.WithMiddleware(capturing(traps.watch("queue"))), dray.WithObserver(observing(traps.watch("observer"))))
	first := true
	fn := func(name string) dray.Func {
		p := traps.watch(name)
		return func(ctx context.Context) error {
			defer runtime.KeepAlive(p)
			if name == "interrupted" && first {
				first = false
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
	}
	put := func(name string, opts ...dray.JobOption) {
		require.NoError(t, q.Enqueue(t.Context(), fn(name), opts...))
	}
	put("interrupted", dray.WithMaxAttempts(2))
	synctest.Wait()
	put("plain")
	put("delayed", dray.WithDelay(100*time.Hour))
	put("keyed", dray.WithKey("key"))
	put("unique", dray.WithUnique("unique", dray.KeepExisting))
	g, err := dray.NewGroup(q)
	require.NoError(t, err)
	put("grouped", dray.WithGroup(g))
	submitted := fn("submitted")
	_, err = dray.Submit(t.Context(), q, func(ctx context.Context) (int, error) { return 1, submitted(ctx) })
	require.NoError(t, err)
	values := fn("values")
	require.NoError(t, q.Enqueue(context.WithValue(t.Context(), key("value"), traps.watch("value")), values, dray.WithContextValues()))
	m := traps.watch("middleware")
	put("with middleware", dray.WithMiddleware(capturing(m)))
	for name, opts := range map[string][]dray.TaskOption{"run of a task": nil, "run with a lock": {dray.WithLock(noLock{})}} {
		require.NoError(t, q.Scheduler().Schedule(name, dray.Every(time.Hour), fn(name), opts...))
		require.NoError(t, q.Scheduler().RunNow(name))
	}
	r, _ := q.Shutdown(ended())
	require.Len(t, r.Interrupted, 1)
	require.Len(t, r.Waiting, len(handBacks)-3) // one was interrupted, and two are captured by another
	return r
}

// An observer that is slow keeps what it has still to be told, and not what it was told.
func TestToldEventsAreLetGoOf(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		traps := &trap{}
		steps := make(chan struct{})
		q := started(t, dray.WithFailuresKept(0), dray.WithObserver(func(ev dray.Event) {
			if ev.Kind == dray.JobFailed {
				<-steps
			}
		}))
		for range 3 {
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { return failure{traps.watch("error")} }))
		}
		for told := range 3 {
			synctest.Wait()
			collect()
			if alive := len(traps.alive()); alive > 3-told {
				t.Errorf("%d errors kept, %d of 3 events told", alive, told)
			}
			steps <- struct{}{}
		}
		synctest.Wait()
		collect()
		require.Empty(t, traps.alive())
		require.NoError(t, q.Close())
	})
}

// What is told of a stuck job keeps nothing of it, also if it has ended before its stack was
// looked up, so that there was none to look up.
func TestStuckJobThatHasEndedIsLetGoOf(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		traps := &trap{}
		stuck := 0
		q := started(t, dray.WithWorkers(2), dray.WithObserver(func(dray.Event) { stuck++ }, dray.JobStuck))
		sleep := func(d time.Duration) dray.Func { return func(context.Context) error { virtual.Sleep(d); return nil } }
		require.NoError(t, q.Enqueue(t.Context(), sleep(2*time.Second), dray.WithTimeout(time.Second)))
		attempts := 0
		require.NoError(t, q.Enqueue(t.Context(), func(ctx context.Context) error {
			if attempts++; attempts == 1 {
				return failure{traps.watch("error")}
			}
			return sleep(1500 * time.Millisecond)(ctx) // stuck since 1.3 s, and a stack was looked up at 1 s
		}, dray.WithTimeout(1300*time.Millisecond), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(0))))
		virtual.Sleep(3 * time.Second)
		synctest.Wait()
		require.Equal(t, 2, stuck)
		collect()
		require.Empty(t, traps.alive())
		require.NoError(t, q.Close())
	})
}

// A job that never returns keeps its worker, for which there is no remedy; but it keeps
// no other job of the queue that it was in.
func TestStuckJobKeepsNoOtherJob(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		traps := &trap{}
		hold := make(chan struct{})
		func() {
			q := started(t)
			p := traps.watch("stuck")
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { <-hold; runtime.KeepAlive(p); return nil }))
			synctest.Wait()
			g, err := dray.NewGroup(q)
			require.NoError(t, err)
			for _, o := range []dray.JobOption{
				dray.WithLabel("plain"), dray.WithDelay(time.Hour), dray.WithKey("key"), dray.WithKey("key"), dray.WithPriority(dray.High),
				dray.WithUnique("unique", dray.KeepExisting), dray.WithGroup(g), dray.WithDeadline(time.Hour), dray.WithContextValues(),
			} {
				ctx := context.WithValue(t.Context(), key("value"), traps.watch("value"))
				require.NoError(t, q.Enqueue(ctx, uses(traps.watch("handed back")), o))
				require.NoError(t, q.Enqueue(t.Context(), uses(traps.watch("plain, handed back"))))
			}
			r, err := q.Shutdown(ended())
			require.ErrorIs(t, err, dray.ErrStillRunning)
			require.Len(t, r.Waiting, 18)
		}()
		synctest.Wait()
		collect()
		if alive := traps.alive(); !slices.Equal([]string{"stuck"}, alive) {
			t.Errorf("kept: %q", alive)
		}
		close(hold)
		synctest.Wait()
		collect()
		require.Empty(t, traps.alive())
	})
}

// A worker that goes from one plain job to the next keeps nothing of those before, however
// long the present one takes.
func TestLongJobKeepsNothingOfThoseBefore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		traps := &trap{}
		q := started(t, dray.WithWorkers(1))
		require.NoError(t, q.Pause())
		hold := make(chan struct{})
		for range 5 {
			require.NoError(t, q.Enqueue(t.Context(), uses(traps.watch("before"))))
		}
		require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { <-hold; return nil }))
		require.NoError(t, q.Resume())
		synctest.Wait()
		collect()
		require.Empty(t, traps.alive())
		close(hold)
		require.NoError(t, q.Close())
	})
}

// A closed queue that is kept keeps its report, which Shutdown returns again, and not
// the values of the context that it was served with.
func TestClosedQueueKeepsItsReport(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		traps := &trap{}
		q, err := dray.New()
		require.NoError(t, err)
		serve(t, q, traps)
		require.NoError(t, q.Close())
		synctest.Wait()
		collect()
		require.Equal(t, []string{"handed back"}, traps.alive())
		r, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Len(t, r.Waiting, 1)
	})
}

// serve serves the queue with a context that has a value, and has a job handed back.
func serve(t *testing.T, q *dray.Queue, traps *trap) {
	ctx := context.WithValue(t.Context(), key("value"), traps.watch("value of Serve"))
	go func() {
		if err := q.Serve(ctx); err != nil {
			t.Error(err)
		}
	}()
	synctest.Wait()
	require.NoError(t, q.Enqueue(t.Context(), uses(traps.watch("processed"))))
	synctest.Wait()
	require.NoError(t, q.Enqueue(t.Context(), uses(traps.watch("handed back")), dray.WithDelay(time.Hour)))
}
