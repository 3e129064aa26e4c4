package engine

import (
	"runtime"
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/yield"
)

// A mailbox is the owner's inbox: producers leave their jobs in it, callers requests, and
// workers themselves, under a lock that is held for a few assignments. All fields are
// guarded by mu.
type mailbox struct {
	mu       sync.Mutex
	list     core.Mailbox
	asked    []*request
	returned []*Worker
	crashed  error         // a broken rule, for the owner to die of
	lastID   uint64        // of the last accepted job: how many there have been
	stamp    time.Duration // when the list was last found empty, by which its jobs are dated
	room     int           // how many may be accepted without asking the core: never too many
	closed   bool
	attended bool          // an owner runs
	awake    bool          // it has been told to look, and will
	eager    bool          // the owner is to be told of jobs, if no worker is on its way that would do so; else one that comes back does
	pressing bool          // there is one that the owner has to see at once; set by PostJob, cleared with the list
	top      core.Priority // the highest of the records in the list, or more; set by PostJob, cleared with the list
	level    core.Priority // of the jobs that workers claim by themselves, which higher ones must not wait for; set by the owner
	poked    bool          // it is to look once more; cleared by the tick that does
	napping  bool          // the owner will look at the list by itself, within nap
	watched  bool          // immutable: it is to be told of all, as observers are
	lent     *Worker       // without a job: a producer may give it one, until the owner, that went to sleep, takes it back
	direct   direct        // the job that a lent worker has, until the owner takes it in
	finished uint64        // jobs that lent workers had, which ended well, not yet in the core's books
	began    time.Duration // when the last of those did
}

// A direct is a job that was given to a lent worker, not by the owner.
type direct struct {
	w   *Worker // nil: there is none
	fn  core.Func
	job *core.Job // nil for a plain one
	id  uint64
	at  time.Duration
}

// dated is how many jobs at most get the same date in a full mailbox, because
// reading the clock costs more than all else that is done for a plain job here.
const dated = 64

// Post accepts a plain job if that needs no rule: if the box is open and has
// room. It is the whole of a plain Enqueue, and allocates nothing. It reports, too,
// whether the box is closed, of which the core need not be asked.
func (e *Engine) Post(fn core.Func) (posted, closed bool) {
	m := &e.mail
	yield.Here()
	if !m.mu.TryLock() { // lockPatiently, which is not inlined
		awaitLock(&m.mu)
	}
	yield.Here()
	if m.room <= 0 || m.closed {
		closed = m.closed
		m.mu.Unlock()
		return !closed && m.watched && addSome(e, []core.Func{fn}) > 0, closed
	}
	if m.lent != nil && m.attended && m.list.Len() == 0 { // nothing is before it
		e.handOver(fn, nil)
		return true, false
	}
	first := m.list.Len() == 0
	if first || !m.attended || m.lastID%dated == 0 {
		m.stamp = e.Now()
	}
	m.room--
	m.lastID++
	if !m.list.TryPushBare(fn, m.lastID, m.stamp) {
		m.list.Push(core.Entry{Fn: fn, ID: m.lastID, At: m.stamp})
	}
	if m.awake { // posted would find no more to do
		m.mu.Unlock()
		return true, false
	}
	e.posted(first)
	return true, false
}

// PostJob is Post for a job with a record, which is the owner's affair: that is told at
// once if it has to watch the time. One that others of its unique key or group have a say
// in is not accepted here, nor one that no owner would collect.
func (e *Engine) PostJob(j *core.Job) (id uint64, posted bool) {
	if j.Unique != "" || j.Group != nil {
		return 0, false
	}
	m := &e.mail
	yield.Here()
	lockPatiently(&m.mu)
	yield.Here()
	if m.room <= 0 || m.closed || !m.attended || m.list.Records() >= maxUncollected {
		m.mu.Unlock()
		return 0, false
	}
	first := m.list.Len() == 0
	m.room--
	m.lastID++
	if first || m.lastID%dated == 0 || j.Within > 0 { // a deadline counts from here
		m.stamp = e.Now()
	}
	j.ID, j.EnqueuedAt = m.lastID, m.stamp
	m.top = max(m.top, j.Priority)
	m.list.Push(core.Entry{Job: j, ID: j.ID, At: j.EnqueuedAt})
	if end, ok := j.Ref.(Completion); ok {
		end.Accepted(j.ID)
	}
	id = j.ID
	m.pressing = m.pressing || j.RunAt > j.EnqueuedAt || j.Within > 0 || m.list.Records() > maxRecords
	e.posted(first)
	return id, true
}

// What takes the core some time each is not left in the mailbox in great numbers: records, and
// plain jobs of which observers are to be told. Who enqueues more at a time waits for the owner, as
// otherwise all would, with the mailbox locked, at the next request.
const (
	maxRecords     = 64             // without a word to the owner
	maxUncollected = 2 * maxRecords // at all
)

