package engine

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/span"
	"github.com/a622d8ee/dray/internal/yield"
)

// Serve is the owner: the goroutine that the state belongs to while it runs. It takes in what
// is in the mailbox, settles jobs and gives workers others, moves jobs whose time has come, and
// cancels those that run too long, then sleeps until there is more to do. It is also the one
// that dies when a rule is broken, wherever that was noticed, so that its supervisor knows.
//
// It keeps nothing to itself: a successor begins with the state as it is.
func (e *Engine) Serve(ctx context.Context) error {
	select {
	case <-e.state: // a caller has it for one tick at most
	case <-ctx.Done():
		return nil
	}
	defer e.resign()
	e.attend()
	defer context.AfterFunc(ctx, e.wake)()
	timer, set := time.AfterFunc(span.Never, e.wake), span.Never
	timer.Stop()
	defer timer.Stop()
	var fair fairness
	for ctx.Err() == nil {
		if e.tick(true) {
			continue
		}
		if e.armed <= e.ticked {
			fair.yield(e.Now)
			continue
		}
		if e.armed != set {
			set = e.armed
			timer.Stop() // for good if nothing is due: with a timer set, whichever, the runtime reads the clock whenever goroutines change
			if set < span.Never {
				timer.Reset(set - e.Now())
			}
		}
		<-e.wakeup // alone, as a select of several would take far longer
	}
	return nil
}

// A fairness is how an owner that finds very many jobs due shares the processor. With two of them, the
// other of which is busy, it would keep its own for 10 ms, in which neither a worker that has got a job
// nor a job that has slept would run. But where all are busy with what does not give them away, it is
// the yield that takes so long: then it goes on for as long as it has waited before.
type fairness struct {
	since  time.Duration // when it got the processor back
	waited time.Duration // for that
}

// yield gives others a turn, if it is theirs.
func (f *fairness) yield(now func() time.Duration) {
	at := now()
	if at-f.since < f.waited {
		return
	}
	runtime.Gosched()
	f.since = now()
	f.waited = f.since - at
}

// attend says that an owner runs: from here on requests are left to it. Those that were made
// before are found by the first tick.
func (e *Engine) attend() {
	e.mail.mu.Lock()
	defer e.mail.mu.Unlock()
	e.mail.attended = true
}

// resign makes the state free for callers, and tells the callers that wait for the owner. It is
// deferred, so it does both also when the owner dies of a panic. A caller that was told false
// goes on in serveOwn: its request is still in the list, and is made once, by the next that
// gets the state.
func (e *Engine) resign() {
	m := &e.mail
	m.mu.Lock()
	m.attended, m.awake, m.napping = false, false, false
	for _, asked := range [][]*request{e.todo.rest(), m.asked} {
		for _, r := range asked {
			if len(r.reply) == 0 { // else it knows already, and there is room for true
				r.reply <- false
			}
		}
	}
	m.mu.Unlock()
	e.state <- struct{}{}
}

// A request is a change to the state that a caller waits for.
type request struct {
	change func(c *core.Core, now time.Duration) // dray's own
	begun  bool                                  // owner's: it is not made again, whatever crashed
	reply  chan bool                             // capacity 2: true when it was made, false when the owner has ended before

	// Of the calls that are made most often, which so allocate nothing: the changes, immutable,
	// and what goes in and comes out of them.
	readBooks, postPlain func(c *core.Core, now time.Duration)
	books                Books
	fn                   core.Func
	receipt              Receipt // zero if the job was not accepted
}

// newRequest returns a request, for submit.
func (e *Engine) newRequest() *request {
	if r, ok := e.asks.Get().(*request); ok {
		return r
	}
	r := &request{reply: make(chan bool, 2)}
	r.readBooks = func(c *core.Core, now time.Duration) { e.Read(c, now, &r.books) }
	r.postPlain = func(c *core.Core, now time.Duration) { r.receipt = e.acceptPlain(c, r.fn, now) }
	return r
}

