package dray

import (
	"bytes"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/goid"
	"github.com/a622d8ee/dray/internal/guard"
	"github.com/a622d8ee/dray/internal/jobctx"
)

// A worker runs one job at a time. Whatever a job does, its worker settles it and
// goes on: a panic is recovered; a runtime.Goexit ends the goroutine, whose last
// act is to start a successor that takes over the worker as it is.
type worker struct {
	engine *engine       // immutable
	number int           // immutable, from 1
	wake   chan struct{} // capacity 1; one signal for each time the worker was unparked
	goid   atomic.Uint64 // the goid.ID of the goroutine it runs on, 0 before; read by calls that ask whether they are on it

	// Under engine.mu; Run.ID, Fn, Job and StartedAt also by the worker itself while it has a job.
	run       core.Run
	contexts  jobctx.Book   // of its jobs; see there
	idleSince time.Duration // when it last parked
	woken     bool          // summoned: it has to take the engine's waking flag back

	// The worker's own.
	inJob  bool        // foreign code is running
	locked bool        // it holds engine.mu
	end    endKind     // of the job at run, which is then to be settled
	left   bool        // the engine has no more use for it
	gone   bool        // it has given its place up: all that is left to do is to leave
	asleep bool        // it has parked, and not been woken since
	result core.Result // of the job at run, where end is otherwise
	pace   pace
}

// endKind is whether and how a job has ended.
type endKind uint8

const (
	notYet    endKind = iota
	well              // it returned nil
	otherwise         // see worker.result
)

// newWorker returns a worker that does not run yet.
func (e *engine) newWorker(number int) *worker {
	w := &worker{engine: e, number: number, wake: make(chan struct{}, 1), pace: pace{engine: e}}
	w.contexts = jobctx.NewBook(w, &e.mu, e.clock.tellTime)
	w.run.Owner = w
	return w
}

// hire starts a worker, under both locks.
func (e *engine) hire() *worker {
	e.hired++
	w := e.newWorker(e.hired)
	e.core.Join(&w.run)
	e.emit(Event{Kind: WorkerStarted, Worker: w.number})
	guard.Go(w.main)
	return w
}

// main is the worker's goroutine.
func (w *worker) main() {
	defer w.depart()
	w.goid.Store(uint64(goid.Current()))
	for !w.left {
		w.serve()
	}
}

// depart notices that the goroutine ends before its time, which only a Goexit in
// a job can bring about, and has another one go on in its place.
func (w *worker) depart() {
	if !w.left {
		e := w.engine
		e.emit(Event{Kind: WorkerStopped, Worker: w.number, Err: ErrGoexit})
		e.emit(Event{Kind: WorkerStarted, Worker: w.number})
		guard.Go(w.main)
	}
}

// serve runs jobs until there is no more use for the worker, or until one throws.
// The one deferred call serves all jobs, so that a job that returns pays nothing.
func (w *worker) serve() {
	defer w.contain()
	for w.next() {
		w.perform()
	}
	w.left = true
}

// next settles the job performed, and waits for another one.
func (w *worker) next() bool {
	for {
		claimed, leave := w.turn()
		if claimed {
			return true
		}
		if leave {
			return false
		}
		<-w.wake
		w.asleep = false
	}
}

// perform runs the job and takes down how it ended.
func (w *worker) perform() {
	ctx := w.contexts.Current()
	w.inJob = true
	var err error
	if w.engine.handler == nil {
		err = w.run.Fn(ctx)
	} else {
		err = w.engine.handler(ctx, w.job())
	}
	w.inJob = false
	w.end = well
	if err != nil {
		w.conclude(err, core.Error)
	}
	guard.Unlabel()
}

// contain, deferred, is where everything ends that does not return.
func (w *worker) contain() {
	if w.left {
		return
	}
	if w.locked {
		w.locked = false
		w.engine.mu.Unlock()
	}
	v := recover() // nil: a Goexit, which no recover stops
	switch {
	case !w.inJob && v != nil:
		w.engine.crash(newPanicError(v))
	case w.inJob && v != nil:
		w.inJob = false
		w.conclude(newPanicError(v), core.Panic)
	case w.inJob:
		w.inJob = false
		w.conclude(ErrGoexit, core.Error)
	}
	guard.Unlabel()
}

// conclude takes down that the job has failed. From the first line on it is
// certain to be settled, even if a method of err ends the goroutine.
func (w *worker) conclude(err error, kind core.ResultKind) {
	w.end = otherwise
	w.result = core.Result{Kind: core.Error, Err: ErrGoexit, Delay: thrownDelay}
	w.result = w.judge(err, kind)
	if w.mayRetry() {
		w.result.Delay = thrownDelay // unless the backoff returns
		w.result.Delay = delayBefore(w.run.Job)
	}
}

