package dray

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A keeper is a supervisor's goroutine: it brings news to the tree and does what
// the tree says. It lives for one Serve. It never waits for anything but news,
// so calls are answered promptly whatever the children do.
type keeper struct {
	sup  *Supervisor
	tree *tree           // the keeper's alone while it lives
	base context.Context // parent of the children's contexts; never ends
	end  end             // of the ctx that says how long to serve
	quit <-chan struct{} // closed when it has ended; nil once noticed

	requests chan request  // to the keeper
	news     chan news     // to the keeper
	closed   chan struct{} // closed when nobody receives any more

	asked  *inquiry[bool] // why the ctx has ended; nil unless that was a question
	boots  bool           // by Boot, so that Serve may take over; immutable
	up     chan struct{}  // closed when all children have started for the first time, or that has failed
	failed bool           // it has; written before up is closed, read after

	outcome error // what Serve returns; written before closed is closed, read after
}

// An end is a ctx with what is to be known of it, which may be foreign code.
type end struct {
	ctx    context.Context
	done   <-chan struct{}
	before bool // it had ended before
	ours   bool // it comes from a supervisor, and calls nobody
}

func newEnd(ctx context.Context, ours bool) (e end, err error) {
	defer contextThrew(&err)
	return end{ctx: ctx, done: ctx.Done(), before: ctx.Err() != nil, ours: ours}, nil
}

// restarts reports whether the ctx has ended because what it is for will be started
// again.
func (e *end) restarts() bool { return errors.Is(context.Cause(e.ctx), ErrRestart) }

// A request is a call of a user, to be run by whoever has the tree.
type request func(*tree)

// news is what has happened to a child in one of its epochs.
type news struct {
	kind  newsKind
	child *child
	epoch uint64        // the alarm of newsExpired and newsAnswered
	out   *demise       // of newsExited
	delay time.Duration // of newsAnswered
	cause error         // of newsQuit
}

type newsKind uint8

const (
	newsStarted newsKind = iota
	newsExited
	newsExpired
	newsAnswered // the backoff has
	newsQuit     // the supervisor is told to stop
	newsNone     // a look at what has changed is all that is wanted
)

// newKeeper is called with the lock held.
func newKeeper(e end, s *Supervisor) *keeper {
	s.tree.reset()
	return &keeper{
		sup:      s,
		tree:     s.tree,
		base:     context.WithoutCancel(e.ctx), // children end in order, not all at once with ctx
		end:      e,
		quit:     e.done,
		requests: make(chan request),
		news:     make(chan news),
		closed:   make(chan struct{}),
		up:       make(chan struct{}),
	}
}

// run supervises until the end.
func (k *keeper) run() {
	t := k.tree
	if !k.end.before { // else there is nothing to begin
		t.now = time.Now()
		t.begin()
		k.settle(nil)
	}
	for !t.booted() {
		k.next()
	}
	k.handOver()
	for !t.over() {
		k.next()
	}
	k.awaitBackoff()
	k.outcome = k.result()
	k.letGo()
	k.sup.close(k)
}

// letGo forgets what the children have had of this Serve: contexts and timers, which
// lead to its ctx.
func (k *keeper) letGo() {
	for _, c := range k.tree.children {
		c.running, c.timer = nil, nil
	}
}

// handOver lets Serve take over from a Boot that has succeeded. A supervisor that
// has ended by itself meanwhile, without a failure, has started well.
func (k *keeper) handOver() {
	k.failed = k.tree.failure != nil || k.tree.told
	if k.boots && !k.failed {
		k.sup.mu.Lock()
		k.sup.booted = k
		k.sup.mu.Unlock()
	}
	close(k.up)
}

// adopt gives the keeper another ctx to end with. Its own goroutine does that; an
// end that is under way goes on.
func (k *keeper) adopt(e end) {
	request := func(t *tree) {
		if t.serving && !t.closing() {
			k.end, k.quit = e, e.done
		}
	}
	select {
	case k.requests <- request:
	case <-k.closed:
	}
}

// awaitBackoff gives the backoff that is being asked the rest of its time, so that
// one that answers leaves nothing behind. Calls are served in between.
func (k *keeper) awaitBackoff() {
	a := k.sup.asker
	if a == nil {
		return
	}
	k.quit = nil
	a.cancel()
	for d := a.remaining(); d > 0; d = a.remaining() {
		timer := time.AfterFunc(d, func() { k.post(news{kind: newsNone}) })
		k.next()
		timer.Stop()
	}
}

