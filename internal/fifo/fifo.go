// Package fifo is the queue's FIFO: a list of chunks that costs 8 bytes per
// waiting job and some for each break in the run of their IDs and times, is
// appended to another at the cost of a look at each chunk, and allocates nothing
// in steady state. To find an entry, and to take it out of the middle, costs no more
// than to look through a chunk, however long the list is.
//
// A list belongs to one goroutine at a time, and is not safe for concurrent use. The exception is
// Claim, by which any number of goroutines take entries from its first chunk while the owner has
// opened that: see gate.go.
//
//	a list:  first ─► chunk ─► … ─► last
//	a chunk: ... head XXoXX tail ...  with X an entry, o a hole, . an empty slot
package fifo

import (
	"context"
	"iter"
	"time"
)

// maxSpare bounds the empty chunks kept for reuse (256 KiB); what a burst needed
// beyond that goes back to the collector.
const maxSpare = 64

// maxCopied is how many entries are copied to an empty list rather than their chunk taken.
const maxCopied = 16

// Entry is one waiting job: a bare function, or a record J that has rules.
type Entry[J any] struct {
	Fn  func(context.Context) error
	Job *J            // nil for a bare function
	ID  uint64        // zero in what comes out beside a Job, which knows its own
	At  time.Duration // when it was enqueued, since the queue's origin, to the µs; as ID
}

// List is a FIFO of entries. The zero value is empty and ready to use. The IDs of bare functions
// must ascend, also when a list is appended: Remove and FirstBare search by them.
//
// Entries are numbered in the order in which they came into the list, from 0. A number stays until
// the entry leaves: holes, Renew and pops do not change it. So it is a place to which a reader can
// come back.
//
// Any chunk may be empty, if it has not been dropped yet. None but the last is filled up further.
type List[J any] struct {
	first, last *Chunk[J]
	n           int       // entries, without holes
	records     int       // of n
	spare       *Chunk[J] // chunks to be used next, cleared and linked by next
	spares      int       // how many, at most maxSpare
	chunks      row[J]    // all from first to last
	bare        row[J]    // of those the ones that have had bare functions; the last chunk if it has a run
	after       uint64    // the number of the next entry, while there is no chunk
}

// Len returns the number of entries.
func (l *List[J]) Len() int { return l.n }

// Records returns how many of the entries are records.
func (l *List[J]) Records() int { return l.records }

// Next returns the number of the next entry.
func (l *List[J]) Next() uint64 {
	if l.last == nil {
		return l.after
	}
	return l.last.start + uint64(l.last.tail)
}

// Push appends e, and returns its number. It is O(1), and allocates a chunk at times, if there is
// no spare one. The gate must be shut.
func (l *List[J]) Push(e Entry[J]) (number uint64) {
	c := l.last
	if c == nil || !c.fits(e) {
		c = l.grow(e)
	}
	c.push(e)
	l.n++
	if e.Job == nil {
		l.hasBare(c, e.ID)
	} else {
		l.records++
	}
	return c.start + uint64(c.tail-1)
}

// grow hangs an empty chunk based at e on the end, or rebases the last one if it is empty. A chunk
// that is in use cannot be rebased: claimers are still to find what was in it.
func (l *List[J]) grow(e Entry[J]) *Chunk[J] {
	if c := l.last; c != nil && c.empty() && !c.inUse() {
		l.reset()
	} else {
		c := l.newChunk()
		c.start = l.Next()
		l.hang(c, c)
		l.chunks.push(c)
	}
	l.last.base = e.At
	return l.last
}

// hasBare notes that the last chunk has a bare function with that ID. Only the first of a chunk
// makes a difference: it is the lowest, as IDs ascend.
func (l *List[J]) hasBare(c *Chunk[J], id uint64) {
	if !l.bare.is(l.bare.len()-1, c) {
		c.low = id
		l.bare.push(c)
	}
}

// reset makes the last chunk, which is empty or has been copied, as new, but for low, as the IDs
// that follow are higher. The numbers go on.
func (l *List[J]) reset() {
	if c := l.last; c.tail > 0 {
		c.start += uint64(c.tail)
		c.clear()
	}
}

// newChunk returns a chunk with nothing in it, a spare one if there is any. Its start and base are
// to be set; low is hasBare's.
func (l *List[J]) newChunk() *Chunk[J] {
	c := l.spare
	if c == nil {
		return &Chunk[J]{marks: make([]mark, 0, usualMarks)}
	}
	l.spare, c.next = c.next, nil
	l.spares--
	return c
}

