package memory_test

import (
	"runtime"
	"slices"
	"sync"
	"weak"
)

// A probe is something that a job has captured. It is too large, and has a pointer, so
// that the collector frees it by itself and not together with its neighbours.
type probe struct {
	self *probe
	_    [48]byte
}

// A trap watches probes.
type trap struct {
	mu     sync.Mutex
	names  []string
	probes []weak.Pointer[probe]
}

// watch returns a new probe, to be captured by whatever the name says.
func (t *trap) watch(name string) *probe {
	p := new(probe)
	p.self = p
	t.mu.Lock()
	defer t.mu.Unlock()
	t.names = append(t.names, name)
	t.probes = append(t.probes, weak.Make(p))
	return p
}

// alive returns the names of the probes that are still there, but for the given ones.
func (t *trap) alive(but ...string) (names []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, p := range t.probes {
		if p.Value() != nil && !slices.Contains(but, t.names[i]) {
			names = append(names, t.names[i])
		}
	}
	return names
}

// collect frees all that is not referred to. What went into a sync.Pool takes a second
// time; there is nothing that one more would find. All other goroutines wait at a
// channel (synctest.Wait), so that no register or half-run frame of theirs counts.
func collect() {
	for range 3 {
		runtime.GC()
	}
}

// failure is an error that has captured a probe.
type failure struct{ *probe }

func (failure) Error() string { return "failure" }
