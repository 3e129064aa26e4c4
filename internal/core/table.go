package core

import (
	"hash/maphash"
	"iter"
	"maps"
)

// A table is a map that gives memory back. A Go map keeps the room of the most
// entries it ever had, which after a million keys is a hundred megabytes for ever.
// So one that has become too large is copied into a new one; and a long table is many
// maps, so that this does not take long. The zero value is empty and ready to use.
type table[K comparable, V any] struct {
	one   part[K, V]   // all, while there are few
	parts []part[K, V] // all, since there were many, until there are none
	n     int          // entries
}

// A part is a map that is copied when it has become too large. The zero value is empty: a nil map
// can be read.
type part[K comparable, V any] struct {
	m    map[K]V
	peak int // the most entries that m has had
}

const (
	// minPeak is the size below which a part keeps its room: some kilobytes.
	minPeak = 64
	// shrink is by which factor it is too large when it is copied.
	shrink = 32
	// maxWhole is how many entries a table has in one map, and tableParts in how many it
	// has more. Of a million so none has more than some thousands, and the most that is
	// ever copied at a time takes a tenth of a millisecond.
	maxWhole   = 1024
	tableParts = 256
)

// tableSeed makes the parts of a key different in each process, so that no choice of keys fills one
// part.
var tableSeed = maphash.MakeSeed()

func (t *table[K, V]) len() int     { return t.n }
func (t *table[K, V]) get(k K) V    { return t.part(k).m[k] }
func (t *table[K, V]) has(k K) bool { _, ok := t.part(k).m[k]; return ok }

// part returns where k is or would be: always the same part, until the table is split or empty
// again.
func (t *table[K, V]) part(k K) *part[K, V] {
	if t.parts == nil {
		return &t.one
	}
	return &t.parts[maphash.Comparable(tableSeed, k)%tableParts]
}

// put enters v, in place of what k had. When a table becomes long its entries are spread over the
// parts, once: that costs maxWhole of them.
func (t *table[K, V]) put(k K, v V) {
	t.n += t.part(k).put(k, v)
	if t.parts == nil && t.n > maxWhole {
		t.parts = make([]part[K, V], tableParts)
		for k, v := range t.one.m {
			t.part(k).put(k, v)
		}
		t.one = part[K, V]{}
	}
}

// remove takes out what k has, if anything. A long table stays in parts until it is empty: to
// gather what is left at some size would let a table that stays around it move all the time.
func (t *table[K, V]) remove(k K) {
	t.n -= t.part(k).remove(k)
	// With the parts go their maps, which keep some room each.
	if t.n == 0 {
		t.parts = nil
	}
}

// all yields the entries in no order. The table must not be changed meanwhile. Of the map named one
// and the parts only either has entries.
func (t *table[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for k, v := range t.one.m {
			if !yield(k, v) {
				return
			}
		}
		for _, p := range t.parts {
			for k, v := range p.m {
				if !yield(k, v) {
					return
				}
			}
		}
	}
}

// put returns how many entries there are more: 1, or 0 if k was there.
func (p *part[K, V]) put(k K, v V) int {
	if p.m == nil {
		p.m = make(map[K]V)
	}
	n := len(p.m)
	p.m[k] = v
	p.peak = max(p.peak, len(p.m))
	return len(p.m) - n
}

// remove returns how many entries there are less: 1, or 0 if k was not there. A map that has become
// too large is replaced by a copy. For that at least 31 of 32 have to go, so a removal costs O(1)
// on average.
func (p *part[K, V]) remove(k K) int {
	n := len(p.m)
	delete(p.m, k)
	if left := len(p.m); p.peak >= minPeak && left <= p.peak/shrink {
		m := make(map[K]V, left)
		maps.Copy(m, p.m)
		p.m, p.peak = m, left
	}
	return n - len(p.m)
}
