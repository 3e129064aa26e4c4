package core

import (
	"time"

	"github.com/a622d8ee/dray/internal/latency"
	"github.com/a622d8ee/dray/internal/sorted"
	"github.com/a622d8ee/dray/internal/timerheap"
)

// Overflow says what becomes of a job for which there is no room.
type Overflow uint8

// The overflow policies.
const (
	Reject Overflow = iota
	Block
	DropNewest
	DropOldest
)

// Config is what a core is made with.
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
	NoQueue        bool                 // of a pool: what a shutdown cuts off has failed, as there is nothing to go back to
}

// stuckGrace is how long after its context was cancelled a job is reported as
// stuck: one that obeys returns within microseconds and is not worth a report.
const stuckGrace = 10 * time.Millisecond

// Core is the state of a queue.
type Core struct {
	cfg Config

	lanes       [3]lane                       // pending jobs that may start, by priority
	seq         int64                         // of the last job with a record that became pending
	frontSeq    int64                         // the lowest turn given to a job that a shutdown cuts off; never above 0
	pending     int                           // Pending jobs: those in lanes, behind their key, or of a paused kind
	held        int                           // waiting jobs that have never started, against the capacity
	blocked     waitList                      // callers wait for their acceptance, in order
	waiting     sorted.List[*Job]             // by when they are due
	waits       uint64                        // that have begun, to tell those apart that are due at the same time
	delayed     int                           // of those in waiting
	retries     int                           // of those in waiting
	interrupted int                           // of the waiting ones, those that a shutdown cut off
	live        sorted.List[*Job]             // all jobs with a record, by ID
	kinds       map[string]*sorted.List[*Job] // of them, those of a kind
	keys        table[string, *key]
	behind      [3]int // jobs that stand behind their key, by priority, High first
	unique      table[string, *Job]
	uniqueHolds table[string, *uniqueHold] // unique keys taken by jobs that have settled
	uniqueEnds  sorted.List[*uniqueHold]   // by when they are freed
	expiries    sorted.List[*Job]          // by their deadlines over all attempts
	roomed      chain                      // records that hold room, under DropOldest alone

	limits    table[any, *Limit] // by their limiters
	limitSeq  uint64
	sets      table[string, *limitSet]
	expected  int      // jobs that wait for a token that is there or likely to come
	completed []*Group // their completion jobs are to be accepted

	// The limits with whose tokens jobs could start, by the turn of the first of each
	// priority: granted for every priority of which there are some, leading for the
	// highest alone. They are grants.
	granted, leading [3]timerheap.Heap[*Limit]
	grants           int

	runs      []*Run // every worker's place
	running   int
	exempt    int // running, but not waited for
	stuck     int // running with a cancelled context
	deadlines timerheap.Heap[*Run]

	paused      bool
	closed      bool // no claims for now
	sealed      bool // the report is made: what was left belongs to the report
	stopped     bool // nor will there be: what waits is not waited for
	pausedKinds map[string]*aside
	pausedTasks map[string]*aside
	failures    failures // at most cfg.FailuresKept

	some []*Job // empty: room for the jobs of a span, so that they are found without allocating

	shared  Priority      // whose jobs workers claim by themselves, or did last
	claimed bool          // jobs of it, since the last start of it was known
	aged    time.Duration // when another lane counts as high as that; 0: never

	counts    Counts
	wait, run latency.Histogram
	effects   []Effect
}

// A key holds the places of one key, and the jobs behind them.
type key struct {
	taken  int // by jobs in a lane, aside though it was their turn, running, or waiting for a retry
	asleep int // of them, by those that wait for their time
	queue  waitList
	jobs   chain // all that have not settled, by ID
}

// Counts only ever grow.
type Counts struct {
	Processed, Failed, Cancelled, Evicted uint64
	Rejected, Retried, Panicked           uint64
}

// New returns a core without workers or jobs.
func New(cfg Config) *Core {
	return &Core{
		cfg: cfg, kinds: make(map[string]*sorted.List[*Job]),
		pausedKinds: make(map[string]*aside), pausedTasks: make(map[string]*aside),
	}
}

