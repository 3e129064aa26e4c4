package dray

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/yield"
)

// An owner is the goroutine that a queue's state belongs to while it runs. It takes in
// what is in the mailbox, settles jobs and gives workers others, moves jobs whose time
// has come, and cancels those that run too long. It is also the one that dies
// when a rule is broken, wherever that was noticed, so that its supervisor knows.
//
// It keeps nothing to itself: a successor begins with the state as it is.
type owner struct{ *engine }

// Serve is the owner's loop: do what is due, then sleep until more is.
func (o owner) Serve(ctx context.Context) error {
	select {
	case <-o.state: // a caller has it for one tick at most
	case <-ctx.Done():
		return nil
	}
	defer o.resign()
	o.attend()
	defer context.AfterFunc(ctx, o.wake)()
	timer, set := time.AfterFunc(never, o.wake), never
	defer timer.Stop()
	for ctx.Err() == nil {
		if o.tick(true) || o.armed <= o.ticked {
			continue
		}
		if o.armed != set {
			set = o.armed
			timer.Reset(set - o.now())
		}
		<-o.wakeup // alone, as a select of several would take far longer
	}
	return nil
}

func (o owner) attend() {
	o.mail.mu.Lock()
	defer o.mail.mu.Unlock()
	o.mail.attended = true
}

// resign makes the state free for callers, and tells those who wait for the owner.
func (o owner) resign() {
	m := &o.mail
	m.mu.Lock()
	m.attended, m.awake, m.napping = false, false, false
	for _, asked := range [][]*request{o.todo.rest(), m.asked} {
		for _, r := range asked {
			select {
			case r.reply <- false:
			default: // it knows already
			}
		}
	}
	m.mu.Unlock()
	o.state <- struct{}{}
}

var _ Service = owner{}

// A request is a change to the state that a caller waits for.
type request struct {
	change func(c *core.Core, now time.Duration) // dray's own
	begun  bool                                  // owner's: it is not made again, whatever crashed
	reply  chan bool                             // capacity 2: true when it was made, false when the owner has ended before

	// Of the calls that are made most often, which so allocate nothing: the changes, immutable,
	// and what goes in and comes out of them.
	readStats, postPlain func(c *core.Core, now time.Duration)
	stats                Stats
	fn                   Func
	receipt              Receipt // zero if the job was not accepted
}

// newRequest returns a request, for submit.
func (e *engine) newRequest() *request {
	if r, ok := e.asks.Get().(*request); ok {
		return r
	}
	r := &request{reply: make(chan bool, 2)}
	r.readStats = func(c *core.Core, now time.Duration) { e.stats(c, now, &r.stats) }
	r.postPlain = func(c *core.Core, now time.Duration) { r.receipt = e.acceptPlain(c, r.fn, now) }
	return r
}

// step has one change to the state made, and all that follows from it, by the owner or, where
// none runs, by the caller: before the start, during a restart, after the end, and in a pool.
//
// A panic in here is a broken rule. It is not the caller's fault, so it does not
// reach it: the owner dies of it, in the sight of its supervisor. If that
// happened before the change was begun, it is made all the same.
func (e *engine) step(change func(c *core.Core, now time.Duration)) {
	r := e.newRequest()
	if e.submit(r, change) {
		e.forget(r)
	}
}

// submit is step with a request that the caller forgets afterwards, unless it reports false:
// rules are broken such that the change was not made.
func (e *engine) submit(r *request, change func(c *core.Core, now time.Duration)) (made bool) {
	r.change, r.begun = change, false
	yield.Here()
	return e.ask(r) && <-r.reply || e.serveOwn(r)
}

// serveOwn waits for the reply to a request where no owner ran, and serves it itself if
// none does. It reports false if rules are broken such that it cannot be.
func (e *engine) serveOwn(r *request) bool {
	for range 2 {
		select {
		case made := <-r.reply:
			if made {
				return true
			}
		case <-e.state:
			e.serveOnce()
		}
		select {
		case made := <-r.reply:
			if made {
				return true
			}
		default:
		}
	}
	return e.withdraw(r)
}

// withdraw takes back a request. It reports whether that was made after all.
func (e *engine) withdraw(r *request) (made bool) {
	select {
	case <-e.state:
	case made = <-r.reply:
		if made {
			return true
		}
		<-e.state
	}
	defer func() { e.state <- struct{}{} }()
	m := &e.mail
	m.mu.Lock()
	defer m.mu.Unlock()
	mine := func(o *request) bool { return o == r }
	m.asked = slices.DeleteFunc(m.asked, mine)
	e.todo.all = slices.DeleteFunc(e.todo.all, mine)
	return false
}

// ask leaves a request in the inbox, and reports whether an owner runs, which then replies.
func (e *engine) ask(r *request) (owned bool) {
	e.mail.mu.Lock()
	e.mail.asked = append(e.mail.asked, r)
	return e.tell()
}

func (e *engine) forget(r *request) {
	r.change, r.fn, r.receipt = nil, nil, Receipt{}
	e.asks.Put(r)
}

// errBroken is what a caller gets whose change to the state could not be made.
var errBroken = errors.New("dray: internal error")