// Update has one change to the state made, and all that follows from it, by the owner or, where
// none runs, by the caller: before the start, during a restart, after the end, and in a pool.
//
// A panic in here is a broken rule. It is not the caller's fault, so it does not
// reach it: the owner dies of it, in the sight of its supervisor. If that
// happened before the change was begun, it is made all the same.
func (e *Engine) Update(change func(c *core.Core, now time.Duration)) {
	r := e.newRequest()
	if e.submit(r, change) {
		e.forget(r)
	}
}

// submit is Update with a request that the caller forgets afterwards, unless it reports false:
// rules are broken such that the change was not made. The reply is received alone while an
// owner runs, as a select of two channels would take longer; the owner's end sends false, so it
// is never waited for in vain.
func (e *Engine) submit(r *request, change func(c *core.Core, now time.Duration)) (made bool) {
	r.change, r.begun = change, false
	yield.Here()
	return e.ask(r) && <-r.reply || e.serveOwn(r)
}

// serveOwn waits for the reply to a request where no owner ran, and serves it itself if none
// does. It reports false if rules are broken such that its change was not even begun. That owners
// come and go, without a tick even, as they do if a queue is served for very short times, breaks
// none.
func (e *Engine) serveOwn(r *request) (made bool) {
	for tries := 0; ; {
		select {
		case made = <-r.reply:
			if made {
				return true
			}
		case <-e.state:
			switch {
			case r.wasMade():
				e.state <- struct{}{}
				return true
			case tries == maxTries:
				e.withdraw(r)
				return r.begun
			}
			tries++
			e.serveOnce()
		}
	}
}

// maxTries is how many ticks of its own a caller gives a request, each of which has crashed.
const maxTries = 2

// wasMade reports, for the one that has the state, whether the request was made: none is, while
// it has that.
func (r *request) wasMade() bool {
	for {
		select {
		case made := <-r.reply:
			if made {
				return true
			}
		default:
			return false
		}
	}
}

// withdraw takes back a request, and gives up the state.
func (e *Engine) withdraw(r *request) {
	defer func() { e.state <- struct{}{} }()
	m := &e.mail
	m.mu.Lock()
	defer m.mu.Unlock()
	mine := func(o *request) bool { return o == r }
	m.asked = slices.DeleteFunc(m.asked, mine)
	e.todo.all = slices.DeleteFunc(e.todo.all, mine)
}

// ask leaves a request in the inbox, and reports whether an owner runs, which then replies.
func (e *Engine) ask(r *request) (owned bool) {
	e.mail.mu.Lock()
	e.mail.asked = append(e.mail.asked, r)
	return e.tell()
}

func (e *Engine) forget(r *request) {
	r.change, r.fn, r.receipt = nil, nil, Receipt{}
	e.asks.Put(r)
}

// ErrBroken is what a caller gets whose change to the state could not be made.
var ErrBroken = errors.New("dray: internal error")

// Closed reports, in an update, whether the engine refuses jobs.
func (e *Engine) Closed() bool { return e.mail.closed }

// LastID returns, in an update, the ID of the last accepted job: how many there have been.
func (e *Engine) LastID() uint64 { return e.mail.lastID }

// TakeID takes, in an update, the next ID, for a job that the caller has the core accept.
func (e *Engine) TakeID() uint64 {
	e.mail.lastID++
	return e.mail.lastID
}

// Release lets others leave jobs and requests from here on, in an update that takes long and
// accepts nothing more.
func (e *Engine) Release() { e.release() }

// AfterUpdate has f called at the end of those ticks in which CallAfterUpdate was. It is called
// in an update.
func (e *Engine) AfterUpdate(f func(c *core.Core, now time.Duration)) { e.afterUpdate = f }

// CallAfterUpdate is called in an update, or a Completion: see AfterUpdate.
func (e *Engine) CallAfterUpdate() { e.callsAfterUpdate = true }

// EndStuck tells of the jobs that are stuck and not told of, after which none is until Reopen,
// in an update; FinishStuck before that has their stacks looked up.
func (e *Engine) EndStuck() { e.stuck.Close() }

// FinishStuck has all be told of that are stuck now, with their stacks. It waits for that, and is
// called outside of one.
func (e *Engine) FinishStuck() { e.stuck.Finish() }

// Poke has the owner look, if one runs.
func (e *Engine) Poke() { e.poke() }
