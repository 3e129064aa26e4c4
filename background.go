package dray

import (
	"slices"
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/errs"
)

// background is the goroutines of a queue, besides its workers, that foreign code may
// keep. A shutdown waits for them, for a while, and names those that do not end.
type background struct {
	mu     sync.Mutex // taken last
	guests map[*guest]struct{}
	gone   chan struct{} // closed when there are none; nil unless that is waited for
}

// A guest is one goroutine.
type guest struct {
	b    *background
	name string // of what it calls; under background.mu
}

func (b *background) add(name string) *guest {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.guests == nil {
		b.guests = make(map[*guest]struct{})
	}
	g := &guest{b, name}
	b.guests[g] = struct{}{}
	return g
}

func (g *guest) rename(name string) {
	g.b.mu.Lock()
	defer g.b.mu.Unlock()
	g.name = name
}

func (g *guest) leave() {
	b := g.b
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.guests, g)
	if len(b.guests) == 0 && b.gone != nil {
		close(b.gone)
		b.gone = nil
	}
}

// wait waits until all have ended, for at most so long, and returns an error for each
// that has not.
func (b *background) wait(limit time.Duration) []error {
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

func (b *background) left() (all []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	names := make([]string, 0, len(b.guests))
	for g := range b.guests {
		names = append(names, g.name)
	}
	slices.Sort(names)
	for _, name := range names {
		all = append(all, errs.Wrapf(ErrAbandoned, "%s", name))
	}
	return all
}
