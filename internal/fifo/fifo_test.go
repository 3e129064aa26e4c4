package fifo

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A record stands in for the queue's own; the list knows nothing of it. A record has a pointer,
// so that the allocator keeps each in a place of its own.
type record struct {
	n uint64
	_ *byte
}

// An answer identifies a function, as functions cannot be compared.
type answer uint64

func (a answer) Error() string { return fmt.Sprint(uint64(a)) }

func plain(id uint64, at time.Duration) Entry[record] {
	return Entry[record]{Fn: func(context.Context) error { return answer(id) }, ID: id, At: at}
}

func ruled(n uint64) Entry[record] { return Entry[record]{Job: &record{n: n}, ID: n} }

// name tells which entry e is, by what it carries and not by what it says.
func name(e Entry[record]) uint64 {
	if e.Job != nil {
		return e.Job.n
	}
	return uint64(e.Fn(context.Background()).(answer)) //nolint:forcetypeassert,errorlint // plain made it
}

func names(l *List[record]) []uint64 {
	var got []uint64
	for e := range l.All() {
		got = append(got, name(e))
	}
	return got
}

// fill pushes plain entries with the IDs from..to-1.
func fill(l *List[record], from, to uint64) {
	for id := from; id < to; id++ {
		l.Push(plain(id, time.Duration(id)*time.Microsecond))
	}
}

func drain(l *List[record]) []uint64 {
	var got []uint64
	for e, ok := l.Pop(); ok; e, ok = l.Pop() {
		got = append(got, name(e))
	}
	return got
}

func numbers(from, to uint64) []uint64 {
	var n []uint64
	for i := from; i < to; i++ {
		n = append(n, i)
	}
	return n
}

func TestZeroListIsEmpty(t *testing.T) {
	var l, o List[record]
	_, ok := l.Pop()
	require.False(t, ok)
	_, ok = l.Remove(1)
	require.False(t, ok)
	l.Append(&o)
	require.Zero(t, l.Len())
	require.Empty(t, names(&l))
}

func TestPopIsInOrderOfPush(t *testing.T) {
	for _, n := range []uint64{1, 2, chunkLen - 1, chunkLen, chunkLen + 1, 2 * chunkLen, 5*chunkLen + 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var l List[record]
			for range 3 { // the second time on spare chunks
				fill(&l, 1, n+1)
				require.EqualValues(t, n, l.Len())
				require.Equal(t, numbers(1, n+1), names(&l))
				require.Equal(t, numbers(1, n+1), drain(&l))
				require.Zero(t, l.Len())
			}
		})
	}
}

func TestAppend(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after uint64 // entries in the one list, in the other
		popped        int    // of the one, before
	}{
		{"to an empty list", 0, 3, 0},
		{"to a drained list", 5, 3, 5},
		{"to a list drained at a chunk's end", chunkLen, 3, chunkLen},
		{"nothing", 3, 0, 0},
		{"a trickle", 3, 1, 0},
		{"exactly fills the chunk", 4, chunkLen - 4, 0},
		{"one more than fits", 4, chunkLen - 3, 0},
		{"several chunks", 10, 3 * chunkLen, 4},
		{"several to several", 3 * chunkLen, 3*chunkLen + 1, chunkLen},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l, o List[record]
			fill(&l, 0, c.before)
			fill(&o, c.before, c.before+c.after)
			for range c.popped {
				l.Pop()
			}
			l.Append(&o)
			require.Zero(t, o.Len())
			require.Empty(t, names(&o))
			want := numbers(uint64(c.popped), c.before+c.after)
			require.Len(t, want, l.Len())
			require.Equal(t, want, names(&l))
			fill(&o, 7, 9) // both go on to work
			fill(&l, 1000, 1002)
			require.Equal(t, append(want, 1000, 1001), drain(&l))
			require.Equal(t, []uint64{7, 8}, drain(&o))
		})
	}
}

func TestRemove(t *testing.T) {
	const n = 3 * chunkLen
	for _, id := range []uint64{0, 1, chunkLen - 1, chunkLen, chunkLen + 7, n - 1} {
		var l List[record]
		fill(&l, 0, n)
		e, ok := l.Remove(id)
		require.True(t, ok)
		require.Equal(t, id, name(e))
		require.Equal(t, id, e.ID)
		require.Equal(t, n-1, l.Len())
		_, again := l.Remove(id)
		require.False(t, again)
		require.Equal(t, append(numbers(0, id), numbers(id+1, n)...), drain(&l))
	}
}

