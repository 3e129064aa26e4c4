package fifo

import (
	"slices"
	"sort"
)

// A row is chunks in the order of the list, to find one among them in a few steps. To append one or
// to take out the first is amortized O(1); one out of the middle is O(chunks).
type row[J any] struct {
	all []*Chunk[J] // of which those before off have left
	off int
}

func (r *row[J]) len() int                   { return len(r.all) - r.off }
func (r *row[J]) at(i int) *Chunk[J]         { return r.all[r.off+i] }
func (r *row[J]) live() []*Chunk[J]          { return r.all[r.off:] }
func (r *row[J]) append(o *row[J])           { r.all = append(r.all, o.live()...) }
func (r *row[J]) is(i int, c *Chunk[J]) bool { return i >= 0 && i < r.len() && r.at(i) == c }

// emptied returns the room of a row whose chunks another one has taken. They are wiped: the room
// would keep them alive otherwise.
func (r *row[J]) emptied() row[J] {
	clear(r.all)
	return row[J]{all: r.all[:0]}
}

// push appends c. Where the room is used up, and more than half of it is before off, the chunks
// move to the front: fewer move than have left since the last time, so a row in use needs no new
// room.
func (r *row[J]) push(c *Chunk[J]) {
	if len(r.all) == cap(r.all) && r.off > len(r.all)/2 {
		n := copy(r.all, r.live())
		clear(r.all[n:])
		r.all, r.off = r.all[:n], 0
	}
	r.all = append(r.all, c)
}

// remove takes out chunk i. The first only moves off on; its place is wiped, so that it keeps
// nothing.
func (r *row[J]) remove(i int) {
	if i == 0 {
		r.all[r.off] = nil
		r.off++
	} else {
		r.all = slices.Delete(r.all, r.off+i, r.off+i+1)
	}
	if r.len() == 0 {
		r.all, r.off = r.all[:0], 0
	}
}

// last returns the index of the last chunk that does not begin behind what is sought, or -1. It is
// O(log chunks); what behind asks about must ascend along the row.
func (r *row[J]) last(behind func(c *Chunk[J]) bool) int {
	return sort.Search(r.len(), func(i int) bool { return behind(r.at(i)) }) - 1
}
