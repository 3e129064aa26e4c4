// Package timerheap orders things by the time at which they are due, ties by
// the order in which they were added. Each item knows its place, so that one that is
// no longer wanted is taken out at once, in O(log n). Where there are very many, and few
// are taken out, package timerqueue needs less memory.
//
// It is not safe for concurrent use.
package timerheap

import (
	"container/heap"
	"iter"
	"slices"
	"time"
)

// Item is what a heap holds. Embed one in the thing that is due: so to add it allocates nothing but
// the heap's own room. The zero value is not in any heap. An item may be in one heap at a time, and
// must not be copied or moved while it is, as the heap points to it.
type Item[T any] struct {
	Value T             // the caller's: what the item stands for
	Due   time.Duration // since some origin of the caller's; set by Add
	seq   uint64        // of all that were added, which it is: orders those due at the same time
	pos   int           // index in the heap plus one, so that the zero value is outside
}

// Queued reports whether the item is in a heap.
func (it *Item[T]) Queued() bool { return it.pos != 0 }

// Heap holds items, the earliest first. The zero value is empty and ready to use. Item h[i] has pos
// i+1.
type Heap[T any] struct {
	h   items[T]
	seq uint64 // of the item added last
}

// Len returns the number of items.
func (h *Heap[T]) Len() int { return len(h.h) }

// Add puts it into the heap, due at the given time; an item that is there already is moved, and
// comes behind the others of its new time. It is O(log n).
func (h *Heap[T]) Add(it *Item[T], due time.Duration) {
	h.Remove(it)
	h.seq++
	it.Due, it.seq = due, h.seq
	heap.Push(&h.h, it)
}

// Remove takes it out, in O(log n); an item that is not there is left alone. It must not be in
// another heap.
func (h *Heap[T]) Remove(it *Item[T]) {
	if it.pos != 0 {
		heap.Remove(&h.h, it.pos-1)
	}
}

// Next returns when the earliest item is due.
func (h *Heap[T]) Next() (time.Duration, bool) {
	if len(h.h) == 0 {
		return 0, false
	}
	return h.h[0].Due, true
}

// First returns the earliest item without taking it, nil if there is none.
func (h *Heap[T]) First() *Item[T] {
	if len(h.h) == 0 {
		return nil
	}
	return h.h[0]
}

// All yields the items, in no order.
func (h *Heap[T]) All() iter.Seq[*Item[T]] { return slices.Values(h.h) }

// Pop removes and returns the earliest item, if it is due at now. Called until it is not ok it
// takes out all that is due; what is added meanwhile for a later time than now does not keep it
// going.
func (h *Heap[T]) Pop(now time.Duration) (*Item[T], bool) {
	if len(h.h) == 0 || h.h[0].Due > now {
		return nil, false
	}
	return heap.Pop(&h.h).(*Item[T]), true
}

// minRoom is the room that a heap keeps: a few kilobytes.
const minRoom = 512

// items implements heap.Interface. Its methods keep pos right, and are called by that package
// alone.
type items[T any] []*Item[T]

func (s items[T]) Len() int { return len(s) }

// Less orders by Due, then by seq: so no two items are equal, and ties go by the order of Add.
func (s items[T]) Less(i, j int) bool {
	if s[i].Due != s[j].Due {
		return s[i].Due < s[j].Due
	}
	return s[i].seq < s[j].seq
}

func (s items[T]) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].pos, s[j].pos = i+1, j+1
}

// Push appends the item, which heap.Push then moves to its place.
func (s *items[T]) Push(x any) {
	it := x.(*Item[T])
	*s = append(*s, it)
	it.pos = len(*s)
}

// Pop takes off the last item, where heap.Pop and heap.Remove have put the one that goes. Once no
// more than an eighth of the room is used three quarters of it are given back: what is left is half
// full, so the room does not change again at once.
func (s *items[T]) Pop() any {
	old := *s
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*s = old[:len(old)-1]
	if c := cap(old); c > minRoom && len(old) <= c/8 { // what a burst needed is given back
		*s = append(make(items[T], 0, c/4), *s...)
	}
	it.pos = 0
	return it
}
