// Package sorted keeps things in the order of a key. To put one in, take one out or find one costs
// a logarithm of how many there are; so does it to go on from a key, which no change in between
// disturbs. It gives memory back, and allocates next to nothing in steady state.
//
// A list is a slice of blocks, each a slice of at most 256 entries: a B-tree of two levels. A
// change moves the entries of one block at most, 6 KiB of them for a pointer. Where a block comes
// or goes between others, which takes a hundred changes or so, the headers of those behind it move
// too, and where there is no room for one more all do: 32 bytes each, which is 125 KB for a million
// entries in full blocks.
//
// A map would copy itself as it shrinks, a heap as it grows, and neither can be read in order in
// parts.
//
// It is not safe for concurrent use.
package sorted

import (
	"iter"
	"slices"
)

// Key orders by Major, and by Minor where that is the same. Things that are ordered by one number
// alone leave the other zero; things that may be due at one moment have a Minor that tells them
// apart.
type Key struct {
	Major int64
	Minor uint64
}

// Less reports whether k comes before o.
func (k Key) Less(o Key) bool {
	return k.Major < o.Major || k.Major == o.Major && k.Minor < o.Minor
}

// An entry is a value and its key, side by side: 24 bytes for a pointer.
type entry[V any] struct {
	key   Key
	value V
}

// A block is entries in order: all[off:], at most blockLen. Where things leave at the front, only
// off moves, so that a list used as a queue copies nothing. None but the only one of a list is ever
// empty, so the first entry of each says what it may hold.
type block[V any] struct {
	all []entry[V]
	off int
}

const (
	// blockLen bounds a block, and with it what a change in the middle moves: 6 KiB.
	blockLen = 256
	// keptLen bounds the room that an empty list keeps. So a short list that is emptied and filled
	// all the time allocates nothing, and one that was long once keeps nothing of that.
	keptLen = 16
	// exactBlocks bounds the blocks that Rank looks at: so up to some two thousand it is exact.
	exactBlocks = 8
)

