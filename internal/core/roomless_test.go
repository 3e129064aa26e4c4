package core

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (w *world) roomless(name, task string) *Job {
	j := newJob(name)
	j.Roomless, j.Task = true, task
	v, _, _ := w.offer(j)
	require.Equal(w.t, Accepted, v)
	return j
}

// A run takes no room: it is accepted by a full queue, takes none from others, and
// is not evicted for one.
func TestRoomless(t *testing.T) {
	for _, o := range []Overflow{Reject, Block, DropNewest, DropOldest} {
		w := newWorld(t, Config{Workers: 1, Capacity: 1, Overflow: o, Watched: WatchAll})
		w.roomless("run", "task")
		require.Equal(t, 1, w.c.Room())
		require.True(t, w.post("a"))
		w.roomless("another", "task")
		w.check()
		if o == DropOldest {
			w.offer(newJob("b"))
			require.Equal(t, uint64(1), w.c.Snapshot().Evicted)
			require.Equal(t, []string{"run", "another", "b"}, w.claimAll(3))
			continue
		}
		require.Equal(t, []string{"run", "a", "another"}, w.claimAll(3))
		w.check()
	}
}

func (w *world) claimAll(n int) (names []string) {
	for range n {
		require.True(w.t, w.claim("w"))
		names = append(names, w.names[w.run("w").ID])
		w.settle("w", Result{})
		w.check()
	}
	return names
}

// Of very many runs due together so many stand in line, and others come after these.
func TestRoomlessLetOthersPass(t *testing.T) {
	w := newWorld(t, Config{Workers: 1, Capacity: -1, Watched: WatchAll})
	const n = 2*maxRoomless + 10
	for i := range n {
		w.roomless("run"+strconv.Itoa(i), "task")
	}
	w.post("a")
	w.claimAll(maxRoomless)
	w.post("b")
	require.Equal(t, []string{"a"}, w.claimAll(1), "at most maxRoomless are before it")
	w.cancel(w.id("run" + strconv.Itoa(n-1))) // one that stands behind the lane
	w.cancel(w.id("run" + strconv.Itoa(n-2)))
	w.cancel(w.id("run" + strconv.Itoa(maxRoomless))) // one that stands in it
	w.check()
	require.Len(t, w.c.WaitingJobs(w.now), n-maxRoomless-3+1)
	names := w.claimAll(n - maxRoomless - 3 + 1)
	require.Equal(t, "b", names[maxRoomless-1], "so it is of those that come in later")
	require.False(t, w.claim("w"))
}

// The runs of a paused task stand aside, and come first when it goes on.
func TestPauseTask(t *testing.T) {
	w := newWorld(t, Config{Workers: 1, Capacity: -1, Watched: WatchAll})
	w.roomless("run", "task")
	w.roomless("free", "")
	gone := w.roomless("gone", "task")
	w.roomless("last", "task")
	w.post("a")
	w.do(func(c *Core) { require.True(t, c.PauseTask("task")); require.False(t, c.PauseTask("task")) })
	require.Equal(t, []string{"free", "a"}, w.claimAll(2))
	require.False(t, w.claim("w"))
	w.check()
	require.Len(t, w.c.WaitingJobs(w.now), 3)
	w.cancel(gone.ID) // it is found, although nobody is likely to ask
	w.check()
	w.post("b")
	w.advance(time.Second)
	w.do(func(c *Core) { require.True(t, c.ResumeTask("task")); require.False(t, c.ResumeTask("task")) })
	require.Equal(t, []string{"run", "last", "b"}, w.claimAll(3))
	require.Zero(t, w.c.live.Len())
}

func (w *world) cancel(id uint64) {
	w.do(func(c *Core) { require.True(w.t, c.Cancel(id, w.now)) })
}
