// Package sorted keeps things in the order of a key. To put one in, take one out
// or find one costs the same however many there are, but for a logarithm; so does
// it to go on from a key, which no change in between disturbs. It never copies more
// than a few kilobytes at a time, gives memory back, and allocates next to nothing in
// steady state.
//
// It is not safe for concurrent use.
package sorted

import (
	"iter"
	"slices"
)

// Key orders by Major, and by Minor where that is the same.
type Key struct {
	Major int64
	Minor uint64
}

// Less reports whether k comes before o.
func (k Key) Less(o Key) bool {
	return k.Major < o.Major || k.Major == o.Major && k.Minor < o.Minor
}

type entry[V any] struct {
	key   Key
	value V
}

// A block is entries in order: all[off:]. Where things leave at the front, only off
// moves. None but the only one of a list is ever empty.
type block[V any] struct {
	all []entry[V]
	off int
}

const (
	// blockLen bounds a block, and with it what a change in the middle moves: 6 KiB.
	blockLen = 256
	// keptLen bounds the room that an empty list keeps.
	keptLen = 16
	// exactBlocks bounds the blocks that Rank looks at.
	exactBlocks = 8
)

// List holds values by their keys, one for each. The zero value is empty and ready
// to use. It must not be copied once it is in use.
type List[V any] struct {
	blocks []block[V]
	first  [1]block[V] // room for blocks while there is one: a short list is one allocation
	n      int
}

// Len returns the number of values.
func (l *List[V]) Len() int { return l.n }

// Get returns the value of k, and whether it is there.
func (l *List[V]) Get(k Key) (v V, ok bool) {
	if i, at, ok := l.locate(k); ok {
		return l.blocks[i].all[at].value, true
	}
	return v, false
}

// Has reports whether there is a value of k.
func (l *List[V]) Has(k Key) bool {
	_, _, ok := l.locate(k)
	return ok
}

// locate returns where k is or would be, and whether it is there.
func (l *List[V]) locate(k Key) (i, at int, ok bool) {
	if l.n == 0 {
		return 0, 0, false
	}
	if b := &l.blocks[0]; b.all[b.off].key == k { // as nearly always, where things leave in their order
		return 0, b.off, true
	}
	i = l.block(k)
	at, ok = l.blocks[i].find(k)
	return i, at, ok
}

// block returns the index of the last block that does not begin behind k, or of the first.
func (l *List[V]) block(k Key) int {
	low, high := 0, len(l.blocks)
	for high-low > 1 {
		mid := int(uint(low+high) / 2)
		if b := &l.blocks[mid]; k.Less(b.all[b.off].key) {
			high = mid
		} else {
			low = mid
		}
	}
	return low
}

