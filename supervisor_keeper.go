package dray

import (
	"context"
	"errors"
	"slices"
	"time"
)

// A keeper is a supervisor's goroutine: it brings news to the tree and does what
// the tree says. It lives for one Serve. It never waits for anything but news,
// so calls are answered promptly whatever the children do.
type keeper struct {
	sup  *Supervisor
	tree *tree           // the keeper's alone while it lives
	base context.Context // parent of the children's contexts; never ends
	quit <-chan struct{} // the end of Serve's ctx; nil once noticed

	requests chan request  // to the keeper
	news     chan news     // to the keeper
	closed   chan struct{} // closed when nobody receives any more

	handed    bool           // boot is over, and Serve may take over; guarded by sup.mu
	fresh     bool           // begin is still to come
	abandoned []*incarnation // perhaps still running; the keeper's alone
}

// A request is a call of a user, to be run by whoever has the tree.
type request func(*tree)

// news is what has happened to a child in one of its epochs.
type news struct {
	kind  newsKind
	child *child
	epoch uint64
	out   *demise // of newsExited
}

type newsKind uint8

const (
	newsStarted newsKind = iota
	newsExited
	newsExpired
)

func newKeeper(ctx context.Context, s *Supervisor) *keeper {
	return &keeper{
		sup:      s,
		tree:     s.tree,
		base:     context.WithoutCancel(ctx), // children end in order, not all at once with ctx
		quit:     ctx.Done(),
		requests: make(chan request),
		news:     make(chan news),
		closed:   make(chan struct{}),
		fresh:    ctx.Err() == nil, // else there is nothing to begin
	}
}

// run supervises until the tree has come so far.
func (k *keeper) run(until func(*tree) bool) {
	if k.fresh {
		k.fresh = false
		k.tree.now = time.Now()
		k.tree.begin()
		k.settle(nil)
	}
	for !until(k.tree) {
		k.next()
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
		k.tree.stop()
	}
	k.settle(out)
}

func (t *tree) hear(n news) {
	switch n.kind {
	case newsStarted:
		t.started(n.child, n.epoch)
	case newsExited:
		t.exited(n.child, n.epoch, n.out)
	case newsExpired:
		t.expired(n.child, n.epoch)
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
		c.running.cancel(ErrShutdown)
		k.arm(c, d.after)
	case doWait:
		k.arm(c, d.after)
	case doDisarm:
		c.timer.Stop()
	case doAbandon:
		k.abandon(c.running)
	}
}

// arm has expired called for the child's current epoch, unless after is negative.
func (k *keeper) arm(c *child, after time.Duration) {
	if after < 0 {
		return
	}
	n := news{kind: newsExpired, child: c, epoch: c.epoch}
	c.timer = time.AfterFunc(after, func() { k.post(n) })
}

// abandon keeps a list of what may still be running, rid of what has ended.
func (k *keeper) abandon(r *incarnation) {
	ended := func(r *incarnation) bool { return r.gone.Load() }
	k.abandoned = append(slices.DeleteFunc(k.abandoned, ended), r)
}

// post brings news to the keeper. It does not wait for one that is gone.
func (k *keeper) post(n news) {
	select {
	case k.news <- n:
	case <-k.closed:
	}
}

// result is what Serve returns.
func (k *keeper) result() error {
	errs := []error{k.tree.failure}
	for _, r := range k.abandoned {
		if !r.gone.Load() {
			errs = append(errs, wrapf(ErrAbandoned, "supervisor %q: child %q", k.sup.cfg.name, r.child.Name))
		}
	}
	errs = append(errs, k.tree.leaks...)
	return errors.Join(errs...)
}
