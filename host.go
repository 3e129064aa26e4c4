package dray

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/engine"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/eventbus"
	"github.com/a622d8ee/dray/internal/scheduler"
	"github.com/a622d8ee/dray/internal/testhook"
)

// A host is what a queue and a pool have in common: the engine that runs the jobs, and what is
// told of it. It is kept by jobs that do not return, so it must not lead to the queue, which
// keeps the report.
type host struct {
	common                       // immutable
	engine  *engine.Engine       // immutable
	bus     *eventbus.Bus[Event] // immutable; nil without a listener
	handler Handler              // immutable: the middleware around every job; nil without
	plain   bool                 // immutable once it is used: the queue's defaults ask for nothing that needs a record
	pooled  bool                 // immutable: nothing runs later
	calls   sync.Pool            // of *call, for Run
	told    atomic.Bool          // something since the last QueueStopped; set by all that tell, cleared by the owner

	recorder *testhook.Recorder // immutable once the queue is used; nil but for the test kit
}

// newHost returns the host of an engine of that sort; the middleware around every job is
// handler, nil for none.
func newHost(c common, handler Handler, cfg engine.Config) *host {
	h := &host{common: c, bus: newBus(c, c.name), handler: handler, pooled: cfg.Pool}
	cfg.Clock, cfg.MaxStack, cfg.Wrapped = c.clock, maxStack, handler != nil
	cfg.Core.Watched = watchOf(h.bus)
	h.engine = engine.New(hooks{h}, cfg)
	return h
}

// update has one change to the engine's state made: see there.
func (h *host) update(change func(c *core.Core, now time.Duration)) { h.engine.Update(change) }

// updateOpen is update for changes that a closed queue refuses.
func (h *host) updateOpen(change func(*core.Core) error) error {
	err := engine.ErrBroken
	h.update(func(c *core.Core, _ time.Duration) {
		if h.engine.Closed() {
			err = ErrClosed
		} else {
			err = change(c)
		}
	})
	return err
}

// offer puts a job that has rules before the engine, and waits for room where the policy says
// so. With unique keys the receipt can be that of another job. It says where that stands if
// the caller asks for it.
func (h *host) offer(ctx context.Context, j *core.Job, placed bool) (Receipt, error) {
	if !placed {
		if id, posted := h.engine.PostJob(j); posted {
			return Receipt{ID: ID(id)}, nil
		}
	}
	o, err := h.offerOf(ctx)
	if err != nil {
		return Receipt{}, err
	}
	o.Placed = placed
	r, err := h.engine.Offer(o, j)
	return Receipt{ID(r.ID), r.Position}, withdrawn(ctx, err)
}

// offerOf asks the context on the caller's goroutine, if its call may have to wait.
func (h *host) offerOf(ctx context.Context) (o engine.Offer, err error) {
	if !h.engine.Blocks() {
		return o, nil
	}
	if o.Done, err = doneOf(ctx); err == nil {
		o.Inside, err = insideOf(ctx)
	}
	return o, err
}

// withdrawn returns err, or why ctx has ended if it says that an offer was withdrawn for that.
func withdrawn(ctx context.Context, err error) error {
	if err == engine.ErrWithdrawn { //nolint:errorlint // it is never wrapped
		return causeOf(ctx)
	}
	return err
}

// jobInfo translates the core's view of a job.
func (h *host) jobInfo(i core.Info) JobInfo { return infoOf(h.clock.Reference(), i) }

// hooks is a host as its engine sees it.
type hooks struct{ *host }

func hostOf(h engine.Host) *host { return h.(hooks).host } //nolint:forcetypeassert // newHost's

// Execute runs a job within the middleware.
func (h hooks) Execute(ctx context.Context, j engine.Job) error {
	return h.jobOf(j).within(ctx, h.handler)
}

// Caught returns the panic that is being recovered.
func (hooks) Caught(v any) error { return newPanicError(v) }

// LimitFailed tells observers what became of a call of a limiter.
func (h hooks) LimitFailed(err error) {
	found, safe := inspect(err)
	h.emit(Event{Kind: RateLimitFailed, Err: safe, note: &found.note})
}

// WorkerStarted tells observers of a worker.
func (h hooks) WorkerStarted(number int) { h.emit(Event{Kind: WorkerStarted, Worker: number}) }

// WorkerStopped tells observers of the end of a worker.
func (h hooks) WorkerStopped(number int, err error) {
	h.emit(Event{Kind: WorkerStopped, Worker: number, Err: err})
}

// Tell translates an effect for observers.
func (h hooks) Tell(f *core.Effect, at *clock.Moment) { h.emit(eventOf(f, at)) }

// Stuck returns what tells observers of a stuck job.
func (h hooks) Stuck(f *core.Effect) (tell func(stack []byte)) {
	if !h.wants(JobStuck) {
		return nil
	}
	ev := Event{Kind: JobStuck, Time: h.clock.Now(), Job: h.jobInfo(*f.Info), Err: f.Cause.Err(), task: scheduler.TaskName(f.Run.Job)}
	return func(stack []byte) {
		ev.Stack = stack
		h.emit(ev)
	}
}

