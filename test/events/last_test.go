package events_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// An ending is how a queue or pool is ended, with a job in it.
type ending struct {
	begin func(t *testing.T, job dray.Func, opts ...dray.SharedOption) (end func() error)
}

var endings = map[string]ending{
	"queue": {func(t *testing.T, job dray.Func, opts ...dray.SharedOption) func() error {
		var all []dray.Option
		for _, o := range opts {
			all = append(all, o)
		}
		q := kit.Start(t, all...)
		require.NoError(t, q.Enqueue(t.Context(), job))
		return q.Close
	}},
	"queue, at its deadline": {func(t *testing.T, job dray.Func, opts ...dray.SharedOption) func() error {
		var all []dray.Option
		for _, o := range opts {
			all = append(all, o)
		}
		q := kit.Start(t, all...)
		require.NoError(t, q.Enqueue(t.Context(), job))
		return func() error {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_, err := q.Shutdown(ctx)
			return err
		}
	}},
	"pool": {func(t *testing.T, job dray.Func, opts ...dray.SharedOption) func() error {
		var all []dray.PoolOption
		for _, o := range opts {
			all = append(all, o)
		}
		p := kit.NewPool(t, 1, all...)
		require.NoError(t, p.RunAsync(job))
		return p.Close
	}},
}

// The end of a queue takes its time once, however many there are that take all of it: the
// jobs that are cancelled, and observers.
func TestEndWithASlowObserver(t *testing.T) {
	const timeout, grace = 10 * time.Second, 100 * time.Millisecond
	obeys := draytest.Slow(time.Hour)
	deaf := draytest.Stubborn(time.Hour, nil)
	for name, row := range map[string]struct {
		job      dray.Func
		observer time.Duration // for each event
		takes    time.Duration
		is       []error
	}{
		"nobody is slow":            {obeys, 0, 0, nil},
		"the observer hangs":        {obeys, time.Hour, timeout, []error{dray.ErrAbandoned}},
		"the job hangs":             {deaf, 0, timeout, []error{dray.ErrStillRunning}},
		"both hang":                 {deaf, time.Hour, timeout + grace, []error{dray.ErrAbandoned, dray.ErrStillRunning}},
		"the observer is just slow": {obeys, 7 * time.Second, 7 * time.Second, nil},
		"and the job hangs":         {deaf, 7 * time.Second, timeout, []error{dray.ErrStillRunning}},
	} {
		for of, ending := range endings {
			kit.Bubble(t, of+", "+name, func(t *testing.T) {
				told := 0
				end := ending.begin(t, row.job, dray.WithShutdownTimeout(timeout), dray.WithObserver(func(dray.Event) {
					told++
					time.Sleep(row.observer)
				}, dray.JobStarted))
				synctest.Wait()
				begin := time.Now()
				err := end()
				require.Equal(t, row.takes, time.Since(begin))
				for _, is := range row.is {
					require.ErrorIs(t, err, is)
				}
				if row.is == nil && of != "queue, at its deadline" {
					require.NoError(t, err)
				}
				require.Equal(t, 1, told)
				kit.Elapse(2 * time.Hour)
			})
		}
	}
}

// The last event is QueueStopped, whatever happens afterwards, and so is the last record of
// the log. Its books have what was told before.
func TestNothingIsToldAfterTheEnd(t *testing.T) {
	for name, result := range map[string]error{"processed": nil, "failed": kit.ErrBoom} {
		for of, ending := range endings {
			kit.Bubble(t, of+", "+name, func(t *testing.T) {
				var book notebook
				var one []dray.EventKind
				end := ending.begin(t, draytest.Stubborn(time.Hour, result), append(book.options(), dray.WithShutdownTimeout(time.Second),
					dray.WithObserver(func(e dray.Event) { one = append(one, e.Kind) }, dray.JobProcessed, dray.JobFailed, dray.WorkerStopped, dray.QueueStopped),
					dray.WithObserver(func(e dray.Event) { // hangs
						if e.Kind == dray.JobStarted {
							time.Sleep(3 * time.Hour)
						}
					}))...)
				synctest.Wait()
				require.ErrorIs(t, end(), dray.ErrStillRunning)
				kit.Elapse(24 * time.Hour)
				_ = end()
				last := book.events[len(book.events)-1]
				require.Equal(t, dray.QueueStopped, last.Kind)
				require.Equal(t, []int{1, 1}, []int{last.Stats.Running, last.Abandoned})
				require.Equal(t, []dray.EventKind{dray.QueueStopped}, one)
				records := book.logged(true)
				require.Equal(t, "queue stopped", records[len(records)-1].message)
				require.Equal(t, "user code has not returned", records[len(records)-2].message)
			})
		}
	}
}