// handOver gives a job to the lent worker, and unlocks the mailbox. So a job for which a
// worker is free is started without the owner, which would cost another change of goroutine.
func (e *Engine) handOver(fn core.Func, j *core.Job) {
	m := &e.mail
	now := e.Now()
	m.lastID++
	w := m.lent
	m.lent, m.direct = nil, direct{w, fn, j, m.lastID, now}
	m.mu.Unlock()
	yield.Here()
	w.lease <- lease{fn: fn, job: j, began: now}
}

// PostDirect is Post for a job whose Completion a caller waits for, if a worker is lent for it. It
// must be one that is not tried again, and has nothing but that.
func (e *Engine) PostDirect(j *core.Job) bool {
	m := &e.mail
	m.mu.Lock()
	if m.lent == nil || !m.attended || m.room <= 0 || m.closed || m.list.Len() > 0 {
		m.mu.Unlock()
		return false
	}
	e.handOver(j.Fn, j)
	return true
}

// endDirect takes in the worker that had the direct job, which ended well, if the owner has
// not seen that: it is lent again, until the owner takes it back, or until it has measured so
// much that it goes to the owner with it. The mailbox is locked.
func (e *Engine) endDirect(w *Worker) bool {
	m := &e.mail
	if m.direct.w != w || w.end != well || !m.attended || m.closed || w.sampler.full() {
		return false
	}
	m.finished++
	m.began = m.direct.at
	if j := m.direct.job; j != nil {
		w.sampler.left--
		w.sampler.flush(w.ended)  // as the core will not measure it
		j.State = core.Processed  // so that it cannot be cancelled any more
		end := j.Ref.(Completion) //nolint:forcetypeassert // see PostDirect
		end.Settled(Outcome{ID: m.direct.id, State: core.Processed})
	}
	m.direct, m.lent = direct{}, w
	w.end, w.fn, w.record, w.granted = notYet, nil, nil, lease{}
	return true
}

// posted unlocks the mailbox, in which there are jobs now, and tells the owner of them,
// of the first in any case, as the list is dated by it.
func (e *Engine) posted(first bool) {
	m := &e.mail
	if m.awake || !(m.watched || m.pressing || m.above() || m.eager && !e.coming.Load() || first && !m.napping) {
		m.mu.Unlock()
		return
	}
	e.tell()
}

// tell unlocks the mailbox, in which something was left, and wakes the owner if it sleeps. It
// reports whether one runs.
func (e *Engine) tell() (attended bool) {
	m := &e.mail
	attended = m.attended
	wake := attended && !m.awake
	m.awake = m.awake || wake
	m.mu.Unlock()
	if wake {
		e.wake()
	}
	return attended
}

// above reports whether there is a job in the list that those which are shared may not go
// before: then workers must not go on by themselves for long, and the owner is told at once.
func (m *mailbox) above() bool {
	return m.top > m.level || m.level < core.Normal && m.list.Len() > m.list.Records()
}

// poke tells the owner to look, if one runs: again, if it is in a tick.
func (e *Engine) poke() {
	e.mail.mu.Lock()
	e.mail.poked = true
	e.tell()
}

// rouse tells the owner to look if it sleeps: a tick sees before its end what the caller
// has done.
func (e *Engine) rouse() {
	e.mail.mu.Lock()
	e.tell()
}

// wake is for the goroutine that has set awake. An owner that has woken by itself meanwhile
// looks once more than it needs to.
func (e *Engine) wake() {
	yield.Here()
	select {
	case e.wakeup <- struct{}{}:
	default:
	}
}

// giveBack is how a worker that has no job any more returns to the owner. It reports
// whether one runs.
func (e *Engine) giveBack(w *Worker) (attended bool) {
	m := &e.mail
	yield.Here()
	lockPatiently(&m.mu)
	yield.Here()
	w.contexts.End(uint64(w.claims) << slotBits) // here, so that at no moment the job is neither shown nor returned
	if e.endDirect(w) {
		m.mu.Unlock()
		return true
	}
	m.returned = append(m.returned, w)
	return e.tell()
}

// How long is waited between two looks at a lock that is taken: in turns of an empty loop, of
// about a cycle each.
const (
	patience    = 1000
	maxPatience = 16 * patience // 5 µs or so
)

// lockPatiently locks mu for one of many who want it all the time. Most gets done if one
// of them has it many times in a row, with all that it guards in its cache, while the other
// processors do something else. A sync.Mutex alone would make the others look at it every few
// dozen nanoseconds, which slows that one down, and then put them to sleep, out of which
// it would have to wake them. It is small enough to be inlined.
func lockPatiently(mu *sync.Mutex) {
	if !mu.TryLock() {
		awaitLock(mu)
	}
}

// awaitLock is lockPatiently where the lock is taken. After some ten tries, tens of
// microseconds, it waits like all others in the mutex's own queue, which hands the lock over
// after a millisecond: so none starves.
func awaitLock(mu *sync.Mutex) {
	for i, wait := 0, patience; i < 10; i++ {
		for range wait {
		}
		runtime.Gosched()
		if mu.TryLock() {
			return
		}
		wait = min(2*wait, maxPatience)
	}
	mu.Lock()
}
