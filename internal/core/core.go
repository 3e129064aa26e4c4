package core

import (
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/latency"
	"github.com/a622d8ee/dray/internal/sorted"
	"github.com/a622d8ee/dray/internal/timerheap"
)

// Config is what a core is made with. But for Workers, which Resize sets, it does not change.
//
// By LastStart and UpdateRuns the core asks about what workers have claimed by themselves. They may
// wait for workers, but not for the state. Where nothing is shared they may be nil.
type Config struct {
	Workers        int
	Capacity       int // of jobs that have never started; negative: unbounded
	Overflow       Overflow
	FailuresKept   int
	StuckAllowance int                  // workers lent while others are stuck
	Watched        Watch                // make these effects, which only observers need
	Latency        bool                 // measure
	LastStart      func() time.Duration // when the last job of a shared chunk was claimed
	UpdateRuns     func()               // has GoesOn called for all places with such jobs
	// Begun returns when the worker at a place has begun with its job, which has a timeout: that counts
	// from then. It is now if it has not. Nil: each begins as it is claimed.
	Begun   func(r *Run, now time.Duration) time.Duration
	NoQueue bool // of a pool: what a shutdown cuts off has failed, as there is nothing to go back to
}

// stuckGrace is how long after its context was cancelled a job is reported as stuck: one that obeys
// returns within microseconds and is not worth a report.
const stuckGrace = 10 * time.Millisecond

// Core is the state of a queue. It has no lock: all fields belong to the goroutine that has the
// state, which is the owner of the queue while one runs.
//
// Each job that has not settled is in one place, which its State and place tell: offered, in a
// lane, aside, in the list of those that wait for their time, or at a Run. The counters below say
// how many are where, and are changed together with the lists, so that the books balance after each
// exported method: the jobs in all states are as many as were ever accepted (Snapshot.Accepted).
//
// A plain job is in its lane or at a Run, and nowhere else: it has no record until something
// happens to it that has to be written down.
type Core struct {
	cfg Config

	lanes       [3]lane                       // pending jobs that may start, by priority
	seq         int64                         // of the last job with a record that became pending
	frontSeq    int64                         // the lowest turn given to a job that a shutdown cuts off; never above 0
	pending     int                           // Pending: in lanes or behind them or a key, of a paused kind or task, without a token
	held        int                           // of those that wait, the ones that have never started and take room, against the capacity
	blocked     waitList                      // callers wait for their acceptance, in order
	waiting     sleepers                      // by when they are due
	waits       uint64                        // that have begun, to tell those apart that are due at the same time
	gathers     time.Duration                 // what is due by then comes into line before lower priorities start; 0: see AdvanceSome
	delayed     int                           // of those in waiting
	retries     int                           // of those in waiting
	interrupted int                           // of the waiting ones, those that a shutdown cut off
	live        sorted.List[*Job]             // all jobs with a record, by ID
	kinds       map[string]*sorted.List[*Job] // of them, those of a kind
	keys        table[string, *key]           // those with jobs that have not settled
	promoting   []*key                        // with places for more than were promoted at a time
	behind      [3]int                        // jobs that stand behind their key, by priority, High first
	unique      table[string, *Job]           // the holder of each unique key: accepted and not settled, or waiting for room
	uniqueHolds table[string, *uniqueHold]    // unique keys taken for a period, whether there is a holder or not
	uniqueEnds  sorted.List[*uniqueHold]      // the same, by when they are freed
	expiries    sorted.List[*Job]             // by their deadlines over all attempts
	roomed      chain                         // records that hold room, under DropOldest alone

	limits    table[any, *Limit]       // by their limiters
	limitSeq  uint64                   // of the newest of limits
	sets      table[string, *limitSet] // by the seqs of their limits
	expected  int                      // jobs that wait for a token that is there or likely to come
	completed []*Group                 // their completion jobs are to be accepted

	// The limits with whose tokens jobs could start, by the turn of the first of each
	// priority: granted for every priority of which there are some, leading for the
	// highest alone. They are grants.
	granted, leading [3]timerheap.Heap[*Limit]
	grants           int

	runs      []*Run // every worker's place
	running   int    // those of runs that have a job
	exempt    int    // running, but not waited for
	stuck     int    // running with a cancelled context
	deadlines timerheap.Heap[*Run]

	paused      bool              // no claims until Resume
	closed      bool              // no claims for now
	sealed      bool              // the report is made: what was left belongs to the report
	stopped     bool              // nor will there be: what waits is not waited for
	pausedKinds map[string]*aside // an entry is what pauses, also if nothing stands aside
	pausedTasks map[string]*aside // as pausedKinds, of periodic tasks
	failures    failures          // at most cfg.FailuresKept

	some []*Job // empty: room for the jobs of a span, so that they are found without allocating

	// What is known of the jobs that workers claim without the core: see Share.
	shared  Priority      // whose jobs workers claim by themselves, or did last
	claimed bool          // jobs of it, since the last start of it was known
	aged    time.Duration // when another lane counts as high as that; 0: never

	counts    Counts
	wait, run latency.Histogram
	effects   []Effect // decided since the last call of Effects, in order
}