// next waits for one piece of news and acts on it.
func (k *keeper) next() {
	var out *demise
	select {
	case n := <-k.news:
		k.tree.now = time.Now()
		out = n.out
		k.tree.hear(n)
	case do := <-k.requests:
		k.tree.now = time.Now()
		do(k.tree)
	case <-k.quit:
		k.tree.now = time.Now()
		k.quit = nil
		k.stop()
	}
	k.settle(out)
}

// stop finds out why it has to be, which is for the ctx to say.
func (k *keeper) stop() {
	e := k.end
	if e.ours {
		k.tree.stopFor(stopCause(e.restarts()))
		return
	}
	asked := inquire(e.restarts)
	k.asked = asked
	go func() {
		restarts, _ := asked.wait()
		k.post(news{kind: newsQuit, cause: stopCause(restarts)})
	}()
}

func stopCause(restarts bool) error {
	if restarts {
		return ErrRestart
	}
	return ErrShutdown
}

func (t *tree) hear(n news) {
	switch n.kind {
	case newsStarted:
		t.started(n.child, n.epoch)
	case newsExited:
		t.exited(n.child, n.epoch, n.out)
	case newsExpired:
		t.expired(n.child, n.epoch)
	case newsAnswered:
		t.answered(n.child, n.epoch, n.delay)
	case newsQuit:
		t.stopFor(n.cause)
	}
}

// settle does what the tree wants done. Formatting the stack of a panic takes
// longer than the restart itself, so out is only formatted when its error leaves
// the tree; otherwise [child.view] does it if anybody asks.
func (k *keeper) settle(out *demise) {
	t := k.tree
	if out != nil && (len(t.events) > 0 || len(t.answers) > 0 || t.failure != nil) {
		out.format()
	}
	k.sup.restarted.Store(t.restarted)
	k.sup.herald.emit(t.events...) // before the deeds: what children report comes after
	for _, d := range t.deeds {
		k.do(d)
	}
	t.deliver()
	clear(t.events)
	clear(t.deeds)
	t.events, t.deeds = t.events[:0], t.deeds[:0]
}

func (k *keeper) do(d deed) {
	c := d.child
	switch d.kind {
	case doLaunch:
		c.running = k.launch(c)
	case doHalt:
		c.running.cancel(d.cause)
		k.arm(c, d.after)
	case doWait:
		k.arm(c, d.after)
	case doAsk:
		k.arm(c, d.after)
		k.sup.asker.ask(delayQuestion{
			keeper: k, news: news{kind: newsAnswered, child: c, epoch: c.alarm}, attempt: c.streak, asked: k.tree.now,
		})
	case doDisarm:
		c.timer.Stop()
	case doAbandon:
		k.abandon(c.running)
	}
}

// arm has expired called with the child's current alarm, unless after is negative.
func (k *keeper) arm(c *child, after time.Duration) {
	if after < 0 {
		return
	}
	n := news{kind: newsExpired, child: c, epoch: c.alarm}
	c.timer = time.AfterFunc(after, func() { k.post(n) })
}

// abandon keeps what may still be running, rid of what has ended.
func (k *keeper) abandon(r *incarnation) {
	err := wrapf(ErrAbandoned, "supervisor %q: child %q", k.sup.cfg.name, r.child.Name)
	k.tree.abandoned = append(stillRunning(k.tree.abandoned), abandonedChild{err, r.gone.Load})
}

// post brings news to the keeper. It does not wait for one that is gone.
func (k *keeper) post(n news) {
	select {
	case k.news <- n:
	case <-k.closed:
	}
}

// result is what Serve returns. Besides children it names the functions of the user's
// that have been called and have not returned.
func (k *keeper) result() error {
	e := &serveError{failure: k.tree.failure, abandoned: stillRunning(k.tree.abandoned)}
	add := func(what string, overdue func() bool) {
		if overdue() {
			err := wrapf(ErrAbandoned, "supervisor %q: %s", k.sup.cfg.name, what)
			e.abandoned = append(e.abandoned, abandonedChild{err, func() bool { return !overdue() }})
		}
	}
	if a := k.sup.asker; a != nil {
		add("a call of its restart backoff", a.overdue)
	}
	add("a method of the context that it was served with", k.asked.overdue)
	for _, c := range k.tree.children {
		if c.inner != nil {
			add(fmt.Sprintf("the Children method of child %q", c.Name), c.inner.hangs)
		}
	}
	if e.failure == nil && len(e.abandoned) == 0 {
		return nil
	}
	return e
}
