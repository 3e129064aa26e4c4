package engine

import (
	"time"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/goid"
)

// carryOut does what the core has decided, in order, in a tick. The wall clock is read once for
// all of them, and only if one is to be told.
func (e *Engine) carryOut(effects []core.Effect, now time.Duration) {
	var at clock.Moment
	for i := range effects {
		if effects[i].Info != nil {
			at.Look(e.clock, now)
		}
		e.do(&effects[i], &at)
	}
	e.stuck.Start()
	clear(effects) // whose room is used again, and keeps nothing alive until then
	e.at("effects")
}

// do carries out one effect. None of them waits or calls foreign code: answers go to channels
// with room, and what is told goes to queues of the observers'.
func (e *Engine) do(f *core.Effect, at *clock.Moment) {
	switch f.Kind {
	case core.Interrupt:
		e.interrupt(f)
	case core.IsStuck:
		if tell := e.host.Stuck(f); tell != nil {
			e.stuck.Add(f.Info.ID, goid.ID(e.workerAt(f.Run).goid.Load()), tell)
		}
	case core.WasAdmitted:
		if end, ok := f.Job.Ref.(Completion); ok {
			end.Accepted(f.Job.ID)
		}
		f.Job.Answer <- nil
	case core.WasRefused:
		f.Job.Answer <- f.Refused()
	case core.NeedToken:
		e.sendFor(f.Limit)
	case core.GroupDone:
		GroupOf(f.Group).Finish()
	case core.HasSettled:
		e.settled(f, at)
	default:
		e.tellEffect(f, at)
	}
}

// settled tells the end of a job to its group, to observers, and at last to the
// caller that enqueued it, which may use the record again from then on.
func (e *Engine) settled(f *core.Effect, at *clock.Moment) {
	if g := GroupOf(f.Job.Group); g != nil {
		g.Add(f.Ended())
	}
	e.tellEffect(f, at)
	end, ok := f.Job.Ref.(Completion)
	o := Outcome{ID: f.Job.ID, State: f.Job.State, Err: f.Ended()}
	if f.Job.State != core.Processed {
		f.Job.Ref, f.Job.Group = nil, nil // it may stand in a line for long
	}
	if ok {
		end.Settled(o)
	}
}

// tellEffect tells observers. The core describes the job only where one of them has asked for
// that kind.
func (e *Engine) tellEffect(f *core.Effect, at *clock.Moment) {
	if f.Info != nil {
		e.host.Tell(f, at)
	}
}

// GroupOf returns the group that g is the core of; nil for nil.
func GroupOf(g *core.Group) Group {
	if g == nil {
		return nil
	}
	return g.Ref.(Group) //nolint:forcetypeassert // NewGroup's
}
