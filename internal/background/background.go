// Package background counts goroutines that foreign code may keep, so that a shutdown can wait
// for them, for a while, and name those that do not end. A sync.WaitGroup has neither a limit nor
// names.
package background

import (
	"slices"
	"sync"
	"time"
)

// A Group is such goroutines. It is safe for concurrent use; the zero value is empty. Goroutines
// may be added while it is waited for.
type Group struct {
	mu     sync.Mutex          // taken last: no other lock is taken under it
	guests map[*Guest]struct{} // guarded by mu; nil until the first one
	gone   chan struct{}       // guarded by mu: closed when there are none; nil unless that is waited for
}

// A Guest is one goroutine, from Add to Leave.
type Guest struct {
	b    *Group // immutable
	name string // guarded by Group.mu: of what it calls
}

// Add counts a goroutine, until its Leave, that calls what is named. It is called before the
// goroutine starts, so that a Wait which comes then waits for it.
func (b *Group) Add(name string) *Guest {
	b.mu.Lock()
	defer b.mu.Unlock()
	// Most groups never have a goroutine, and so no map.
	if b.guests == nil {
		b.guests = make(map[*Guest]struct{})
	}
	// A pointer for each, so that two goroutines of one name are two.
	g := &Guest{b, name}
	b.guests[g] = struct{}{}
	return g
}

// Rename says what it calls by now: a goroutine may call several functions, one after the other.
func (g *Guest) Rename(name string) {
	g.b.mu.Lock()
	defer g.b.mu.Unlock()
	g.name = name
}

// Leave says that it ends. It has to be deferred, as the function that it calls may end the
// goroutine.
func (g *Guest) Leave() {
	b := g.b
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.guests, g)
	// The next Wait makes another channel, should there be goroutines again.
	if len(b.guests) == 0 && b.gone != nil {
		close(b.gone)
		b.gone = nil
	}
}

// Wait waits until all have ended, for at most so long, and returns the names of those that have
// not, sorted. It returns at the first moment at which there are none, also if some are added
// after that. Several may wait at once.
func (b *Group) Wait(limit time.Duration) (late []string) {
	b.mu.Lock()
	// Without a timer: this is the usual end of a run.
	if len(b.guests) == 0 {
		b.mu.Unlock()
		return nil
	}
	// Made here, as only few groups are ever waited for.
	if b.gone == nil {
		b.gone = make(chan struct{})
	}
	// One channel for all that wait at the same time.
	gone := b.gone
	b.mu.Unlock()
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case <-gone:
		return nil
	case <-timeout.C:
		// Read now: those that have ended while the timer fired are not named.
		return b.left()
	}
}

// left returns the names of those that have not ended, sorted, as a map has no order.
func (b *Group) left() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	names := make([]string, 0, len(b.guests))
	for g := range b.guests {
		names = append(names, g.name)
	}
	slices.Sort(names)
	return names
}
