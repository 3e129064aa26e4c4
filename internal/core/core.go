package core

import (
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/fifo"
	"github.com/a622d8ee/dray/internal/latency"
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
	StuckAllowance int  // workers lent while others are stuck
	Watched        bool // make the effects that only observers need
	Latency        bool // measure
}

// ageing is how long a job waits in a lane before it counts as one priority
// higher, so that a low one starts within two minutes of being first in its lane
// however many high ones arrive. Long against a burst, short against an outage.
const ageing = time.Minute

// stuckGrace is how long after its context was cancelled a job is reported as
// stuck: one that obeys returns within microseconds and is not worth a report.
const stuckGrace = 10 * time.Millisecond

// Core is the state of a queue.
type Core struct {
	cfg Config

	lanes    [3]lane // pending jobs that may start, by priority
	seq      uint64  // of the last job with a record that became pending
	pending  int     // Pending jobs: those in lanes, behind their key, or of a paused kind
	held     int     // waiting jobs that have never started, against the capacity
	blocked  []*Job  // callers wait for their acceptance, in order
	waiting  timerheap.Heap[*Job]
	delayed  int             // of those in waiting
	retries  int             // of those in waiting
	live     map[uint64]*Job // all jobs with a record, but for the Unlisted
	unlisted int             // waiting jobs that are Unlisted
	keys     map[string]*key
	unique   map[string]*Job

	runs      []*Run // every worker's place
	running   int
	exempt    int // running, but not waited for
	stuck     int // running with a cancelled context
	deadlines timerheap.Heap[*Run]

	paused      bool
	closed      bool // no claims for now
	sealed      bool // the report is made: what was left is nobody's any more
	halted      bool // nor will there be: what waits is not waited for
	pausedKinds map[string][]*Job
	interrupted []*Job
	failures    []Failure // the newest last, at most cfg.FailuresKept

	counts    Counts
	wait, run latency.Histogram
	effects   []Effect
}

// A lane holds the pending jobs of one priority.
type lane struct {
	front []*Job // before the list: jobs of a kind that was paused
	list  fifo.List[Job]
	dead  int // entries of list whose job was cancelled where it stood
}

// A key holds the places of one key, and the jobs behind them.
type key struct {
	taken int // by jobs in a lane, running, or waiting for a retry
	queue []*Job
}

// Counts only ever grow.
type Counts struct {
	Processed, Failed, Cancelled, Evicted uint64
	Rejected, Retried, Panicked           uint64
}

// New returns a core without workers or jobs.
func New(cfg Config) *Core {
	return &Core{
		cfg:         cfg,
		live:        make(map[uint64]*Job),
		keys:        make(map[string]*key),
		unique:      make(map[string]*Job),
		pausedKinds: make(map[string][]*Job),
	}
}

// Room returns how many jobs may still be accepted.
func (c *Core) Room() int {
	if c.cfg.Capacity < 0 {
		return int(^uint(0) >> 1)
	}
	return max(c.cfg.Capacity-c.held-len(c.blocked), 0)
}

// Collect takes over the plain jobs that have arrived, whole. The mailbox
// counted them as accepted; from here on they are pending.
func (c *Core) Collect(m *Mailbox) {
	if c.cfg.Watched {
		for e := range m.All() {
			c.effect(Effect{Kind: DidEnqueue, Info: new(infoOf(e))})
		}
	}
	c.pending += m.Len()
	c.held += m.Len()
	c.lane(Normal).list.Append(m)
}

// Post accepts a plain job, for which there must be room, and returns where it
// stands: 1 for the next to start.
func (c *Core) Post(fn Func, id uint64, now time.Duration) int {
	l := c.lane(Normal)
	l.list.PushBare(fn, id, now)
	c.pending++
	c.held++
	if c.cfg.Watched {
		c.effect(Effect{Kind: DidEnqueue, Info: new(infoOf(Entry{Fn: fn, ID: id, At: now}))})
	}
	return c.lane(High).len() + l.len()
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
)

