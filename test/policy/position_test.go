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
