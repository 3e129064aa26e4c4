package engine

import (
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/goid"
	"github.com/a622d8ee/dray/internal/guard"
	"github.com/a622d8ee/dray/internal/jobctx"
	"github.com/a622d8ee/dray/internal/yield"
)

// A Worker runs one job at a time. It gets a job from the owner, with the right to go on
// with the plain ones behind it; when that is over it goes back, with what came of the last.
// Whatever a job does: a panic is recovered; a runtime.Goexit ends the goroutine, whose last
// act is to start a successor that takes over the worker as it is.
type Worker struct {
	engine *Engine       // immutable
	number int           // immutable, from 1; see lent
	lease  chan lease    // capacity 1; closed when there is no more use for the worker
	goid   atomic.Uint64 // the goid.ID of the goroutine it runs on, 0 before; read by calls that ask whether they are on it

	// The owner's.
	run       core.Run
	chunk     *core.Chunk   // of the lease, if that has one
	seen      uint32        // claims, when it was last looked which job is at hand
	mixed     bool          // counted in Engine.mixed
	idleSince time.Duration // when it was last given no job

	contexts *jobctx.Book               // of its jobs, beside which it shows a mark: see there
	began    atomic.Int64               // when its last sample of jobs began, or its job with a timeout; set by it, notBegun by the owner
	timeout  atomic.Int64               // of its job, from began on; 0: none, or see until; set by it before the job, or by the owner
	until    atomic.Pointer[until]      // when its job's context ends by itself; set by it or by the owner before the job, nil: never
	from     atomic.Pointer[core.Chunk] // where it claims; set by it before the mark of a job from there, or by the owner
	pinned   atomic.Bool                // it is to come back after the job at hand; set by the owner
	cause    atomic.Int32               // core.Cause of the end of its job's context; set by the owner, also while the job runs

	// The worker's own while it has a lease, and the owner's when it has gone back.
	granted lease         // that it has
	fn      core.Func     // of the job at hand
	record  *core.Job     // of the job at hand; nil of a plain one
	base    *values       // that the contexts have by now; nil: those of one job
	slot    int           // of the job at hand, if it has claimed that, from 1; 0 of the first of a lease
	id      uint64        // of the job at hand, if it is a plain one and middleware is to be told
	at      time.Duration // as id: when it was enqueued
	limited time.Duration // timeout, to be compared with
	claims  uint32        // ever; wraps
	smooth  bool          // the job at hand is a plain one, claimed, and its context has no more to say than those of others
	held    bool          // the job at hand has not begun
	inJob   bool          // foreign code is running
	away    bool          // it has gone back to the owner, and has no lease; its own
	stopped bool          // the engine has no more use for it
	end     endKind       // of the job at hand, which is then to be settled
	ended   time.Duration // when that was
	result  core.Result   // of the job at hand, where end is otherwise
	sampler sampler
}

// A lease is a job, and what a worker may go on with after a good end of it.
type lease struct {
	fn     core.Func
	job    *core.Job   // nil for a plain one
	chunk  *core.Chunk // to claim others from; nil: none
	coming bool        // others may be needed for it
	began  time.Duration
	waited time.Duration
	id     uint64
	at     time.Duration // when it was enqueued
}

// until is when the context of a job ends by itself, and why.
type until struct {
	at  time.Time
	why error
}

// A mark is what a worker shows beside its job's context: how many jobs it has claimed
// ever, and the slot of the one at hand, as worker.slot.
type mark uint64

const slotBits = 16

func (w *Worker) mark() uint64 { return uint64(w.claims)<<slotBits | uint64(w.slot) }

// look returns the mark of a worker.
func (w *Worker) look() mark { return mark(w.contexts.Mark()) }

func (m mark) claims() uint32 { return uint32(m >> slotBits) }
func (m mark) slot() uint32   { return uint32(m & (1<<slotBits - 1)) }

// endKind is whether and how a job has ended.
type endKind uint8

const (
	notYet    endKind = iota
	well              // it returned nil
	otherwise         // see Worker.result
)

// newWorker returns a worker that does not run yet.
func (e *Engine) newWorker(number int) *Worker {
	w := &Worker{engine: e, number: number, lease: make(chan lease, 1), sampler: sampler{engine: e}}
	w.contexts = jobctx.NewBook(w, e.clock.TellTime)
	w.run.Owner = w
	return w
}

// startWorker starts a worker, which waits for a job. It is called by the owner.
func (e *Engine) startWorker() *Worker {
	e.startedWorkers++
	w := e.newWorker(e.startedWorkers)
	e.core.Join(&w.run)
	e.host.WorkerStarted(w.number)
	guard.Go(w.main)
	return w
}

// main is the worker's goroutine.
func (w *Worker) main() {
	defer w.respawn()
	w.goid.Store(uint64(goid.Current()))
	for !w.stopped {
		w.serve()
	}
}

// respawn notices that the goroutine ends before its time, which only a Goexit in
// a job can bring about, and has another one go on in its place.
func (w *Worker) respawn() {
	if !w.stopped {
		e := w.engine
		e.host.WorkerStopped(w.number, errs.ErrGoexit)
		e.host.WorkerStarted(w.number)
		guard.Go(w.main)
	}
}