// Accept offers a job, whose ID is the given one if it becomes an accepted job
// (Accepted or Dropped), and then says where it stands: 1 for the next to start,
// 0 if it waits for its time. With Kept, existing is the job that was there.
func (c *Core) Accept(j *Job, id uint64, now time.Duration) (v Verdict, existing *Job) {
	if old := c.holder(j); old != nil {
		if v, done := c.collide(j, old, id, now); done {
			return v, old
		}
	}
	if c.Room() > 0 {
		c.admit(j, id, now)
		return Accepted, nil
	}
	return c.overflow(j, id, now), nil
}

// collide applies the unique policy of a job whose key old holds. If that does
// not decide the matter, it is not done.
func (c *Core) collide(j, old *Job, id uint64, now time.Duration) (v Verdict, done bool) {
	switch {
	case old.State == Blocked: // nothing has been accepted yet that could be kept or replaced
		c.reject(j, true, now)
		return Duplicate, true
	case j.UniquePolicy == ReplacePending && old.State == Running:
		return Accepted, false // it has seen the old payload; this one waits besides
	case j.UniquePolicy == ReplacePending:
		c.evict(old)
		j.started = old.started // one out, one in: it needs no more room than the other did
		c.admit(j, id, now)
		return Accepted, true
	case j.UniquePolicy == RejectDuplicate:
		c.reject(j, true, now)
		return Duplicate, true
	default:
		return Kept, true
	}
}

func (c *Core) overflow(j *Job, id uint64, now time.Duration) Verdict {
	switch c.cfg.Overflow {
	case Block:
		j.State = Blocked
		if c.unique[j.Unique] == nil {
			c.hold(j)
		}
		c.blocked = append(c.blocked, j)
		return Waits
	case DropNewest:
		j.ID, j.EnqueuedAt, j.State = id, now, Pending
		c.note(DidEnqueue, j, now)
		c.settled(j, Evicted)
		return Dropped
	case DropOldest:
		if old := c.oldest(); old != nil {
			c.evict(old)
			c.admit(j, id, now)
			return Accepted
		}
	}
	c.reject(j, false, now)
	return Full
}

func (c *Core) reject(j *Job, duplicate bool, now time.Duration) {
	c.counts.Rejected++
	if c.cfg.Watched {
		c.effect(Effect{Kind: DidReject, At: now, Info: new(infoOfJob(j)), Duplicate: duplicate})
	}
}

// Reject turns away a job that waits for room.
func (c *Core) Reject(j *Job, now time.Duration) {
	c.Withdraw(j)
	c.reject(j, false, now)
}

