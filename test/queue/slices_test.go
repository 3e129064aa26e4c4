package queue_test

import (
	"context"
	"math/rand"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/internal/testhook"
	"github.com/a622d8ee/dray/test/kit"
)

// What ends very many jobs lets others through between two slices: here a call that waits
// for room, which it gets as soon as one job has gone. What it brings came later, and is
// left alone.
func TestMassOperationsLetOthersThrough(t *testing.T) {
	noop := func(context.Context, int) error { return nil }
	for name, a := range map[string]struct {
		ends dray.EventKind
		opts func(g *dray.Group) []dray.JobOption
		late []dray.JobOption
		do   func(q *dray.Queue, g *dray.Group) int
	}{
		"kind":  {ends: dray.JobCancelled, do: func(q *dray.Queue, _ *dray.Group) int { return q.CancelKind("k") }},
		"key":   {ends: dray.JobCancelled, do: func(q *dray.Queue, _ *dray.Group) int { return q.CancelKey("key") }, opts: func(*dray.Group) []dray.JobOption { return []dray.JobOption{dray.WithKey("key")} }, late: []dray.JobOption{dray.WithKey("key")}},
		"group": {ends: dray.JobCancelled, do: func(_ *dray.Queue, g *dray.Group) int { return g.Cancel() }, opts: func(g *dray.Group) []dray.JobOption { return []dray.JobOption{dray.WithGroup(g)} }},
		"deadline": {ends: dray.JobFailed, opts: func(*dray.Group) []dray.JobOption { return []dray.JobOption{dray.WithDeadline(time.Hour)} },
			do: func(q *dray.Queue, _ *dray.Group) int {
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				return int(q.Stats().Failed)
			}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 100_000
				if testing.Short() {
					n = 10_000
				}
				ended, before := 0, -1 // by the observer; read when it is still
				q, err := dray.New(dray.WithCapacity(n), dray.WithOverflow(dray.Block), dray.WithObserver(func(e dray.Event) {
					switch {
					case e.Kind == a.ends:
						ended++
					case e.Job.Label == "late":
						before = ended
					}
				}, dray.JobEnqueued, a.ends))
				require.NoError(t, err)
				kind, err := dray.Handle(q, "k", noop)
				require.NoError(t, err)
				g, err := dray.NewGroup(q)
				require.NoError(t, err)
				require.NoError(t, q.Pause())
				require.NoError(t, q.Start())
				var opts []dray.JobOption
				if a.opts != nil {
					opts = a.opts(g)
				}
				for i := range n {
					require.NoError(t, kind.Enqueue(t.Context(), 0, opts...))
					if i%1000 == 0 {
						synctest.Wait()
					}
				}
				accepted := make(chan error, 1)
				go func() { accepted <- kind.Enqueue(t.Context(), 0, append(a.late, dray.WithLabel("late"))...) }()
				synctest.Wait()
				require.Equal(t, n, a.do(q, g))
				require.NoError(t, <-accepted)
				synctest.Wait()
				require.Positive(t, before)
				require.Less(t, before, 1000, "it waited for all of %d", n)
				s := q.Stats()
				require.Equal(t, 1, s.Pending)
				require.EqualValues(t, n, s.Cancelled+s.Failed)
				require.NoError(t, q.Close())
			})
		})
	}
}

// waitingQueue is one in which nothing runs, with so many jobs that stand in line, aside
// and wait for their time: their IDs are from 1 on.
func waitingQueue(t *testing.T, n int) *dray.Queue {
	t.Helper()
	q, err := dray.New(dray.WithCapacity(dray.Unbounded))
	require.NoError(t, err)
	nop := func(context.Context) error { return nil }
	for i := range n {
		var opts []dray.JobOption
		switch {
		case i >= 3*n/4:
			opts = append(opts, dray.WithDelay(time.Hour+time.Duration(i)*time.Second))
		case i >= n/2:
			opts = append(opts, dray.WithKey("k"))
		}
		require.NoError(t, q.Enqueue(t.Context(), nop, opts...))
	}
	return q
}

