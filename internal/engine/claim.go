package engine

import (
	"runtime"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/yield"
)

// This file has how a worker goes on with its lease by itself: see core.Share.

// claim takes the next job of the lease, if the worker has one. That is to settle the one
// before, which went well. What it does by itself is all that a plain job after a plain job
// needs, and costs half of what claimed does.
func (w *Worker) claim() bool {
	if w.away || w.end != well || w.granted.chunk == nil || w.sampler.left == 0 && w.sampler.full() {
		return false
	}
	yield.Here()
	fn, record, slot := w.granted.chunk.Claim()
	yield.Here()
	if fn == nil || !w.smooth || w.sampler.over() || w.base != w.engine.base.Load() {
		return w.claimed(fn, record, slot)
	}
	w.claims++
	w.slot = int(slot) + 1
	w.sampler.left--
	w.fn, w.end, w.held = fn, notYet, true
	if !w.contexts.Again(w.mark()) {
		w.contexts.Begin(w.base, w.mark())
	}
	if w.engine.blocked.Load() { // not before the job is shown: see claimed
		w.engine.poke()
	}
	return true
}

// claimed is the rest of claim where something may have changed since the job before, or where
// nothing was claimed at once: then all three are zero.
func (w *Worker) claimed(fn core.Func, record *core.Job, slot uint32) bool {
	chunk := w.granted.chunk
	due, now := w.sampler.over(), time.Duration(0)
	if due {
		now = w.engine.Now()
	}
	if fn == nil && record == nil {
		fn, record, slot = claimPatiently(chunk)
		if fn == nil && record == nil && due && w.sampler.long(now) {
			chunk, fn, record, slot = w.claimElsewhere()
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
		w.id, w.at = chunk.RunOf(slot)
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
	w.smooth = record == nil && !w.engine.wrapped
	keyed := w.record != nil && w.record.Key != ""
	w.hold(fn, record) // before all that could wait for the owner, which may wait for this: see awaitShown
	w.tellOfClaim(keyed)
	switch {
	case !due:
		w.sampler.left--
		return true
	case record == nil:
		w.sampler.start(sample{begin: now, chunk: chunk, slot: slot})
	default:
		w.sampler.start(sample{begin: now, waited: now - record.ReadyAt()})
	}
	if timeout > 0 {
		w.sampler.alone()
	}
	return true
}

// tellOfClaim has the owner look at a claim that something waits for: producers for room, or
// jobs for the place in its key of the job before.
func (w *Worker) tellOfClaim(keyed bool) {
	e := w.engine
	if e.blocked.Load() || keyed && e.crowded.Load() && e.crowded.Swap(false) {
		e.poke()
	}
}

// claimElsewhere claims a job of a chunk that the worker has no lease for. If many workers have
// long jobs that saves most of them the way to the owner, for which there is one lease at a
// time. Where there is more behind what is offered it has the owner offer that.
func (w *Worker) claimElsewhere() (chunk *core.Chunk, fn core.Func, record *core.Job, slot uint32) {
	e := w.engine
	for range offers {
		chunk = e.offered.Load()
		if chunk != nil && chunk != w.granted.chunk {
			yield.Here()
			chunk.Keep()
			yield.Here()
			if e.offered.Load() != chunk || w.pinned.Load() {
				break
			}
			if fn, record, slot = chunk.Claim(); fn != nil || record != nil {
				yield.Here()
				w.from.Store(chunk)
				w.granted.chunk = chunk
				return chunk, fn, record, slot
			}
		}
		if !e.more.Load() {
			break
		}
		if chunk != nil {
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
func claimPatiently(chunk *core.Chunk) (fn core.Func, record *core.Job, slot uint32) {
	for i := 0; fn == nil && record == nil && i < 30 && chunk.Shut(); i++ {
		if i < 20 {
			for range patience / 4 {
			}
		} else {
			runtime.Gosched()
		}
		if !chunk.Shut() {
			fn, record, slot = chunk.Claim()
		}
	}
	return fn, record, slot
}