// A record is the core's to cancel; the list does not even know its ID.
func TestRemoveLeavesRecordsAlone(t *testing.T) {
	var l List[record]
	l.Push(ruled(1))
	l.Push(plain(2, 0))
	_, ok := l.Remove(1)
	require.False(t, ok)
	require.Equal(t, []uint64{1, 2}, names(&l))
}

func TestRemoveOfAllThenPush(t *testing.T) {
	var l, o List[record]
	fill(&l, 0, 5)
	for id := range uint64(5) {
		_, ok := l.Remove(id)
		require.True(t, ok)
	}
	require.Zero(t, l.Len())
	o.Append(&l)
	require.Zero(t, o.Len())
	fill(&l, 5, 7)
	require.Equal(t, []uint64{5, 6}, drain(&l))
}

// Times are stored as differences; these are the ones at the edges.
func TestDistancesBetweenNeighbours(t *testing.T) {
	const us = time.Microsecond
	for _, c := range []struct {
		name    string
		ids     []uint64
		ats     []time.Duration
		nChunks int
	}{
		{"the latest that fits", []uint64{5, 5 + math.MaxUint32}, []time.Duration{us, us + math.MaxUint32*us}, 1},
		{"a far ID", []uint64{5, 6 + math.MaxUint32}, []time.Duration{0, 0}, 1},
		{"a time too far", []uint64{5, 6}, []time.Duration{0, (math.MaxUint32 + 1) * us}, 2},
		{"an ID back", []uint64{5, 4}, []time.Duration{0, 0}, 1},
		{"a time back", []uint64{5, 6}, []time.Duration{us, 0}, 2},
		{"before the epoch", []uint64{5, 6}, []time.Duration{-time.Hour, -time.Minute}, 1},
		{"the ends of the world", []uint64{0, math.MaxUint64}, []time.Duration{math.MinInt64, math.MaxInt64}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l List[record]
			for i, id := range c.ids {
				l.Push(plain(id, c.ats[i]))
			}
			chunks := 0
			for k := l.first; k != nil; k = k.next {
				chunks++
			}
			require.Equal(t, c.nChunks, chunks)
			for i, id := range c.ids {
				e, ok := l.Pop()
				require.True(t, ok)
				require.Equal(t, id, e.ID)
				require.Equal(t, c.ats[i], e.At)
			}
		})
	}
}

func TestAllStopsWhenTold(t *testing.T) {
	var l List[record]
	fill(&l, 0, 2*chunkLen)
	seen := 0
	for range l.All() {
		if seen++; seen == 3 {
			break
		}
	}
	require.Equal(t, 3, seen)
	require.Equal(t, 2*chunkLen, l.Len())
}

// A list of which some were popped, and one taken out, keeps its IDs and its
// holes when it is appended by copying.
func TestAppendOfWhatIsLeft(t *testing.T) {
	var l, o List[record]
	l.Push(plain(1, 0))
	for id := uint64(10); id < 15; id++ {
		o.Push(plain(id, 0)) // one run
	}
	o.Pop()
	o.Pop()
	_, ok := o.Remove(13)
	require.True(t, ok)
	l.Append(&o)
	var ids []uint64
	for e, ok := l.Pop(); ok; e, ok = l.Pop() {
		require.Equal(t, name(e), e.ID)
		ids = append(ids, e.ID)
	}
	require.Equal(t, []uint64{1, 12, 14}, ids)
	fill(&l, 20, 20+2*chunkLen)
	require.Equal(t, numbers(20, 20+2*chunkLen), drain(&l))
}

// Of a list from which the bare functions have gone only records come over: the run of the
// functions has ended, however full the list is that they come to, and one that would have gone
// on it is found.
func TestRunEndsWithItsBareFunctions(t *testing.T) {
	for _, there := range []int{1, chunkLen} {
		var l, o List[record]
		for range there {
			l.Push(Entry[record]{Job: &record{n: 9}})
		}
		o.Push(plain(1, 0))
		o.Push(Entry[record]{Job: &record{n: 2}})
		_, _ = o.Pop()
		l.Append(&o)
		l.PushBare(plain(3, 0).Fn, 3, 0)
		e, ok := l.FirstBare()
		require.True(t, ok, "behind %d records", there)
		require.EqualValues(t, 3, e.ID)
		_, ok = l.Remove(3)
		require.True(t, ok, "behind %d records", there)
	}
}
