package dray

import (
	"runtime"
	"sync"
)

// How long a worker waits between two looks at a lock that is taken: in turns of
// an empty loop, of about a cycle each.
const (
	patience    = 1000
	maxPatience = 16 * patience // 5 µs or so
)

// lockPatiently locks mu for a worker between two jobs. Where jobs are tiny and
// several workers want the lock all the time, most gets done if one of them has it
// many times in a row, with all that it guards in its cache. A sync.Mutex alone
// would make the others look at it every few dozen nanoseconds, which slows that
// one down, and then put them to sleep, out of which it would have to wake them.
func lockPatiently(mu *sync.Mutex) {
	for i, wait := 0, patience; i < 10; i++ {
		if mu.TryLock() {
			return
		}
		for range wait {
		}
		wait = min(2*wait, maxPatience)
		if i >= 2 {
			runtime.Gosched()
		}
	}
	mu.Lock()
}
