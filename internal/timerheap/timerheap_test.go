package timerheap

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"
)

func values[T any](items []*Item[T]) []T {
	var v []T
	for _, it := range items {
		v = append(v, it.Value)
	}
	return v
}

func TestZeroHeapIsEmpty(t *testing.T) {
	var h Heap[int]
	var it Item[int]
	require.Zero(t, h.Len())
	_, ok := h.Next()
	require.False(t, ok)
	_, ok = h.Pop(math.MaxInt64)
	require.False(t, ok)
	h.Remove(&it) // not there: nothing happens
	require.False(t, it.Queued())
	require.Empty(t, sorted(&h))
}

func TestPopOnlyWhatIsDue(t *testing.T) {
	var h Heap[string]
	a, b := &Item[string]{Value: "a"}, &Item[string]{Value: "b"}
	h.Add(b, 20)
	h.Add(a, 10)
	due, ok := h.Next()
	require.True(t, ok)
	require.Equal(t, time.Duration(10), due)
	_, ok = h.Pop(9)
	require.False(t, ok)
	it, ok := h.Pop(10) // exactly then
	require.True(t, ok)
	require.Same(t, a, it)
	require.False(t, a.Queued())
	require.True(t, b.Queued())
	_, ok = h.Pop(19)
	require.False(t, ok)
}

func TestFirstAndAllTakeNothing(t *testing.T) {
	var h Heap[int]
	require.Nil(t, h.First())
	require.Empty(t, slices.Collect(h.All()))
	items := make([]Item[int], 10)
	for i := range items {
		items[i].Value = i
		h.Add(&items[i], time.Duration(10-i))
	}
	require.Same(t, &items[9], h.First())
	all := values(slices.Collect(h.All()))
	slices.Sort(all)
	require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, all)
	require.Equal(t, 10, h.Len())
}

func TestTiesInOrderOfAdding(t *testing.T) {
	var h Heap[int]
	items := make([]Item[int], 100)
	for i := range items {
		items[i].Value = i
		h.Add(&items[i], 7)
	}
	h.Add(&items[0], 7) // moved to the same time: behind all others
	h.Remove(&items[50])
	for i := range 98 {
		it, ok := h.Pop(7)
		require.True(t, ok)
		want := i + 1
		if want >= 50 {
			want++
		}
		require.Equal(t, want, it.Value)
	}
	it, _ := h.Pop(7)
	require.Equal(t, 0, it.Value)
	require.Zero(t, h.Len())
}

func TestAddMoves(t *testing.T) {
	var h Heap[int]
	var a, b Item[int]
	h.Add(&a, 10)
	h.Add(&b, 20)
	h.Add(&a, 30)
	require.Equal(t, 2, h.Len())
	it, _ := h.Pop(100)
	require.Same(t, &b, it)
	h.Add(&a, -5)
	due, _ := h.Next()
	require.Equal(t, time.Duration(-5), due)
}

func TestRemovedItemIsLetGo(t *testing.T) {
	var h Heap[int]
	var kept Item[int]
	h.Add(&kept, 1)
	ref := func() weak.Pointer[Item[int]] {
		gone := &Item[int]{Value: 2}
		h.Add(gone, 2)
		h.Remove(gone)
		return weak.Make(gone)
	}()
	runtime.GC()
	require.Nil(t, ref.Value())
	runtime.KeepAlive(&h)
}

func TestMovingAllocatesNothing(t *testing.T) {
	var h Heap[int]
	items := make([]Item[int], 100)
	for i := range items {
		h.Add(&items[i], time.Duration(i))
	}
	now := time.Duration(100)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		it, _ := h.Pop(now)
		now++
		h.Add(it, now)
		h.Add(it, now+3)
	}))
}

// The model: a slice that is kept sorted by time, ties in the order of adding.
type model struct {
	ids  []int
	dues []time.Duration
}

func (m *model) remove(id int) {
	if i := slices.Index(m.ids, id); i >= 0 {
		m.ids, m.dues = slices.Delete(m.ids, i, i+1), slices.Delete(m.dues, i, i+1)
	}
}

func (m *model) add(id int, due time.Duration) {
	m.remove(id)
	i := 0
	for i < len(m.dues) && m.dues[i] <= due {
		i++
	}
	m.ids, m.dues = slices.Insert(m.ids, i, id), slices.Insert(m.dues, i, due)
}

// play interprets each three bytes as a command, an item and a time.
func play(t require.TestingT, script []byte) {
	var h Heap[int]
	var m model
	items := make([]Item[int], 64)
	for i := range items {
		items[i].Value = i
	}
	for ; len(script) > 2; script = script[3:] {
		id, due := int(script[1]%64), time.Duration(script[2]%32)
		switch script[0] % 4 {
		case 0, 1:
			h.Add(&items[id], due)
			m.add(id, due)
		case 2:
			h.Remove(&items[id])
			m.remove(id)
		case 3:
			popped(t, &h, &m, due)
		}
		same(t, &h, &m, items)
	}
	for h.Len() > 0 {
		popped(t, &h, &m, 32)
	}
	require.Empty(t, m.ids)
}

func popped(t require.TestingT, h *Heap[int], m *model, now time.Duration) {
	it, ok := h.Pop(now)
	require.Equal(t, len(m.ids) > 0 && m.dues[0] <= now, ok)
	if ok {
		require.Equal(t, m.ids[0], it.Value)
		require.Equal(t, m.dues[0], it.Due)
		m.remove(it.Value)
	}
}

// sorted returns the items in the order in which they are due. They are copies, as a heap of copies
// is emptied for it.
func sorted[T any](h *Heap[T]) (items []*Item[T]) {
	c := Heap[T]{h: slices.Clone(h.h)}
	for i, it := range c.h {
		c.h[i] = new(*it)
	}
	for it, ok := c.Pop(math.MaxInt64); ok; it, ok = c.Pop(math.MaxInt64) {
		items = append(items, it)
	}
	return items
}

// same compares everything that can be seen.
func same(t require.TestingT, h *Heap[int], m *model, items []Item[int]) {
	require.Equal(t, len(m.ids), h.Len())
	for i := range items {
		require.Equal(t, slices.Contains(m.ids, i), items[i].Queued())
	}
	all := sorted(h)
	require.True(t, slices.Equal(m.ids, values(all)))
	for i, it := range all {
		require.Equal(t, m.dues[i], it.Due)
	}
	due, ok := h.Next()
	require.Equal(t, len(m.ids) > 0, ok)
	if ok {
		require.Equal(t, m.dues[0], due)
	}
}

func TestHeapIsTheSortedSlice(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		script := make([]byte, 600)
		for i := range script {
			script[i] = byte(rng.Uint32())
		}
		play(t, script)
	}
}

func FuzzHeap(f *testing.F) {
	f.Add([]byte{0, 1, 5, 0, 2, 5, 0, 1, 5, 3, 0, 9, 2, 2, 0})
	f.Fuzz(func(t *testing.T, script []byte) { play(t, script[:min(len(script), 600)]) })
}

func BenchmarkAddPop(b *testing.B) {
	var h Heap[int]
	items := make([]Item[int], 1000)
	for i := range items {
		h.Add(&items[i], time.Duration(i*7919%1000))
	}
	now := time.Duration(1000)
	b.ReportAllocs()
	for b.Loop() {
		it, _ := h.Pop(now)
		now++
		h.Add(it, now)
	}
}
