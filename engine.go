package dray

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/eventbus"
)

// An engine is the state that the owner, the workers and the callers of a queue
// share. It outlives each of them: when one crashes, its successor finds the
// state as the last complete step left it.
//
// Two locks, always taken in this order and never held while foreign code runs:
// mu for the core and everything else below it, mail.mu for the producers' side.
type engine struct {
	common                       // immutable
	epoch   time.Time            // immutable: the clock's; the core's time is the monotonic distance from here
	bus     *eventbus.Bus[Event] // immutable; nil when nobody listens
	stuck   stuckJobs            // has a lock of its own
	handler Handler              // immutable: the middleware around every job; nil without
	wakeup  chan struct{}        // to the owner; capacity 1
	fault   func(at string)      // under mu; set by tests alone, to crash between two steps
	base    *queueValues         // values for the jobs; set before the first worker starts
	blocks  bool                 // immutable: an offer may wait for room
	plain   bool                 // immutable: the queue's defaults ask for nothing that needs a record
	calls   sync.Pool            // of *call, for Run
	timer   *time.Timer          // immutable; nil in a queue, whose owner has one

	followUp func(c *core.Core, now time.Duration) // the scheduler's, called where runsEnded, under both locks, as it is set

	_ apart

	mu      sync.Mutex
	core    *core.Core
	armed   time.Duration // when the owner's timer goes off; set by the owner, read by follow
	waking  bool          // a worker is on the way for the jobs in line; set by wakeOne, cleared by that worker
	easy    bool          // nothing follows from a plain job's end but the next one's start; set by follow
	hired   int           // workers ever started, for their numbers
	beats   uint32        // counted by the owner while workers are in stretches, which that ends
	beatAt  time.Duration // when the next one is due, if beating; as beating
	beating bool          // set by the first stretch, cleared by the owner when there are none any more
	strides bool          // a stretch has begun since the last beat
	crashed *PanicError   // a broken rule, for the owner to die of
	vacated chan struct{} // non-nil while somebody waits for the idle workers to have left
	drained chan struct{} // non-nil while somebody waits for the core to be idle
	started chan struct{} // non-nil while somebody waits for all that is in line to have started
	tokens  tokens

	runsEnded bool // runs of periodic tasks, for which others wait; set in a step, cleared at its end
	idle      idleness

	_    apart
	mail mailbox
	_    apart
}

// apart keeps what different processors write in different cache lines.
type apart [128]byte

// never is later than any timer: 146 years.
const never = time.Duration(1 << 62)

func newEngine(c common, cfg core.Config, idle time.Duration) *engine {
	e := &engine{
		common: c,
		epoch:  c.clock.epoch,
		bus:    newBus(c, c.name),
		wakeup: make(chan struct{}, 1),
		base:   &queueValues{context.Background()},
		armed:  never,
		idle:   idleness{timeout: idle, look: never},
	}
	e.stuck.emit = e.emit
	cfg.Watched = watchOf(e.bus)
	e.blocks = cfg.Overflow == core.Block
	e.core = core.New(cfg)
	e.core.Halt(true) // until a pool serves
	e.mail.room = e.core.Room()
	e.mail.unattended, e.mail.hold = true, true
	return e
}

func (e *engine) now() time.Duration { return time.Since(e.epoch) }

// poke tells the owner to look. If it has been told already that is enough.
func (e *engine) poke() {
	select {
	case e.wakeup <- struct{}{}:
	default:
	}
}

// step makes one change to the state, and all that follows from it. A caller
// that needs an answer takes the step himself, on his own goroutine, instead of
// asking the owner to: the answer then costs no change of goroutine, and is to
// be had before the start, after the end and during a restart as well.
//
// A panic in here is a broken rule. It is not the caller's fault, so it does not
// fly past him: the owner dies of it, in the sight of its supervisor. If that
// happened before the change was begun, it is made all the same.
func (e *engine) step(change func(c *core.Core, now time.Duration)) {
	if !e.tryStep(change) {
		e.tryStep(change)
	}
}

// tryStep reports whether the change was begun.
func (e *engine) tryStep(change func(c *core.Core, now time.Duration)) (begun bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mail.mu.Lock()
	defer e.mail.mu.Unlock()
	defer e.broken()
	now := e.now()
	e.collect()
	begun = true
	change(e.core, now)
	e.at("change")
	e.follow(now)
	return begun
}

// broken, deferred, hands a panic over to the owner.
func (e *engine) broken() {
	if v := recover(); v != nil {
		e.crashed = newPanicError(v)
		e.poke()
	}
}

// errBroken is what a caller gets whose change to the state could not be made.
var errBroken = errors.New("dray: internal error")

// at is where tests let the engine crash.
func (e *engine) at(where string) {
	if e.fault != nil {
		e.fault(where)
	}
}

// collect, at the beginning of every change, empties the mailbox into the core.
func (e *engine) collect() {
	e.easy = false // until follow has seen what comes of the change
	if e.mail.list.Len() > 0 {
		e.core.Collect(&e.mail.list)
		e.at("collect")
	}
}

// follow does what the last change calls for. Everything in here may be done
// again, so that a crash in the middle loses nothing: the next step goes on.
func (e *engine) follow(now time.Duration) {
	c := e.core
	if c.Blocked() {
		e.mail.lastID += c.Admit(e.mail.lastID+1, now)
		e.at("admit")
	}
	e.mail.room, e.mail.hold = c.Room(), c.Barred()
	for decided := c.Effects(); len(decided) > 0 || e.runsEnded; decided = c.Effects() {
		e.carryOut(decided, now)
		if e.runsEnded {
			e.followUp(c, now)
			e.mail.room = c.Room()
		}
	}
	more := c.CanStart()
	if more && !e.waking {
		e.summon()
	}
	if due := e.due(); due < e.armed {
		e.alarm(due, now)
	}
	e.announce()
	e.easy = (e.waking || !more) && e.drained == nil && c.Easy()
}

// due returns when something is to be done that time alone brings about.
func (e *engine) due() time.Duration {
	due, ok := e.core.Next()
	if !ok {
		due = never
	}
	return min(due, e.idle.look)
}

// alarm sees to it that what is due is done: by the owner, or in a pool, which
// has none, by a timer.
func (e *engine) alarm(due, now time.Duration) {
	if !e.pooled() {
		e.poke()
		return
	}
	e.armed = due
	e.timer.Reset(due - now)
}

// pooled reports whether this is the engine of a pool: nothing runs later there.
func (e *engine) pooled() bool { return e.timer != nil }

// advance does what is due, for a pool.
func (e *engine) advance() {
	e.step(func(c *core.Core, now time.Duration) {
		e.armed = never
		c.Advance(now)
		e.dismissIdle(now)
	})
}

// summon sends for a worker, as a job is in line that may start and nobody is on
// the way. One at a time: the one that comes looks whether another is needed.
func (e *engine) summon() {
	w := e.mail.unpark()
	switch {
	case w != nil:
		e.waking = true
		w.woken = true
		w.wake <- struct{}{}
	case e.core.Places() < e.core.Limit():
		e.waking = true
		e.hire().woken = true
	}
}

// announce tells those who wait for the end of work.
func (e *engine) announce() {
	if e.started != nil && e.core.Ready() == 0 {
		close(e.started)
		e.started = nil
	}
	if e.drained != nil && e.core.Idle() {
		e.core.Halt(true) // a job that comes due from here on is handed back
		close(e.drained)
		e.drained = nil
	}
	if e.vacated != nil && e.core.Vacant() {
		close(e.vacated)
		e.vacated = nil
	}
}
