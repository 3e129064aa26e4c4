// Package guard calls functions of users that should answer at once, and may block, panic, exit
// their goroutine or call back. A call that does not return keeps its goroutine, as a goroutine
// cannot be ended from outside: so the callers see to it that such a function is not called
// again.
package guard

import (
	"context"
	"runtime/pprof"
	"time"

	"github.com/a622d8ee/dray/internal/yield"
)

// Patience is how long the answer of such a function is waited for: far more than one takes that
// only computes something. What needs the answer is held up for as long.
const Patience = time.Second

// A Call is one call of such a function, on a goroutine of its own. It may be waited for by several
// goroutines, and asked about by all.
type Call[T any] struct {
	began time.Time     // immutable
	done  chan struct{} // closed when the call has ended
	value T             // set before done is closed, if ok
	ok    bool          // set before done is closed: the function has returned
}

// Begin calls f, and does not wait for it. A panic or a Goexit of f is an answer too: that there
// is none.
func Begin[T any](f func() T) *Call[T] {
	c := &Call[T]{began: time.Now(), done: make(chan struct{})}
	Go(func() {
		// Deferred first and so run last: after a panic is recovered, and after a Goexit.
		defer close(c.done)
		defer func() { _ = recover() }()
		c.value = f()
		c.ok = true
	})
	return c
}

// Over reports whether the call has ended, without waiting.
func (c *Call[T]) Over() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Overdue reports whether there has been no answer within Patience, and is none yet. Of a nil
// Call, which was never begun, it is false.
func (c *Call[T]) Overdue() bool {
	return c != nil && !c.Over() && time.Since(c.began) >= Patience
}

// Wait returns the answer, or false if there is none within Patience of the beginning, not of the
// call of Wait: so several that wait one after the other wait no longer than one. It is false at
// once if f has panicked or ended its goroutine.
func (c *Call[T]) Wait() (value T, ok bool) {
	if d := Patience - time.Since(c.began); d > 0 && !c.Over() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-c.done:
		case <-timer.C:
		}
	}
	if !c.Over() {
		return value, false
	}
	return c.value, c.ok
}

// Go calls f on a goroutine of its own. A goroutine inherits the pprof labels of the one
// that starts it, which may be any call's, so f begins without. No other package of dray
// starts goroutines. A panic of f ends the process, as with any goroutine.
func Go(f func()) {
	go func() {
		yield.Here()
		Unlabel()
		f()
	}()
}

// Unlabel takes off the goroutine's pprof labels, after user code that may have left some. It
// costs some 3 ns: the runtime does not tell whether there are any, so it is called in any case.
func Unlabel() { pprof.SetGoroutineLabels(context.Background()) }
