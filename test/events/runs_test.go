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
	"github.com/a622d8ee/dray/internal/testhook"
	"github.com/a622d8ee/dray/test/kit"
)

// Whatever happens between two runs and a shutdown, each run has one QueueStopped, and the last
// event is one, with the books that are true then. The error of Shutdown says whether a job was
// cut short.
func TestEndsOfRuns(t *testing.T) {
	serve := func(q *dray.Queue, d time.Duration, cause error) {
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(d, func() { cancel(cause) })
		_ = q.Serve(ctx)
	}
	delayed := func(q *dray.Queue) dray.ID {
		r, _ := q.EnqueueSync(context.Background(), draytest.Slow(0), dray.WithDelay(time.Hour))
		return r.ID
	}
	slow := func(q *dray.Queue, job dray.Func) { _ = q.Enqueue(context.Background(), job) }
	cut := context.DeadlineExceeded
	for name, row := range map[string]struct {
		do    func(q *dray.Queue)
		stops int
		err   error // of Shutdown
	}{
		"never served":                  {func(*dray.Queue) {}, 1, nil},
		"a run of nothing":              {func(q *dray.Queue) { serve(q, 1, nil) }, 1, nil},
		"two":                           {func(q *dray.Queue) { serve(q, 1, nil); serve(q, 1, nil) }, 2, nil},
		"to be started again":           {func(q *dray.Queue) { serve(q, 1, dray.ErrRestart) }, 1, nil},
		"a job accepted since":          {func(q *dray.Queue) { serve(q, 1, dray.ErrRestart); delayed(q) }, 2, nil},
		"a job that waits":              {func(q *dray.Queue) { delayed(q); serve(q, 1, nil) }, 1, nil},
		"a job cancelled since":         {func(q *dray.Queue) { id := delayed(q); serve(q, 1, nil); _ = q.Cancel(id) }, 2, nil},
		"cut short":                     {func(q *dray.Queue) { slow(q, draytest.Slow(time.Hour)); serve(q, 1, nil) }, 1, cut},
		"cut short to be started again": {func(q *dray.Queue) { slow(q, draytest.Slow(time.Hour)); serve(q, 1, dray.ErrRestart) }, 1, dray.ErrRestart},
		"cut short, and run to the end": {func(q *dray.Queue) { slow(q, draytest.Slow(time.Minute)); serve(q, 1, nil); serve(q, time.Hour, nil) }, 2, nil},
		"abandoned":                     {func(q *dray.Queue) { slow(q, draytest.Stubborn(time.Hour, nil)); serve(q, 1, nil) }, 1, dray.ErrStillRunning},
		"abandoned, and returned since": {func(q *dray.Queue) {
			slow(q, draytest.Stubborn(time.Hour, nil))
			serve(q, 1, nil)
			time.Sleep(2 * time.Hour)
		}, 2, cut},
		"failed":                          {func(q *dray.Queue) { fail(q, serve) }, 1, dray.ErrIntensity},
		"failed, and served again":        {func(q *dray.Queue) { fail(q, serve); serve(q, 1, nil) }, 2, nil},
		"failed, and a job accepted then": {func(q *dray.Queue) { fail(q, serve); serve(q, 1, dray.ErrRestart); delayed(q) }, 3, nil},
	} {
		kit.Bubble(t, name, func(t *testing.T) {
			var stops int
			var last dray.Event
			q, err := dray.New(dray.WithWorkers(1), dray.WithShutdownTimeout(time.Second), dray.WithObserver(func(ev dray.Event) {
				if last = ev; ev.Kind == dray.QueueStopped {
					stops++
				}
			}))
			require.NoError(t, err)
			row.do(q)
			report, err := q.Shutdown(t.Context())
			synctest.Wait()
			require.Equal(t, row.err == nil, err == nil, err)
			require.True(t, row.err == nil || errors.Is(err, row.err), err)
			require.Equal(t, row.stops, stops)
			require.Equal(t, dray.QueueStopped, last.Kind)
			require.Equal(t, len(report.Waiting), last.Waiting)
			require.Equal(t, len(report.Interrupted), last.Interrupted)
			require.Equal(t, len(report.Abandoned), last.Abandoned)
			books, now := *last.Stats, q.Stats()
			books.OldestPending, now.OldestPending = 0, 0
			require.Equal(t, now, books)
			require.Equal(t, err, q.Close())
			kit.Elapse(2 * time.Hour) // what was abandoned
		})
	}
}

// To its caller it is no news that Close cuts jobs short, nor that a Serve before has done so.
func TestCloseAfterAServeThatCutJobsShort(t *testing.T) {
	kit.Bubble(t, "", func(t *testing.T) {
		q, err := dray.New(dray.WithShutdownTimeout(time.Second))
		require.NoError(t, err)
		require.NoError(t, q.Enqueue(t.Context(), draytest.Slow(time.Hour)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, q.Serve(ctx))
		require.NoError(t, q.Close())
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Len(t, report.Interrupted, 1)
	})
}

// fail serves q until its owner has crashed too often.
func fail(q *dray.Queue, serve func(*dray.Queue, time.Duration, error)) {
	inside := testhook.Inside(q)
	time.AfterFunc(time.Second, func() {
		inside.Fault(func(string) { panic("crash") })
		inside.Poke()
	})
	serve(q, time.Hour, nil)
	inside.Fault(nil)
}
