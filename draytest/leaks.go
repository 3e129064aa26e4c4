package draytest

import (
	"context"
	"runtime"
	"strings"
	"time"

	"github.com/a622d8ee/dray"
)

// noteWorker is a middleware that takes down which goroutines run jobs. They are kept when they
// have ended: what they have started may go on, and the runtime gives no number twice.
func (k *kit) noteWorker(next dray.Handler) dray.Handler {
	return func(ctx context.Context, j *dray.Job) error {
		me := current()
		k.workersMu.Lock()
		k.workers[me] = true
		k.workersMu.Unlock()
		return next(ctx, j)
	}
}

// requireNoLeaks fails the test if goroutines that jobs have started go on. Some may be about to
// end, which is granted them for a second. It is called when no job runs but those that do not
// return.
func (k *kit) requireNoLeaks() {
	k.t.Helper()
	leaks := k.leaks()
	for wait := time.Millisecond; len(leaks) > 0 && wait < time.Second; wait *= 2 {
		time.Sleep(wait)
		leaks = k.leaks()
	}
	if len(leaks) > 0 {
		k.t.Errorf("draytest: goroutines that jobs have left behind:\n\n%s", strings.Join(leaks, "\n\n"))
	}
}

// leaks returns the stacks of the goroutines that descend from those that ran jobs. A stack names
// the goroutine that has started it, by number. So one is not found that was started by a
// goroutine which has ended and did not run jobs itself.
func (k *kit) leaks() (stacks []string) {
	k.workersMu.Lock()
	defer k.workersMu.Unlock()
	if len(k.workers) == 0 {
		return nil
	}
	family := make(map[string]bool)
	for id := range k.workers {
		family[id] = true
	}
	all := strings.Split(allStacks(), "\n\n")
	for found := true; found; { // until no further child is found
		found = false
		for _, stack := range all {
			id, parent := relation(stack)
			if family[parent] && !family[id] && !isDray(stack) {
				family[id], found = true, true
				stacks = append(stacks, stack)
			}
		}
	}
	return stacks
}

// isDray reports whether dray has started the goroutine, which does that in one place. What it has
// started for a job goes on for reasons of its own, and a shutdown says which.
func isDray(stack string) bool {
	_, creator, _ := strings.Cut(stack, "\ncreated by ")
	return strings.HasPrefix(creator, "github.com/a622d8ee/dray/internal/guard.Go ")
}

// relation reads the number of a goroutine, and that of the one which started it, from its stack:
// the first line begins with "goroutine 7 [", the last but one is "created by f in goroutine 5".
// Both are text, as they are only compared; parent is empty if it is not told.
func relation(stack string) (id, parent string) {
	head, _, _ := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ")
	_, creator, _ := strings.Cut(stack, "\ncreated by ")
	_, parent, _ = strings.Cut(creator, " in goroutine ")
	parent, _, _ = strings.Cut(parent, "\n")
	return head, parent
}

// current returns the number of this goroutine. 64 bytes are enough for the line that has it.
func current() string {
	var buf [64]byte
	id, _ := relation(string(buf[:runtime.Stack(buf[:], false)]))
	return id
}

// allStacks returns the stacks of all goroutines, in a buffer that is made larger until they fit.
// It stops the process for as long as it takes, which a test can bear.
func allStacks() string {
	for size := 1 << 20; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size {
			return string(buf[:n])
		}
	}
}
