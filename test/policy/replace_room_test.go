package policy_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// retrying returns a paused queue with room for one, and with jobs that wait for a retry under the
// unique keys 0, 1, …: these take no room.
func retrying(t *testing.T, jobs int, o dray.Overflow) *dray.Queue {
	q := kit.Start(t, dray.WithWorkers(1), oneOfRoom, dray.WithOverflow(o))
	for i := range jobs {
		kit.Add(t, q, kit.Fail, replaces(i), twice, dray.WithBackoff(dray.Constant(time.Hour)))
		synctest.Wait()
	}
	require.NoError(t, q.Pause())
	require.Equal(t, jobs, kit.Balanced(t, q).Retrying)
	return q
}

func replaces(i int) dray.JobOption { return dray.WithUnique(fmt.Sprint(i), dray.ReplacePending) }

// What replaces a job that has started has not started itself, and so takes room.
func TestReplacementTakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := retrying(t, 3, dray.Reject)
		kit.Add(t, q, kit.Nop, replaces(0))
		require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop, replaces(1)), dray.ErrQueueFull)
		require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop), dray.ErrQueueFull)
		kit.Add(t, q, kit.Nop, replaces(0)) // one out, one in
		s := kit.Balanced(t, q)
		require.Equal(t, []int{1, 2, 2}, []int{s.Pending, s.Retrying, int(s.Evicted)})
	})
}

// Where there is no room the overflow policy decides, and nothing is replaced unless the new job is
// accepted to stay.
func TestReplacementWithoutRoom(t *testing.T) {
	for name, c := range map[string]struct {
		policy                     dray.Overflow
		err                        error
		pending, retrying, evicted int
		waits                      bool
	}{
		"Reject":     {dray.Reject, dray.ErrQueueFull, 1, 1, 0, false},
		"Block":      {dray.Block, nil, 1, 1, 0, true},
		"DropNewest": {dray.DropNewest, nil, 1, 1, 1, false},
		"DropOldest": {dray.DropOldest, nil, 1, 0, 2, false},
	} {
		kit.Bubble(t, name, func(t *testing.T) {
			q := retrying(t, 1, c.policy)
			kit.Add(t, q, kit.Nop)
			offered := make(chan error, 1)
			go func() { offered <- q.Enqueue(t.Context(), kit.Nop, replaces(0)) }()
			synctest.Wait()
			require.Equal(t, c.waits, len(offered) == 0)
			s := kit.Balanced(t, q)
			require.Equal(t, []int{c.pending, c.retrying, c.evicted}, []int{s.Pending, s.Retrying, int(s.Evicted)})
			require.NoError(t, q.Resume())
			require.ErrorIs(t, <-offered, c.err)
			synctest.Wait()
			if s := kit.Balanced(t, q); c.waits { // it was replaced once there was room
				require.Equal(t, []uint64{2, 1}, []uint64{s.Processed, s.Evicted})
			}
		})
	}
}

// What replaces a run that takes no room takes none either.
func TestReplacementOfARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), oneOfRoom)
		require.NoError(t, q.Pause())
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(24*time.Hour), kit.Nop, replaces(0)))
		require.NoError(t, q.Scheduler().RunNow("x"))
		kit.Add(t, q, kit.Nop)
		kit.Add(t, q, kit.Nop, replaces(0))
		require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop), dray.ErrQueueFull)
		s := kit.Balanced(t, q)
		require.Equal(t, []int{2, 1}, []int{s.Pending, int(s.Evicted)})
	})
}
