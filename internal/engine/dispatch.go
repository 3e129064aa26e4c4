package engine

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/yield"
)

// This file has how the owner gives jobs to workers and takes these back, and how plain
// jobs are shared out: see core.Share.

// dispatch starts jobs, as many as may. It is the end of each tick, when all that was left for
// the owner is in the core, and it is where the decision falls whether workers are sent for:
// want has to be set before the last look at what can start, as a worker that arrives in
// between tells the owner only if it finds want set.
//
// It reports whether so many of those in line did not start that the rest is for the next tick.
func (e *Engine) dispatch(now time.Duration) (unfinished bool) {
	left := SlicedJobs
	if e.pooled() {
		left = math.MaxInt // hardly anything waits in line there, and no owner would go on
	}
	for more := true; more; {
		before := e.starting.len()
		e.claim(now, &left)
		e.applyEffects(now) // a job whose turn came may have ended instead, or want a token
		if more = e.starting.len() > before && left > 0; more {
			continue
		}
		free := e.hasFree() && !e.core.Barred()
		set(&e.want, free)
		more = free && e.core.CanStart() && e.starting.len() == 0 && !e.coming.Load() && left > 0
	}
	e.share(now)
	for e.starting.len() > 0 {
		w := e.starting.first()
		e.starting.drop()
		e.start(w)
	}
	return left == 0
}

// claim finds jobs for workers. Of light ones, which workers share, it finds no more than
// one while a worker is on the way: that sees whether another is needed.
func (e *Engine) claim(now time.Duration, left *int) {
	for e.core.CanStart() {
		if e.core.NextIsLight(now) && (e.starting.len() > 0 || e.coming.Load()) {
			return
		}
		w := e.free()
		if w == nil {
			return
		}
		if !e.core.ClaimSome(&w.run, now, left) {
			e.idle = append(e.idle, w)
			return
		}
		e.starting.put(w)
		e.at("claim")
	}
}

func (e *Engine) hasFree() bool {
	return len(e.idle) > 0 || e.core.Places() < e.core.Limit()
}

// free returns a worker without a job, nil if there is none and may be none more.
func (e *Engine) free() *Worker {
	if last := len(e.idle) - 1; last >= 0 {
		w := e.idle[last]
		e.idle[last], e.idle = nil, e.idle[:last]
		return w
	}
	if e.core.Places() < e.core.Limit() {
		return e.startWorker()
	}
	return nil
}

// start gives a worker the job that it has claimed. All that others may ask of the job while it
// runs, such as its timeout, is stored before the lease is sent: the receive happens after
// that. The send never waits: a free worker has received all that was sent to it.
func (e *Engine) start(w *Worker) {
	r := &w.run
	w.reset()
	switch at, why := r.Job.Until(r.StartedAt); why {
	case core.NotCancelled:
	case core.TimedOut:
		w.began.Store(notBegun)
		w.limit(r.Job.Timeout)
	default:
		w.until.Store(&until{e.origin.Add(at), why.Err()})
	}
	l := lease{fn: r.Fn, job: r.Job, began: r.StartedAt, waited: r.StartedAt - r.ReadyAt(), id: r.ID, at: r.Enqueued}
	if e.shared != nil && e.core.Light(r) {
		l.chunk, l.coming = e.shared, true
		w.from.Store(l.chunk)
		e.core.Lease(l.chunk)
		if w.seen = w.claims; r.Job != nil {
			w.mixed = true
			e.mixed++
		}
		r.Fn = nil // its worker has it, and others after it
		e.coming.Store(true)
	}
	w.chunk = l.chunk
	yield.Here()
	w.lease <- l
	yield.Here()
}

// notBegun is what a worker's began is while it has not got its job, which has a timeout.
const notBegun = -1

// begun is core.Config.Begun.
func (e *Engine) begun(r *core.Run, now time.Duration) time.Duration {
	if at := e.workerAt(r).began.Load(); at != notBegun {
		return time.Duration(at)
	}
	return now
}

