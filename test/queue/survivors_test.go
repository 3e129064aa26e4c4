package queue_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// After a rush that nobody but the owner is there to collect, it still keeps its times.
func TestTimesAreKeptAfterARush(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var told events
		q := started(t, dray.WithCapacity(dray.Unbounded), dray.WithObserver(told.observe))
		require.NoError(t, q.Pause())
		for range 20 {
			for range 1000 {
				require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
			}
			synctest.Wait() // nothing else wakes the owner until there is a deadline
			before, due := len(told.of(dray.JobFailed)), time.Now().Add(time.Second)
			add(t, q, kit.Nop, dray.WithDeadline(time.Second))
			time.Sleep(2 * time.Second)
			synctest.Wait()
			failed := told.of(dray.JobFailed)
			require.Len(t, failed, before+1)
			require.ErrorIs(t, failed[before].Err, dray.ErrDeadline)
			require.Equal(t, due.Round(0), failed[before].Time.Round(0))
		}
	})
}

// Run uses the records of finished calls again; a call needs room all the same.
func TestEveryRunNeedsRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := started(t, dray.WithCapacity(1))
		seven := func(context.Context) (int, error) { return 7, nil }
		for range 20 {
			n, err := dray.Run(t.Context(), q, seven)
			require.NoError(t, err)
			require.Equal(t, 7, n)
			add(t, q, draytest.Slow(time.Second))
			synctest.Wait() // it runs
			add(t, q, kit.Nop)
			_, err = dray.Run(t.Context(), q, seven)
			require.ErrorIs(t, err, dray.ErrQueueFull)
			time.Sleep(time.Minute)
			n, err = dray.Run(t.Context(), q, seven) // so that there is a record again
			require.NoError(t, err)
			require.Equal(t, 7, n)
			add(t, q, draytest.Slow(time.Second))
			synctest.Wait()
			waits := make(chan error, 1)
			go func() { _, err := dray.Run(context.Background(), q, seven); waits <- err }()
			synctest.Wait()
			require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop), dray.ErrQueueFull, "the call that waits has the room")
			require.NoError(t, <-waits)
		}
		require.Equal(t, uint64(40), q.Stats().Rejected)
	})
}

// A job that a shutdown has interrupted, and whose deadline passes while that waits
// for another job, ends once: it is handed back, or has failed.
func TestDeadlineInAShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var told events
		q := started(t, dray.WithWorkers(2), dray.WithObserver(told.observe))
		add(t, q, draytest.Slow(time.Hour), dray.WithDeadline(2*time.Second), dray.WithMaxAttempts(3))
		add(t, q, draytest.Stubborn(4*time.Second, nil))
		add(t, q, kit.Nop, dray.WithDelay(time.Second), dray.WithDeadline(2500*time.Millisecond))
		time.Sleep(500 * time.Millisecond)
		require.NoError(t, q.Close())
		time.Sleep(time.Hour)
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Len(t, told.of(dray.JobInterrupted), 1)
		ends := map[dray.ID]int{}
		for _, e := range told.of(dray.JobFailed) {
			ends[e.Job.ID]++
		}
		for _, l := range append(report.Waiting, report.Interrupted...) {
			ends[l.ID]++
		}
		require.Equal(t, map[dray.ID]int{1: 1, 3: 1}, ends)
		s := q.Stats()
		require.Equal(t, s.Enqueued, s.Processed+s.Failed+uint64(len(report.Waiting)+len(report.Interrupted)))
	})
}

// Serve ends with the shutdown, and not before.
func TestServeLastsAsLongAsTheShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q, err := dray.New(dray.WithWorkers(1))
		require.NoError(t, err)
		ended := make(chan time.Time, 1)
		go func() {
			_ = q.Serve(context.Background())
			ended <- time.Now()
		}()
		add(t, q, draytest.Slow(3*time.Second))
		time.Sleep(time.Second)
		at := time.Now().Add(2 * time.Second)
		_, err = q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Equal(t, at, <-ended)
	})
}

func throwsFirst(context.Context) error  { panic(kit.ErrBoom) }
func throwsSecond(context.Context) error { panic(kit.ErrBoom) }

// Stacks are captured in memory that is used again; each panic keeps its own.
func TestEachPanicKeepsItsStack(t *testing.T) {
	throws := []dray.Func{throwsFirst, throwsSecond}
	names := []string{"throwsFirst", "throwsSecond"}
	ways := map[string]func(t *testing.T, fn dray.Func) error{}
	bubble(t, func(t *testing.T) {
		q := started(t)
		ways["a job"] = func(t *testing.T, fn dray.Func) error {
			add(t, q, fn)
			synctest.Wait()
			return q.Failures()[0].Err
		}
		ways["Run"] = func(t *testing.T, fn dray.Func) error {
			_, err := dray.Run(t.Context(), q, func(ctx context.Context) (int, error) { return 0, fn(ctx) })
			return err
		}
		ways["a child"] = func(t *testing.T, fn dray.Func) error {
			sup, err := dray.NewSupervisor(dray.OneForOne, dray.WithIntensity(0, time.Second),
				dray.WithChildren(dray.Child{Name: "c", Service: dray.ServiceFunc(fn)}))
			require.NoError(t, err)
			return sup.Serve(t.Context())
		}
		for way, throw := range ways {
			var errs []error
			for i := range 10 {
				errs = append(errs, throw(t, throws[i%2]))
			}
			for i, err := range errs {
				var p *dray.PanicError
				require.ErrorAs(t, err, &p, way)
				require.Contains(t, string(p.Stack), names[i%2], way)
				require.NotContains(t, string(p.Stack), names[(i+1)%2], way)
			}
		}
	})
}

// Of children, the stacks are made readable only when they are asked for.
func TestEachChildKeepsItsStack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		once := func(fn dray.Func) dray.Service {
			thrown := false
			return dray.ServiceFunc(func(ctx context.Context) error {
				if !thrown {
					thrown = true
					return fn(ctx)
				}
				<-ctx.Done()
				return nil
			})
		}
		sup, err := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(
			dray.Child{Name: "first", Service: once(throwsFirst)}, dray.Child{Name: "second", Service: once(throwsSecond)}))
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- sup.Serve(ctx) }()
		synctest.Wait()
		for i, c := range sup.Children() {
			var p *dray.PanicError
			require.ErrorAs(t, c.LastError, &p)
			require.Contains(t, string(p.Stack), []string{"throwsFirst", "throwsSecond"}[i])
		}
		stop()
		require.NoError(t, <-ended)
	})
}
