package core

import (
	"maps"
	"slices"

	"github.com/stretchr/testify/require"
)

// check looks at everything that must hold between any two steps.
func (w *world) check() {
	w.checkBooks()
	w.checkLines()
	w.checkRuns()
	w.checkKeys()
	w.checkMemory()
}

func (w *world) checkBooks() {
	s := w.c.Snapshot()
	require.Equal(w.t, w.last, s.Accepted(), "the books do not balance: %+v", s)
	counts := []int{
		s.Pending, s.Delayed, s.Retrying, s.Running, s.Stuck, s.Idle, w.c.held, w.c.exempt,
		w.c.Ready(), w.c.Room(),
	}
	require.GreaterOrEqual(w.t, slices.Min(counts), 0, "%v", counts)
	if w.cfg.Capacity >= 0 {
		require.LessOrEqual(w.t, w.c.Room(), w.cfg.Capacity)
	}
	if w.cfg.Watched {
		settled := s.Processed + s.Failed + s.Cancelled + s.Evicted
		require.Len(w.t, w.ended, int(settled))
		for id, times := range w.ended {
			require.Equal(w.t, 1, times, "job %d settled more than once", id)
		}
	}
	require.LessOrEqual(w.t, len(w.c.failures), w.cfg.FailuresKept)
}

func (w *world) checkLines() {
	s := w.c.Snapshot()
	waiting := slices.Concat(w.c.InterruptedJobs(), w.c.WaitingJobs())
	require.Len(w.t, waiting, s.Pending+s.Delayed+s.Retrying)
	states, held := map[State]int{}, 0
	ids := map[uint64]bool{}
	for _, j := range waiting {
		require.False(w.t, ids[j.ID], "job %d is listed twice", j.ID)
		require.Nil(w.t, w.c.RunOf(j.ID), "job %d waits and runs", j.ID)
		require.LessOrEqual(w.t, j.EnqueuedAt, w.now)
		ids[j.ID] = true
		states[j.State]++
		if !j.started {
			held++
		}
	}
	require.Equal(w.t, s.Pending, states[Pending]+states[Interrupted])
	require.Equal(w.t, s.Delayed, states[Delayed])
	require.Equal(w.t, s.Retrying, states[Retrying])
	require.Equal(w.t, held, w.c.held)
}

func (w *world) checkRuns() {
	running, stuck := 0, 0
	for _, r := range w.c.runs {
		if r.ID == 0 {
			continue
		}
		running++
		if r.Cause != NotCancelled {
			stuck++
		}
		if r.Job != nil {
			require.Equal(w.t, Running, r.Job.State)
			require.Same(w.t, r, r.Job.run)
		}
	}
	require.Equal(w.t, running, w.c.running)
	require.Equal(w.t, stuck, w.c.stuck)
	require.LessOrEqual(w.t, running, w.bound)
	require.Len(w.t, w.c.RunningJobs(), running)
}

func (w *world) checkKeys() {
	running, limit, uniques := map[string]int{}, map[string]int{}, map[string]int{}
	for _, j := range w.c.live {
		limit[j.Key] = max(limit[j.Key], j.KeyLimit)
		if j.State == Running {
			running[j.Key]++
		} else if j.Unique != "" {
			uniques[j.Unique]++
		}
	}
	for key, n := range running {
		require.True(w.t, key == "" || n <= limit[key], "%d of key %q run", n, key)
	}
	for u, n := range uniques {
		require.Equal(w.t, 1, n, "waiting jobs with the unique key %q", u)
	}
}

// checkMemory sees to it that nothing is kept of jobs that have settled.
func (w *world) checkMemory() {
	s := w.c.Snapshot()
	for i := range w.c.lanes {
		l := &w.c.lanes[i]
		require.LessOrEqual(w.t, l.dead, max(64, l.list.Len()/2))
	}
	require.LessOrEqual(w.t, len(w.c.live), s.Pending+s.Delayed+s.Retrying+s.Running)
	require.Equal(w.t, s.Delayed+s.Retrying, w.c.waiting.Len())
	keys := map[string]bool{}
	for j := range maps.Values(w.c.live) {
		keys[j.Key] = true
	}
	for key := range w.c.keys {
		require.True(w.t, keys[key], "the key %q is kept of nobody", key)
	}
	for u, j := range w.c.unique {
		require.Equal(w.t, u, j.Unique)
		require.True(w.t, j.State == Blocked || w.c.live[j.ID] == j, "%q is held by a settled job", u)
	}
}
