package core

import "time"

// EffectKind tells effects apart. Their order matters: see the constants, and Watch.
type EffectKind uint8

// The effects. Those up to GroupDone ask for something to be done, and are made in any case;
// the others only tell observers, and are not made without. HasSettled is both: it has an Info
// if observers want it.
const (
	Interrupt   EffectKind = iota // cancel the context of Run
	IsStuck                       // Run did not heed it
	WasAdmitted                   // Job, whose caller waited for room, is accepted
	WasRefused                    // or will not be
	HasSettled                    // Job has reached its final state, Info.State
	NeedToken                     // a job waits for a token of Limit
	GroupDone                     // Group is complete
	DidEnqueue
	DidReject
	DidStart
	DidRetry
	DidSnooze
	DidInterrupt
)

// A Watch is a set of what observers have asked for. Nothing else is made for them, as that costs
// more than a plain job. The bits below endBits are kinds of effects, those from there on ends by
// their states.
type Watch uint32

// WatchAll is everything.
const WatchAll = ^Watch(0)

// Watch returns the set of the effects of that kind, which is one from DidEnqueue on: the others
// are made without being asked for.
func (k EffectKind) Watch() Watch { return 1 << k }

// Watch returns the set of the ends in that state, which is a final one. Observers ask for the ends
// that they want one by one: to watch failures alone costs a job that ends well nothing.
func (s State) Watch() Watch { return 1 << (endBits + s) }

const (
	endBits = 16 // more than there are kinds of effects

	// perPlainJob is what a plain job that goes well would have to be looked at for when it starts
	// or ends. With one of these nothing is shared.
	perPlainJob = 1<<DidStart | 1<<(endBits+Processed)
)

// has reports whether effects of that kind are watched.
func (w Watch) has(k EffectKind) bool { return w&k.Watch() != 0 }
func (w Watch) hasEnd(s State) bool   { return w&s.Watch() != 0 }

// Refusal is why a job was not accepted. The zero value is NoRoom.
type Refusal uint8

// The refusals.
const (
	NoRoom Refusal = iota
	KeyTaken
	GroupOver // its group is complete, or was cancelled
	NoIntake  // the queue takes no more jobs
)

// Effect is something that the core has decided and others have to do or to know. Effects are
// carried out in the order in which they were made. Which fields are set depends on the kind.
type Effect struct {
	Kind  EffectKind
	At    time.Duration // zero means now
	Job   *Job
	Run   *Run
	Limit *Limit
	Group *Group
	Cause Cause
	Info  *Info // for observers; nil for a HasSettled that none of them asked for
	Err   error
	Note  any           // of the Result that Err comes from
	Wait  time.Duration // of a DidStart: since the job became pending
	Took  time.Duration // of the end of an attempt: since it began

	Why Refusal // it was refused or rejected
}

// Info is a job as it was at one moment: a copy that leads to nothing the core changes, so that it
// can be read on any goroutine and at any time.
type Info struct {
	ID               uint64
	Kind, Label, Key string
	Priority         Priority
	State            State
	Stuck            bool
	Attempt          int
	EnqueuedAt       time.Duration
	RunAt            time.Duration // zero unless it waits for its time
	StartedAt        time.Duration // zero unless it is running
	LastErr          error
	Done, Total      int64 // progress of a running job
}

// maxEffects bounds the room for effects that is kept for the next ones. A step that decides more,
// such as one that cancels many jobs, gives its room back.
const maxEffects = 64

// effect makes an effect. Whether observers want it the caller has asked.
func (c *Core) effect(e Effect) { c.effects = append(c.effects, e) }

// note makes an effect that only observers need, if they do. The info is taken now, as j may be
// another by the time they read it.
func (c *Core) note(kind EffectKind, j *Job, now time.Duration) { c.noteEnd(kind, j, nil, 0, now) }

// noteEnd is note for the end of an attempt, with its error and how long it took.
func (c *Core) noteEnd(kind EffectKind, j *Job, err error, took, now time.Duration) {
	if c.cfg.Watched.has(kind) {
		e := Effect{Kind: kind, At: now, Job: j, Info: new(infoOfJob(j)), Err: err, Took: took}
		if err != nil {
			e.Note = j.note()
		}
		c.effect(e)
	}
}

// Effects returns what has been decided since the last call, in order. The slice is valid until the
// next method that decides something, as its room is used again; the caller clears it, so that the
// room keeps nothing alive.
func (c *Core) Effects() []Effect {
	if len(c.effects) == 0 {
		return nil
	}
	decided := c.effects
	c.effects = nil
	if cap(decided) <= maxEffects {
		c.effects = decided[:0]
	}
	return decided
}

// infoOf returns the info of an entry that waits in a lane. A plain one is Pending there, and was
// so from its acceptance on.
func infoOf(e Entry) Info {
	if e.Job != nil {
		return infoOfJob(e.Job)
	}
	return Info{ID: e.ID, State: Pending, EnqueuedAt: e.At}
}

// infoOfJob returns the info of a job with a record, but for what only its place knows.
func infoOfJob(j *Job) Info {
	i := Info{
		ID: j.ID, Kind: j.Kind, Label: j.Label, Key: j.Key, Priority: j.Priority, State: j.State,
		Attempt: j.Attempt, EnqueuedAt: j.EnqueuedAt, LastErr: j.LastErr(),
	}
	if j.State == Delayed || j.State == Retrying {
		i.RunAt = j.RunAt
	}
	return i
}

// infoOfRun returns the info of the job at r, which is not free and up to date: see updateRuns.
func infoOfRun(r *Run) Info {
	i := Info{ID: r.ID, State: Running, Attempt: 1, EnqueuedAt: r.Enqueued}
	if r.Job != nil {
		i = infoOfJob(r.Job)
	}
	i.Stuck, i.StartedAt = r.Cause != NotCancelled, r.StartedAt
	i.Done, i.Total = r.Done, r.Total
	return i
}

// InfoOfRun returns the job running at r, which is not free. Where workers claim jobs by themselves
// the engine has to bring r up to date before.
func InfoOfRun(r *Run) Info { return infoOfRun(r) }
