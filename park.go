package dray

import "runtime"

// A worker that runs dry looks out for more for a moment before it goes to sleep,
// as the next job often follows within less time than it takes to fall asleep and
// be woken. Only one worker of a queue does so at a time, and it lets others run
// in between.
const (
	looks  = 30 // at the state in a row
	yields = 20 // to other goroutines
)

// The states of an idle worker.
const (
	lookout int32 = iota // it will see that it was roused
	asleep               // it has to be sent a signal
	roused
)

// await returns when the worker was roused.
func (w *worker) await() {
	if w.spins && w.spin() {
		w.idle.Store(lookout)
		return
	}
	if w.idle.CompareAndSwap(lookout, asleep) {
		<-w.wake
	}
	w.idle.Store(lookout)
}

// spin reports whether the worker was roused while it looked out for that. If not
// it is one of those parked, or is just being roused.
func (w *worker) spin() bool {
	for range yields {
		for range looks {
			if w.idle.Load() == roused {
				return true
			}
		}
		runtime.Gosched()
	}
	m := &w.engine.mail
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.spinner == w {
		m.spinner = nil
		m.parked = append(m.parked, w)
	}
	return false
}

// rouse is what whoever unparked the worker owes it, at any time after that.
func (w *worker) rouse() {
	if w.idle.Swap(roused) == asleep {
		w.wake <- struct{}{}
	}
}
