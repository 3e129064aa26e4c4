package dray

import (
	"time"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/goid"
)

// An ending is told when its job has settled. It is called in a tick,
// or under the lock of the mailbox, so it must not wait for anything.
type ending interface {
	accepted(id ID)
	settled(o outcome)
}

// An outcome is how a job settled, or that it will not settle here.
type outcome struct {
	id    ID
	state core.State
	err   error // nil for a processed job
}

// A moment is what the events of one step are told by: one look at the clock, at the first
// of them.
type moment struct {
	*clock.Reference
	now time.Time
}

func (m *moment) look(c *clock.Clock, now time.Duration) {
	if m.Reference == nil {
		m.Reference = c.Reference()
		m.now = m.Tell(now)
	}
}

// carryOut does what the core has decided, in order, in a tick.
func (e *engine) carryOut(effects []core.Effect, now time.Duration) {
	var at moment
	for i := range effects {
		if effects[i].Info != nil {
			at.look(e.clock, now)
		}
		e.do(&effects[i], &at)
	}
	e.stuck.Start()
	clear(effects) // whose room is used again, and keeps nothing alive until then
	e.at("effects")
}

func (e *engine) do(f *core.Effect, at *moment) {
	switch f.Kind {
	case core.Interrupt:
		e.interrupt(f)
	case core.IsStuck:
		e.reportStuck(f)
	case core.WasAdmitted:
		if end, ok := f.Job.Ref.(ending); ok {
			end.accepted(ID(f.Job.ID))
		}
		f.Job.Answer <- nil
	case core.WasRefused:
		f.Job.Answer <- refusal(f)
	case core.NeedToken:
		e.sendFor(f.Limit)
	case core.GroupDone:
		groupOf(f.Group).finish()
	case core.HasSettled:
		e.settled(f, at)
	default:
		e.emitEffect(f, at)
	}
}

// settled tells the end of a job to its group, to observers, and at last to the
// one who enqueued it, who may use the record again from then on.
func (e *engine) settled(f *core.Effect, at *moment) {
	if g := groupOf(f.Job.Group); g != nil {
		g.add(endError(f))
	}
	e.emitEffect(f, at)
	end, ok := f.Job.Ref.(ending)
	o := outcome{id: ID(f.Job.ID), state: f.Job.State, err: endError(f)}
	if f.Job.State != core.Processed {
		f.Job.Ref, f.Job.Group = nil, nil // it may stand in a line for long
	}
	if ok {
		end.settled(o)
	}
}

func (e *engine) emitEffect(f *core.Effect, at *moment) {
	if f.Info != nil {
		e.emit(eventOf(f, at))
	}
}

// refusal is why a job was not accepted.
func refusal(f *core.Effect) error {
	switch f.Why {
	case core.KeyTaken:
		return ErrDuplicate
	case core.GroupOver:
		return ErrGroupDone
	case core.NoRoom:
		return ErrQueueFull
	default:
		return ErrClosed
	}
}

// endError is the error that a settled job leaves behind.
func endError(f *core.Effect) error {
	switch {
	case f.Job.State == core.Processed || f.Err != nil:
		return f.Err
	default:
		return ErrCancelled
	}
}

// taskName returns the periodic task whose run j is, or nothing.
func taskName(j *core.Job) string {
	if j == nil {
		return ""
	}
	if r, ok := j.Ref.(*run); ok {
		return r.t.name
	}
	return ""
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

// eventOf translates an effect for observers.
func eventOf(f *core.Effect, at *moment) Event {
	ev := Event{Time: at.now, Job: infoOf(at.Reference, *f.Info), Err: f.Err, Wait: f.Wait, Run: f.Took, task: taskName(f.Job)}
	ev.note, _ = f.Note.(*note)
	switch f.Kind {
	case core.HasSettled:
		ev.Kind, ev.Err = eventOfEnd[f.Info.State], endError(f)
	case core.DidReject:
		ev.Kind, ev.Err = JobRejected, refusal(f)
		ev.Job.ID, ev.Job.EnqueuedAt = 0, time.Time{} // it has not become a job of the queue
	default:
		ev.Kind = eventOfEffect[f.Kind]
	}
	return ev
}

// reportStuck has observers told of a stuck job.
func (e *engine) reportStuck(f *core.Effect) {
	if !e.wants(JobStuck) {
		return
	}
	e.stuck.Add(f.Info.ID, goid.ID(e.workerAt(f.Run).goid.Load()), Event{
		Kind: JobStuck, Time: e.clock.Now(), Job: e.jobInfo(*f.Info), Err: causeError(f.Cause), task: taskName(f.Run.Job),
	})
}