// judge looks at the error of a job and says what it comes to. It is the only
// place that calls methods of such an error.
func (w *worker) judge(err error, kind core.ResultKind) core.Result {
	if p, ok := err.(*PanicError); ok && kind == core.Panic { //nolint:errorlint // contain's
		p.text = errs.Text(p.Value)
	}
	f, safe := inspect(err)
	r := core.Result{Kind: kind, Err: safe}
	switch {
	case f.thrown:
		r.Kind = core.Panic
	case kind == core.Panic: // a snooze that is thrown is a panic
	case f.snooze != nil && !w.engine.pooled():
		r.Kind, r.Snooze = core.Snooze, f.snooze.delay
	case err == error(f.discard): //nolint:errorlint // else what it is wrapped in says more
		r.Err = f.discard.reason()
		f.text, _ = textOf(r.Err)
	}
	r.Final = f.discard != nil && r.Kind != core.Snooze
	if r.Kind == core.Panic {
		r.Stack = f.panic.Stack
	}
	if w.engine.bus != nil {
		r.Note = new(f.note)
	}
	return r
}

// mayRetry reports whether the result may be followed by another attempt. A snooze
// may if it came after the timeout, which only the core knows for sure.
func (w *worker) mayRetry() bool {
	j := w.run.Job
	return j != nil && j.Attempt < j.MaxAttempts && !w.result.Final && (w.result.Kind != core.Snooze || j.Timeout > 0)
}

// turn is the worker's one visit to the state between two jobs: it settles the
// one, claims the other, and collects the mailbox or parks if there is none.
func (w *worker) turn() (claimed, leave bool) {
	e, due, now := w.engine, w.pace.over(), w.pace.begin
	fresh := due && w.end == well
	if fresh {
		now = e.now()
	}
	lockPatiently(&e.mu)
	w.locked = true
	if w.end == well && e.easy && (due || w.pace.beats == e.beats) && e.core.Proceed(&w.run, now) {
		w.end = notYet
		if due {
			w.contexts.End()
			w.pace.flush(now)
			w.pace.start(&w.run)
			w.beginContext()
		} else {
			w.pace.left--
			w.contexts.Next()
		}
		claimed = true
	} else {
		if !fresh {
			now = e.now()
		}
		claimed, leave = w.longTurn(now)
	}
	w.locked = false
	e.mu.Unlock()
	return claimed, leave
}

// longTurn is a turn that has to look at the mailbox, or at what follows, under
// the engine's lock.
func (w *worker) longTurn(now time.Duration) (claimed, leave bool) {
	e := w.engine
	e.mail.mu.Lock()
	defer e.mail.mu.Unlock()
	if w.gone {
		return false, true
	}
	w.getUp()
	e.collect()
	w.settle(now)
	if w.woken {
		w.woken, e.waking = false, false
	}
	claimed = w.run.ID != 0 || e.core.Claim(&w.run, now) // not zero: a crash came between claim and job
	if claimed {
		w.pace.start(&w.run)
		w.beginContext()
	} else {
		leave = w.rest(now)
	}
	e.follow(now)
	return claimed, leave
}

// rest parks the worker, or lets it go.
func (w *worker) rest(now time.Duration) (leave bool) {
	e := w.engine
	w.pace.length = 1 // what comes after a pause may be quite different
	if e.core.Closed() || e.core.Surplus() {
		e.letGo(w)
		return true
	}
	e.park(w, now)
	w.asleep = true
	return false
}

// getUp undoes the parking of a turn that crashed after it: the worker is up again
// without having been woken. Whoever has unparked it has sent a signal, or is about
// to, which is not to be found later. As rest, it is called under both locks.
func (w *worker) getUp() {
	if !w.asleep {
		return
	}
	w.asleep = false
	m := &w.engine.mail
	if i := slices.Index(m.parked, w); i >= 0 {
		m.parked = slices.Delete(m.parked, i, i+1)
		return
	}
	<-w.wake
}

// settle hands the result of the job performed to the core.
func (w *worker) settle(now time.Duration) {
	if w.end == notYet {
		return
	}
	w.contexts.End()
	w.engine.stuck.attemptEnds(ID(w.run.ID))
	if w.run.Job == nil {
		w.pace.flush(now)
	}
	w.engine.core.Settle(&w.run, w.result, now)
	w.end = notYet
	if w.result.Kind != core.OK {
		w.result = core.Result{}
	}
	w.engine.at("settle")
}

// crash hands a panic of the rules to the owner.
func (e *engine) crash(p *PanicError) {
	e.mu.Lock()
	e.crashed = p
	e.mu.Unlock()
	e.poke()
}

// maxStack bounds the stacks kept in errors and events.
const maxStack = 16 << 10

// stacks has room for one stack each.
var stacks = sync.Pool{New: func() any { return new([maxStack]byte) }}

// newPanicError captures the stack of the panic being recovered.
func newPanicError(v any) *PanicError {
	buf := stacks.Get().(*[maxStack]byte) //nolint:forcetypeassert // the pool's own
	defer stacks.Put(buf)
	return &PanicError{Value: v, Stack: bytes.Clone(buf[:runtime.Stack(buf[:], false)])}
}
