package queue_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/internal/testhook"
	"github.com/a622d8ee/dray/test/kit"
)

// After a rush, during one and without, a job starts at once if a worker is free.
func TestNoJobWaitsBesideAFreeWorker(t *testing.T) {
	for _, rush := range []int{0, 1, 10, 127, 128, 129, 500, 5000} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(73*time.Hour + 11*time.Minute + 7)
			q := kit.Start(t, dray.WithWorkers(2))
			begin := time.Now()
			for range 3 {
				for range rush {
					require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
				}
				synctest.Wait()
				var late kit.Record[time.Duration]
				for range 2 {
					require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { late.Add(time.Since(begin)); return nil }))
					synctest.Wait()
				}
				require.Equal(t, []time.Duration{0, 0}, late.All(), "after %d", rush)
			}
		})
	}
}

// Jobs that trickle in, from several sides at once, start in the order of their IDs.
func TestTrickleKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started kit.Starts
		q := kit.Start(t, dray.WithWorkers(3))
		watched := kit.Start(t, dray.WithWorkers(3), started.Option())
		var ran kit.Record[int]
		for i := range 300 {
			for _, q := range []*dray.Queue{q, watched} {
				require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { ran.Add(i); time.Sleep(time.Duration(i%4) * time.Second); return nil }))
			}
			if i%7 == 0 {
				time.Sleep(time.Second)
			}
			if i%5 == 0 {
				_ = q.Stats()
			}
		}
		time.Sleep(time.Hour)
		require.Len(t, ran.All(), 600)
		for i, id := range started.All() {
			require.Equal(t, dray.ID(i+1), id)
		}
		kit.Balanced(t, q)
	})
}

// Jobs with a record among plain ones, wherever they stand in a long line, start in order,
// once, and are counted; nothing breaks.
func TestRecordsAmongPlainJobs(t *testing.T) {
	const n = 1100
	for at := 470; at < 500; at++ {
		for _, beside := range []int{0, 1, 2, 40} {
			synctest.Test(t, func(t *testing.T) {
				q := kit.Start(t, dray.WithWorkers(1))
				require.NoError(t, q.Pause())
				var ran kit.Record[int]
				for i := range n {
					var opts []dray.JobOption
					if i >= at && i <= at+beside || i%977 == 3 {
						opts = append(opts, dray.WithLabel("record"))
						if i%3 > 0 {
							opts = append(opts, dray.WithTimeout(time.Duration(i%3)*time.Hour))
						}
					}
					require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { ran.Add(i); return nil }, opts...))
				}
				require.NoError(t, q.Resume())
				synctest.Wait()
				for i, r := range ran.All() {
					require.Equal(t, i, r)
				}
				st := kit.Balanced(t, q)
				require.EqualValues(t, n, st.Processed)
				require.EqualValues(t, n, st.Run.Count)
				require.EqualValues(t, n, st.Wait.Count)
				require.Zero(t, st.Restarts)
			})
		}
	}
}

// What is enqueued while the owner is busy, and has looked into its mailbox already, is not
// overlooked when it goes to sleep, though no worker is free.
func TestEnqueueDuringATick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(73*time.Hour + 11*time.Minute + 7)
		q := kit.Start(t, dray.WithWorkers(1))
		require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { time.Sleep(time.Hour); return nil }))
		synctest.Wait()
		time.Sleep(time.Minute)
		begin, once := time.Now(), false
		testhook.Inside(q).Fault(func(at string) {
			if at == "advance" && !once {
				once = true
				require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
				require.NoError(t, q.Enqueue(t.Context(), kit.Nop, dray.WithDelay(time.Microsecond)))
			}
		})
		_ = q.Stats()
		require.True(t, once)
		time.Sleep(2 * time.Microsecond)
		for j := range q.Jobs() {
			require.NotEqual(t, dray.Delayed, j.State, "it is overdue")
		}
		time.Sleep(10 * time.Minute)
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
		testhook.Inside(q).Fault(nil)
		states, dates := map[dray.ID]dray.State{}, map[dray.ID]time.Duration{}
		for j := range q.Jobs() {
			states[j.ID], dates[j.ID] = j.State, j.EnqueuedAt.Sub(begin)
		}
		require.Equal(t, map[dray.ID]dray.State{1: dray.Running, 2: dray.Pending, 3: dray.Pending, 4: dray.Pending}, states)
		require.Equal(t, 10*time.Minute, dates[4].Round(time.Millisecond))
		time.Sleep(24 * time.Hour)
	})
}

