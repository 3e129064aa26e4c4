package queue_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

func TestCancelOfAWaitingJob(t *testing.T) {
	retry := []dray.JobOption{dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Hour))}
	tests := map[string]struct {
		fn   dray.Func
		opts []dray.JobOption
		busy bool // the one worker is
	}{
		"pending":      {kit.Nop, nil, true},
		"with options": {kit.Nop, []dray.JobOption{dray.WithLabel("x")}, true},
		"high":         {kit.Nop, []dray.JobOption{dray.WithPriority(dray.High)}, true},
		"keyed":        {kit.Nop, []dray.JobOption{dray.WithKey("k")}, true},
		"delayed":      {kit.Nop, []dray.JobOption{dray.WithDelay(time.Hour)}, false},
		"retrying":     {kit.Fail, retry, false},
		"snoozing":     {func(context.Context) error { return dray.Snooze(time.Hour) }, nil, false},
	}
	for name, tc := range tests {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1))
			if tc.busy {
				defer kit.Occupy(t, q, dray.WithKey("k"))()
			}
			before := kit.Add(t, q, kit.Nop, dray.WithDelay(time.Minute))
			id := kit.Add(t, q, tc.fn, tc.opts...)
			after := kit.Add(t, q, kit.Nop, dray.WithDelay(time.Minute))
			synctest.Wait()
			require.NoError(t, q.Cancel(id))
			require.ErrorIs(t, q.Cancel(id), dray.ErrNotFound)
			s := kit.Balanced(t, q)
			require.Equal(t, uint64(1), s.Cancelled)
			for j := range q.Jobs() {
				require.NotEqual(t, id, j.ID)
			}
			require.NoError(t, q.Cancel(before))
			require.NoError(t, q.Cancel(after))
			kit.Elapse(2 * time.Hour)
			require.Equal(t, uint64(3), kit.Balanced(t, q).Cancelled)
		})
	}
}

func TestCancelOfPlainJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t, dray.WithWorkers(1))
		var got kit.Record[int]
		for i := range 1000 {
			require.NoError(t, q.Enqueue(t.Context(), got.Job(i+1)))
		}
		for i := range 1000 {
			if id := dray.ID(i + 1); id%10 != 0 {
				require.NoError(t, q.Cancel(id))
			}
		}
		kit.Balanced(t, q)
		require.NoError(t, q.Start())
		synctest.Wait()
		require.Len(t, got.All(), 100)
		require.IsIncreasing(t, got.All())
		s := kit.Balanced(t, q)
		require.Equal(t, []uint64{100, 900}, []uint64{s.Processed, s.Cancelled})
	})
}

func TestCancelOfARunningJob(t *testing.T) {
	tests := map[string]struct {
		fn                          dray.Func
		processed, failed, canceled uint64
	}{
		"returns an error":     {draytest.Slow(time.Hour), 0, 0, 1},
		"returns nil":          {func(ctx context.Context) error { <-ctx.Done(); return nil }, 1, 0, 0},
		"snoozes":              {func(ctx context.Context) error { <-ctx.Done(); return dray.Snooze(time.Hour) }, 0, 0, 1},
		"discards":             {func(ctx context.Context) error { <-ctx.Done(); return dray.Discard(kit.ErrBoom) }, 0, 0, 1},
		"ignores it, then nil": {func(context.Context) error { time.Sleep(time.Hour); return nil }, 1, 0, 0},
	}
	for name, tc := range tests {
		for way, opts := range map[string][]dray.JobOption{"plain": nil, "attempts": {dray.WithMaxAttempts(3)}} {
			kit.Bubble(t, name+"/"+way, func(t *testing.T) {
				q := kit.Start(t, dray.WithWorkers(1))
				require.NoError(t, q.Enqueue(t.Context(), tc.fn, opts...))
				synctest.Wait()
				require.NoError(t, q.Cancel(1))
				kit.Balanced(t, q)
				kit.Elapse(2 * time.Hour)
				s := kit.Balanced(t, q)
				require.Equal(t, []uint64{tc.processed, tc.failed, tc.canceled}, []uint64{s.Processed, s.Failed, s.Cancelled})
				require.ErrorIs(t, q.Cancel(1), dray.ErrNotFound)
				require.Zero(t, s.Stuck)
			})
		}
	}
}

func TestCancelOfWhatIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		for _, id := range []dray.ID{0, 1, 2, ^dray.ID(0)} {
			require.ErrorIs(t, q.Cancel(id), dray.ErrNotFound)
		}
		kit.Add(t, q, kit.Nop)
		synctest.Wait()
		require.ErrorIs(t, q.Cancel(1), dray.ErrNotFound)
		require.ErrorIs(t, q.Cancel(0), dray.ErrNotFound)
	})
}

func TestCancelOfOneself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		kit.Add(t, q, func(ctx context.Context) error {
			info, _ := dray.JobFrom(ctx)
			require.NoError(t, q.Cancel(info.ID))
			<-ctx.Done()
			return context.Cause(ctx)
		})
		synctest.Wait()
		require.Equal(t, uint64(1), kit.Balanced(t, q).Cancelled)
	})
}

// What context.Cause says, in a job that looked at its context before and in one that did not.
func TestCauses(t *testing.T) {
	brief, done := context.WithTimeout(context.Background(), 0)
	done()
	causes := map[string]struct {
		opts   []dray.JobOption
		cancel func(q *dray.Queue)
		want   error
	}{
		"timeout": {[]dray.JobOption{dray.WithTimeout(time.Second)}, func(*dray.Queue) {}, dray.ErrTimeout},
		"cancel":  {nil, func(q *dray.Queue) { _ = q.Cancel(1) }, dray.ErrCancelled},
		"cancel before the timeout": {
			[]dray.JobOption{dray.WithTimeout(time.Minute)}, func(q *dray.Queue) { _ = q.Cancel(1) }, dray.ErrCancelled,
		},
		"close":    {nil, func(q *dray.Queue) { go q.Close() }, dray.ErrShutdown},
		"shutdown": {nil, func(q *dray.Queue) { go func() { _, _ = q.Shutdown(brief) }() }, dray.ErrShutdown},
		"close before the timeout": {
			[]dray.JobOption{dray.WithTimeout(time.Minute)}, func(q *dray.Queue) { go q.Close() }, dray.ErrShutdown,
		},
	}
	for name, tc := range causes {
		for way, early := range map[string]bool{"used early": true, "used late": false} {
			kit.Bubble(t, name+"/"+way, func(t *testing.T) {
				q := kit.Start(t)
				var cause, err kit.Record[error]
				require.NoError(t, q.Enqueue(t.Context(), func(ctx context.Context) error {
					if early {
						require.NoError(t, ctx.Err())
					}
					time.Sleep(2 * time.Second)
					<-ctx.Done()
					derived, cancel := context.WithCancel(ctx)
					defer cancel()
					cause.Add(context.Cause(ctx))
					cause.Add(context.Cause(derived))
					err.Add(ctx.Err())
					return nil
				}, tc.opts...))
				synctest.Wait()
				tc.cancel(q)
				kit.Elapse(time.Minute)
				require.Equal(t, []error{tc.want, tc.want}, cause.All())
				require.Len(t, err.All(), 1)
				require.Error(t, err.All()[0])
				require.Equal(t, uint64(1), kit.Balanced(t, q).Processed)
			})
		}
	}
}

func TestContextEndsWithTheJob(t *testing.T) {
	for way, early := range map[string]bool{"used early": true, "used late": false} {
		kit.Bubble(t, way, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1))
			var kept context.Context
			ended := make(chan struct{})
			require.NoError(t, q.Enqueue(t.Context(), func(ctx context.Context) error {
				kept = ctx
				if early {
					go func() { <-ctx.Done(); close(ended) }()
				} else {
					close(ended)
				}
				return nil
			}))
			synctest.Wait()
			<-ended
			release := kit.Occupy(t, q) // the worker has another job by now
			require.ErrorIs(t, kept.Err(), context.Canceled)
			require.ErrorIs(t, context.Cause(kept), context.Canceled)
			<-kept.Done()
			_, ok := dray.JobFrom(kept)
			require.False(t, ok)
			dray.Progress(kept, 1, 2)
			for j := range q.Jobs() {
				require.Zero(t, j.Done)
			}
			release()
		})
	}
}

func TestJobFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		var got kit.Record[dray.JobInfo]
		began := time.Now()
		note := func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(context.WithValue(ctx, t, 1))
			defer cancel()
			info, ok := dray.JobFrom(ctx)
			require.True(t, ok)
			got.Add(info)
			return kit.ErrBoom
		}
		require.NoError(t, q.Enqueue(t.Context(), note))
		synctest.Wait()
		k, err := dray.Handle(q, "kind", func(ctx context.Context, _ int) error { return note(ctx) })
		require.NoError(t, err)
		require.NoError(t, k.Enqueue(t.Context(), 1, dray.WithLabel("l"), dray.WithKey("k"), dray.WithPriority(dray.High),
			dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Second))))
		kit.Elapse(time.Minute)
		want := []dray.JobInfo{
			{ID: 1, State: dray.Running, Attempt: 1, EnqueuedAt: began, StartedAt: began},
			{ID: 2, Kind: "kind", Label: "l", Key: "k", Priority: dray.High, State: dray.Running, Attempt: 1, EnqueuedAt: began, StartedAt: began},
			{
				ID: 2, Kind: "kind", Label: "l", Key: "k", Priority: dray.High, State: dray.Running, Attempt: 2,
				EnqueuedAt: began, StartedAt: began.Add(time.Second), LastError: kit.ErrBoom,
			},
		}
		require.Len(t, got.All(), len(want))
		for i, info := range got.All() {
			require.WithinDuration(t, want[i].EnqueuedAt, info.EnqueuedAt, 0)
			require.WithinDuration(t, want[i].StartedAt, info.StartedAt, 0)
			info.EnqueuedAt, info.StartedAt = want[i].EnqueuedAt, want[i].StartedAt
			require.Equal(t, want[i], info)
		}
		_, ok := dray.JobFrom(t.Context())
		require.False(t, ok)
	})
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen kit.Record[int64]
		q := kit.Start(t, dray.WithObserver(func(ev dray.Event) {
			if ev.Kind == dray.JobProgress {
				seen.Add(ev.Job.Done)
			}
		}))
		gate := make(chan struct{})
		require.NoError(t, q.Enqueue(t.Context(), func(ctx context.Context) error {
			for i := range int64(3) {
				dray.Progress(ctx, i+1, 10)
			}
			return kit.Until(gate)(ctx)
		}))
		synctest.Wait()
		jobs := slices.Collect(q.Jobs())
		require.Equal(t, []int64{3, 10}, []int64{jobs[0].Done, jobs[0].Total})
		require.Equal(t, []int64{1, 2, 3}, seen.All())
		close(gate)
		dray.Progress(t.Context(), 1, 1)
	})
}

func TestStuckAllowance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithStuckAllowance(1))
		hold := func(context.Context) error { time.Sleep(time.Hour); return kit.ErrBoom }
		for range 3 {
			kit.Add(t, q, hold, dray.WithTimeout(time.Second))
		}
		stats := func(running, stuck int) {
			t.Helper()
			s := kit.Balanced(t, q)
			require.Equal(t, []int{running, stuck}, []int{s.Running, s.Stuck})
		}
		synctest.Wait()
		stats(1, 0)
		kit.Elapse(time.Second)
		stats(2, 1)
		kit.Elapse(time.Minute)
		stats(2, 2) // one is lent, no more
		states := map[dray.State]int{}
		for j := range q.Jobs() {
			states[j.State]++
		}
		require.Equal(t, map[dray.State]int{dray.Stuck: 2, dray.Pending: 1}, states)
		kit.Elapse(3 * time.Hour)
		stats(0, 0)
		require.Equal(t, uint64(3), kit.Balanced(t, q).Failed)
	})
}
