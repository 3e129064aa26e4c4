package timerqueue_test

import (
	"container/heap"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/internal/timerqueue"
)

type item int

func (i item) Before(o item) bool { return i < o }

// drain takes everything out, in order.
func drain(a *timerqueue.Queue[item]) (out []timerqueue.Entry[item]) {
	for {
		e, ok := a.First()
		if !ok {
			return out
		}
		out = append(out, e)
		a.Drop()
	}
}

func order(x, y timerqueue.Entry[item]) int {
	if x.Due != y.Due {
		return int(x.Due - y.Due)
	}
	return int(x.Item - y.Item)
}

// TestAgainstSorting: whatever is added, dropped and swept, what comes out is
// what a sorted slice would give.
func TestAgainstSorting(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var a timerqueue.Queue[item]
		var model []timerqueue.Entry[item]
		for i := range 200 {
			switch n := r.IntN(10); {
			case n < 2 && len(model) > 0:
				model[0].Due += time.Duration(r.IntN(10))
				a.Postpone(model[0].Due)
				slices.SortFunc(model, order)
			case n < 6:
				e := timerqueue.Entry[item]{Due: time.Duration(r.IntN(20)), Item: item(i)}
				a.Add(e.Due, e.Item)
				model = append(model, e)
				slices.SortFunc(model, order)
			case n < 9 && len(model) > 0:
				e, ok := a.First()
				require.True(t, ok)
				require.Equal(t, model[0], e, "seed %d", seed)
				a.Drop()
				model = model[1:]
			case n == 9:
				odd := func(e timerqueue.Entry[item]) bool { return e.Item%2 == 1 }
				a.Sweep(odd)
				model = slices.DeleteFunc(slices.Clone(model), func(e timerqueue.Entry[item]) bool { return !odd(e) })
			}
			require.Equal(t, len(model), a.Len())
		}
		require.Equal(t, model, append([]timerqueue.Entry[item]{}, drain(&a)...), "seed %d", seed)
	}
}

func TestEmpty(t *testing.T) {
	var a timerqueue.Queue[item]
	_, ok := a.First()
	require.False(t, ok)
	a.Sweep(func(timerqueue.Entry[item]) bool { return true })
	require.Zero(t, a.Len())
	a.Add(1, 1)
	a.Sweep(func(timerqueue.Entry[item]) bool { return false })
	require.Zero(t, a.Len())
}

// std is what the costs are measured against.
type std []time.Duration

func (s *std) Len() int           { return len(*s) }
func (s *std) Less(i, j int) bool { return (*s)[i] < (*s)[j] }
func (s *std) Swap(i, j int)      { (*s)[i], (*s)[j] = (*s)[j], (*s)[i] }
func (s *std) Push(x any)         { *s = append(*s, x.(time.Duration)) }
func (s *std) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

const million = 1 << 20

func BenchmarkAgendaMillion(b *testing.B) {
	var a timerqueue.Queue[item]
	for i := range million {
		a.Add(time.Duration(rand.Int64N(1e12)), item(i))
	}
	for b.Loop() {
		a.Add(time.Duration(rand.Int64N(1e12)), 1)
		a.Drop()
	}
}

func BenchmarkContainerHeapMillion(b *testing.B) {
	var s std
	for range million {
		heap.Push(&s, time.Duration(rand.Int64N(1e12)))
	}
	for b.Loop() {
		heap.Push(&s, time.Duration(rand.Int64N(1e12)))
		heap.Pop(&s)
	}
}

// node is what a heap of tasks that can be removed holds.
type node struct {
	due time.Duration
	pos int
}

type nodes []*node

func (s *nodes) Len() int           { return len(*s) }
func (s *nodes) Less(i, j int) bool { return (*s)[i].due < (*s)[j].due }
func (s *nodes) Swap(i, j int) {
	h := *s
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i, j
}

func (s *nodes) Push(x any) { n := x.(*node); n.pos = len(*s); *s = append(*s, n) }
func (s *nodes) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

func BenchmarkContainerHeapOfNodesMillion(b *testing.B) {
	var s nodes
	for range million {
		heap.Push(&s, &node{due: time.Duration(rand.Int64N(1e12))})
	}
	for b.Loop() {
		heap.Push(&s, &node{due: time.Duration(rand.Int64N(1e12))})
		heap.Pop(&s)
	}
}

// A burst that is over leaves no memory behind.
func TestSweepFreesMemory(t *testing.T) {
	var before, full, after runtime.MemStats
	var a timerqueue.Queue[item]
	measure := func(m *runtime.MemStats) { runtime.GC(); runtime.ReadMemStats(m) }
	measure(&before)
	for i := range 1_000_000 {
		a.Add(time.Duration(i), item(i))
	}
	measure(&full)
	a.Sweep(func(e timerqueue.Entry[item]) bool { return e.Item < 10 })
	measure(&after)
	require.Equal(t, 10, a.Len())
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(full.HeapAlloc-before.HeapAlloc)/100)
	runtime.KeepAlive(&a)
}