// The same of a plain job alone: those behind it are not dated by it.
func TestPlainJobDuringATick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { time.Sleep(time.Hour); return nil }))
		synctest.Wait()
		time.Sleep(time.Minute)
		begin, once := time.Now(), false
		testhook.Inside(q).Fault(func(at string) {
			if at == "advance" && !once {
				once = true
				require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
			}
		})
		_ = q.Stats()
		time.Sleep(10 * time.Minute)
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
		testhook.Inside(q).Fault(nil)
		for j := range q.Jobs() {
			if j.ID == 3 {
				require.Equal(t, 10*time.Minute, j.EnqueuedAt.Sub(begin))
			}
		}
		time.Sleep(24 * time.Hour)
	})
}

// A job that starts just before the owner goes to sleep is watched: it is told that it
// runs on after its timeout.
func TestTimeoutThatBeginsDuringATick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(73*time.Hour + 11*time.Minute + 7)
		var stuck kit.Record[time.Time]
		q := kit.Start(t, dray.WithWorkers(1), dray.WithObserver(func(dray.Event) { stuck.Add(time.Now()) }, dray.JobStuck))
		end, next := make(chan struct{}), make(chan struct{})
		require.NoError(t, q.Pause())
		require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { <-end; return nil }))
		require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { close(next); time.Sleep(time.Hour); return nil }, dray.WithTimeout(time.Second)))
		require.NoError(t, q.Resume())
		time.Sleep(time.Minute)
		kit.DuringATick(t, q, func() { close(end); <-next })
		begin := time.Now()
		time.Sleep(2 * time.Hour)
		require.Len(t, stuck.All(), 1)
		require.InDelta(t, time.Second, stuck.All()[0].Sub(begin), float64(100*time.Millisecond))
	})
}

// A job of a higher priority is the next one to start, however many others workers have in
// hand; and one of a lower priority when it has aged.
func TestHigherJobsAreNext(t *testing.T) {
	low, high, record := dray.WithPriority(dray.Low), dray.WithPriority(dray.High), dray.WithLabel("l")
	const near = 50 * time.Microsecond // the job at hand ends
	for name, row := range map[string]struct {
		line, next []dray.JobOption
		after      time.Duration
	}{
		"plain before low":   {[]dray.JobOption{low}, nil, 0},
		"a record too":       {[]dray.JobOption{low}, []dray.JobOption{record}, 0},
		"high before low":    {[]dray.JobOption{low}, []dray.JobOption{high}, 0},
		"high before plain":  {nil, []dray.JobOption{high}, 0},
		"high before record": {[]dray.JobOption{record}, []dray.JobOption{high}, 0},
		"aged low":           {nil, []dray.JobOption{low}, 60 * time.Second},
		"aged plain":         {[]dray.JobOption{high}, nil, 60 * time.Second},
		"twice aged":         {[]dray.JobOption{high}, []dray.JobOption{low}, 120 * time.Second},
	} {
		for i := range 4 {
			workers, during := 1+i/2*2, i%2 == 0
			t.Run(fmt.Sprint(name, i), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					time.Sleep(73*time.Hour + 11*time.Minute + 7)
					q := kit.Start(t, dray.WithWorkers(workers))
					require.NoError(t, q.Pause())
					for range 200 * workers {
						require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { time.Sleep(time.Second); return nil }, row.line...))
					}
					require.NoError(t, q.Resume())
					time.Sleep(4*time.Second - near)
					for range 2 { // the owner naps after the first, and is not woken by the second
						require.NoError(t, q.Enqueue(t.Context(), kit.Nop, row.line...))
						synctest.Wait()
					}
					begin := time.Now()
					var started time.Duration
					next := func() {
						require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { started = time.Since(begin); return nil }, row.next...))
					}
					if during {
						kit.DuringATick(t, q, next)
					} else {
						next()
					}
					if name == "aged plain" {
						require.NoError(t, q.Enqueue(t.Context(), kit.Nop, low))
					}
					time.Sleep(150 * time.Second)
					synctest.Wait()
					require.Equal(t, row.after+near, started)
				})
			})
		}
	}
}