// Collect takes over the plain jobs that have arrived, whole. The mailbox
// counted them as accepted; from here on they are pending.
func (c *Core) Collect(m *Mailbox) {
	if m.Records() == 0 && !c.cfg.Watched.has(DidEnqueue) {
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

// maxCollected bounds what is made of a Mailbox at a time, where it is more than one thing.
const maxCollected = 1024

// post makes an accepted job of a plain one.
func (c *Core) post(e Entry) {
	c.lane(Normal).list.PushBare(e.Fn, e.ID, e.At)
	c.pending++
	c.held++
	if c.cfg.Watched.has(DidEnqueue) {
		c.effect(Effect{Kind: DidEnqueue, Info: new(infoOf(e))})
	}
}

// Post accepts a plain job, for which there must be room, and returns where it
// stands: 1 for the next to start.
func (c *Core) Post(fn Func, id uint64, now time.Duration) int {
	c.post(Entry{Fn: fn, ID: id, At: now})
	return c.plainPosition(id, now)
}

// Verdict is the answer to an offer.
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

// Accept offers a job, whose ID is the given one if it becomes an accepted job
// (Accepted or Dropped), and then says where it stands: 1 for the next to start,
// 0 if it waits for its time. With Kept, existing is the job that was there.
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
	if v == Kept || v == Duplicate || v == Full {
		c.quit(j)
	}
	return v, existing
}

// AcceptAnyway accepts a job that was promised before, so that a report has it: whatever the
// room and the holder of its unique key, which stays that, and in its group only if that
// is not complete. Seal is to follow.
func (c *Core) AcceptAnyway(j *Job, id uint64, now time.Duration) {
	if g := j.Group; g != nil && g.over() {
		j.Group = nil
	} else if g != nil {
		c.join(j)
	}
	holder := c.holder(j)
	j.Roomless = true
	c.admit(j, id, now)
	if holder != nil {
		c.hold(holder)
	}
}

func (c *Core) accept(j *Job, id uint64, now time.Duration) (v Verdict, existing *Job) {
	if old := c.holder(j); old != nil {
		if v, done := c.collide(j, old, id, now); done {
			return v, old
		}
	} else if s := c.heldSince(j.Unique, now); s != nil {
		return c.collideHeld(j, s, now)
	}
	if j.Roomless || c.Room() > 0 {
		c.admit(j, id, now)
		return Accepted, nil
	}
	return c.overflow(j, id, now), nil
}

func (c *Core) overflow(j *Job, id uint64, now time.Duration) Verdict {
	switch c.cfg.Overflow {
	case Block:
		if !c.unique.has(j.Unique) {
			c.hold(j)
		}
		c.block(j)
		return Waits
	case DropNewest:
		j.ID, j.EnqueuedAt, j.State = id, now, Pending
		c.note(DidEnqueue, j, now)
		c.end(j, Evicted, ErrEvicted, 0)
		return Dropped
	case DropOldest:
		if old := c.oldest(); old != nil {
			c.evict(old, ErrEvicted)
			c.admit(j, id, now)
			return Accepted
		}
	}
	c.reject(j, NoRoom, now)
	return Full
}

func (c *Core) reject(j *Job, why Refusal, now time.Duration) {
	c.counts.Rejected++
	if c.cfg.Watched.has(DidReject) {
		c.effect(Effect{Kind: DidReject, At: now, Info: new(infoOfJob(j)), Why: why})
	}
}

// admit makes j an accepted job.
func (c *Core) admit(j *Job, id uint64, now time.Duration) {
	j.ID = id
	if !j.restored {
		j.EnqueuedAt = now
	}
	c.live.Put(byID(id), j)
	c.index(j)
	c.hold(j)
	c.watch(j)
	j.set = c.setOf(j)
	if !j.started {
		c.occupy(j)
	}
	switch {
	case j.RunAt <= now:
		c.ready(j, now)
	case j.State == Retrying: // restored
		c.delay(j, Retrying)
	default:
		c.delay(j, Delayed)
	}
	c.note(DidEnqueue, j, now)
}

// Restore takes over a job that another queue left, whatever the room. Its State
// says whether it was Retrying, and it keeps its EnqueuedAt. The record of it there,
// nil if there was none and begun counts instead, says more: a job that took no room takes none here either,
// and one that held its place in its key does so here if there is one.
func (c *Core) Restore(j, old *Job, begun bool, id uint64, now time.Duration) {
	j.restored = true
	j.started = begun
	if old != nil {
		j.started = old.started
		if old.keyed && old.Key == j.Key && c.keyOf(j).taken < j.KeyLimit {
			c.keyOf(j).taken++
			j.keyed = true
		}
	}
	c.admit(j, id, now)
}

func (c *Core) keyOf(j *Job) *key {
	k := c.keys.get(j.Key)
	if k == nil {
		k = new(key)
		c.keys.put(j.Key, k)
	}
	return k
}

// delay puts j among those that wait for their time.
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
	c.waiting.Put(j.due(), j)
}

// due is where j is among those that wait for their time.
func (j *Job) due() sorted.Key { return sorted.Key{Major: int64(j.RunAt), Minor: j.spot} }

// undelay takes j out of there again.
func (c *Core) undelay(j *Job) {
	if j.State == Delayed {
		c.delayed--
	} else {
		c.retries--
	}
	if j.keyed {
		c.keys.get(j.Key).asleep--
	}
	c.waiting.Delete(j.due())
}

// ready makes j pending: into its lane, or behind its key.
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

// enterLane puts a pending job into its lane.
func (c *Core) enterLane(j *Job) {
	c.lane(j.Priority).push(j)
}

// toFront puts a pending job before all in its lane that came there in their turn,
// among others like it by turn.
func (c *Core) toFront(j *Job) {
	j.place = setAside
	c.lane(j.Priority).front.push(j)
}

// leaveKey gives up j's place in its key to the next job of that key.
func (c *Core) leaveKey(j *Job) {
	if !j.keyed {
		return
	}
	j.keyed = false
	c.keys.get(j.Key).taken--
	c.promote(j.Key)
}

// promote moves jobs of a key into their lanes, as far as it has places.
func (c *Core) promote(name string) {
	k := c.keys.get(name)
	for next := k.queue.first(); next != nil && k.taken < next.KeyLimit; next = k.queue.first() {
		k.queue.pop()
		c.behind[High-next.Priority]--
		k.taken++
		next.keyed = true
		c.enterLane(next)
	}
}

// lane returns the lane of a priority: lanes[0] is High.
func (c *Core) lane(p Priority) *lane { return &c.lanes[High-p] }
