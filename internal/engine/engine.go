// Package engine has the owner of a queue's state, the mailbox by which that is reached, and the
// workers that run the jobs. What its users see of it is the affair of the Host.
package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/span"
	"github.com/a622d8ee/dray/internal/stuck"
	"github.com/a622d8ee/dray/internal/yield"
)

// An Engine is the state of a queue or pool. It belongs to one goroutine at a time: the
// owner's, while one runs, and otherwise that of a caller who wants something. All others
// leave messages in the inbox: producers their jobs, callers requests, workers themselves.
// The state outlives its owner: when that crashes, its successor finds it as the last
// complete step left it.
//
// Foreign code is never called by the owner, nor while the inbox is locked.
type Engine struct {
	host    Host                            // immutable
	clock   *clock.Clock                    // immutable
	origin  time.Time                       // immutable: the clock's; the core's time is the monotonic distance from here
	wrapped bool                            // immutable: there is middleware around every job
	wakeup  chan struct{}                   // to the owner; capacity 1
	state   chan struct{}                   // capacity 1: who takes the token out has the owner's fields until it is back
	blocks  bool                            // immutable: an offer may wait for room
	fault   atomic.Pointer[func(at string)] // set by tests alone, to crash between two steps
	stuck   *stuck.Jobs                     // immutable: it has a lock of its own
	asks    sync.Pool                       // of *request
	timer   *time.Timer                     // immutable: of a pool, which has no owner; nil in a queue, whose owner has one

	base        atomic.Pointer[values]                // for the jobs; set by the owner, read by workers
	afterUpdate func(c *core.Core, now time.Duration) // called by the owner after CallAfterUpdate; the owner's

	_ cacheLinePad
	owned
	_ cacheLinePad
	signals
	_    cacheLinePad
	mail mailbox
	_    cacheLinePad
}

// signals are what the owner and workers tell each other without the mailbox.
type signals struct {
	offered  atomic.Pointer[core.Chunk] // that a worker whose own is used up may claim from; set by the owner, nil during its ticks
	more     atomic.Bool                // there may be another one behind that; set by the owner, before it offers
	coming   atomic.Bool                // a worker is on the way for plain jobs; set by the owner, cleared by that worker
	want     atomic.Bool                // the owner has others, to be told of plain jobs that are not being claimed; set by it
	periods  atomic.Uint32              // counted by the owner while workers take samples, which that ends
	blocked  atomic.Bool                // producers wait for room, so that claims are to be told to the owner; set by it
	crowded  atomic.Bool                // as blocked, of jobs behind their keys, after one with a key; cleared by the worker that tells
	sampling atomic.Bool                // a sample has begun in this period; set by workers, cleared by the owner
	counting atomic.Bool                // the owner counts periods; set by it
}

// owned is what belongs to the goroutine that has the state's token.
type owned struct {
	core            *core.Core
	found           bool               // this tick has found jobs in the mailbox
	holding         bool               // mail.mu
	inbox           core.Mailbox       // taken from the mailbox, not in the core yet
	todo            batch[*request]    // the same of requests, or not replied to yet
	returned        batch[*Worker]     // the same of workers
	starting        batch[*Worker]     // that have claimed a job, and are to be told
	idle            []*Worker          // without a job, the last to become so on top
	shared          *core.Chunk        // that workers claim from between two ticks, or did until this one; nil: none
	mixed           int                // workers with a lease that began with a record, as far as the core knows
	atHand          map[uint32]*Worker // in unshare: workers that have claimed something, by slot
	revoked         bool               // no lease is to be worth anything from the next share on
	claims          uint32             // from such, ever; wraps
	claimsOfStopped uint32             // of those, by workers that have left
	lastClaim       time.Duration      // when the last of those was made by a worker that is back
	ticked          time.Duration      // when the last tick was
	armed           time.Duration      // when the owner's timer goes off, or a pool's
	startedWorkers  int                // workers ever started, for their numbers
	periodEnds      time.Duration      // when the present period ends, if counting
	vacated         chan struct{}      // non-nil while a call waits for the idle workers to have left
	drained         chan struct{}      // non-nil while a call waits for the core to be idle
	started         chan struct{}      // non-nil while a call waits for all that is in line to have started
	tokens          tokens
	idleness        idleness

	callsAfterUpdate bool // afterUpdate is to be called; set in a tick, cleared at its end
}

// cacheLinePad keeps what different processors write in different cache lines.
type cacheLinePad [128]byte