// New returns a core without workers or jobs.
func New(cfg Config) *Core {
	return &Core{
		cfg: cfg, kinds: make(map[string]*sorted.List[*Job]),
		pausedKinds: make(map[string]*aside), pausedTasks: make(map[string]*aside),
	}
}

// Collect takes over the plain jobs that have arrived, whole. The mailbox counted them as accepted;
// from here on they are pending. With records among them, or where each acceptance is watched, it
// takes some, in order, and the caller calls again while the mailbox has more.
//
// A whole list costs a look at each of its chunks, whatever is in them. One by one is for what has
// rules: each record goes where its own say, and counts as accepted at its own EnqueuedAt.
func (c *Core) Collect(m *Mailbox) {
	if m.Records() == 0 && !c.cfg.Watched.has(DidEnqueue) {
		// Before Append, which empties m.
		c.pending += m.Len()
		c.held += m.Len()
		c.lane(Normal).list.Append(m)
		return
	}
	for range maxCollected {
		e, ok := m.Pop()
		switch {
		case !ok:
			return
		case e.Job != nil:
			c.admit(e.Job, e.Job.ID, e.Job.EnqueuedAt)
		default:
			c.post(e)
		}
	}
}

// maxCollected bounds what is made of a Mailbox at a time, where it is more than one thing: a step
// must not take long, however many jobs have arrived.
const maxCollected = 1024

// post makes an accepted job of a plain one. It does what Collect does for a list, so plain jobs
// are counted at no other place.
func (c *Core) post(e Entry) {
	c.lane(Normal).list.PushBare(e.Fn, e.ID, e.At)
	c.pending++
	c.held++
	if c.cfg.Watched.has(DidEnqueue) {
		c.effect(Effect{Kind: DidEnqueue, Info: new(infoOf(e))})
	}
}

// Post accepts a plain job, for which there must be room. IDs must ascend: id is higher than those
// of all plain jobs before it.
func (c *Core) Post(fn Func, id uint64, now time.Duration) { c.post(Entry{Fn: fn, ID: id, At: now}) }

// Verdict is the answer to an offer. The job is the core's after Accepted and Waits; it has settled
// after Dropped, and was not taken after the others.
type Verdict uint8

// The verdicts.
const (
	Accepted  Verdict = iota
	Kept              // KeepExisting: nothing was added
	Duplicate         // RejectDuplicate
	Full              // Reject
	Waits             // Block: an effect WasAdmitted follows, unless it is withdrawn
	Dropped           // DropNewest: accepted and evicted
	NoGroup           // its group is complete, or was cancelled
)

// Accept offers a job, whose ID is the given one if it becomes an accepted job (Accepted or
// Dropped). With Kept, existing is the job that was there.
//
// The group is asked first, and joined before the rest decides: a job that is evicted at once
// settles inside of accept, and its group has to hear of that as of any other. What was not
// accepted leaves the group again, which may then be complete.
func (c *Core) Accept(j *Job, id uint64, now time.Duration) (v Verdict, existing *Job) {
	if j.Group == nil {
		return c.accept(j, id, now)
	}
	if j.Group.over() {
		c.reject(j, GroupOver, now)
		return NoGroup, nil
	}
	c.join(j)
	v, existing = c.accept(j, id, now)
	// Waits stays a member, as the group waits for the offer too; Dropped has left with its end.
	if v == Kept || v == Duplicate || v == Full {
		c.quit(j)
	}
	return v, existing
}

// AcceptAnyway accepts a job that was promised before, so that a report has it: whatever the room
// and the holder of its unique key, which stays that, and in its group only if that is not
// complete. Seal is to follow: until then two jobs may have one unique key, of which one is not
// known as its holder.
func (c *Core) AcceptAnyway(j *Job, id uint64, now time.Duration) {
	if g := j.Group; g != nil && g.over() {
		j.Group = nil
	} else if g != nil {
		c.join(j)
	}
	// admit makes j the holder, so the one before is noted, and put back.
	holder := c.holder(j)
	j.Roomless = true
	c.admit(j, id, now)
	if holder != nil {
		c.hold(holder)
	}
}

// accept is Accept but for the group. The unique key is asked before the room, since a job that
// replaces another one may get its room, and one that is kept out needs none to be told so.
func (c *Core) accept(j *Job, id uint64, now time.Duration) (v Verdict, existing *Job) {
	if v, existing, done := c.clash(j, now); done {
		return v, existing
	}
	if j.Roomless || c.Room() > 0 || c.makesWay(j) {
		c.takeOver(j, id, now)
		return Accepted, nil
	}
	return c.overflow(j, id, now), nil
}

