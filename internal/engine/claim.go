package engine

import (
	"runtime"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/yield"
)

// This file has how a worker goes on with its lease by itself: see core.Share.

// claim takes the next job of the lease. That is to settle the one before, which
// went well.
func (w *Worker) claim() bool {
	stretch := w.granted.stretch
	if stretch == nil {
		return false
	}
	due, now := w.pace.over(), time.Duration(0)
	if due {
		if w.pace.full() {
			return false
		}
		now = w.engine.Now()
	}
	yield.Here()
	fn, record, slot := stretch.Claim()
	yield.Here()
	if fn == nil && record == nil {
		fn, record, slot = claimPatiently(stretch)
		if fn == nil && record == nil && due && w.pace.long(now) {
			stretch, fn, record, slot = w.claimElsewhere()
		}
		if due {
			now = w.engine.Now() // or a timeout would begin with the wait
		}
	}
	timeout := time.Duration(0)
	switch {
	case record != nil:
		record.Attempt++
		fn, timeout = record.Fn, record.Timeout
	case fn == nil:
		return false
	case w.engine.wrapped:
		w.id, w.at = stretch.RunOf(slot)
	}
	if timeout > 0 && !due {
		due, now = true, w.engine.Now()
	}
	w.limit(timeout)
	if due {
		w.began.Store(int64(now))
	}
	w.claims++
	w.slot = int(slot) + 1
	keyed := w.record != nil && w.record.Key != ""
	w.hold(fn, record) // before all that could wait for the owner, which may wait for this: see awaitShown
	w.tellOfClaim(keyed)
	switch {
	case !due:
		w.pace.left--
		return true
	case record == nil:
		w.pace.start(sample{begin: now, stretch: stretch, slot: slot})
	default:
		w.pace.start(sample{begin: now, waited: now - record.ReadyAt()})
	}
	if timeout > 0 {
		w.pace.alone()
	}
	return true
}

// tellOfClaim has the owner look at a claim that something waits for: producers for room, or jobs for
// the place in its key of the job before.
func (w *Worker) tellOfClaim(keyed bool) {
	e := w.engine
	if e.blocked.Load() || keyed && e.crowded.Load() && e.crowded.Swap(false) {
		e.poke()
	}
}

// claimElsewhere claims a job of a stretch that the worker has no lease for. If many workers have long
// jobs that saves most of them the way to the owner, for which there is one lease at a time.
// Where there is more behind what is offered it has the owner offer that.
func (w *Worker) claimElsewhere() (stretch *core.Stretch, fn core.Func, record *core.Job, slot uint32) {
	e := w.engine
	for range offers {
		stretch = e.offered.Load()
		if stretch != nil && stretch != w.granted.stretch {
			yield.Here()
			stretch.Keep()
			yield.Here()
			if e.offered.Load() != stretch || w.pinned.Load() {
				break
			}
			if fn, record, slot = stretch.Claim(); fn != nil || record != nil {
				yield.Here()
				w.from.Store(stretch)
				w.granted.stretch = stretch
				return stretch, fn, record, slot
			}
		}
		if !e.more.Load() {
			break
		}
		if stretch != nil {
			e.rouse()
		}
		runtime.Gosched()
	}
	return nil, nil, nil, 0
}

// offers is how often a worker looks for one.
const offers = 16

// limit says how long after began the context of the job ends that is shown next; 0: never.
func (w *Worker) limit(timeout time.Duration) {
	if timeout != w.limited {
		w.limited = timeout
		w.timeout.Store(int64(timeout))
	}
}

// claimPatiently claims a job where the owner has shut the gate for a tick, of half a
// microsecond or so: to go back and get another lease would cost far more.
func claimPatiently(stretch *core.Stretch) (fn core.Func, record *core.Job, slot uint32) {
	for i := 0; fn == nil && record == nil && i < 30 && stretch.Shut(); i++ {
		if i < 20 {
			for range patience / 4 {
			}
		} else {
			runtime.Gosched()
		}
		if !stretch.Shut() {
			fn, record, slot = stretch.Claim()
		}
	}
	return fn, record, slot
}
