// Package fifo is the queue's FIFO: a list of chunks that costs 8 bytes per
// waiting job and some for each break in the run of their IDs and times, is
// appended to another whatever its length at the cost of one chunk, and
// allocates nothing in steady state.
//
// It is not safe for concurrent use.
package fifo

import (
	"context"
	"iter"
	"time"
)

// maxSpare bounds the empty chunks kept for reuse (256 KiB); what a burst needed
// beyond that goes back to the collector.
const maxSpare = 64

// Entry is one waiting job: a bare function, or a record J that has rules.
type Entry[J any] struct {
	Fn  func(context.Context) error
	Job *J            // nil for a bare function
	ID  uint64        // zero in what comes out beside a Job, which knows its own
	At  time.Duration // when it was enqueued, since the queue's epoch, to the µs; as ID
}

// List is a FIFO of entries. The zero value is empty and ready to use.
type List[J any] struct {
	first, last *chunk[J]
	n           int
	spare       *chunk[J]
	spares      int
}

// Len returns the number of entries.
func (l *List[J]) Len() int { return l.n }

// Push appends e.
func (l *List[J]) Push(e Entry[J]) {
	c := l.last
	if c == nil || !c.fits(e) {
		c = l.grow(e)
	}
	c.push(e)
	l.n++
}

// grow hangs an empty chunk based at e on the end, or rebases the last one if it is empty.
func (l *List[J]) grow(e Entry[J]) *chunk[J] {
	c := l.last
	if c == nil || !c.empty() {
		c = l.newChunk()
		l.hang(c, c)
	}
	c.clear()
	c.base = e.At
	return c
}

func (l *List[J]) newChunk() *chunk[J] {
	c := l.spare
	if c == nil {
		return new(chunk[J])
	}
	l.spare, c.next = c.next, nil
	l.spares--
	return c
}

func (l *List[J]) hang(first, last *chunk[J]) {
	if l.last == nil {
		l.first = first
	} else {
		l.last.next = first
	}
	l.last = last
}

// Pop removes and returns the first entry.
func (l *List[J]) Pop() (Entry[J], bool) {
	for l.n > 0 {
		c := l.first
		if c.empty() { // then there is a next one
			l.drop(nil, c)
			continue
		}
		if e, ok := c.pop(); ok {
			l.n--
			return e, true
		}
	}
	return Entry[J]{}, false
}

// PushBare is Push for a bare function. It is small enough to be inlined.
func (l *List[J]) PushBare(fn func(context.Context) error, id uint64, at time.Duration) {
	c := l.last
	if c == nil || id != c.nextID || at != c.at || c.tail >= chunkLen {
		l.Push(Entry[J]{Fn: fn, ID: id, At: at})
		return
	}
	c.slots[c.tail] = fn
	c.tail++
	c.nextID++
	l.n++
}

// PopBare is Pop if the first entry is a bare function, and else takes nothing and
// returns nil. It may do so for a bare one behind a hole, which saves it a loop.
func (l *List[J]) PopBare() (fn func(context.Context) error, id uint64, at time.Duration) {
	c := l.first
	if c == nil {
		return nil, 0, 0
	}
	if c.head == c.tail && c.next != nil {
		l.drop(nil, c)
		c = l.first
	}
	i := c.head
	if i >= c.tail || i >= chunkLen || c.slots[i] == nil {
		return nil, 0, 0
	}
	fn = c.slots[i]
	c.slots[i] = nil
	c.head++
	l.n--
	id, at = c.identify(i)
	return fn, id, at
}

// drop takes the empty chunk c out of the list, whose last it is not.
func (l *List[J]) drop(before, c *chunk[J]) {
	if before == nil {
		l.first = c.next
	} else {
		before.next = c.next
	}
	c.next = nil
	l.recycle(c)
}

func (l *List[J]) recycle(c *chunk[J]) {
	if l.spares == maxSpare {
		return
	}
	c.clear()
	c.next, l.spare = l.spare, c
	l.spares++
}

// Append moves all entries of o to the end of l, in order, and leaves o empty. If
// there is room in the last chunk they are copied, so that a trickle of single
// jobs fills chunks; otherwise they are hung on as they are. Spare chunks move to
// o, whose owner is the one that fills them.
func (l *List[J]) Append(o *List[J]) {
	if o.n == 0 {
		return
	}
	switch {
	case l.n == 0:
		l.vacate()
	case o.first == o.last && l.last.takes(o.first):
		l.last.copy(o.first)
		l.n += o.n
		o.first.clear()
		o.n = 0
		return
	}
	l.hang(o.first, o.last)
	l.n += o.n
	spare, spares := l.spare, l.spares
	if spares == 0 {
		spare, spares = o.spare, o.spares
	} else {
		l.spare, l.spares = o.spare, o.spares
	}
	*o = List[J]{spare: spare, spares: spares}
}

// vacate lets go of the chunks of an empty list.
func (l *List[J]) vacate() {
	for c := l.first; c != nil; c = l.first {
		l.drop(nil, c)
	}
	l.last = nil
}

// Remove takes out the bare function with the given ID, wherever it is. It looks
// at every chunk, but only at the marks.
func (l *List[J]) Remove(id uint64) (Entry[J], bool) {
	var before *chunk[J]
	for c := l.first; c != nil; before, c = c, c.next {
		i, m, ok := c.find(id)
		if !ok {
			continue
		}
		e := c.take(i, m)
		l.n--
		if c.empty() && c.next != nil {
			l.drop(before, c)
		}
		return e, true
	}
	return Entry[J]{}, false
}

// All yields the entries in order, without removing them.
func (l *List[J]) All() iter.Seq[Entry[J]] {
	return func(yield func(Entry[J]) bool) {
		for c := l.first; c != nil; c = c.next {
			if !c.all(yield) {
				return
			}
		}
	}
}
