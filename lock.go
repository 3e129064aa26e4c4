package dray

import (
	"runtime"
	"sync"
)

// lockPatiently locks mu for a worker between two jobs. Where jobs are tiny and
// several workers want the lock all the time, most of the work is done by the one
// that has it in its cache. A sync.Mutex alone would make the others look at it
// every few dozen nanoseconds, which slows that one down, and then put them to
// sleep, out of which it would have to wake them.
func lockPatiently(mu *sync.Mutex) {
	for i := range 12 {
		if mu.TryLock() {
			return
		}
		if i >= 2 {
			runtime.Gosched()
			continue
		}
		for range 300 { // about as many cycles
		}
	}
	mu.Lock()
}