// List holds values by their keys, one for each. The zero value is empty and ready to use. It must
// not be copied once it is in use, as blocks may point into it.
type List[V any] struct {
	blocks []block[V]  // in order, none overlapping; nil before the first Put, and after a long list was emptied
	first  [1]block[V] // room for blocks while there is one: a short list is one allocation
	n      int         // values in all blocks
	spare  []entry[V]  // room of the last whole block that became empty beside others; nil without
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

// locate returns where k is or would be, and whether it is there: entry at of block i. An empty
// list is answered before there may be no block to look at.
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

// block returns the index of the last block that does not begin behind k, or of the first. If k is
// in the list it is there; else it belongs there, behind the block's end at the most. No block may
// be empty.
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

// find returns the index of the first entry that does not come before k, len(all) if all do, and
// whether that is k's.
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

// Put adds a value, or replaces that of the same key. Behind the last one, where keys that only
// ascend go, it is amortized O(1); elsewhere it is O(log n), and a block is moved.
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

// push appends e to the last block, or begins another one with it. A full block is not split here:
// keys that come in order would leave half of each unused.
func (l *List[V]) push(last *block[V], e entry[V]) {
	l.n++
	if len(last.all)-last.off >= blockLen {
		l.blocks = append(l.blocks, block[V]{all: append(l.room(), e)})
		l.leaveFirst()
		return
	}
	last.makeRoom()
	last.all = append(last.all, e)
}

// room returns that of a whole block. The list is long by now, so it will most likely be
// filled; and where as many leave as come it is that of a block which has left.
func (l *List[V]) room() []entry[V] {
	if free := l.spare; free != nil {
		l.spare = nil
		return free
	}
	return make([]entry[V], 0, blockLen)
}

// leaveFirst is called when there is more than one block, for which there is no room in first. What
// is left there would keep the entries of the first block alive, or their values.
func (l *List[V]) leaveFirst() { l.first[0] = block[V]{} }

// makeRoom moves the entries to the beginning of their room, if that spares another one. It does
// only if no more move than have left there since the last time; else the slice grows.
func (b *block[V]) makeRoom() {
	if len(b.all) < cap(b.all) || b.off < len(b.all)/2 {
		return
	}
	n := copy(b.all, b.all[b.off:])
	clear(b.all[n:])
	b.all, b.off = b.all[:n], 0
}

// insert puts e into block i at index at, where locate says that it belongs. If the block is full
// its second half becomes a block of its own: so both have room for what comes next to e.
func (l *List[V]) insert(i, at int, e entry[V]) {
	l.n++
	b := &l.blocks[i]
	if len(b.all)-b.off >= blockLen {
		// The first half stays where it is. The places of the second are wiped when that is copied,
		// or they would keep its values alive.
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
	if at == b.off && at > 0 { // there is room before the first, as others have left there
		b.off--
		b.all[b.off] = e
		return
	}
	b.all = slices.Insert(b.all, at, e)
}

// Delete takes out the value of k. It reports false if there is none. It is O(log n), and a block
// is moved if k is not the first of one.
func (l *List[V]) Delete(k Key) bool {
	i, at, ok := l.locate(k)
	if ok {
		l.remove(i, at)
	}
	return ok
}

// remove takes out entry at of block i, which there is. The place is wiped, so that it keeps
// nothing alive. A block that has become empty goes, and one that is nearly empty is merged, if
// that is possible.
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

// drop takes out block i, which is empty. The first of several is cut off, which moves no others.
// The only one stays, unless its room is more than an empty list is to keep.
func (l *List[V]) drop(i int) {
	if all := l.blocks[i].all; len(l.blocks) > 1 && cap(all) >= blockLen {
		l.spare = all[:0] // all of it is wiped
	}
	switch {
	// Wiped first, as the slice still has it before its beginning.
	case len(l.blocks) > 1 && i == 0:
		l.blocks[0] = block[V]{}
		l.blocks = l.blocks[1:]
	case len(l.blocks) > 1:
		l.blocks = slices.Delete(l.blocks, i, i+1)
	// The list is empty, and as good as new.
	case cap(l.blocks[0].all) > keptLen:
		l.blocks, l.first[0], l.spare = nil, block[V]{}, nil
	default:
		l.blocks[0].all, l.blocks[0].off = l.blocks[0].all[:0], 0
	}
}

// shrink merges block i, of which little is left, with the one behind it or before it if the two
// then fill no more than half a block: so a long list takes at most four times the room that it
// needs. That they are to fill only half leaves room, or the next insert would split them again.
func (l *List[V]) shrink(i int) {
	// k is the first of the two blocks of a pair: i and the one behind, or the one before and i.
	for _, k := range [2]int{i, i - 1} {
		if k < 0 || k+1 >= len(l.blocks) {
			continue
		}
		// The merged block gets a room of its own, of its size, and the rooms of both go.
		a, b := &l.blocks[k], &l.blocks[k+1]
		if len(a.all)-a.off+len(b.all)-b.off > blockLen/2 {
			continue
		}
		*a = block[V]{all: slices.Concat(a.all[a.off:], b.all[b.off:])}
		l.blocks = slices.Delete(l.blocks, k+1, k+2)
		return
	}
}

// First returns the first value, and its key. It is O(1).
func (l *List[V]) First() (k Key, v V, ok bool) {
	if l.n == 0 {
		return k, v, false
	}
	b := &l.blocks[0]
	e := &b.all[b.off]
	return e.key, e.value, true
}

// Pop takes the first value out. It moves no others.
func (l *List[V]) Pop() (k Key, v V, ok bool) {
	if k, v, ok = l.First(); ok {
		l.remove(0, l.blocks[0].off)
	}
	return k, v, ok
}

// All yields the values in order. The list must not be changed meanwhile: a change may move what is
// read.
func (l *List[V]) All() iter.Seq2[Key, V] {
	return func(yield func(Key, V) bool) {
		if l.n > 0 {
			l.from(0, l.blocks[0].off, yield)
		}
	}
}

// After yields the values behind k in order, whether k is there or not. The list must not be
// changed meanwhile. A reader that has to let others change it ends the loop, and begins another
// one behind the last key that it has seen: to find that again is O(log n).
func (l *List[V]) After(k Key) iter.Seq2[Key, V] {
	return func(yield func(Key, V) bool) {
		i, at, ok := l.locate(k)
		if ok {
			at++
		}
		l.from(i, at, yield)
	}
}

// from yields what is at that place, and all behind it. The place may be behind the end of block i,
// or in a list without blocks.
func (l *List[V]) from(i, at int, yield func(Key, V) bool) {
	for ; i < len(l.blocks); i++ {
		b := &l.blocks[i]
		for _, e := range b.all[max(at, b.off):] {
			if !yield(e.key, e.value) {
				return
			}
		}
		// All of the blocks behind the first is yielded.
		at = 0
	}
}

// Rank returns how many values come before k: exactly, if no more than a few blocks do, and else as
// if all blocks were equally long. That bounds what a position in a very long line costs.
func (l *List[V]) Rank(k Key) (before int) {
	if l.n == 0 {
		return 0
	}
	i, at, _ := l.locate(k)
	before = at - l.blocks[i].off
	// The product may be more than an int of 32 bits holds.
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
			// In the first block at is where locate has found it; in those before, the end.
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
