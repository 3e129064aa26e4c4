// Package timerqueue orders very many things by the time at which they are due. It
// is a heap without removal: what is no longer wanted stays where it is, is
// recognized by the owner when it comes up, and is swept out when there is too
// much of it. So an item needs no word for its place, and a step through the heap
// touches no item: of a million tasks only the entries, 16 bytes each, are read.
//
// It is not safe for concurrent use.
package timerqueue

import "time"

// Item is what a queue holds.
type Item[T any] interface {
	comparable
	// Before orders items that are due at the same time.
	Before(other T) bool
}

// Entry is an item and when it is due. Which of several entries of one item stands is for the owner
// to know: it compares Due with the time that the item has now.
type Entry[T Item[T]] struct {
	Due  time.Duration // since some origin of the caller's
	Item T
}

// Queue holds entries, the earliest first. The zero value is empty and ready to use. The children
// of h[i] are h[4i+1] to h[4i+4], and none of them is before it.
type Queue[T Item[T]] struct{ h []Entry[T] }

// arity: with four children to a node the heap is half as deep as with two, and the children of a
// node lie side by side, in 64 bytes. The timers of the Go runtime are in a heap of four, too.
const arity = 4

// Len returns the number of entries, those included that are no longer wanted.
func (a *Queue[T]) Len() int { return len(a.h) }

// Add enters an item. It may be there already, for another time or the same: the old entry stays.
// It is O(log n), and O(1) for what is due later than most, as it starts from the end.
func (a *Queue[T]) Add(due time.Duration, item T) {
	a.h = append(a.h, Entry[T]{due, item})
	a.up(len(a.h) - 1)
}

// First returns the earliest entry. If it is no longer wanted the owner drops it, and asks again.
func (a *Queue[T]) First() (Entry[T], bool) {
	if len(a.h) == 0 {
		return Entry[T]{}, false
	}
	return a.h[0], true
}

// Drop removes the earliest entry; there must be one. It is O(log n), and keeps the room: only
// Sweep gives memory back.
func (a *Queue[T]) Drop() {
	last := len(a.h) - 1
	a.h[0] = a.h[last]
	a.h[last] = Entry[T]{}
	a.h = a.h[:last]
	a.down(0)
}

// Postpone moves the earliest entry to a later time; there must be one. It is what Drop and Add
// would do, in one way through the heap.
func (a *Queue[T]) Postpone(due time.Duration) {
	a.h[0].Due = due
	a.down(0)
}

// Sweep keeps only the entries that the function wants, in time proportional to their number: they
// are moved together in any order, and the heap is made anew from its last parents up. The function
// is called once for each entry, and must not change the queue.
func (a *Queue[T]) Sweep(wanted func(Entry[T]) bool) {
	kept := 0
	for _, e := range a.h {
		if wanted(e) {
			a.h[kept] = e
			kept++
		}
	}
	clear(a.h[kept:])
	a.h = a.h[:kept]
	if kept < cap(a.h)/4 { // a burst is over: its memory goes
		a.h = append(make([]Entry[T], 0, 2*kept), a.h...)
	}
	for i := (kept - 2) / arity; i >= 0; i-- {
		a.down(i)
	}
}

// before orders entries by time, then items as they say. Only for a tie is an item itself read.
func before[T Item[T]](x, y *Entry[T]) bool {
	return x.Due < y.Due || x.Due == y.Due && x.Item.Before(y.Item)
}

// up moves entry i to its place among its ancestors, where it alone may be out of order. What is
// passed moves down one place each, and the entry is written once.
func (a *Queue[T]) up(i int) {
	e := a.h[i]
	for i > 0 {
		parent := (i - 1) / arity
		if !before(&e, &a.h[parent]) {
			break
		}
		a.h[i] = a.h[parent]
		i = parent
	}
	a.h[i] = e
}

// down moves entry i to its place among its descendants, where it alone may be out of order. It
// does nothing if there is no entry i: the queue may just have become empty.
func (a *Queue[T]) down(i int) {
	if i >= len(a.h) {
		return
	}
	e := a.h[i]
	for {
		least := a.least(i*arity + 1)
		if least < 0 || !before(&a.h[least], &e) {
			break
		}
		a.h[i] = a.h[least]
		i = least
	}
	a.h[i] = e
}

// least returns the earliest of the siblings that begin at first, -1 if there are none.
func (a *Queue[T]) least(first int) int {
	if first >= len(a.h) {
		return -1
	}
	best := first
	for i := first + 1; i < min(first+arity, len(a.h)); i++ {
		if before(&a.h[i], &a.h[best]) {
			best = i
		}
	}
	return best
}