// lend lets a producer give its job to a worker at once, until the next tick, if one is free
// and nothing is to be looked at before. One at a time, so that jobs start in the order in
// which they came.
func (e *Engine) lend() {
	c, m := e.core, &e.mail
	last := len(e.idle) - 1
	if last < 0 || m.list.Len() > 0 || !m.attended || m.closed || m.watched || e.wrapped || c.Ready() > 0 || !c.Sharable() || c.Full() {
		return
	}
	w := e.idle[last]
	e.idle[last], e.idle = nil, e.idle[:last]
	w.reset()
	m.lent = w
}

// takeLent takes back the worker that was lent, and takes in what was done by it. The job that
// it may still have is accepted and claimed here, as if both had been done by the owner when it
// was handed over: so the core's books have it before anything that this tick does.
func (e *Engine) takeLent() {
	m := &e.mail
	e.core.Finished(m.finished, m.began)
	m.finished = 0
	if w := m.lent; w != nil {
		m.lent = nil
		e.measure(w)
		e.park(w, max(w.idleSince, w.ended))
	}
	d := m.direct
	if d.w == nil {
		return
	}
	m.direct = direct{}
	if d.job == nil {
		e.core.Post(d.fn, d.id, d.at)
	} else {
		e.core.Accept(d.job, d.id, d.at)
	}
	e.core.Claim(&d.w.run, d.at)
	e.measure(d.w)
}

// reset makes a worker ready for a job to which nothing has been done.
func (w *Worker) reset() {
	w.cause.Store(int32(core.NotCancelled))
	if w.until.Load() != nil {
		w.until.Store(nil)
	}
	w.limit(0)
	if w.pinned.Load() {
		w.pinned.Store(false)
	}
}

// share lets workers go on with plain jobs by themselves until the next tick. Nothing that the
// core decides by may change until unshare, but for the number of jobs claimed.
func (e *Engine) share(now time.Duration) {
	before := e.shared
	e.shared = nil
	if e.revoked {
		e.revoked = false
		e.core.RenewLeases()
	}
	set(&e.blocked, e.core.Blocked()) // this and the next before the gate opens
	set(&e.crowded, e.core.Crowded())
	e.shared = e.core.Share(e.wrapped, now)
	if before != nil && before != e.shared {
		before.Dry()
	}
	set(&e.more, e.shared != nil && e.core.MoreToShare())
	if e.shared != nil {
		e.offered.Store(e.shared)
	}
}

// set stores v, which costs more than to find that it is there already.
func set(b *atomic.Bool, v bool) {
	if b.Load() != v {
		b.Store(v)
	}
}

// unshare ends that. From here on a claim fails, and nothing is claimed that is not counted:
// how many were is read by the same atomic operation that shuts the gate.
func (e *Engine) unshare() {
	if e.shared != nil {
		e.offered.Store(nil)
	}
	claimed, records := e.core.Unshare()
	e.claims += claimed
	if claimed > 0 && (records || e.mixed > 0 || e.wrapped) {
		e.takeClaimed()
	}
}

// takeClaimed has the core know which jobs have ended and which run where records are among
// them, or middleware was to be told the IDs. The mailbox is locked, so that a worker either
// shows its job or is in there.
func (e *Engine) takeClaimed() {
	e.awaitShown()
	for _, r := range e.core.Runs() {
		w := e.workerAt(r)
		m := w.look()
		if w.chunk == nil || w.from.Load() != e.shared || m.claims() == w.seen {
			continue
		}
		w.seen = m.claims()
		slot := m.slot()
		if slot == 0 {
			slot = uint32(w.slot) //nolint:gosec // it has come back: see giveBack
		}
		e.core.EndedWell(r)
		e.unmix(w)
		e.atHand[slot-1] = w
	}
	e.core.Claimed(func(slot uint32) (*core.Run, time.Duration) {
		w := e.atHand[slot]
		if w == nil {
			return nil, 0
		}
		w.mixed = true
		e.mixed++
		return &w.run, time.Duration(w.began.Load())
	})
	clear(e.atHand)
}

