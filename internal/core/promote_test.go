package core

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// manyBehind is a key with a job that runs, and one that wants to be alone; behind that n others,
// which may all run at a time.
func manyBehind(t *testing.T, n int) (w *world, alone *Job, others []*Job) {
	t.Helper()
	w = one(t)
	for i := range n + 2 {
		j := newJob("j")
		if j.Key = "key"; i > 1 {
			j.KeyLimit = n
			others = append(others, j)
		}
		if w.offer(j); i == 1 {
			alone = j
		}
	}
	require.True(t, w.claim("w"))
	require.Zero(t, w.c.inLanes())
	return w, alone, others
}

// A step lets few jobs of a key into line, however many may come, and the next ones go on with it: a
// drain waits for that, and the owner is told that there is something to do.
func TestFewOfAKeyComeIntoLineAtATime(t *testing.T) {
	const n = 5*maxPromoted/2 + 1
	for name, free := range map[string]func(w *world, alone *Job){
		"the job before them is cancelled": func(w *world, alone *Job) { w.do(func(c *Core) { c.CancelJob(alone, w.now) }) },
		"by its key":                       func(w *world, _ *Job) { w.do(func(c *Core) { c.CancelKey("key", &Span{UpTo: 2, Limit: 2}, 0) }) },
		"the job before both ends":         func(w *world, _ *Job) { w.settle("w", Result{}) },
	} {
		t.Run(name, func(t *testing.T) {
			w, alone, others := manyBehind(t, n)
			free(w, alone)
			w.check()
			for inLine := maxPromoted; inLine < n-1; inLine += maxPromoted {
				require.Equal(t, inLine, w.c.inLanes())
				due, ok := w.c.Next()
				require.True(t, ok && due <= w.now)
				order := w.c.WaitingJobs(w.now)
				require.True(t, slices.Equal(others, order[len(order)-n:]))
				w.do(func(c *Core) { c.AdvanceSome(w.now, 1) })
				w.check()
			}
			require.Empty(t, w.c.promoting)
			order := w.c.WaitingJobs(w.now)
			require.True(t, slices.Equal(others, order[len(order)-n:]))
		})
	}
}

// Nothing is idle that only waits to come into line.
func TestNotIdleWhileJobsMayComeIntoLine(t *testing.T) {
	const n = 2*maxPromoted + 2
	w, alone, others := manyBehind(t, n)
	for _, j := range others {
		j.Kind = "paused"
	}
	w.do(func(c *Core) { c.PauseKind("paused"); c.CancelJob(alone, w.now) })
	w.settle("w", Result{})
	require.False(t, w.claim("w"), "all in line are put aside")
	require.Zero(t, w.c.inLanes())
	require.False(t, w.c.Idle(w.now))
	require.False(t, w.c.Held())
	w.advance(0)
	require.False(t, w.claim("w"))
	require.True(t, w.c.Idle(w.now))
	require.True(t, w.c.Held())
}

// A key that is gone, or whose jobs are in a report, is not gone on with.
func TestWhatWasToComeIntoLineIsGone(t *testing.T) {
	const n = 2 * maxPromoted
	t.Run("cancelled", func(t *testing.T) {
		w, alone, others := manyBehind(t, n)
		w.do(func(c *Core) { c.CancelJob(alone, w.now) })
		for _, j := range others {
			w.do(func(c *Core) { require.True(t, c.CancelJob(j, w.now)) })
		}
		w.settle("w", Result{})
		require.Zero(t, w.c.keys.len())
		w.advance(0)
		require.Empty(t, w.c.promoting)
		w.check()
	})
	t.Run("handed back", func(t *testing.T) {
		w, alone, others := manyBehind(t, n)
		w.do(func(c *Core) { c.CancelJob(alone, w.now) })
		w.settle("w", Result{})
		left := w.c.Seal(w.now)
		require.True(t, slices.Equal(others, left))
		require.Empty(t, w.c.promoting)
	})
}