// find returns the index of the first entry that does not come before k.
func (b *block[V]) find(k Key) (at int, ok bool) {
	low, high := b.off, len(b.all)
	for low < high {
		if mid := int(uint(low+high) / 2); b.all[mid].key.Less(k) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, low < len(b.all) && b.all[low].key == k
}

// Put adds a value, or replaces that of the same key.
func (l *List[V]) Put(k Key, v V) {
	e := entry[V]{k, v}
	if l.blocks == nil {
		l.blocks = l.first[:]
	}
	if last := &l.blocks[len(l.blocks)-1]; l.n == 0 || last.all[len(last.all)-1].key.Less(k) { // as nearly always
		l.push(last, e)
		return
	}
	i, at, ok := l.locate(k)
	if ok {
		l.blocks[i].all[at].value = v
		return
	}
	l.insert(i, at, e)
}

// push appends e to the last block, or begins another one with it.
func (l *List[V]) push(last *block[V], e entry[V]) {
	l.n++
	if len(last.all)-last.off >= blockLen {
		l.blocks = append(l.blocks, block[V]{all: append(make([]entry[V], 0, keptLen), e)})
		l.leaveFirst()
		return
	}
	last.makeRoom()
	last.all = append(last.all, e)
}

// leaveFirst is called when there is more than one block, for which there is no room in first.
func (l *List[V]) leaveFirst() { l.first[0] = block[V]{} }

// makeRoom moves the entries to the beginning of their room, if that spares another one.
func (b *block[V]) makeRoom() {
	if len(b.all) < cap(b.all) || b.off < len(b.all)/2 {
		return
	}
	n := copy(b.all, b.all[b.off:])
	clear(b.all[n:])
	b.all, b.off = b.all[:n], 0
}

// insert puts e into block i, of which the second half becomes a block of its own if it
// is full.
func (l *List[V]) insert(i, at int, e entry[V]) {
	l.n++
	b := &l.blocks[i]
	if len(b.all)-b.off >= blockLen {
		half := b.off + blockLen/2
		second := block[V]{all: slices.Clone(b.all[half:])}
		clear(b.all[half:])
		b.all = b.all[:half]
		l.blocks = slices.Insert(l.blocks, i+1, second)
		l.leaveFirst()
		if at > half {
			i, at = i+1, at-half
		}
		b = &l.blocks[i]
	}
	if at == b.off && at > 0 {
		b.off--
		b.all[b.off] = e
		return
	}
	b.all = slices.Insert(b.all, at, e)
}

// Delete takes out the value of k. It reports false if there is none.
func (l *List[V]) Delete(k Key) bool {
	i, at, ok := l.locate(k)
	if ok {
		l.remove(i, at)
	}
	return ok
}

func (l *List[V]) remove(i, at int) {
	l.n--
	b := &l.blocks[i]
	if at == b.off {
		b.all[at] = entry[V]{}
		b.off++
	} else {
		b.all = slices.Delete(b.all, at, at+1)
	}
	switch left := len(b.all) - b.off; {
	case left == 0:
		l.drop(i)
	case left <= blockLen/4:
		l.shrink(i)
	}
}

// drop takes out block i, which is empty.
func (l *List[V]) drop(i int) {
	switch {
	case len(l.blocks) > 1 && i == 0:
		l.blocks[0] = block[V]{}
		l.blocks = l.blocks[1:]
	case len(l.blocks) > 1:
		l.blocks = slices.Delete(l.blocks, i, i+1)
	case cap(l.blocks[0].all) > keptLen:
		l.blocks, l.first[0] = nil, block[V]{}
	default:
		l.blocks[0].all, l.blocks[0].off = l.blocks[0].all[:0], 0
	}
}

// shrink merges block i, of which little is left, with the one behind it or before it if
// the two then fill no more than half a block: so a long list takes at most four times the
// room that it needs.
func (l *List[V]) shrink(i int) {
	for _, k := range [2]int{i, i - 1} {
		if k < 0 || k+1 >= len(l.blocks) {
			continue
		}
		a, b := &l.blocks[k], &l.blocks[k+1]
		if len(a.all)-a.off+len(b.all)-b.off > blockLen/2 {
			continue
		}
		*a = block[V]{all: slices.Concat(a.all[a.off:], b.all[b.off:])}
		l.blocks = slices.Delete(l.blocks, k+1, k+2)
		return
	}
}

// First returns the first value, and its key.
func (l *List[V]) First() (k Key, v V, ok bool) {
	if l.n == 0 {
		return k, v, false
	}
	b := &l.blocks[0]
	e := &b.all[b.off]
	return e.key, e.value, true
}

// Pop takes the first value out.
func (l *List[V]) Pop() (k Key, v V, ok bool) {
	if k, v, ok = l.First(); ok {
		l.remove(0, l.blocks[0].off)
	}
	return k, v, ok
}

// All yields the values in order. The list must not be changed meanwhile.
func (l *List[V]) All() iter.Seq2[Key, V] {
	return func(yield func(Key, V) bool) {
		if l.n > 0 {
			l.from(0, l.blocks[0].off, yield)
		}
	}
}

// After yields the values behind k in order, whether k is there or not. The list must
// not be changed meanwhile.
func (l *List[V]) After(k Key) iter.Seq2[Key, V] {
	return func(yield func(Key, V) bool) {
		i, at, ok := l.locate(k)
		if ok {
			at++
		}
		l.from(i, at, yield)
	}
}

// from yields what is at that place, and all behind it.
func (l *List[V]) from(i, at int, yield func(Key, V) bool) {
	for ; i < len(l.blocks); i++ {
		b := &l.blocks[i]
		for _, e := range b.all[max(at, b.off):] {
			if !yield(e.key, e.value) {
				return
			}
		}
		at = 0
	}
}

// Rank returns how many values come before k: exactly, if no more than a few blocks do,
// and else as if all blocks were equally long.
func (l *List[V]) Rank(k Key) (before int) {
	if l.n == 0 {
		return 0
	}
	i, at, _ := l.locate(k)
	before = at - l.blocks[i].off
	if i > exactBlocks {
		return before + int(int64(l.n)*int64(i)/int64(len(l.blocks)))
	}
	for k := range i {
		before += len(l.blocks[k].all) - l.blocks[k].off
	}
	return before
}

// Before yields the values before k, the last of them first. The list must not be changed
// meanwhile.
func (l *List[V]) Before(k Key) iter.Seq2[Key, V] {
	return func(yield func(Key, V) bool) {
		i, at, _ := l.locate(k)
		for ; l.n > 0 && i >= 0; i-- {
			b := &l.blocks[i]
			for at--; at >= b.off; at-- {
				if e := &b.all[at]; !yield(e.key, e.value) {
					return
				}
			}
			if i > 0 {
				at = len(l.blocks[i-1].all)
			}
		}
	}
}