// A Config is what an engine is made of.
type Config struct {
	Core        core.Config   // but for LastStart and UpdateRuns, which the engine sets
	Clock       *clock.Clock  // whose origin is the core's zero
	IdleTimeout time.Duration // after which idle workers leave; 0: never
	Wrapped     bool          // every job is run by Host.Execute
	Pool        bool          // there is no owner, and nothing waits in line: all is done by callers and a timer
	MaxStack    int           // of a stuck job, in bytes
}

// New returns an engine that is stopped and closed: it takes jobs, and starts none.
func New(h Host, cfg Config) *Engine {
	e := &Engine{
		host: h, clock: cfg.Clock, origin: cfg.Clock.Origin(), wrapped: cfg.Wrapped,
		wakeup: make(chan struct{}, 1),
		state:  make(chan struct{}, 1),
		stuck:  stuck.New(cfg.MaxStack),
	}
	e.SetValues(context.Background())
	e.armed = span.Never
	e.atHand = map[uint32]*Worker{}
	e.idleness = idleness{timeout: cfg.IdleTimeout, look: span.Never}
	e.afterUpdate = func(*core.Core, time.Duration) {}
	cfg.Core.LastStart, cfg.Core.UpdateRuns, cfg.Core.Begun = e.lastStart, e.updateRuns, e.begun
	e.blocks = cfg.Core.Overflow == core.Block
	e.core = core.New(cfg.Core)
	e.core.SetStopped(true)
	e.mail.watched = e.core.Watches(core.DidEnqueue)
	e.lock()
	e.release()
	if cfg.Pool {
		e.timer = time.AfterFunc(span.Never, e.advance)
		e.timer.Stop()
	}
	e.state <- struct{}{}
	return e
}

// Now is the core's time.
func (e *Engine) Now() time.Duration { return time.Since(e.origin) }

// serveOnce is a tick of a caller, who has taken the state.
func (e *Engine) serveOnce() {
	defer func() { e.state <- struct{}{} }()
	defer e.broken()
	e.tick(false)
}

// broken, deferred, leaves a panic to the owner.
func (e *Engine) broken() {
	if v := recover(); v != nil {
		e.crash(e.host.Caught(v))
	}
}

// crash leaves a broken rule to the owner, to die of.
func (e *Engine) crash(err error) {
	e.mail.mu.Lock()
	e.mail.crashed = err
	e.tell()
}

// at is where tests let the engine crash.
func (e *Engine) at(where string) {
	if f := e.fault.Load(); f != nil {
		(*f)(where)
	}
}

// tick does all that there is to do: for the mailbox, and by the clock if due is to be
// looked at. It reports whether there is more by now; what it leaves of very many is due at
// once (armed). Each thing in here moves from one place to another at once, so that a crash
// in the middle loses nothing and doubles nothing: the next tick goes on. The mailbox is locked
// only where others' jobs and what is done here must not cross.
func (e *Engine) tick(due bool) (more bool) {
	defer e.release()
	e.lock()
	e.found = false
	e.takeMail(due)
	if e.todo.len() == 0 {
		e.release()
		e.collect()
	} else {
		e.hold()
	}
	now := e.Now()
	e.ticked = now
	e.settleReturned(now)
	e.serveAsked(now)
	e.release()
	if due {
		e.core.AdvanceSome(now, SlicedJobs)
		e.dismissIdle(now)
		e.at("advance")
	}
	yield.Here()
	e.applyEffects(now)
	unfinished := e.dispatch(now)
	yield.Here()
	e.announce(now)
	if e.armed = e.alarm(now); unfinished {
		e.armed = now
	}
	e.at("alarm")
	for e.todo.len() > 0 {
		e.todo.first().reply <- true
		e.todo.drop()
	}
	return e.endTick()
}

// hold locks the mailbox, and empties it: for what accepts jobs, which must not overtake
// those that are in there. It may be called again, until release.
func (e *Engine) hold() {
	if !e.holding {
		e.lock()
		e.takeList()
	}
	for e.inbox.Len() > 0 {
		e.collect()
	}
}

// takeList takes the list of the mailbox into the owner's hands.
func (e *Engine) takeList() {
	e.found = e.found || e.mail.list.Len() > 0
	e.mail.pressing, e.mail.top = false, core.Low
	if e.inbox.Len() == 0 {
		e.inbox, e.mail.list = e.mail.list, e.inbox
	} else {
		e.inbox.Append(&e.mail.list)
	}
}

func (e *Engine) lock() {
	e.mail.mu.Lock()
	e.holding = true
}

// release unlocks the mailbox, if it is held. How much room there is for producers is said each
// time; until the next they take from it themselves.
func (e *Engine) release() {
	if e.holding {
		left := e.inbox.Len() + e.mail.list.Len()
		e.mail.room = e.core.Room() - left
		if e.mail.watched {
			e.mail.room = min(e.mail.room, maxUncollected-left)
		}
		e.holding = false
		e.mail.mu.Unlock()
	}
}

