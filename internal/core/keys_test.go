package core

import (
	"maps"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A million keys, each with a job that is unique for a while and has a deadline,
// take memory while they are there and give it back when they are not, even if
// some stay.
func TestAMillionKeysGiveTheirMemoryBack(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("nothing here runs concurrently")
	}
	const n = 1_000_000
	c, r := quiet()
	var full int64
	rest := inUse(func() {
		full = inUse(func() {
			for id := uint64(1); id <= n; id++ {
				name := strconv.FormatUint(id, 36)
				c.Accept(&Job{Fn: noop, Spec: &Spec{
					MaxAttempts: 1, Key: name, KeyLimit: 1, Unique: name, UniqueFor: time.Minute, Within: time.Hour,
				}}, id, 0)
			}
		})
		for range n - 100 {
			require.True(t, c.Claim(r, time.Second))
			c.Settle(r, Result{}, time.Second)
		}
		require.Equal(t, n, c.uniqueHolds.len())
		c.Advance(time.Minute)
		require.Zero(t, c.uniqueHolds.len())
	})
	require.Greater(t, full, int64(100<<20))
	require.Less(t, rest, int64(2<<20))
	require.Equal(t, 100, c.keys.len())
	require.Equal(t, 100, c.unique.len())
	require.Equal(t, 100, c.live.Len())
	runtime.KeepAlive(c)
}

// Keys take turns, however many jobs each of them has.
func TestKeysTakeTurns(t *testing.T) {
	c, r := quiet()
	id := uint64(0)
	for key, jobs := range []int{1000, 10, 10, 1} {
		for range jobs {
			id++
			c.Accept(&Job{Fn: noop, Spec: &Spec{MaxAttempts: 1, Key: strconv.Itoa(key), KeyLimit: 1}}, id, 0)
		}
	}
	var order []string
	for range 1021 {
		require.True(t, c.Claim(r, 0))
		order = append(order, r.Job.Key)
		c.Settle(r, Result{}, 0)
	}
	require.Equal(t, []string{"0", "1", "2", "3"}, order[:4])
	for i := 4; i < 31; i += 3 {
		require.Equal(t, []string{"0", "1", "2"}, order[i:i+3])
	}
	require.Equal(t, "0", order[1020])
}

// Cancelling all that wait behind one thing is linear, wherever it stands. A
// quadratic one would take minutes here.
func TestCancelAllIsLinear(t *testing.T) {
	const n = 100_000
	for name, job := range map[string]func() *Job{
		"in line":  func() *Job { return &Job{Spec: &Spec{Kind: "x"}} },
		"of a key": func() *Job { return &Job{Spec: &Spec{Kind: "x", Key: "k", KeyLimit: 1}} },
		"paused":   func() *Job { return &Job{Spec: &Spec{Kind: "paused"}} },
		"resumed":  func() *Job { return &Job{Spec: &Spec{Kind: "paused"}} },
		"limited":  func() *Job { return &Job{Spec: &Spec{Kind: "x", Limiters: []any{"x"}}} },
		"in time":  func() *Job { return &Job{Spec: &Spec{Kind: "x"}, RunAt: time.Hour} },
	} {
		t.Run(name, func(t *testing.T) {
			c, r := quiet()
			c.PauseKind("paused")
			for id := uint64(1); id <= n; id++ {
				j := job()
				j.Fn, j.MaxAttempts = noop, 1
				c.Accept(j, id, 0)
			}
			if name != "in line" && name != "of a key" {
				require.False(t, c.Claim(r, 0))
			}
			if name == "resumed" {
				c.ResumeKind("paused")
			}
			require.Equal(t, n, c.CancelKind("x", whole(), 0)+c.CancelKind("paused", whole(), 0))
			require.EqualValues(t, n, c.Snapshot().Cancelled)
			require.Zero(t, c.keys.len()+c.live.Len()+c.inLanes())
		})
	}
}

func TestTable(t *testing.T) {
	var tab table[int, int]
	tab.remove(1)
	require.Zero(t, tab.get(1))
	const n = 100_000
	for i := range n {
		tab.put(i, i)
		tab.put(i, -i)
	}
	require.Equal(t, n, tab.len())
	require.Len(t, maps.Collect(tab.all()), n)
	for i := range tab.parts {
		require.Less(t, tab.parts[i].peak, 2*n/tableParts, "none is long")
	}
	for i := range n - 10 {
		tab.remove(i)
		tab.remove(i)
	}
	require.Equal(t, 10, tab.len())
	room := 0
	for i := range tab.parts {
		room += tab.parts[i].peak
	}
	require.Less(t, room, n/16, "they were copied")
	for i := n - 10; i < n; i++ {
		require.True(t, tab.has(i))
		require.Equal(t, -i, tab.get(i))
		tab.remove(i)
	}
	require.Nil(t, tab.parts)
	require.False(t, tab.has(n-1))
	tab.put(1, 1)
	require.Equal(t, map[int]int{1: 1}, maps.Collect(tab.all()))
}

func TestLine(t *testing.T) {
	var l waitList
	require.Nil(t, l.pop())
	jobs := make([]*Job, 2*maxExact)
	for i := range jobs {
		jobs[i] = &Job{seq: int64(10 * i)}
		l.push(jobs[i])
	}
	require.Same(t, jobs[0], l.pop())
	l.remove(jobs[1])
	l.remove(jobs[len(jobs)-1])
	l.remove(jobs[3])
	require.Equal(t, len(jobs)-4, l.len())
	require.Same(t, jobs[2], l.first())
	require.Equal(t, 1, l.place(jobs[4]))
	require.Equal(t, maxExact-1, l.place(jobs[maxExact+2]))
	require.InDelta(t, maxExact+300, l.place(jobs[maxExact+300]), 5, "an estimate")
	require.Len(t, l.all(), len(jobs)-4)
	for range len(jobs) - 4 {
		require.NotNil(t, l.pop())
	}
	require.Nil(t, l.first())
	require.Equal(t, waitList{}, l)
}
