// Package core holds the rules of the queue: which job starts next, what becomes
// of one that ends, and how everything is counted. It is a state machine and
// nothing else: no goroutine, channel, lock or clock. Time and events come in as
// arguments, effects come out as values ([Core.Effect]).
//
// A Core is not safe for concurrent use; it belongs to one goroutine at a time.
// Every exported method leaves the books balanced and takes effect as a whole,
// so that the engine may be interrupted between any two of them.
package core

import (
	"context"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/fifo"
	"github.com/a622d8ee/dray/internal/timerheap"
)

// Func is what a job runs.
type Func = func(context.Context) error

// Entry is a job in a FIFO: a bare function, or a *Job when it has rules. Plain jobs are bare.
type Entry = fifo.Entry[Job]

// Mailbox is the list in which jobs arrive. The engine fills it, under a lock of its own; Collect
// empties it.
type Mailbox = fifo.List[Job]

// Priority orders the lanes.
type Priority int8

// The priorities; the zero value is Normal.
const (
	Low    Priority = -1
	Normal Priority = 0
	High   Priority = 1
)

// UniquePolicy says what becomes of a job whose unique key is taken.
type UniquePolicy uint8

// The policies for a unique key that is taken.
const (
	KeepExisting UniquePolicy = iota
	ReplacePending
	RejectDuplicate
)

// State is where a job is. An accepted one waits (Pending, Delayed, Retrying) or runs, as often as
// its rules say, and ends in a final state, which it does not leave.
type State uint8

// The states. Those from Processed on are final.
const (
	Offered State = iota // not accepted yet
	Blocked              // its caller waits for room
	Pending
	Delayed
	Retrying
	Running
	Processed
	Failed
	Cancelled
	Evicted
)

// Spec is what the options of a job say. All jobs of a kind that are enqueued without options of
// their own have the same one, as have those of a queue and those of a task: so a record is half as
// large. Hence it is never changed once a job has it; who wants another one makes a copy.
type Spec struct {
	Kind         string
	Key          string // jobs of one key run in order, KeyLimit at a time
	KeyLimit     int    // at least 1 where Key is set
	Unique       string
	UniquePolicy UniquePolicy
	UniqueFor    time.Duration // from acceptance: the key stays taken for at least so long
	Priority     Priority
	MaxAttempts  int           // at least 1
	Timeout      time.Duration // per attempt; 0: none
	Within       time.Duration // from acceptance: the time for all attempts; 0: any
	Backoff      func(attempt int) time.Duration
	Limiters     []any // keys of Limits, all different, in the order in which they are asked
}

// PlainSpec is that of jobs without options.
var PlainSpec = &Spec{MaxAttempts: 1}

// Job is the record of a job that has rules, or that a caller asked about. Plain jobs have none:
// they are a function, an ID and a time. The fields of the first block are set before Accept and
// not changed by the core, but for Group, and Spec, Fn and others when a settled record is
// emptied.
//
// The record belongs to the core from Accept to its end. Of one that runs its worker reads Fn,
// Attempt and what does not change; of one that the worker has claimed itself it sets Attempt,
// before the core knows.
type Job struct {
	*Spec    // shared
	Fn       Func
	Label    string
	Group    *Group     // that it was offered to; nil for none
	HostData any        // the engine's own: what it needs to run it
	Task     string     // the periodic task that it is a run of and may be paused with; "" for none
	Ref      any        // the engine's own: what to tell of the end
	Answer   chan error // the engine's own: where the caller of a blocked offer waits

	// The rest is the core's, but for what is set before Accept or Restore: RunAt; of a restored
	// job EnqueuedAt, Attempt, the errors and, if it was Retrying, State. The mailbox sets ID and
	// EnqueuedAt of what it accepts.
	ID         uint64
	EnqueuedAt time.Duration
	RunAt      time.Duration // when a delayed or retrying job is due
	Attempt    int           // attempts begun, snoozed and interrupted ones not counted
	past       *past         // of its failed attempts; nil before the first
	State      State
	Roomless   bool // set before Accept, or by it: it takes no room, and stands in its lane as one of at most maxRoomless

	readyAt     time.Duration // when it last became pending
	seq         int64         // its turn among all jobs with a record that became pending
	interrupted bool          // a shutdown ended its last attempt, and it has not started since
	restored    bool          // from another queue, where it was accepted
	indexed     bool          // known to its key, its kind and its group
	member      bool          // counted by its Group
	started     bool          // has begun once: no longer counts against the capacity
	keyed       bool          // holds one of its key's places
	place       place         // while Pending
	set         *limitSet     // of its Limiters, until it settles; nil without
	spot        uint64        // in the list of its lane, its number; while it waits for its time, among those of one moment
	links       [chains]neighbours
	run         *Run // while Running
}

// ReadyAt returns when the job last became pending.
func (j *Job) ReadyAt() time.Duration { return j.readyAt }

// place is where a pending job stands. It says which list has the job, so that it can be taken out
// without a search; for a job that is not pending it is nowhere.
type place uint8

const (
	nowhere    place = iota
	inList           // of its lane
	inKey            // behind others of its key
	behindLane       // there are maxRoomless of its lane in line
	setAside         // as its kind or its task is paused, or in front of its lane as that has ended
	atLimit          // aside, as it wants a token
)

