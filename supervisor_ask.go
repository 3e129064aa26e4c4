package dray

import (
	"sync"
	"time"
)

// askPatience is how long a supervisor waits for a function of the user's that should
// answer at once. It runs on a goroutine of its own, because it may block, panic,
// exit or call back.
const askPatience = time.Second

// An inquiry is one call of such a function.
type inquiry[T any] struct {
	began time.Time
	done  chan struct{}
	value T    // valid after done is closed, if ok
	ok    bool // f returned
}

func inquire[T any](f func() T) *inquiry[T] {
	q := &inquiry[T]{began: time.Now(), done: make(chan struct{})}
	go func() {
		unlabel()
		defer close(q.done)
		defer func() { _ = recover() }()
		q.value = f()
		q.ok = true
	}()
	return q
}

// over reports whether the call has ended, without waiting.
func (q *inquiry[T]) over() bool {
	select {
	case <-q.done:
		return true
	default:
		return false
	}
}

// overdue reports whether there has been no answer within askPatience. A nil one was
// never asked.
func (q *inquiry[T]) overdue() bool {
	return q != nil && !q.over() && time.Since(q.began) >= askPatience
}

// wait returns the answer, or false if there is none within askPatience.
func (q *inquiry[T]) wait() (value T, ok bool) {
	if d := askPatience - time.Since(q.began); d > 0 && !q.over() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-q.done:
		case <-timer.C:
		}
	}
	if !q.over() {
		return value, false
	}
	return q.value, q.ok
}

// An innerLookup asks a service of the user's for its children, by at most one call
// at a time: those who ask meanwhile share its answer.
type innerLookup struct {
	ask func() []ChildInfo // immutable

	mu  sync.Mutex
	now *inquiry[[]ChildInfo] // guarded by mu; the last one, perhaps over
}

func lookupOf(s Service) *innerLookup {
	if nested(s) {
		return nil
	}
	if s, ok := s.(interface{ Children() []ChildInfo }); ok {
		return &innerLookup{ask: func() []ChildInfo { return s.Children() }}
	}
	return nil
}

// hangs reports whether a call has not returned within its time.
func (l *innerLookup) hangs() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now.overdue()
}

func (l *innerLookup) start() *inquiry[[]ChildInfo] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now == nil || l.now.over() {
		l.now = inquire(l.ask)
	}
	return l.now
}

// A childView is a ChildInfo whose Children have still to be asked for.
type childView struct {
	info    ChildInfo
	service Service
	inner   *innerLookup
}

// A listing is a childView of whose children something is known: infos, or where
// they will come from.
type listing struct {
	info  ChildInfo
	below []listing
	asked *inquiry[[]ChildInfo]
}

// list asks for everything at once, so that what does not answer costs askPatience
// once and not for each.
func (s *Supervisor) list() []listing {
	var views []childView
	_ = s.call(func(t *tree, w waiter) { // no error: the answer is always nil
		views = t.views()
		t.answer(w, nil)
	})
	all := make([]listing, len(views))
	for i, v := range views { // here and not in the keeper: these take their time
		all[i].info = v.info
		switch service := v.service.(type) {
		case *Supervisor:
			all[i].below = service.list()
		case *Queue:
			all[i].below = service.tree.list()
		default:
			if v.inner != nil {
				all[i].asked = v.inner.start()
			}
		}
	}
	return all
}

func infosOf(all []listing) []ChildInfo {
	infos := make([]ChildInfo, len(all))
	for i, l := range all {
		infos[i] = l.info
		switch {
		case l.asked != nil:
			infos[i].Children, _ = l.asked.wait()
		case l.below != nil:
			infos[i].Children = infosOf(l.below)
		}
	}
	return infos
}

// A delayAsker calls a supervisor's backoff, one call at a time, on a goroutine that
// lives while there is something to ask. It outlives a Serve, so that a call which
// never returns costs that goroutine once.
type delayAsker struct {
	backoff Backoff // immutable

	mu      sync.Mutex
	waiting []delayQuestion // guarded by mu, like the rest
	running bool            // there is a goroutine
	calling bool            // it is within backoff
	began   time.Time       // of that call
}

type delayQuestion struct {
	keeper  *keeper
	news    news // the answer, but for the delay
	attempt int
	asked   time.Time
}

func (a *delayAsker) ask(q delayQuestion) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.waiting) > 0 && q.asked.Sub(a.waiting[0].asked) >= askPatience {
		a.waiting = a.waiting[1:] // nobody waits for it any more
	}
	a.waiting = append(a.waiting, q)
	if !a.running {
		a.running = true
		go a.work()
	}
}

// work answers all questions. A backoff that panics or exits means no delay.
func (a *delayAsker) work() {
	unlabel()
	var q delayQuestion
	finished := false
	defer func() {
		if !finished {
			_ = recover()
			a.answer(q, 0)
			go a.work()
		}
	}()
	for a.next(&q) {
		a.answer(q, a.backoff(q.attempt))
	}
	finished = true
}

// next takes the next question that somebody still waits for.
func (a *delayAsker) next(q *delayQuestion) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for len(a.waiting) > 0 {
		*q = a.waiting[0]
		a.waiting = a.waiting[1:]
		if now.Sub(q.asked) < askPatience {
			a.calling, a.began = true, now
			return true
		}
	}
	a.waiting, a.running = nil, false
	return false
}

func (a *delayAsker) answer(q delayQuestion, d time.Duration) {
	a.mu.Lock()
	a.calling = false
	a.mu.Unlock()
	q.news.delay = d
	q.keeper.post(q.news)
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
	return max(askPatience-time.Since(a.began), 0)
}

func (a *delayAsker) overdue() bool { return a.remaining() == 0 }
