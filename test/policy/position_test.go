package policy_test

import (
	"context"
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// Whatever is enqueued, a receipt tells the place that Jobs has, and one worker starts
// the jobs in that order: with priorities, ageing, keys and their limits, and with one
// job running or none.
func TestPositionsAndJobsAreTheOrderOfStarts(t *testing.T) {
	for seed := range int64(300) {
		bubble(t, fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewSource(seed))
			q := start(t, dray.WithWorkers(1))
			hold := make(chan struct{})
			if r.Intn(2) == 0 {
				require.NoError(t, q.Pause())
			} else {
				require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { <-hold; return nil }, dray.WithKey("0")))
			}
			synctest.Wait()
			var started []dray.ID
			for range 2 + r.Intn(12) {
				time.Sleep(time.Duration(r.Intn(2)*r.Intn(70)) * time.Second)
				receipt, err := q.EnqueueSync(t.Context(), func(ctx context.Context) error {
					j, _ := dray.JobFrom(ctx)
					started = append(started, j.ID)
					return nil
				}, randomLine(r)...)
				require.NoError(t, err)
				require.Equal(t, slices.Index(pendingOf(q), receipt.ID)+1, receipt.Position)
			}
			want := pendingOf(q)
			close(hold)
			_ = q.Resume()
			synctest.Wait()
			require.Equal(t, want, started)
		})
	}
}

// randomLine returns options that decide where a job stands.
func randomLine(r *rand.Rand) (opts []dray.JobOption) {
	if r.Intn(2) == 0 {
		opts = append(opts, dray.WithPriority(dray.Priority(r.Intn(3)-1)))
	}
	if r.Intn(3) > 0 {
		opts = append(opts, dray.WithKey(fmt.Sprint(r.Intn(3))), dray.WithKeyLimit(1+r.Intn(2)))
	}
	return opts
}

func pendingOf(q *dray.Queue) (ids []dray.ID) {
	for j := range q.Jobs() {
		if j.State == dray.Pending {
			ids = append(ids, j.ID)
		}
	}
	return ids
}

// What is behind a job that cannot start is listed behind all that can, and behind what
// waits for its time if that is why; a receipt counts the pending ones alone.
func TestPositionsOfWhatIsHeldBack(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		q := start(t, dray.WithWorkers(1), dray.WithBackoff(dray.Constant(time.Hour)))
		kind, err := dray.Handle(q, "paused", func(context.Context, int) error { return nil })
		require.NoError(t, err)
		require.NoError(t, q.PauseKind("paused"))
		place := func(key string, p dray.Priority) int {
			opts := []dray.JobOption{dray.WithPriority(p)}
			if key != "" {
				opts = append(opts, dray.WithKey(key))
			}
			r, err := q.EnqueueSync(t.Context(), kit.Nop, opts...)
			require.NoError(t, err)
			return r.Position
		}
		require.NoError(t, kind.Enqueue(t.Context(), 0, dray.WithKey("paused")))
		require.NoError(t, q.Enqueue(t.Context(), kit.Fail, dray.WithKey("asleep"), dray.WithMaxAttempts(2)))
		synctest.Wait()
		require.NoError(t, q.Pause())
		require.Equal(t, 1, place("", dray.Low), "before that of the paused kind")
		require.Equal(t, 3, place("asleep", dray.High), "behind a retry")
		require.Equal(t, 3, place("paused", dray.Low), "behind that of the paused kind")
		require.Equal(t, 2, place("", dray.Low))
		var listed []string
		for j := range q.Jobs() {
			listed = append(listed, fmt.Sprint(j.State, " ", j.Key))
		}
		require.Equal(t, []string{
			"pending ", "pending ", "pending paused", "pending paused", "retrying asleep", "pending asleep",
		}, listed)
	})
}

// What waits for its time is listed in the order in which it will start, also where several are due at
// one moment, and what is of a paused kind behind all that are due, before its turn has come, too.
func TestJobsListsWhatWaitsByItsStart(t *testing.T) {
	for seed := range int64(200) {
		bubble(t, fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewSource(seed))
			q := start(t, dray.WithWorkers(1))
			var started kit.Record[dray.ID]
			note := func(ctx context.Context) error {
				j, _ := dray.JobFrom(ctx)
				started.Add(j.ID)
				return nil
			}
			kind, err := dray.Handle(q, "paused", func(ctx context.Context, _ int) error { return note(ctx) })
			require.NoError(t, err)
			require.NoError(t, q.Pause())
			require.NoError(t, q.PauseKind("paused"))
			for range 12 {
				priority := []dray.Priority{dray.Low, dray.Normal, dray.High}[r.Intn(3)]
				var receipt dray.Receipt
				switch r.Intn(3) {
				case 0:
					receipt, err = kind.EnqueueSync(t.Context(), 0, dray.WithPriority(priority))
				case 1:
					receipt, err = q.EnqueueSync(t.Context(), note, dray.WithPriority(priority))
				default:
					err = q.Enqueue(t.Context(), note, dray.WithPriority(priority), dray.WithDelay(time.Duration(1+r.Intn(3))*10*time.Second))
				}
				require.NoError(t, err)
				if receipt.ID > 0 {
					require.Equal(t, receipt.Position, 1+slices.Index(pendingOf(q), receipt.ID))
				}
			}
			want := []dray.ID{}
			for j := range q.Jobs() {
				want = append(want, j.ID)
			}
			require.NoError(t, q.Resume())
			synctest.Wait()
			n := len(started.All())
			require.Equal(t, want[:n], append([]dray.ID{}, started.All()...), "what may start")
			paused := q.Stats().Pending
			require.NoError(t, q.ResumeKind("paused"))
			synctest.Wait()
			require.Len(t, started.All(), n+paused)
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Equal(t, want[n+paused:], started.All()[n+paused:], "what waits for its time")
		})
	}
}
