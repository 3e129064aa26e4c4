// Package background counts goroutines that foreign code may keep, so that a shutdown can wait
// for them, for a while, and name those that do not end.
package background

import (
	"slices"
	"sync"
	"time"
)

// A Group is such goroutines. It is safe for concurrent use; the zero value is empty.
type Group struct {
	mu     sync.Mutex // taken last
	guests map[*Guest]struct{}
	gone   chan struct{} // closed when there are none; nil unless that is waited for
}

// A Guest is one goroutine.
type Guest struct {
	b    *Group
	name string // of what it calls; under Group.mu
}

// Add counts a goroutine, until its Leave, that calls what is named.
func (b *Group) Add(name string) *Guest {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.guests == nil {
		b.guests = make(map[*Guest]struct{})
	}
	g := &Guest{b, name}
	b.guests[g] = struct{}{}
	return g
}

// Rename says what it calls by now.
func (g *Guest) Rename(name string) {
	g.b.mu.Lock()
	defer g.b.mu.Unlock()
	g.name = name
}

// Leave says that it ends.
func (g *Guest) Leave() {
	b := g.b
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.guests, g)
	if len(b.guests) == 0 && b.gone != nil {
		close(b.gone)
		b.gone = nil
	}
}

// Wait waits until all have ended, for at most so long, and returns the names of those
// that have not, sorted.
func (b *Group) Wait(limit time.Duration) (late []string) {
	b.mu.Lock()
	if len(b.guests) == 0 {
		b.mu.Unlock()
		return nil
	}
	if b.gone == nil {
		b.gone = make(chan struct{})
	}
	gone := b.gone
	b.mu.Unlock()
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case <-gone:
		return nil
	case <-timeout.C:
		return b.left()
	}
}

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
