package fifo

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A chunk that somebody keeps stays as it was, whatever becomes of the list.
func TestKeptChunksAreNotUsedAgain(t *testing.T) {
	nop := func(context.Context) error { return nil }
	var box, l List[int]
	id := uint64(0)
	put := func(n int, at time.Duration) {
		for range n {
			id++
			box.PushBare(nop, id, at)
		}
		l.Append(&box)
	}
	put(chunkLen-5, time.Hour)
	c := l.Open(none)
	require.False(t, l.More())
	c.Keep()
	for fn, _, _ := c.Claim(); fn != nil; fn, _, _ = c.Claim() {
		continue
	}
	l.Shut()
	kept := c.Identify(3)
	for range 5 * maxSpare {
		put(chunkLen-5, 2*time.Hour)
		require.NotSame(t, c, l.Open(none))
		l.Shut()
		for range chunkLen - 5 {
			_, ok := l.Pop()
			require.True(t, ok)
		}
	}
	require.Equal(t, kept, c.Identify(3))
	require.Equal(t, time.Hour, kept.At)
}

// There is more behind what is open if there is another chunk, or another run.
func TestMore(t *testing.T) {
	var l List[int]
	fill := func(n uint64, at time.Duration) {
		for range n {
			l.Push(Entry[int]{Fn: func(context.Context) error { return nil }, ID: l.Next() + 1, At: at})
		}
	}
	fill(chunkLen-3, 0)
	l.Open(none)
	require.False(t, l.More())
	l.Shut()
	fill(3, time.Hour)
	l.Open(none)
	require.False(t, l.More())
	l.Shut()
	l.OpenRun(none)
	require.True(t, l.More())
	l.Shut()
	fill(1, time.Hour)
	l.Open(none)
	require.True(t, l.More())
	l.Shut()
}

// Nor is a lease of it worth anything when the leases are renewed.
func TestRenewOfAKeptChunk(t *testing.T) {
	var l List[int]
	for i := range uint64(5) {
		l.Push(Entry[int]{Fn: func(context.Context) error { return nil }, ID: i + 1})
	}
	c := l.Open(none)
	c.Keep()
	l.Shut()
	l.Renew()
	require.NotSame(t, c, l.Open(none))
	fn, _, _ := c.Claim()
	require.Nil(t, fn)
	l.Shut()
	require.Equal(t, 5, l.Len())
}
