package engine

import (
	"context"
	"time"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/jobctx"
)

// A Host is the queue or pool around an engine: what its users see of what happens here.
type Host interface {
	// Execute runs a job within the middleware, on its worker. It is only called if
	// Config.Wrapped says so.
	Execute(ctx context.Context, j Job) error
	// Judge says what the error of a job comes to, on its worker: it may call methods of
	// err, which may do anything. Thrown says that the job has panicked, err being of Caught.
	Judge(err error, thrown bool) core.Result
	// Delay is how long the next attempt of j is to wait, as Judge: its backoff is user code.
	Delay(j *core.Job) time.Duration
	// Caught returns what v is to be known as, which was recovered by the deferred function
	// that calls Caught, with the stack.
	Caught(v any) error
	// LimitFailed is told what a limiter has returned or thrown, on a goroutine of its own.
	LimitFailed(err error)

	// The rest is called where the state is held, so it must wait for nothing, least of all
	// for users. Tell tells observers of an effect, WorkerStarted and WorkerStopped of workers.
	Tell(f *core.Effect, at *clock.Moment)
	WorkerStarted(number int)
	WorkerStopped(number int, err error)
	// Stuck returns what tells observers of a job that is stuck when its stack is known; nil
	// if none has asked for that.
	Stuck(f *core.Effect) (tell func(stack []byte))
}

// A Completion is the Ref of a job whose end a caller wants to know. It is told in a tick or
// under the lock of the mailbox, so it must not wait for anything.
type Completion interface {
	Accepted(id uint64)
	Settled(o Outcome)
}

// An Outcome is how a job settled, or that it will not settle here.
type Outcome struct {
	ID    uint64
	State core.State
	Err   error // nil for a processed job
}

// A Group is the Ref of a core.Group, told in ticks.
type Group interface {
	// Add is told the error of a job that has settled.
	Add(err error)
	// Finish is told that the group is complete.
	Finish()
}

// A HostData is what the core's record of a job may have as such.
type HostData interface {
	// Values are those of the context that the job was enqueued with; nil for none.
	Values() *jobctx.Values
}

// A Job is what the middleware is told of the job at hand.
type Job struct {
	Record *core.Job // nil for a plain one
	Fn     core.Func // of the plain one, as the next two
	ID     uint64
	At     time.Duration // when it was enqueued
}

// JobOf returns the job at hand of the worker whose job was given that context, and whose it is.
func JobOf(c jobctx.Context) (Host, Job) {
	w := workerOf(jobctx.OwnerOf(c))
	return w.engine.host, w.job()
}

func (w *Worker) job() Job { return Job{w.record, w.fn, w.id, w.at} }

// WhileRunning has the owner call do with the place of c's job, or reports false if
// that has ended.
func WhileRunning(c jobctx.Context, do func(h Host, r *core.Run)) (ok bool) {
	o := jobctx.OwnerOf(c)
	if o == nil {
		return false
	}
	w := workerOf(o)
	w.engine.Update(func(*core.Core, time.Duration) {
		if ok = jobctx.Running(c); ok {
			w.engine.updateRuns()
			do(w.engine.host, &w.run)
		}
	})
	return ok
}

// Progress says how far c's job has come, and calls tell, as WhileRunning does.
func Progress(c jobctx.Context, done, total int64, tell func(h Host, r *core.Run)) {
	WhileRunning(c, func(h Host, r *core.Run) {
		e := workerOf(r.Owner.(jobctx.Owner)).engine //nolint:forcetypeassert // newWorker sets it
		e.pin(r)
		e.core.Progress(r, done, total)
		tell(h, r)
	})
}

// workerOf returns the worker that o is: all owners of contexts are.
func workerOf(o jobctx.Owner) *Worker { return o.(*Worker) } //nolint:forcetypeassert // see above