// eventOfEffect are the events by the effects that they tell of, eventOfEnd by the state in
// which the job has settled.
var (
	eventOfEffect = [...]EventKind{
		core.DidEnqueue: JobEnqueued, core.DidReject: JobRejected, core.DidStart: JobStarted,
		core.DidRetry: JobRetrying, core.DidSnooze: JobSnoozed, core.DidInterrupt: JobInterrupted,
	}
	eventOfEnd = [...]EventKind{
		core.Processed: JobProcessed, core.Failed: JobFailed, core.Cancelled: JobCancelled, core.Evicted: JobEvicted,
	}
)

func eventOf(f *core.Effect, at *clock.Moment) Event {
	ev := Event{Time: at.Now, Job: infoOf(at.Reference, *f.Info), Err: f.Err, Wait: f.Wait, Run: f.Took, task: scheduler.TaskName(f.Job)}
	ev.note, _ = f.Note.(*note)
	switch f.Kind {
	case core.HasSettled:
		ev.Kind, ev.Err = eventOfEnd[f.Info.State], f.Ended()
	case core.DidReject:
		ev.Kind, ev.Err = JobRejected, f.Refused()
		ev.Job.ID, ev.Job.EnqueuedAt = 0, time.Time{} // it has not become a job of the queue
	default:
		ev.Kind = eventOfEffect[f.Kind]
	}
	return ev
}

// abandonedBy are errors that name what has not returned.
func abandonedBy(names []string) (all []error) {
	for _, name := range names {
		all = append(all, errs.Wrapf(ErrAbandoned, "%s", name))
	}
	return all
}

// What follows is what package draytest does to a queue, and users of dray cannot.

func init() {
	testhook.Inside = func(queue any) testhook.Queue { return inside{queue.(*Queue)} } //nolint:forcetypeassert // draytest gives one
}

// inside is a queue as the test kit sees it.
type inside struct{ q *Queue }

func (i inside) Fault(f func(at string)) {
	i.q.engine.SetFault(f)
}

func (i inside) Endure() {
	cfg := i.q.treeConfig()
	cfg.limit = math.MaxInt
	tree, err := newSupervisor(cfg)
	if err != nil {
		panic(err)
	}
	i.q.tree = tree
}

func (i inside) StopScheduler() { i.q.scheduler.tasks.Stop() }

func (i inside) Entries() (all, armed int) { return i.q.scheduler.tasks.Entries() }

func (i inside) Poke() { i.q.engine.Poke() }

func (i inside) Record(w testhook.Recorder) {
	i.q.recorder = &w
	i.q.plain = false // every job takes the way that has the recorder
}

func (i inside) Skew(f func() time.Duration) { i.q.clock.Skew(f) }

func (i inside) Started() bool {
	i.q.lifecycle.mu.Lock()
	defer i.q.lifecycle.mu.Unlock()
	return i.q.lifecycle.serving
}

func (i inside) Held() (held bool) {
	i.q.engine.Update(func(c *core.Core, _ time.Duration) { held = c.Held() })
	return held
}

func (i inside) Closing() bool {
	i.q.lifecycle.mu.Lock()
	defer i.q.lifecycle.mu.Unlock()
	return i.q.lifecycle.closing
}

func (i inside) WasStarted() bool {
	i.q.lifecycle.mu.Lock()
	defer i.q.lifecycle.mu.Unlock()
	return i.q.lifecycle.launched()
}

func (i inside) RunNext() bool {
	run := i.lend()
	if run == nil {
		return false
	}
	run()
	return true
}

// lend has the queue lend a worker. That closes its doors again, so the start of the queue, which
// opens them for good, must not fall between the look whether it was started and the claim.
func (i inside) lend() (run func()) {
	i.q.lifecycle.mu.Lock()
	defer i.q.lifecycle.mu.Unlock()
	if i.q.lifecycle.launched() {
		return nil
	}
	return i.q.engine.Lend()
}

// launched reports whether the queue was ever started. It is called under mu.
func (l *lifecycle) launched() bool { return l.ended != nil }

// accepted is called at the end of each call by which jobs may have been accepted.
func (h *host) accepted() {
	if h.runsInline() {
		h.recorder.Accepted()
	}
}

// runsInline reports whether accepted jobs are to be run by the call that accepts them.
func (h *host) runsInline() bool { return h.recorder != nil && h.recorder.Accepted != nil }

// A payload is that of a job of a kind, for the test kit. It is where a job has what waits for its
// end, as that is told of its acceptance, too.
type payload struct {
	recorder *testhook.Recorder
	kind     string
	value    any
}

// Accepted is told the ID, in a tick or under the mailbox's lock.
func (p payload) Accepted(id uint64) { p.recorder.Payload(id, p.kind, p.value) }

// Settled is there for the engine.
func (payload) Settled(engine.Outcome) {}
