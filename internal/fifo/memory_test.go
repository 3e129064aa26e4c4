//go:build !stress

package fifo

import (
	"context"
	"reflect"
	"runtime"
	"strconv"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"
)

func TestChunkFillsItsSizeClass(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("the sizes are chosen for 64 bits")
	}
	const header = 8 // of the allocator, for objects with pointers beyond 512 bytes
	require.EqualValues(t, 4096, reflect.TypeFor[Chunk[record]]().Size()+header)
}

func TestBytesPerEntry(t *testing.T) {
	const n = 1_000_000
	var l List[record]
	fn := func(context.Context) error { return nil }
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range uint64(n) {
		l.Push(Entry[record]{Fn: fn, ID: i})
	}
	runtime.ReadMemStats(&after)
	require.Less(t, float64(after.TotalAlloc-before.TotalAlloc)/n, 9.5)
	runtime.KeepAlive(&l)
}

// In steady state chunks go round: from the reader back to the writer.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	fn := func(context.Context) error { return nil }
	rec := &record{}
	for _, burst := range []uint64{1, 10, chunkLen, 1000, maxSpare * chunkLen / 2} {
		var box, l List[record]
		var id uint64
		turn := func() {
			for range burst {
				id++
				box.Push(Entry[record]{Fn: fn, ID: id})
			}
			l.Push(Entry[record]{Job: rec})
			l.Append(&box)
			for _, ok := l.Pop(); ok; _, ok = l.Pop() {
			}
		}
		turn()
		turn()
		require.Zero(t, testing.AllocsPerRun(20, turn), "burst of %d", burst)
	}
}

// A backlog that stays must not cost allocations either: chunks of the front
// are reused at the end.
func TestSlidingBacklogAllocatesNothing(t *testing.T) {
	fn := func(context.Context) error { return nil }
	var l List[record]
	fill(&l, 0, 1000)
	id := uint64(1000)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for range 1000 {
			l.Push(Entry[record]{Fn: fn, ID: id})
			l.Pop()
			id++
		}
	}))
}

func TestSpareChunksAreBounded(t *testing.T) {
	var l, o List[record]
	fill(&l, 0, 10*maxSpare*chunkLen)
	drain(&l)
	require.LessOrEqual(t, l.spares, maxSpare)
	fill(&o, 0, 10*maxSpare*chunkLen)
	l.Append(&o)
	drain(&l)
	require.LessOrEqual(t, l.spares+o.spares, 2*maxSpare)
	for _, list := range []*List[record]{&l, &o} {
		n := 0
		for c := list.spare; c != nil; c = c.next {
			require.Zero(t, c.tail)
			n++
		}
		require.Equal(t, list.spares, n)
	}
}

// tracked pushes n records that only the list holds on to.
func tracked(l *List[record], n uint64) []weak.Pointer[record] {
	var alive []weak.Pointer[record]
	for i := range n {
		r := &record{n: i}
		alive = append(alive, weak.Make(r))
		if i%2 == 0 {
			l.Push(Entry[record]{Job: r})
		} else {
			l.Push(Entry[record]{Fn: func(context.Context) error { return answer(r.n) }, ID: i})
		}
	}
	return alive
}

func living(alive []weak.Pointer[record]) (n int) {
	runtime.GC()
	for _, p := range alive {
		if p.Value() != nil {
			n++
		}
	}
	return n
}

func TestPoppedSlotsKeepNothingAlive(t *testing.T) {
	var l, o List[record]
	alive := tracked(&l, 400)
	require.Equal(t, 400, living(alive))
	for range 150 { // ends in the middle of a chunk
		l.Pop()
	}
	require.Equal(t, 250, living(alive))
	o.Append(&l)
	require.Equal(t, 250, living(alive))
	drain(&o)
	require.Zero(t, living(alive))
	runtime.KeepAlive(&l)
	runtime.KeepAlive(&o)
}

func TestCopiedSlotsKeepNothingAlive(t *testing.T) {
	var l, o List[record]
	fill(&l, 0, 3)
	alive := tracked(&o, 20)
	l.Append(&o) // short, so it is copied
	drain(&l)
	require.Zero(t, living(alive))
	runtime.KeepAlive(&l)
	runtime.KeepAlive(&o)
}

func TestRemovedSlotsKeepNothingAlive(t *testing.T) {
	var l List[record]
	alive := tracked(&l, 10)
	_, ok := l.Remove(5)
	require.True(t, ok)
	require.Equal(t, 9, living(alive))
	runtime.KeepAlive(&l)
}

// Removing is the only way in which the list shrinks while nothing is popped: a paused queue
// whose jobs come and are cancelled again.
func TestHolesDoNotPileUp(t *testing.T) {
	var l List[record]
	fill(&l, 0, 1) // one that stays
	for id := uint64(1); id < 20*chunkLen; id++ {
		l.Push(plain(id, 0))
		_, ok := l.Remove(id)
		require.True(t, ok)
	}
	chunks := 0
	for c := l.first; c != nil; c = c.next {
		chunks++
	}
	require.LessOrEqual(t, chunks, 4, "chunks for %d entry", l.Len())
}

func BenchmarkPushPop(b *testing.B) {
	fn := func(context.Context) error { return nil }
	var l List[record]
	var id uint64
	b.ReportAllocs()
	for b.Loop() {
		id++
		l.Push(Entry[record]{Fn: fn, ID: id})
		l.Pop()
	}
}

func BenchmarkAppend(b *testing.B) {
	fn := func(context.Context) error { return nil }
	var box, l List[record]
	b.ReportAllocs()
	for b.Loop() {
		for i := range uint64(1000) {
			box.Push(Entry[record]{Fn: fn, ID: i})
		}
		l.Append(&box)
		for range 1000 {
			l.Pop()
		}
	}
}
