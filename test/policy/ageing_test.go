package policy_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// The report that this comes from: a backlog of an hour's work is as old as it likes,
// and what is urgent goes before it.
func TestOldBacklogDoesNotHoldUpHigh(t *testing.T) {
	for _, at := range []time.Duration{61 * time.Second, 150 * time.Second, 500*time.Second + 300*time.Millisecond} {
		bubble(t, at.String(), func(t *testing.T) {
			q := start(t, dray.WithWorkers(1))
			for range 600 {
				add(t, q, func(ctx context.Context) error { return pass(ctx, time.Second) })
			}
			time.Sleep(at)
			enqueued, started := time.Now(), time.Time{}
			r := add(t, q, func(context.Context) error { started = time.Now(); return nil }, dray.WithPriority(dray.High))
			require.LessOrEqual(t, r.Position, 2)
			kit.Elapse(time.Minute)
			require.False(t, started.IsZero(), "it has not started")
			require.LessOrEqual(t, started.Sub(enqueued), 2*time.Second, "for what ran, and one of the aged backlog")
		})
	}
}

// A run is what became of one job in a rush.
type run struct {
	priority       dray.Priority
	enqueued, from time.Time
}

// rush lets jobs of all priorities arrive at random for some minutes, more than the
// workers can do, none of which takes longer than most.
func rush(t *testing.T, seed uint64, workers int, most time.Duration) []*run {
	rng := rand.New(rand.NewPCG(seed, 7))
	q := start(t, dray.WithWorkers(workers), dray.WithCapacity(dray.Unbounded))
	var mu sync.Mutex
	var runs []*run
	shares := []int{rng.IntN(8) + 1, rng.IntN(8) + 1, rng.IntN(8) + 1}
	kinds := slices.Concat(slices.Repeat([]dray.Priority{dray.Low}, shares[0]), slices.Repeat([]dray.Priority{dray.Normal}, shares[1]),
		slices.Repeat([]dray.Priority{dray.High}, shares[2]))
	end := time.Now().Add(8*time.Minute + 8*most)
	for time.Now().Before(end) {
		r := &run{priority: kinds[rng.IntN(len(kinds))], enqueued: time.Now()}
		takes := time.Duration(rng.Int64N(int64(most))) + 1
		fn := func(ctx context.Context) error {
			mu.Lock()
			r.from = time.Now()
			mu.Unlock()
			return pass(ctx, takes)
		}
		runs = append(runs, r)
		if r.priority == dray.Normal && rng.IntN(2) == 0 {
			require.NoError(t, q.Enqueue(t.Context(), fn))
		} else {
			add(t, q, fn, dray.WithPriority(r.priority))
		}
		time.Sleep(time.Duration(rng.Int64N(int64(most) / int64(workers))))
	}
	require.NoError(t, q.Close())
	return runs
}

// A High job waits for at most the running jobs and one job per aged lane and minute.
func TestHighWaitsForOneJobPerAgedLaneAndMinute(t *testing.T) {
	for seed := range uint64(9) {
		most := []time.Duration{2 * time.Second, 20 * time.Second, 4 * time.Minute}[seed%3]
		workers := 1 + int(seed)%2
		bubble(t, fmt.Sprint(seed), func(t *testing.T) {
			runs := rush(t, seed, workers, most)
			high := 0
			for _, r := range runs {
				if r.priority != dray.High || r.from.IsZero() {
					continue
				}
				high++
				before := map[dray.Priority]int{}
				for _, o := range runs {
					if o.priority < dray.High && o.from.After(r.enqueued) && o.from.Before(r.from) {
						before[o.priority]++
					}
				}
				minutes := int(r.from.Sub(r.enqueued)/time.Minute) + 1
				require.LessOrEqual(t, before[dray.Normal], minutes)
				require.LessOrEqual(t, before[dray.Low], minutes)
			}
			require.Positive(t, high)
		})
	}
}

// The first Low job starts within two minutes and the next worker that becomes free.
func TestLowStartsWithinTwoMinutesAndTheNextWorker(t *testing.T) {
	for seed := range uint64(9) {
		most := []time.Duration{2 * time.Second, 20 * time.Second}[seed%2]
		workers := 1 + int(seed/2)%2
		bubble(t, fmt.Sprint(seed), func(t *testing.T) {
			runs := rush(t, seed, workers, most)
			low, first := 0, time.Time{}
			for _, r := range runs {
				if r.priority != dray.Low {
					continue
				}
				if r.enqueued.After(first) {
					first = r.enqueued
				}
				if r.from.IsZero() {
					break
				}
				low++
				for _, o := range runs {
					late := o != r && o.from.After(first.Add(2*time.Minute)) && o.from.Before(r.from)
					require.False(t, late, "a %v job got the worker that a Low one had waited for since %v", o.priority, first)
				}
				first = r.from
			}
			require.Positive(t, low)
		})
	}
}

// Also where jobs take longer than that, no priority keeps the others out.
func TestLongJobsOfAllPrioritiesTakeTurns(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		q := start(t, dray.WithWorkers(1))
		var got record[dray.Priority]
		for _, p := range []dray.Priority{dray.Low, dray.Normal, dray.High} {
			for range 20 {
				add(t, q, got.job(p, 5*time.Minute), dray.WithPriority(p))
			}
		}
		kit.Elapse(5*12*time.Minute + time.Second)
		counts := map[dray.Priority]int{}
		for _, p := range got.All() {
			counts[p]++
		}
		for p, n := range counts {
			require.InDelta(t, 4, n, 1, "%v of %v", p, got.All())
		}
	})
}

// Jobs lists what waits in the order in which it starts, and positions are the places
// in that list, however old it is.
func TestPositionsFollowAgeing(t *testing.T) {
	for seed := range uint64(40) {
		bubble(t, fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			q := start(t, dray.WithWorkers(1))
			gate := make(chan struct{})
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { <-gate; return nil }))
			synctest.Wait()
			var got record[dray.ID]
			fn := func(ctx context.Context) error {
				j, _ := dray.JobFrom(ctx)
				got.Add(j.ID)
				return nil
			}
			for range rng.IntN(12) {
				time.Sleep(time.Duration(rng.Int64N(int64(50 * time.Second))))
				before := listed(q)
				p := dray.Priority(rng.IntN(3) - 1)
				r := add(t, q, fn, dray.WithPriority(p))
				after := listed(q)
				require.Len(t, after, len(before)+1)
				require.Equal(t, r.ID, after[r.Position-1])
			}
			want := listed(q)
			close(gate)
			synctest.Wait()
			require.Equal(t, want, got.All())
		})
	}
}

// listed returns the jobs that wait, as Jobs lists them.
func listed(q *dray.Queue) []dray.ID {
	ids := []dray.ID(nil)
	for j := range q.Jobs() {
		if j.State == dray.Pending {
			ids = append(ids, j.ID)
		}
	}
	return ids
}
