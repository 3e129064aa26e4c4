package draytest

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/internal/testhook"
)

// Crashed is what the owner panics with in [CrashOwner].
const Crashed = "draytest: crashed on purpose"

// CrashOwner has the owner goroutine of a running queue panic between two of its
// steps, and returns when the queue's supervisor has dealt with that: has restarted
// the queue's tree or, past the restart intensity (3 in 5 s), has given up, so that
// the queue is closed. No job is lost by it, and none runs twice. It fails the test at
// once if the queue is not running, also while a supervisor is about to start it again.
func CrashOwner(t testing.TB, q *dray.Queue) {
	t.Helper()
	inside := testhook.Inside(q)
	if !inside.Started() {
		t.Fatalf("draytest: CrashOwner: the queue is not running")
	}
	before := q.Children()[0].Restarts
	// Once: the successor takes the same step, and may get there before Fault is taken back.
	var hit atomic.Bool
	remove := addFault(q, func(at string) {
		if at == "advance" && !hit.Swap(true) {
			panic(Crashed)
		}
	})
	defer remove()
	inside.Poke()
	// What happens now takes some changes of goroutine and no time.
	for inside.Started() && (!hit.Load() || !dealtWith(q.Children(), before)) {
		runtime.Gosched()
	}
}

// dealtWith reports whether a tree that has restarted its owner so many times has
// done so again, and runs. The owner is the first child; those after it are restarted with it.
func dealtWith(tree []dray.ChildInfo, before uint64) bool {
	for _, c := range tree {
		if c.State != dray.ChildRunning {
			return false
		}
	}
	return tree[0].Restarts != before
}

// CrashWorker has the goroutine of one worker die, as from [runtime.Goexit], right
// after the next job that ends has settled. The channel is closed when that has
// happened. Another goroutine takes the worker's place.
func CrashWorker(t testing.TB, q *dray.Queue) (died <-chan struct{}) {
	t.Helper()
	dead := make(chan struct{})
	var hit atomic.Bool
	t.Cleanup(addFault(q, func(at string) {
		if at == "worker" && !hit.Swap(true) {
			close(dead)
			runtime.Goexit()
		}
	}))
	return dead
}

// A fault is called after each step of a queue, and may crash it.
type fault struct{ call func(at string) }

// faults are those of each queue that has some. A queue has a place for one, so they are kept here.
var faults = struct {
	mu sync.Mutex
	of map[*dray.Queue][]*fault // guarded by mu; a slice is not changed once it is stored
}{of: make(map[*dray.Queue][]*fault)}

// addFault adds f to the faults of q, until remove. Those that are there stay: one that crashes a
// step leaves the next such step to the others.
func addFault(q *dray.Queue, f func(at string)) (remove func()) {
	added := &fault{f}
	changeFaults(q, func(all []*fault) []*fault { return append(all, added) })
	return func() {
		changeFaults(q, func(all []*fault) []*fault {
			return slices.DeleteFunc(all, func(f *fault) bool { return f == added })
		})
	}
}

// changeFaults has q keep what change makes of a copy of its faults.
func changeFaults(q *dray.Queue, change func([]*fault) []*fault) {
	faults.mu.Lock()
	defer faults.mu.Unlock()
	all := change(slices.Clone(faults.of[q]))
	if len(all) == 0 {
		delete(faults.of, q)
		testhook.Inside(q).Fault(nil)
		return
	}
	faults.of[q] = all
	testhook.Inside(q).Fault(func(at string) {
		for _, f := range all {
			f.call(at)
		}
	})
}