// hang links the chunks from first to last behind the last one. The caller enters them into the
// rows.
func (l *List[J]) hang(first, last *Chunk[J]) {
	if l.last == nil {
		l.first = first
	} else {
		l.last.next = first
	}
	l.last = last
}

// Pop removes and returns the first entry. Holes before it are stepped over once. The gate must be
// shut.
func (l *List[J]) Pop() (Entry[J], bool) {
	for l.n > 0 {
		c := l.first
		if c.empty() { // then there is a next one
			l.drop(0)
			continue
		}
		if e, ok := c.pop(); ok {
			l.n--
			if e.Job != nil {
				l.records--
			}
			return e, true
		}
	}
	return Entry[J]{}, false
}

// PushBare is Push for a bare function.
func (l *List[J]) PushBare(fn func(context.Context) error, id uint64, at time.Duration) {
	if !l.TryPushBare(fn, id, at) {
		l.Push(Entry[J]{Fn: fn, ID: id, At: at})
	}
}

// TryPushBare is PushBare where the function goes on the last run; else, as for the first of a
// run or a chunk, it does nothing and reports false. It is called most of all, with the mailbox
// locked, and small enough to be inlined: that saves a tenth of a plain Enqueue.
func (l *List[J]) TryPushBare(fn func(context.Context) error, id uint64, at time.Duration) bool {
	c := l.last
	if c == nil || id != c.nextID || at != c.at || c.tail >= chunkLen {
		return false
	}
	c.slots[c.tail] = fn
	c.tail++
	c.nextID++
	l.n++
	return true
}

// drop takes chunk i, which is empty, out of the list and its rows. If it was the last, the list
// has to remember which number comes next.
func (l *List[J]) drop(i int) {
	c := l.chunks.at(i)
	if i == 0 {
		l.first = c.next
	} else {
		l.chunks.at(i - 1).next = c.next
	}
	// Next looks at the last chunk, so that is asked before it changes.
	if c.next == nil {
		l.after = l.Next()
		l.last = nil
		if i > 0 {
			l.last = l.chunks.at(i - 1)
		}
	}
	c.next = nil
	l.chunks.remove(i)
	if k := l.bareChunk(c.low); l.bare.is(k, c) {
		l.bare.remove(k)
	}
	l.recycle(c)
}

// bareChunk returns the index in bare of the chunk where the ID would be, or -1. The first is
// looked at before the search, as chunks leave at the front.
func (l *List[J]) bareChunk(id uint64) int {
	if l.bare.len() > 0 && l.bare.at(0).low == id {
		return 0
	}
	return l.bare.last(func(c *Chunk[J]) bool { return c.low > id })
}

// chunkOf returns the index of the chunk where the number would be, or -1.
func (l *List[J]) chunkOf(number uint64) int {
	return l.chunks.last(func(c *Chunk[J]) bool { return c.start > number })
}

// recycle takes a chunk that has left the list among the spare ones. One that is in use is only
// marked: Release recycles it when the last lease ends, and a kept one never is. Beyond maxSpare
// the garbage collector has it.
func (l *List[J]) recycle(c *Chunk[J]) {
	if c.dropped = c.inUse(); c.dropped || l.spares == maxSpare {
		return
	}
	c.clear()
	c.next, l.spare = l.spare, c
	l.spares++
}

// Append moves all entries of o to the end of l, in order, and leaves o empty. If there is room in
// the last chunk they are copied, so that a trickle of single jobs fills chunks; otherwise they are
// hung on as they are. Spare chunks move to o, whose owner is the one that fills them.
//
// It costs a look at each chunk of o, for the numbers, and up to a chunk of copies: not O(entries).
// The numbers of o's entries change. Both gates must be shut, and o's chunks not in use.
func (l *List[J]) Append(o *List[J]) {
	if o.n == 0 {
		o.vacate() // which has had IDs that come before the next ones of l
		return
	}
	// An empty list keeps its chunk only if few entries are to be copied to it: else o's chunks
	// take its place.
	short := o.first == o.last
	if l.n == 0 && (l.first != l.last || !short || o.n > maxCopied) {
		l.vacate()
	}
	if l.last != nil && l.last.empty() && !l.last.inUse() { // which cannot be used again, only be filled up
		l.reset()
		l.last.base = o.first.base
	}
	if l.last != nil && short && l.last.takes(o.first) {
		l.copy(o.first)
		l.n, l.records = l.n+o.n, l.records+o.records
		o.reset()
		o.n, o.records = 0, 0
		return
	}
	// An empty chunk is left here only if it is in use and too full to be copied to.
	if l.n == 0 {
		l.vacate()
	}
	if e, ok := o.first.firstBare(); ok { // what was there before it has gone to l
		o.first.low = e.ID
	} else if o.first.nextID = 0; o.bare.is(0, o.first) { // without a run: see copy
		o.bare.remove(0)
	}
	// Before the chunks are linked, as l.Next then looks at the last of them.
	for c, next := o.first, l.Next(); c != nil; c = c.next {
		c.start = next
		next += uint64(c.tail)
	}
	l.hang(o.first, o.last)
	l.chunks.append(&o.chunks)
	l.bare.append(&o.bare)
	l.n, l.records = l.n+o.n, l.records+o.records
	// l takes over o's spare chunks in exchange, unless it has none itself: those would only change
	// hands.
	spare, spares := l.spare, l.spares
	if spares == 0 {
		spare, spares = o.spare, o.spares
	} else {
		l.spare, l.spares = o.spare, o.spares
	}
	*o = List[J]{spare: spare, spares: spares, chunks: o.chunks.emptied(), bare: o.bare.emptied()}
}

