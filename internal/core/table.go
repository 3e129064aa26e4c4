package core

import "maps"

// A table is a map that gives memory back. A Go map keeps the room of the most
// entries it ever had, which after a million keys is a hundred megabytes for ever.
// The zero value is empty and ready to use.
type table[K comparable, V any] struct {
	m    map[K]V
	peak int // the most entries that m has had
}

const (
	// minPeak is the size below which a table keeps its room: some dozen kilobytes.
	minPeak = 1024
	// shrink is by which factor it is too large when it is rebuilt. Large, as that
	// happens under the lock that everybody waits for: of a million entries the
	// thirty thousand that are left are copied, which takes two milliseconds.
	shrink = 32
)

func (t *table[K, V]) len() int     { return len(t.m) }
func (t *table[K, V]) get(k K) V    { return t.m[k] }
func (t *table[K, V]) has(k K) bool { _, ok := t.m[k]; return ok }

func (t *table[K, V]) put(k K, v V) {
	if t.m == nil {
		t.m = make(map[K]V)
	}
	t.m[k] = v
	t.peak = max(t.peak, len(t.m))
}

func (t *table[K, V]) remove(k K) {
	delete(t.m, k)
	if t.peak < minPeak || len(t.m) > t.peak/shrink {
		return
	}
	m := make(map[K]V, len(t.m))
	maps.Copy(m, t.m)
	t.m, t.peak = m, len(m)
}