// reject counts an offer that was turned away, and tells observers. j is not changed: it never was
// a job.
func (c *Core) reject(j *Job, why Refusal, now time.Duration) {
	c.counts.Rejected++
	if c.cfg.Watched.has(DidReject) {
		c.effect(Effect{Kind: DidReject, At: now, Info: new(infoOfJob(j)), Why: why})
	}
}

// admit makes j an accepted job, whatever the room: known by its ID, its key, kind and group, the
// holder of its unique key, watched for its deadline, counted against the capacity unless it has
// started before, and pending or waiting for its time. Nothing in it can fail.
//
// A job that held its unique key before is from here on replaced: if it runs it does not run again.
func (c *Core) admit(j *Job, id uint64, now time.Duration) {
	j.ID = id
	// A restored job keeps the time of its first acceptance: by that its deadline counts.
	if !j.restored {
		j.EnqueuedAt = now
	}
	c.live.Put(byID(id), j)
	c.index(j)
	c.hold(j)
	c.spend(j)
	c.watch(j)
	j.set = c.setOf(j)
	if !j.started {
		c.occupy(j)
	}
	switch {
	case j.RunAt <= now:
		c.ready(j, now)
	// A time that is over makes a job pending whatever it waited for, so this is asked second.
	case j.State == Retrying: // restored
		c.delay(j, Retrying)
	default:
		c.delay(j, Delayed)
	}
	c.note(DidEnqueue, j, now)
}

// delay puts j among those that wait for their time, RunAt. Jobs of one priority that are due at one
// moment keep the order in which they began to wait, by spot. A job that has a place in its key keeps it, and
// is counted as asleep: so WaitingJobs knows behind which keys jobs stand that wait for such a one.
func (c *Core) delay(j *Job, s State) {
	j.State = s
	if s == Delayed {
		c.delayed++
	} else {
		c.retries++
	}
	if j.keyed {
		c.keys.get(j.Key).asleep++
	}
	c.waits++
	j.spot = c.waits
	c.waiting.add(j)
}

// due is where j is among those that wait for their time. Neither RunAt nor spot may change while
// it is there, or it would not be found. The priority takes the two highest bits of the number.
func (j *Job) due() sorted.Key {
	return sorted.Key{Major: int64(j.RunAt), Minor: uint64(High-j.Priority)<<62 | j.spot}
}

// undelay takes j out of there again. It undoes delay, so State is still what that set; the caller
// sets the next one.
func (c *Core) undelay(j *Job) {
	if j.State == Delayed {
		c.delayed--
	} else {
		c.retries--
	}
	if j.keyed {
		c.keys.get(j.Key).asleep--
	}
	c.waiting.remove(j)
}

// ready makes j pending: into its lane, or behind its key. It gets its turn here (seq), anew each
// time that it becomes pending.
//
// A job that has kept its place in its key, as it waited for a retry, goes into the lane at once.
// Another one stands behind others of its key even if a place is free: these may want fewer at a
// time than it does, and it would overtake them.
func (c *Core) ready(j *Job, now time.Duration) {
	c.seq++
	j.State, j.readyAt, j.seq = Pending, now, c.seq
	c.pending++
	if j.Key != "" && !j.keyed {
		k := c.keyOf(j)
		if k.queue.len() > 0 || k.taken >= j.KeyLimit {
			k.queue.push(j)
			c.behind[High-j.Priority]++
			j.place = inKey
			return
		}
		k.taken++
		j.keyed = true
	}
	c.enterLane(j)
}

// leaveKey gives up j's place in its key to the next job of that key. Without a place it does
// nothing. The key has to be there yet: unindex, which may remove it, comes after.
func (c *Core) leaveKey(j *Job) {
	if !j.keyed {
		return
	}
	j.keyed = false
	k := c.keys.get(j.Key)
	k.taken--
	c.promote(k)
}

// promote moves jobs of a key into their lanes, as far as it has places. Each job says with
// KeyLimit how many may have one; only the first in the queue is asked, so that none behind it
// overtakes it. Of very many it moves some, and leaves the others to AdvanceSome.
func (c *Core) promote(k *key) {
	// More than one may move up: the next may allow more places than the job that left.
	n := 0
	for next := k.queue.first(); next != nil && k.taken < next.KeyLimit; next = k.queue.first() {
		if n++; n > maxPromoted {
			if !k.promoting {
				k.promoting = true
				c.promoting = append(c.promoting, k)
			}
			return
		}
		k.queue.pop()
		c.behind[High-next.Priority]--
		k.taken++
		next.keyed = true
		c.enterLane(next)
	}
}

// maxPromoted bounds the jobs of a key that come into line at a time.
const maxPromoted = 64

// promoteMore goes on with the key that has waited for that longest. It may be forgotten by now: then
// it has no jobs.
func (c *Core) promoteMore() {
	if len(c.promoting) > 0 {
		k := c.promoting[0]
		c.promoting = slices.Delete(c.promoting, 0, 1)
		k.promoting = false
		c.promote(k)
	}
}