// endTick ends a tick, unless there is more to do, which it reports. What others have left since
// takeMail is seen here under the mailbox's lock, and awake is cleared under the same: what is left
// after that wakes the owner.
func (e *Engine) endTick() (more bool) {
	m := &e.mail
	if !e.holding {
		e.lock()
	}
	m.eager, m.level = e.want.Load(), core.High
	if e.shared != nil {
		m.level = e.core.Sharing()
	}
	switch {
	case len(m.asked)+len(m.returned)+e.inbox.Len() > 0 || m.crashed != nil:
		return true
	case m.pressing || m.poked || m.above() || m.watched && m.list.Len() > 0:
		return true
	case e.coming.Load() || !m.eager: // it tells the owner, should there be jobs for others
	case m.list.Len() > 0 || e.shared != nil && (e.shared.Remaining() || e.core.MoreInLine()):
		return true
	}
	if m.napping = e.found || m.list.Len() > 0; m.napping {
		e.armed = min(e.armed, e.ticked+nap)
	}
	m.awake = false
	e.lend()
	return false
}

// nap is how long the owner leaves jobs in the mailbox after it has found some, if no worker
// is free for them: else it would come back every few jobs. Their dates depend on it.
const nap = 100 * time.Microsecond

// takeMail takes what is in the mailbox, which is held, into the owner's hands. It dies
// of what broke somewhere else.
func (e *Engine) takeMail(owner bool) {
	m := &e.mail
	if p := m.crashed; p != nil && owner {
		m.crashed = nil
		panic(p)
	}
	m.awake, m.poked = true, false
	e.unshare() // not before: workers wait at the gate meanwhile
	e.takeLent()
	e.takeList()
	e.returned.put(m.returned...)
	clear(m.returned)
	m.returned = m.returned[:0]
	e.todo.put(m.asked...)
	clear(m.asked)
	m.asked = m.asked[:0]
}

// collect has the core take some of what was in the list of the mailbox, mostly all.
func (e *Engine) collect() {
	if e.inbox.Len() > 0 {
		e.core.Collect(&e.inbox)
		e.at("collect")
	}
}

// serveAsked makes the changes that callers wait for.
func (e *Engine) serveAsked(now time.Duration) {
	for _, r := range e.todo.rest() {
		if r.begun {
			continue
		}
		r.begun = true
		r.change(e.core, now)
		e.at("change")
		e.applyEffects(now)
	}
}

// applyEffects does what the last change calls for. Everything in here may be done
// again, so that a crash in the middle loses nothing: the next step goes on.
func (e *Engine) applyEffects(now time.Duration) {
	c := e.core
	if c.Blocked() {
		e.hold()
		e.mail.lastID += c.Admit(e.mail.lastID+1, now)
		e.at("admit")
	}
	for decided := c.Effects(); len(decided) > 0 || e.callsAfterUpdate; decided = c.Effects() {
		e.carryOut(decided, now)
		if e.callsAfterUpdate {
			e.hold()
			e.afterUpdate(c, now)
			e.callsAfterUpdate = false
		}
	}
}

// alarm returns when something is to be done that time alone brings about. A pool, which
// has no owner to wait for it, sets its timer.
func (e *Engine) alarm(now time.Duration) time.Duration {
	due, ok := e.core.Next()
	if !ok {
		due = span.Never
	}
	due = min(due, e.idleness.look)
	if !e.pooled() {
		return min(due, e.endPeriod(now))
	}
	if due < e.armed {
		e.timer.Reset(due - now)
	}
	return min(due, e.armed)
}

// pooled reports whether this is the engine of a pool: nothing runs later there.
func (e *Engine) pooled() bool { return e.timer != nil }

// advance does what is due, for a pool.
func (e *Engine) advance() {
	e.Update(func(c *core.Core, now time.Duration) {
		e.armed = span.Never
		c.Advance(now)
		e.dismissIdle(now)
	})
}

// announce tells the calls that wait for the end of work.
func (e *Engine) announce(now time.Duration) {
	if e.started != nil && e.core.Ready() == 0 {
		close(e.started)
		e.started = nil
	}
	if e.drained != nil && e.core.Idle(now) {
		e.core.SetStopped(true) // a job that comes due from here on is handed back
		close(e.drained)
		e.drained = nil
	}
	if e.vacated != nil && e.core.Vacant() {
		close(e.vacated)
		e.vacated = nil
	}
}
