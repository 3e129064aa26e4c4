package core

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What is accepted anyway is left with all others, also with one that has the same
// unique key and is cut off only after it, and so is told apart from a replacement.
func TestAcceptAnyway(t *testing.T) {
	w := newWorld(t, Config{Workers: 1, Capacity: 1, Overflow: DropOldest, Watched: WatchAll})
	w.unique("a", "u", KeepExisting)
	require.True(t, w.claim("w"))
	w.post("x")
	w.do(func(c *Core) { c.InterruptAll(w.now) })
	b := newJob("b")
	b.Unique, b.UniquePolicy = "u", ReplacePending
	w.do(func(c *Core) { c.AcceptAnyway(b, w.last+1, w.now) })
	w.last++
	w.settle("w", failed())
	var left []uint64
	for _, j := range w.c.Seal(w.now) {
		left = append(left, j.ID)
	}
	require.Equal(t, []uint64{1, 2, 3}, left)
	require.Zero(t, w.c.unique.len())
}