// copy appends the entries of o to those of the last chunk, which takes them, and notes in bare if
// these have its first bare function. Without one it has no run: TryPushBare enters nothing there.
func (l *List[J]) copy(o *Chunk[J]) {
	if l.last.copy(o); l.bare.is(l.bare.len()-1, l.last) {
		return
	}
	if e, ok := o.firstBare(); ok {
		l.hasBare(l.last, e.ID)
	} else {
		l.last.nextID = 0
	}
}

// vacate lets go of the chunks of an empty list. The next number stays what it was.
func (l *List[J]) vacate() {
	for l.first != nil {
		l.drop(0)
	}
}

// Remove takes out the bare function with the given ID, wherever it is. It is ok unless there is
// none. It finds the chunk in O(log chunks), and the slot by the marks of that. The gate must be
// shut.
func (l *List[J]) Remove(id uint64) (e Entry[J], ok bool) {
	k := l.bareChunk(id)
	if k < 0 {
		return e, false
	}
	c := l.bare.at(k)
	i, m, ok := c.find(id)
	if !ok {
		return e, false
	}
	e = c.take(i, m)
	l.removed(c)
	return e, true
}

// RemoveJob takes out the record with the given number, which must be there. It is O(log chunks).
// The gate must be shut.
func (l *List[J]) RemoveJob(number uint64) {
	c := l.chunks.at(l.chunkOf(number))
	c.takeJob(uint32(number - c.start))
	l.records--
	l.removed(c)
}

// removed is called when an entry of c was taken out. It drops c if that was the last entry, unless
// c is the last chunk, which is filled further.
func (l *List[J]) removed(c *Chunk[J]) {
	l.n--
	c.skip()
	if c.empty() && c.next != nil {
		l.drop(l.chunkOf(c.start))
	}
}

// FirstBare returns the first bare function without taking it. On the way it strikes those chunks
// from bare that have none any more, so none is searched in vain twice, but for the last, which may
// get more.
func (l *List[J]) FirstBare() (e Entry[J], ok bool) {
	for l.bare.len() > 0 {
		c := l.bare.at(0)
		if e, ok = c.firstBare(); ok || c == l.last {
			return e, ok
		}
		l.bare.remove(0) // the others were taken out, and none will follow
	}
	return e, false
}

// First returns the first entry without taking it. Unlike Pop it does not change the list.
func (l *List[J]) First() (e Entry[J], ok bool) {
	if l.n == 0 {
		return e, false
	}
	for e := range l.All() {
		return e, true
	}
	return e, false
}

// All yields the entries in order, without removing them. The list must not be changed meanwhile.
func (l *List[J]) All() iter.Seq[Entry[J]] {
	return func(yield func(Entry[J]) bool) {
		for c := l.first; c != nil; c = c.next {
			if !c.each(c.head, func(_ uint32, e Entry[J]) bool { return yield(e) }) {
				return
			}
		}
	}
}

// From yields the entries in order from that number on, with their numbers, whether an entry of
// that number is still there or not. What changes between two iterations does not change the
// numbers of those that stay. To begin is O(log chunks).
func (l *List[J]) From(number uint64) iter.Seq2[uint64, Entry[J]] {
	return func(yield func(uint64, Entry[J]) bool) {
		for _, c := range l.chunks.live()[max(l.chunkOf(number), 0):] {
			from := c.head
			if number > c.start {
				from = max(from, uint32(min(number-c.start, chunkLen)))
			}
			if !c.each(from, func(i uint32, e Entry[J]) bool { return yield(c.start+uint64(i), e) }) {
				return
			}
		}
	}
}
