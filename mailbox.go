package dray

import (
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

// A mailbox is the producers' side of the queue: plain jobs arrive here under a
// lock of its own, held for a few assignments, and are collected by the engine
// all at once. Whoever finds it empty before his job sends for someone to collect
// it: a parked worker if there is one, else the owner. So while it is not empty,
// somebody is on the way.
type mailbox struct {
	mu         sync.Mutex
	list       core.Mailbox
	lastID     uint64        // of the last accepted job: how many there have been
	stamp      time.Duration // when the list was last found empty, by which its jobs are dated
	room       int           // how many may be accepted without asking the core: never too many
	closed     bool
	unattended bool      // no owner collects, so that each job needs a date of its own
	hold       bool      // no job may start, so that no worker should come
	parked     []*worker // idle, the last to park on top; each is waiting for its wake channel
}

// dated is how many jobs at most get the same date in a full mailbox, because
// reading the clock costs more than all else that is done for a plain job here.
const dated = 64

// post accepts a plain job if that needs no rule: if the box is open and has
// room. It is the whole of a plain Enqueue, and allocates nothing. It reports, too,
// whether the box is closed, of which the core need not be asked.
func (e *engine) post(fn Func) (posted, closed bool) {
	m := &e.mail
	m.mu.Lock()
	if m.room <= 0 || m.closed {
		closed = m.closed
		m.mu.Unlock()
		return false, closed
	}
	first := m.list.Len() == 0
	if first || m.unattended || m.lastID%dated == 0 {
		m.stamp = e.now()
	}
	m.room--
	m.lastID++
	m.list.PushBare(fn, m.lastID, m.stamp)
	if first {
		e.sendForCollector()
	} else {
		m.mu.Unlock()
	}
	return true, false
}

// sendForCollector sends for somebody to collect the mailbox, which was empty, and
// unlocks it before.
func (e *engine) sendForCollector() {
	var w *worker
	if !e.mail.hold {
		w = e.mail.unpark()
	}
	e.mail.mu.Unlock()
	if w != nil {
		w.wake <- struct{}{}
	} else {
		e.poke()
	}
}

// unpark takes the worker that parked last, whose caches are warmest. The caller
// now owes it a signal, for which its wake channel has room.
func (m *mailbox) unpark() *worker {
	last := len(m.parked) - 1
	if last < 0 {
		return nil
	}
	w := m.parked[last]
	m.parked[last], m.parked = nil, m.parked[:last]
	return w
}
