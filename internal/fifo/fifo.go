// Package fifo is the queue's FIFO: a list of chunks that costs 24 bytes per
// waiting job, is appended to another in a few assignments whatever its length,
// and allocates nothing in steady state.
//
// It is not safe for concurrent use.
package fifo

import (
	"context"
	"iter"
	"math"
	"time"
)

// chunkLen makes a chunk fill the 4096-byte size class: 32 bytes of header,
// 8 of the allocator's, 24 per slot.
const chunkLen = 169

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

// A slot holds an entry, its ID and time as differences from the chunk's base.
type slot[J any] struct {
	fn     func(context.Context) error
	job    *J
	id, at uint32
}

type chunk[J any] struct {
	next       *chunk[J]
	baseID     uint64
	baseAt     time.Duration
	head, tail uint32 // slots[head:tail] are filled
	slots      [chunkLen]slot[J]
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
	if c == nil || c.tail == 0 || c.tail == chunkLen || !c.fits(e) {
		c = l.grow(e)
	}
	s := &c.slots[c.tail]
	s.fn, s.job = e.Fn, e.Job
	s.id, s.at = uint32(e.ID-c.baseID), uint32((e.At-c.baseAt)/time.Microsecond)
	c.tail++
	l.n++
}

// fits reports whether e's distance from the chunk's base fits a slot. A record
// carries its own ID and time, so it fits anywhere.
func (c *chunk[J]) fits(e Entry[J]) bool {
	if e.Job != nil {
		return true
	}
	return e.ID-c.baseID <= math.MaxUint32 && // an ID below the base wraps to a huge difference
		uint64(e.At-c.baseAt) <= math.MaxUint32*uint64(time.Microsecond)
}

// grow hangs an empty chunk based at e on the end, or rebases the last one if it is empty.
func (l *List[J]) grow(e Entry[J]) *chunk[J] {
	c := l.last
	if c == nil || c.head != c.tail {
		c = l.newChunk()
		l.hang(c, c)
	}
	c.baseID, c.baseAt, c.head, c.tail = e.ID, e.At, 0, 0
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
	for c := l.first; c != nil; c = l.first {
		if c.head < c.tail {
			e := c.entry(c.head)
			c.slots[c.head] = slot[J]{} // a popped job must not be kept alive by its slot
			c.head++
			l.n--
			return e, true
		}
		if c.next == nil {
			c.head, c.tail = 0, 0
			break
		}
		l.drop(nil, c)
	}
	return Entry[J]{}, false
}

// drop takes the empty chunk c, which is not the last, out of the list.
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
	c.head, c.tail = 0, 0
	c.next, l.spare = l.spare, c
	l.spares++
}

func (c *chunk[J]) entry(i uint32) Entry[J] {
	s := &c.slots[i]
	if s.job != nil {
		return Entry[J]{Job: s.job}
	}
	return Entry[J]{Fn: s.fn, ID: c.baseID + uint64(s.id), At: c.baseAt + time.Duration(s.at)*time.Microsecond}
}

// cut removes slot i and closes the gap.
func (c *chunk[J]) cut(i uint32) {
	copy(c.slots[i:c.tail], c.slots[i+1:c.tail])
	c.tail--
	c.slots[c.tail] = slot[J]{}
	if c.head == c.tail {
		c.head, c.tail = 0, 0
	}
}

// Append moves all entries of o to the end of l, in order, and leaves o empty.
// A short o is copied, so that a trickle of single jobs fills chunks; a long one
// is hung on as it is. Spare chunks move to o, whose owner is the one that fills them.
func (l *List[J]) Append(o *List[J]) {
	if o.n == 0 {
		return
	}
	if o.first == o.last && l.last != nil && l.last.tail+o.first.tail-o.first.head <= chunkLen {
		for e, ok := o.Pop(); ok; e, ok = o.Pop() {
			l.Push(e)
		}
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

// Remove takes out the bare function with the given ID, wherever it is. It
// looks at every chunk but only into those whose IDs can include it.
func (l *List[J]) Remove(id uint64) (Entry[J], bool) {
	var before *chunk[J]
	for c := l.first; c != nil; before, c = c, c.next {
		if id < c.baseID || id-c.baseID > math.MaxUint32 {
			continue
		}
		for i := c.head; i < c.tail; i++ {
			if e := c.entry(i); e.Job == nil && e.ID == id {
				c.cut(i)
				l.n--
				if c.tail == 0 && c.next != nil {
					l.drop(before, c)
				}
				return e, true
			}
		}
	}
	return Entry[J]{}, false
}

// All yields the entries in order, without removing them.
func (l *List[J]) All() iter.Seq[Entry[J]] {
	return func(yield func(Entry[J]) bool) {
		for c := l.first; c != nil; c = c.next {
			for i := c.head; i < c.tail; i++ {
				if !yield(c.entry(i)) {
					return
				}
			}
		}
	}
}