// An observer that ends the queue itself is not waited for by that, and hears of the end.
func TestObserverEndsTheQueue(t *testing.T) {
	for of, ending := range endings {
		kit.Bubble(t, of, func(t *testing.T) {
			var end func() error
			ready := make(chan struct{})
			var told []dray.EventKind
			end = ending.begin(t, draytest.Slow(time.Hour), dray.WithShutdownTimeout(time.Minute), dray.WithObserver(func(e dray.Event) {
				<-ready
				told = append(told, e.Kind)
				if e.Kind == dray.JobStarted {
					_ = end()
				}
			}, dray.JobStarted, dray.QueueStopped))
			begin := time.Now()
			close(ready)
			kit.Elapse(time.Second)
			_ = end() // which others may call meanwhile
			synctest.Wait()
			require.Equal(t, time.Second, time.Since(begin))
			require.Equal(t, []dray.EventKind{dray.JobStarted, dray.QueueStopped}, told)
		})
	}
}

// Books and events of one stop agree though a job returns while observers are waited for.
func TestStopAfterALateJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var book notebook
		var opts []dray.Option
		for _, o := range book.options() {
			opts = append(opts, o)
		}
		q := kit.Start(t, append(opts, dray.WithShutdownTimeout(time.Second), dray.WithObserver(func(dray.Event) {
			time.Sleep(1500 * time.Millisecond) // and so takes the grace that observers have
		}, dray.JobStarted))...)
		require.NoError(t, q.Enqueue(t.Context(), draytest.Stubborn(time.Second+50*time.Millisecond, kit.ErrBoom)))
		synctest.Wait()
		require.ErrorIs(t, q.Close(), dray.ErrStillRunning)
		kit.Elapse(time.Hour)
		kinds := []dray.EventKind{}
		for _, e := range book.events[len(book.events)-2:] {
			kinds = append(kinds, e.Kind)
		}
		require.Equal(t, []dray.EventKind{dray.JobFailed, dray.QueueStopped}, kinds)
		s := book.events[len(book.events)-1].Stats
		require.Equal(t, []any{uint64(1), 0}, []any{s.Failed, s.Running})
	})
}

// To hear of the end observers have what is left of its time, and a little in any case.
func TestObserverThatIsSlowAtTheEnd(t *testing.T) {
	const timeout, grace = 10 * time.Second, 100 * time.Millisecond
	obeys, deaf := draytest.Slow(time.Hour), draytest.Stubborn(time.Hour, nil)
	for name, row := range map[string]struct {
		job             dray.Func
		observer, takes time.Duration
		late            bool
	}{
		"there is time":          {obeys, 9 * time.Second, 9 * time.Second, false},
		"it hangs":               {obeys, time.Hour, timeout, true},
		"the time is over":       {deaf, 50 * time.Millisecond, timeout + 50*time.Millisecond, false},
		"that is over, it hangs": {deaf, time.Hour, timeout + grace, true},
	} {
		for of, ending := range endings {
			kit.Bubble(t, of+", "+name, func(t *testing.T) {
				end := ending.begin(t, row.job, dray.WithShutdownTimeout(timeout),
					dray.WithObserver(func(dray.Event) { time.Sleep(row.observer) }, dray.QueueStopped))
				synctest.Wait()
				begin := time.Now()
				err := end()
				require.Equal(t, row.takes, time.Since(begin))
				require.Equal(t, row.late, errors.Is(err, dray.ErrAbandoned), "%v", err)
				kit.Elapse(2 * time.Hour)
			})
		}
	}
}