// Jobs that come and go while others are read do not disturb it: each that stays is
// yielded once, in the order in which they stand.
func TestJobsThatStayAreYieldedOnce(t *testing.T) {
	const n = 4000
	q := waitingQueue(t, n)
	r := rand.New(rand.NewSource(1))
	gone, seen := map[dray.ID]bool{n: true}, map[dray.ID]int{}
	last := dray.ID(0)
	i := 0
	for j := range q.Jobs() {
		if i == 0 {
			require.NoError(t, q.Cancel(n)) // the last of all
		}
		if i++; i%3 == 0 {
			id := dray.ID(1 + r.Intn(n))
			gone[id] = q.Cancel(id) == nil || gone[id]
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { return nil }))
		}
		if seen[j.ID]++; j.ID <= n {
			require.Greater(t, j.ID, last)
			last = j.ID
		}
	}
	require.Zero(t, seen[n], "it had gone before it was read")
	for id := dray.ID(1); id <= n; id++ {
		require.True(t, seen[id] == 1 || gone[id] && seen[id] == 0, "job %d came %d times", id, seen[id])
	}
	require.NoError(t, q.Close())
}

// A loop that is broken off costs no more than what it has seen.
func TestJobsAreReadAsFarAsTheyAreWanted(t *testing.T) {
	allocs := map[int]float64{}
	for _, n := range []int{2000, 40_000} {
		q := waitingQueue(t, n)
		allocs[n] = testing.AllocsPerRun(10, func() {
			for range q.Jobs() {
				break
			}
		})
		require.NoError(t, q.Close())
	}
	require.InDelta(t, allocs[2000], allocs[40_000], 10)
}

// stepsOf counts the steps that f makes the queue take.
func stepsOf(q *dray.Queue, f func()) (n int) {
	testhook.Inside(q).Fault(func(at string) {
		if at == "change" {
			n++
		}
	})
	f()
	testhook.Inside(q).Fault(nil)
	return n
}

// What adds very many jobs, or reads very many, does so in many steps, and others can be
// had between them.
func TestLongCallsAreManySteps(t *testing.T) {
	const n, few = 1000, 100 // so few at most in a step that changes them
	synctest.Test(t, func(t *testing.T) {
		q, err := dray.New(dray.WithFailuresKept(n), dray.WithCapacity(dray.Unbounded))
		require.NoError(t, err)
		require.NoError(t, q.Start())
		fns := make([]dray.Func, n)
		for i := range fns {
			fns[i] = kit.Fail
		}
		require.GreaterOrEqual(t, stepsOf(q, func() {
			accepted, err := q.EnqueueBatch(t.Context(), fns, dray.WithLabel("many"))
			require.NoError(t, err)
			require.Equal(t, n, accepted)
		}), n/few)
		synctest.Wait()
		require.GreaterOrEqual(t, stepsOf(q, func() { require.Len(t, q.Failures(), n) }), n/300)
		require.NoError(t, q.Pause())
		require.GreaterOrEqual(t, stepsOf(q, func() {
			requeued, err := q.RequeueAll()
			require.NoError(t, err)
			require.Equal(t, n, requeued)
		}), n/few)
		require.Empty(t, q.Failures())
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		next, err := dray.New()
		require.NoError(t, err)
		require.GreaterOrEqual(t, stepsOf(next, func() { require.NoError(t, next.Restore(report)) }), n/few)
		require.Equal(t, n, next.Stats().Pending)
		require.NoError(t, next.Close())
	})
}

// A crash of the owner between two slices loses nothing: the call goes on.
func TestCrashBetweenSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		q, err := dray.New()
		require.NoError(t, err)
		require.NoError(t, q.Pause())
		require.NoError(t, q.Start())
		for range n {
			require.NoError(t, q.Enqueue(t.Context(), kit.Fail, dray.WithKey("k")))
		}
		synctest.Wait()
		slices := 0
		testhook.Inside(q).Fault(func(at string) {
			if at != "change" {
				return
			}
			if slices++; slices == 3 {
				panic("a broken rule")
			}
		})
		require.Equal(t, n, q.CancelKey("k"))
		testhook.Inside(q).Fault(nil)
		synctest.Wait()
		require.Greater(t, slices, 3)
		s := q.Stats()
		require.EqualValues(t, n, s.Cancelled)
		require.EqualValues(t, 1, s.Restarts)
		require.NoError(t, q.Close())
	})
}
