package draytest

import (
	"runtime"
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
// the queue is closed. No job is lost by it, and none runs twice.
func CrashOwner(t testing.TB, q *dray.Queue) {
	t.Helper()
	inside := testhook.Inside(q)
	if !inside.Started() {
		t.Fatalf("draytest: CrashOwner: the queue is not running")
	}
	before := q.Children()[0].Restarts
	// Once: the successor takes the same step, and may get there before Fault is taken back.
	var hit atomic.Bool
	inside.Fault(func(at string) {
		if at == "advance" && !hit.Swap(true) {
			panic(Crashed)
		}
	})
	defer inside.Fault(nil)
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
	inside, dead := testhook.Inside(q), make(chan struct{})
	var hit atomic.Bool
	inside.Fault(func(at string) {
		if at == "worker" && !hit.Swap(true) {
			close(dead)
			runtime.Goexit()
		}
	})
	t.Cleanup(func() { inside.Fault(nil) })
	return dead
}