// Renew makes a settled job that ran well ready to be accepted again, as if it were another one. It
// must be without options. So a caller that runs one job after the other needs one record for all
// of them.
func (j *Job) Renew() { *j = Job{Spec: j.Spec, Fn: j.Fn, Ref: j.Ref} }

// WasInterrupted reports whether the waiting job j was running when a shutdown cut it off, and has
// not started since.
func (j *Job) WasInterrupted() bool { return j.interrupted }

// empty lets go of what j, which has settled and will not run again, has run. Whatever still holds
// the record, such as a caller's handle, does not keep alive what its function has captured.
func (j *Job) empty() {
	j.Spec, j.Fn, j.HostData, j.past = PlainSpec, nil, nil, nil
}

// Waits reports whether j has been accepted and has never started. A retry or a job that a shutdown
// cut off waits, too, but has started.
func (j *Job) Waits() bool {
	return !j.started && (j.State == Pending || j.State == Delayed)
}

// waiting reports whether j has been accepted and neither runs nor has settled.
func (j *Job) waiting() bool {
	return j.State == Pending || j.State == Delayed || j.State == Retrying
}

// maxErrs bounds the history of errors kept per job: one that is tried again for ever must not
// grow.
const maxErrs = 10

// past is what the failed attempts of a job have left.
type past struct {
	errs  []error // the newest maxErrs
	stack []byte  // of the panic, if the last of them ended by one
	note  any     // of the newest error, until it has been told
}

// addErr appends err to the history, of which the oldest goes if it is full. That makes a copy, as
// records of failures and reports share the slice.
func (j *Job) addErr(err error, note any) {
	if j.past == nil {
		j.past = new(past)
	}
	p := j.past
	p.note = note
	if len(p.errs) == maxErrs {
		p.errs = append(p.errs[:0:0], p.errs[1:]...)
	}
	p.errs = append(p.errs, err)
}

// note returns what is known of the newest error, which has not been told yet.
func (j *Job) note() any {
	if j.past == nil {
		return nil
	}
	return j.past.note
}

// Errs returns the errors of the failed attempts, the newest ten, oldest first. They are not to be
// changed.
func (j *Job) Errs() []error {
	if j.past == nil {
		return nil
	}
	return j.past.errs
}

// HasFailed gives j, which has not been accepted yet, the errors of earlier attempts.
func (j *Job) HasFailed(errs ...error) {
	if len(errs) > 0 {
		j.past = &past{errs: slices.Clip(errs)}
	}
}

// LastErr returns the error of the last failed attempt, or nil.
func (j *Job) LastErr() error {
	if errs := j.Errs(); len(errs) > 0 {
		return errs[len(errs)-1]
	}
	return nil
}

// Stack returns that of the panic, if the last failed attempt ended by one.
func (j *Job) Stack() []byte {
	if j.past == nil {
		return nil
	}
	return j.past.stack
}

// Cause is why a running job's context is cancelled. What the job then returns is judged by the
// last one.
type Cause uint8

// The causes, in rising order of precedence: a later one replaces an earlier one.
const (
	NotCancelled Cause = iota
	TimedOut
	Expired // its deadline over all attempts
	Shutdown
	UserCancel
)

// Run is one worker's place: the job it runs, if any. The core keeps a list of them (Join, Leave);
// the worker owns the value and gives it to Claim and Settle.
//
// Where the worker claims jobs by itself ID, Fn and the times may be those of an earlier plain job:
// they are brought up to date (Config.UpdateRuns) before anything looks at single runs. That a
// place is taken is always right, as a claim ends one job and starts another.
type Run struct {
	ID        uint64 // of the running job; zero while the place is free
	Fn        Func
	Job       *Job          // nil for a plain job
	Enqueued  time.Duration // when the job was accepted
	StartedAt time.Duration // when the attempt began
	Cause     Cause
	Done      int64 // progress, as reported by the job
	Total     int64
	Owner     any                  // the engine's own: whose place it is
	Exempt    bool                 // not waited for: it is the one that waits
	plain     bool                 // a plain job to which nothing has been done since it started
	frontSeq  int64                // set with the cause Shutdown: its job's turn, if it comes back
	deadline  timerheap.Item[*Run] // its timeout; once the context is cancelled, when it counts as stuck
	pos       int                  // in Core.runs
}

// ReadyAt returns when the job became pending. A plain job is that from its acceptance on.
func (r *Run) ReadyAt() time.Duration {
	if r.Job != nil {
		return r.Job.readyAt
	}
	return r.Enqueued
}

// Result is how an attempt ended, as its worker has seen it. What the job's errors and its backoff
// say was asked there, as they are user code: the core goes by these fields alone.
type Result struct {
	Kind   ResultKind
	Err    error         // the core calls no method of it
	Note   any           // the engine's own, for observers: what is known of Err
	Delay  time.Duration // before the next attempt, by the backoff
	Snooze time.Duration // of a snooze
	Final  bool          // no further attempt, whatever is left
	Stack  []byte        // of a panic
}

// ResultKind tells results apart.
type ResultKind uint8

// The kinds of result.
const (
	OK ResultKind = iota
	Error
	Panic
	Snooze
)
