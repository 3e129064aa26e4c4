package supervise

import (
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/guard"
	"github.com/a622d8ee/dray/internal/restart"
)

// An Info is one child in a snapshot. It is a copy, for the caller to keep.
type Info struct {
	Name     string
	State    restart.ChildState
	Restarts uint64
	LastErr  error     // as it was returned: its methods are user code
	Since    time.Time // when State began, as the wall clock shows that by now; zero if it never changed
	Children []Info    // nil if the service has none
}

// A listing is an Info of whose children it is known where they will come from: from below, if the
// service has a supervisor, or from a call that was begun.
type listing struct {
	Info
	service *Service            // of the child
	below   []listing           // those of Inner; nil without one
	asked   *guard.Call[[]Info] // that of Service.Children; nil without one
}

// Children returns the children as they are, with those below them. It waits for a
// service's own Children for at most guard.Patience, however many there are. Each supervisor's
// children are as they were at one moment, but not those of two supervisors.
func (s *Supervisor) Children() []Info { return infosOf(s.list()) }

// list asks for everything at once, so that what does not answer costs its time once and not for
// each. It recurses from the caller's goroutine, with no lock held, and not from loop to loop: so
// no loop waits for another. A supervisor is not within itself, so it ends.
func (s *Supervisor) list() []listing {
	// Not nil: a supervisor without children has an empty list below it, other services have none.
	all := []listing{}
	_ = s.call(func(st *state, reply restart.Call) { // the reply is always nil
		// A copy of what changes, made in one message: so the children of one supervisor fit
		// together.
		for _, c := range st.Children {
			all = append(all, s.view(c))
		}
		reply(nil)
	})
	for i := range all { // here and not in the loop: these take their time
		switch l := &all[i]; {
		case l.service.Inner != nil:
			l.below = l.service.Inner.list()
		case l.service.Children != nil:
			l.asked = l.service.lookup.begin(l.service.Children)
		}
	}
	return all
}

// view returns what is to be known of a child. It is called where the state is: by the loop, or
// under the lock.
func (s *Supervisor) view(c *restart.Child) listing {
	// LastErr may be this panic: it is given away here, for the first time unless an event has
	// told it.
	if of := childOf(c); of.exit != nil {
		of.exit.format(&s.cfg)
		of.exit = nil
	}
	since := c.Since
	if !since.IsZero() {
		since = s.cfg.Tell(since)
	}
	return listing{Info: Info{c.Name, c.State, c.Restarts, c.LastErr, since, nil}, service: serviceOf(c)}
}

// infosOf waits for what was begun, and makes one snapshot of all. A call that does not answer,
// or that throws, has no children.
func infosOf(all []listing) []Info {
	infos := make([]Info, len(all))
	for i, l := range all {
		infos[i] = l.Info
		switch {
		case l.asked != nil:
			infos[i].Children, _ = l.asked.Wait()
		case l.below != nil:
			infos[i].Children = infosOf(l.below)
		}
	}
	return infos
}

// A lookup asks a service of a user's for its children, by at most one call at a time:
// calls that ask meanwhile share its answer.
type lookup struct {
	mu   sync.Mutex
	last *guard.Call[[]Info] // guarded by mu; perhaps over
}

// begin calls ask, or joins the call that is under way, which may have hung: Wait then says so at
// once.
func (l *lookup) begin(ask func() []Info) *guard.Call[[]Info] {
	l.mu.Lock()
	defer l.mu.Unlock()
	// A call that hangs is joined, not repeated: it costs one goroutine, however often it is asked.
	if l.last == nil || l.last.Over() {
		l.last = guard.Begin(ask)
	}
	return l.last
}

// hangs reports whether a call has not returned in time. Without a call it is false.
func (l *lookup) hangs() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last.Overdue()
}

// A delayAsker calls a supervisor's backoff, one call at a time, on a goroutine that lives while
// there is something to ask. It outlives a Serve, so that a call which never returns costs that
// goroutine once. Questions that wait behind such a call are answered by none: the timers that go
// with them let the restarts go ahead.
type delayAsker struct {
	backoff func(attempt int) time.Duration // immutable

	mu      sync.Mutex
	waiting []question // guarded by mu: in the order in which they were asked
	running bool       // guarded by mu: there is a goroutine, which sees what is added to waiting
	calling bool       // guarded by mu: it is within backoff
	began   time.Time  // guarded by mu: when that call began
}

// A question is what the delay before one restart is to be. It is immutable.
type question struct {
	attempt int                 // failures in a row, this one included
	asked   time.Time           // when; after guard.Patience it is not waited for
	answer  func(time.Duration) // called once at most, on the asker's goroutine; it waits until the loop receives it
}

// ask has q answered, and returns at once. Questions that are too old are dropped from the front,
// so behind a call that hangs there are no more than were asked within guard.Patience.
func (a *delayAsker) ask(q question) {
	a.mu.Lock()
	defer a.mu.Unlock()
	// Without this the list would grow for as long as a call hangs.
	for len(a.waiting) > 0 && q.asked.Sub(a.waiting[0].asked) >= guard.Patience {
		a.waiting = a.waiting[1:] // no call waits for it any more
	}
	a.waiting = append(a.waiting, q)
	// Set here and not by work, so that two questions do not start two goroutines.
	if !a.running {
		a.running = true
		guard.Go(a.work)
	}
}

// work answers all questions. A backoff that panics or exits means no delay; then the goroutine
// is at its end, and another one goes on behind it. running stays set until next finds nothing.
func (a *delayAsker) work() {
	var q question
	// What ends the goroutine otherwise is the backoff, as nothing else in here can.
	finished := false
	defer func() {
		if !finished {
			_ = recover()
			a.answer(q, 0)
			guard.Go(a.work)
		}
	}()
	for a.next(&q) {
		a.answer(q, a.backoff(q.attempt))
	}
	finished = true
}

// next takes the next question that a call still waits for. When there is none it says so under
// the lock that ask takes, so that a question which comes then starts another goroutine.
func (a *delayAsker) next(q *question) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for len(a.waiting) > 0 {
		*q = a.waiting[0]
		a.waiting = a.waiting[1:]
		// Older ones have gone ahead without an answer, by the timer that Delay has armed.
		if now.Sub(q.asked) < guard.Patience {
			a.calling, a.began = true, now
			return true
		}
	}
	// From here on the goroutine touches nothing: the next question has another one.
	a.waiting, a.running = nil, false
	return false
}

// answer ends the call under way, and hands on what it has returned.
func (a *delayAsker) answer(q question, d time.Duration) {
	a.mu.Lock()
	// Before the answer is handed on: that waits for the loop, which is not the backoff's fault.
	a.calling = false
	a.mu.Unlock()
	q.answer(d)
}

// cancel forgets the questions, at the end of a Serve. The call under way goes on.
func (a *delayAsker) cancel() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = nil
}

// remaining returns for how long the call under way may still be waited for: 0 if it is
// overdue, negative if there is none.
func (a *delayAsker) remaining() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.calling {
		return -1
	}
	return max(guard.Patience-time.Since(a.began), 0)
}

// overdue reports whether a call has not returned within guard.Patience, for the error of Serve.
func (a *delayAsker) overdue() bool { return a.remaining() == 0 }