// serve runs jobs until there is no more use for the worker, or until one throws.
// The one deferred call serves all jobs, so that a job that returns pays nothing. To run a job is
// no function of its own, as a call more for each job can be measured.
func (w *Worker) serve() {
	defer w.recoverJob()
	for w.held || w.claim() || w.await() {
		ctx := w.contexts.Current()
		w.held, w.inJob = false, true
		var err error
		if w.engine.wrapped {
			err = w.engine.host.Execute(ctx, w.job())
		} else {
			err = w.fn(ctx)
		}
		w.inJob = false
		w.end = well
		if err != nil {
			w.fail(err, false)
		}
		guard.Unlabel()
	}
	w.stopped = true
}

// hold has the worker run fn next.
func (w *Worker) hold(fn core.Func, record *core.Job) {
	w.fn, w.record, w.end, w.held = fn, record, notYet, true
	w.beginContext()
}

// await gives the worker back, and waits for a lease. From giveBack on its fields are the
// owner's, until it has received the next lease; only away is its own, by which it knows.
func (w *Worker) await() bool {
	attended := !w.away // the place of a worker that ended in here does not know
	if !w.away && w.end != notYet {
		w.ended, w.away = w.engine.Now(), true
		if w.record != nil {
			w.sampler.left++ // the core measures it
		}
		w.sampler.flush(w.ended)
		yield.Here()
		attended = w.engine.giveBack(w)
		yield.Here()
		w.engine.at("worker")
	}
	l, ok := w.receive(attended)
	if !ok {
		return false
	}
	w.granted, w.slot, w.away = l, 0, false
	if l.coming {
		w.arrive()
	}
	if w.limited > 0 {
		w.begin(l.job)
	}
	w.sampler.first(l)
	w.id, w.at = l.id, l.at
	w.hold(l.fn, l.job)
	w.granted.fn, w.granted.job = nil, nil // the lease may last far longer than its first job
	return true
}

// begin lets the timeout of a job that the owner has started count from here. A deadline may come before
// it by now.
func (w *Worker) begin(j *core.Job) {
	now := w.engine.Now()
	w.began.Store(int64(now))
	if at, why := j.Until(now); why == core.Expired {
		w.limit(0)
		w.until.Store(&until{w.engine.origin.Add(at), why.Err()})
	}
}

// receive waits for a lease; where no owner runs not without doing what that would: its job has
// to be settled, and a call that waits for the end of all jobs has to hear of it.
func (w *Worker) receive(attended bool) (l lease, ok bool) {
	if !attended {
		select {
		case l, ok = <-w.lease:
			return l, ok
		case <-w.engine.state:
			w.engine.serveOnce()
		}
	}
	l, ok = <-w.lease
	return l, ok
}

// arrive tells the owner that the worker sent for has come, if it has others to send.
func (w *Worker) arrive() {
	e := w.engine
	yield.Here()
	e.coming.Store(false)
	yield.Here()
	if e.want.Load() {
		e.rouse()
	}
}

// recoverJob, deferred, is where everything ends that does not return.
func (w *Worker) recoverJob() {
	if w.stopped {
		return
	}
	v := recover() // nil: a Goexit, which no recover stops
	switch {
	case !w.inJob && v != nil:
		w.engine.crash(w.engine.host.Caught(v))
	case w.inJob && v != nil:
		w.inJob = false
		w.fail(w.engine.host.Caught(v), true)
	case w.inJob:
		w.inJob = false
		w.fail(errs.ErrGoexit, false)
	}
	guard.Unlabel()
}

// fail takes down that the job has failed. From the first line on it is certain to be settled,
// even if a method of err ends the goroutine.
func (w *Worker) fail(err error, thrown bool) {
	h := w.engine.host
	w.end = otherwise
	w.result = core.Result{Kind: core.Error, Err: errs.ErrGoexit, Delay: ThrownDelay}
	w.result = h.Judge(err, thrown)
	if w.mayRetry() {
		w.result.Delay = ThrownDelay // unless the backoff returns
		w.result.Delay = h.Delay(w.record)
	}
}

// ThrownDelay is what counts for a backoff function that throws.
const ThrownDelay = time.Second

// mayRetry reports whether the result may be followed by another attempt. A snooze
// may if it came after the timeout, which only the core knows for sure. Of a job that was handed
// over the owner may take the record in just now, so of what that changes nothing is read: it has
// one attempt.
func (w *Worker) mayRetry() bool {
	j := w.record
	return j != nil && j.MaxAttempts > 1 && j.Attempt < j.MaxAttempts && !w.result.Final && (w.result.Kind != core.Snooze || j.Timeout > 0)
}

// settle hands the result of the job at hand to the core. It is called by the owner, when the
// worker has come back and waits: so it may read and change what is the worker's own. The core
// may know the worker by the first job of its lease still, and is told first which one it has
// ended.
func (w *Worker) settle(now time.Duration) {
	if w.end == notYet {
		return
	}
	e, r := w.engine, &w.run
	if w.slot > 0 {
		began := time.Duration(w.began.Load())
		if w.record == nil {
			at := w.from.Load().Identify(uint32(w.slot - 1))
			e.core.GoesOn(r, w.fn, at.ID, at.At, began)
		}
		e.lastClaim = max(e.lastClaim, began)
	} else if w.record == nil {
		e.core.GoesOn(r, w.fn, r.ID, r.Enqueued, r.StartedAt)
	}
	e.measure(w)
	e.stuck.AttemptEnds(r.ID)
	if w.chunk != nil {
		e.core.Release(w.chunk)
	}
	e.unmix(w)
	w.fn, w.record, w.granted, w.chunk, w.slot = nil, nil, lease{}, nil, 0
	e.core.Settle(r, w.result, min(w.ended, now))
	w.end = notYet
	if w.result.Kind != core.OK {
		w.result = core.Result{}
	}
	e.at("settle")
}
