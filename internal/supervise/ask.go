package supervise

import (
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/guard"
	"github.com/a622d8ee/dray/internal/restart"
)

// An Info is one child in a snapshot.
type Info struct {
	Name     string
	State    restart.ChildState
	Restarts uint64
	LastErr  error
	Since    time.Time
	Children []Info
}

// A listing is an Info of whose children it is known where they will come from.
type listing struct {
	Info
	service *Service
	below   []listing
	asked   *guard.Call[[]Info]
}

// Children returns the children as they are, with those below them. It waits for a
// service's own Children for at most guard.Patience.
func (s *Supervisor) Children() []Info { return infosOf(s.list()) }

// list asks for everything at once, so that what does not answer costs its time once and
// not for each.
func (s *Supervisor) list() []listing {
	all := []listing{}
	_ = s.call(func(st *state, reply restart.Call) { // the reply is always nil
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

func (s *Supervisor) view(c *restart.Child) listing {
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

func (l *lookup) begin(ask func() []Info) *guard.Call[[]Info] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil || l.last.Over() {
		l.last = guard.Begin(ask)
	}
	return l.last
}

// hangs reports whether a call has not returned in time.
func (l *lookup) hangs() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last.Overdue()
}

// A delayAsker calls a supervisor's backoff, one call at a time, on a goroutine that
// lives while there is something to ask. It outlives a Serve, so that a call which never
// returns costs that goroutine once.
type delayAsker struct {
	backoff func(attempt int) time.Duration // immutable

	mu      sync.Mutex
	waiting []question // guarded by mu, like the rest
	running bool       // there is a goroutine
	calling bool       // it is within backoff
	began   time.Time  // of that call
}

type question struct {
	attempt int
	asked   time.Time
	answer  func(time.Duration)
}

func (a *delayAsker) ask(q question) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.waiting) > 0 && q.asked.Sub(a.waiting[0].asked) >= guard.Patience {
		a.waiting = a.waiting[1:] // no call waits for it any more
	}
	a.waiting = append(a.waiting, q)
	if !a.running {
		a.running = true
		guard.Go(a.work)
	}
}

// work answers all questions. A backoff that panics or exits means no delay.
func (a *delayAsker) work() {
	var q question
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

// next takes the next question that a call still waits for.
func (a *delayAsker) next(q *question) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for len(a.waiting) > 0 {
		*q = a.waiting[0]
		a.waiting = a.waiting[1:]
		if now.Sub(q.asked) < guard.Patience {
			a.calling, a.began = true, now
			return true
		}
	}
	a.waiting, a.running = nil, false
	return false
}

func (a *delayAsker) answer(q question, d time.Duration) {
	a.mu.Lock()
	a.calling = false
	a.mu.Unlock()
	q.answer(d)
}

// cancel forgets the questions.
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

func (a *delayAsker) overdue() bool { return a.remaining() == 0 }