// unmix notes that no record is known to run at w any more.
func (e *Engine) unmix(w *Worker) {
	if w.mixed {
		w.mixed = false
		e.mixed--
	}
}

// lastStart returns when the last plain job started that a worker has claimed itself.
func (e *Engine) lastStart() time.Duration {
	e.awaitShown()
	last := e.lastClaim
	for _, r := range e.core.Runs() {
		last = max(last, time.Duration(e.workerAt(r).began.Load()))
	}
	return last
}

// awaitShown waits until each worker that has claimed a job, the gate being shut, shows which:
// a matter of nanoseconds, unless it has lost its processor. Between the two a worker runs no
// foreign code and waits for nothing that the owner has, so that it does come to it.
func (e *Engine) awaitShown() {
	for e.claims != e.shownClaims() {
		runtime.Gosched()
	}
}

// shownClaims is how many claims workers have shown, ever. It is compared with how many there
// were, and wraps like that. It takes a look at each worker.
func (e *Engine) shownClaims() uint32 {
	n := e.claimsOfStopped
	for _, r := range e.core.Runs() {
		n += e.workerAt(r).look().claims()
	}
	return n
}

// updateRuns brings the places of workers up to date that have claimed jobs themselves:
// for all that concerns single running jobs.
func (e *Engine) updateRuns() {
	e.awaitShown()
	for _, r := range e.core.Runs() {
		w := e.workerAt(r)
		if m := w.look(); m.slot() > 0 && r.ID != 0 && r.Job == nil {
			at := w.from.Load().Identify(m.slot() - 1)
			e.core.GoesOn(r, nil, at.ID, at.At, time.Duration(w.began.Load()))
		}
	}
}

// pin has the worker at r come back after the job at hand, to which something is done. It
// may be about to claim another one, without a look at what is said to it: so there will be
// none for its lease, nor for others'.
func (e *Engine) pin(r *core.Run) {
	if w := e.workerAt(r); w.chunk != nil {
		e.revoked = true
		w.pinned.Store(true)
	}
}

// interrupt cancels the context of the job at f.Run, if it has ever been used. A
// timeout or a deadline comes from the context's own timer, set for the same moment.
func (e *Engine) interrupt(f *core.Effect) {
	w := e.workerAt(f.Run)
	e.pin(f.Run)
	w.cause.Store(int32(f.Cause))
	if f.Cause != core.TimedOut && f.Cause != core.Expired {
		w.contexts.Cancel(f.Cause.Err())
	}
}

// settleReturned takes in what workers have left, and them. A worker is dropped from the list
// after its job is settled: a crash in between settles nothing twice, as settle does nothing
// for a worker without an end.
func (e *Engine) settleReturned(now time.Duration) {
	for e.returned.len() > 0 {
		w := e.returned.first()
		w.settle(now)
		e.returned.drop()
		if e.core.Closed() || e.core.Surplus() || w.number == lent {
			e.letGo(w)
		} else {
			e.park(w, now)
		}
	}
}

// A batch is what is dealt with in order. What a crash interrupts is still the first of it.
type batch[T any] struct {
	all  []T
	done int // of all
}

func (b *batch[T]) len() int      { return len(b.all) - b.done }
func (b *batch[T]) first() T      { return b.all[b.done] }
func (b *batch[T]) rest() []T     { return b.all[b.done:] }
func (b *batch[T]) put(some ...T) { b.all = append(b.all, some...) }

// drop takes the first out. The room is used again, unless it is much.
func (b *batch[T]) drop() {
	var none T
	b.all[b.done] = none
	if b.done++; b.len() > 0 {
		return
	}
	b.all, b.done = b.all[:0], 0
	if cap(b.all) > maxBatch {
		b.all = nil
	}
}

// maxBatch bounds the room that is kept.
const maxBatch = 1024