// admit makes j an accepted job.
func (c *Core) admit(j *Job, id uint64, now time.Duration) {
	j.ID = id
	if j.EnqueuedAt == 0 {
		j.EnqueuedAt = now
	}
	if j.Unlisted {
		c.unlisted++
	} else {
		c.live[id] = j
	}
	c.hold(j)
	if !j.started {
		c.held++
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

// holder returns the job that has j's unique key, if any.
func (c *Core) holder(j *Job) *Job {
	if j.Unique == "" {
		return nil
	}
	return c.unique[j.Unique]
}

// hold makes j the holder of its unique key, in whosever place.
func (c *Core) hold(j *Job) {
	if j.Unique != "" {
		c.unique[j.Unique] = j
	}
}

// release gives the unique key up, if j still holds it.
func (c *Core) release(j *Job) {
	if c.holder(j) == j {
		delete(c.unique, j.Unique)
	}
}

// Requeue accepts the job of a kept failure again, whatever the room, unless
// another one holds its unique key. It reports false if there is no such failure.
func (c *Core) Requeue(failed, id uint64, now time.Duration) (v Verdict, found bool) {
	i := slices.IndexFunc(c.failures, func(f Failure) bool { return f.Job.ID == failed })
	if i < 0 {
		return 0, false
	}
	j := c.failures[i].Job.Again()
	if old := c.holder(j); old != nil {
		if j.UniquePolicy != ReplacePending || old.State == Blocked || old.State == Running {
			c.reject(j, true, now)
			return Duplicate, true
		}
		c.evict(old)
	}
	c.failures = slices.Delete(c.failures, i, i+1)
	c.admit(j, id, now)
	return Accepted, true
}

// Restore takes over a job that another queue left, whatever the room. Its State
// says whether it was Retrying. If it held
// its place in its key there, it does so here if there is one.
func (c *Core) Restore(j *Job, heldKey bool, id uint64, now time.Duration) {
	if heldKey && c.keyOf(j).taken < j.KeyLimit {
		c.keyOf(j).taken++
		j.keyed = true
	}
	c.admit(j, id, now)
}

// HoldsKey reports whether j has a place in its key.
func (j *Job) HoldsKey() bool { return j.keyed }

func (c *Core) keyOf(j *Job) *key {
	k := c.keys[j.Key]
	if k == nil {
		k = new(key)
		c.keys[j.Key] = k
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
	j.timer.Value = j
	c.waiting.Add(&j.timer, j.RunAt)
}

// undelay takes j out of there again.
func (c *Core) undelay(j *Job) {
	if j.State == Delayed {
		c.delayed--
	} else {
		c.retries--
	}
	c.waiting.Remove(&j.timer)
}

// ready makes j pending: into its lane, or behind its key.
func (c *Core) ready(j *Job, now time.Duration) {
	c.seq++
	j.State, j.readyAt, j.seq = Pending, now, c.seq
	c.pending++
	if j.Key != "" && !j.keyed {
		k := c.keyOf(j)
		if len(k.queue) > 0 || k.taken >= j.KeyLimit {
			k.queue = append(k.queue, j)
			j.place = inKey
			return
		}
		k.taken++
		j.keyed = true
	}
	c.lineUp(j)
}

// lineUp puts a pending job into its lane.
func (c *Core) lineUp(j *Job) {
	j.place = inList
	c.lane(j.Priority).list.Push(Entry{Job: j, ID: j.ID, At: j.EnqueuedAt})
}

// leaveKey gives up j's place in its key to the next job of that key.
func (c *Core) leaveKey(j *Job) {
	if !j.keyed {
		return
	}
	j.keyed = false
	c.keys[j.Key].taken--
	c.promote(j.Key)
}

// promote moves jobs of a key into their lanes, as far as it has places.
func (c *Core) promote(name string) {
	k := c.keys[name]
	for len(k.queue) > 0 && k.taken < k.queue[0].KeyLimit {
		next := k.queue[0]
		k.queue[0], k.queue = nil, k.queue[1:]
		k.taken++
		next.keyed = true
		c.lineUp(next)
	}
	if k.taken == 0 && len(k.queue) == 0 {
		delete(c.keys, name)
	}
}

// lane returns the lane of a priority: lanes[0] is High.
func (c *Core) lane(p Priority) *lane { return &c.lanes[High-p] }

// Admit accepts the callers that wait for room, as far as there is some. It
// returns how many IDs it used, from the given one on.
func (c *Core) Admit(id uint64, now time.Duration) (used uint64) {
	for len(c.blocked) > 0 && (c.cfg.Capacity < 0 || c.held < c.cfg.Capacity) {
		j := c.blocked[0]
		c.blocked[0], c.blocked = nil, c.blocked[1:]
		if !c.admitBlocked(j, id+used, now) {
			c.effect(Effect{Kind: WasRefused, Job: j, Duplicate: true})
			continue
		}
		c.effect(Effect{Kind: WasAdmitted, Job: j})
		used++
	}
	return used
}

// admitBlocked admits a job that has waited for room, unless another one got its
// unique key in the meantime.
func (c *Core) admitBlocked(j *Job, id uint64, now time.Duration) bool {
	j.State = Offered
	if old := c.unique[j.Unique]; c.replaced(j) && old != nil {
		if v, done := c.collide(j, old, id, now); done {
			return v == Accepted
		}
	}
	c.admit(j, id, now)
	return true
}

// Blocked reports whether callers wait for room.
func (c *Core) Blocked() bool { return len(c.blocked) > 0 }

// Withdraw takes back an offer that waits for room. It reports false if the job
// was accepted in the meantime.
func (c *Core) Withdraw(j *Job) bool {
	for i, b := range c.blocked {
		if b == j {
			c.blocked = append(c.blocked[:i], c.blocked[i+1:]...)
			j.State = Offered
			c.release(j)
			return true
		}
	}
	return false
}
