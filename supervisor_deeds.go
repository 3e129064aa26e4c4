package dray

import (
	"time"
)

// This file has what a tree brings forth: deeds, events and answers.

// A deed is something the keeper has to do for a child.
type deed struct {
	kind  deedKind
	child *child
	after time.Duration // of doHalt, doWait and doAsk
	cause error         // of doHalt
}

type deedKind uint8

const (
	doLaunch  deedKind = iota // start an incarnation with the child's epoch
	doHalt                    // end its context, and call expired after that time unless negative
	doWait                    // call expired after that time
	doAsk                     // doWait, and ask the backoff meanwhile
	doDisarm                  // expired need not be called any more
	doAbandon                 // nobody waits for the incarnation any more
)

// A waiter is where the answer to a call goes.
type waiter chan<- error

type answer struct {
	to  waiter
	err error
}

// report tells how a child ended.
func (t *tree) report(c *child, o *demise) {
	if o.err != nil {
		c.fail(o)
	}
	switch {
	case !t.loud:
	case o.err != nil:
		t.tell(ChildFailed{t.moment(), t.cfg.name, c.Name, o.err})
	default:
		t.tell(ChildStopped{t.moment(), t.cfg.name, c.Name})
	}
}

// moment is the time of an event, that of what happened last.
func (t *tree) moment() happened { return happened{t.cfg.clock.tellTime(t.now)} }

func (t *tree) tell(e Event) { t.events = append(t.events, e) }

func (t *tree) do(kind deedKind, c *child) { t.deeds = append(t.deeds, deed{kind: kind, child: c}) }

// await has the keeper do something that ends with a call of expired, unless
// d.after is negative.
func (t *tree) await(d deed) {
	c := d.child
	c.armed = d.after >= 0
	c.asked = d.kind == doAsk
	c.alarm++
	t.deeds = append(t.deeds, d)
}

// disarm takes that back, so that no timer is left.
func (t *tree) disarm(c *child) {
	if c.armed {
		c.armed, c.asked = false, false
		t.do(doDisarm, c)
	}
}

func (t *tree) answer(w waiter, err error) { t.answers = append(t.answers, answer{w, err}) }

func (t *tree) answerAll(ws *[]waiter, err error) {
	for _, w := range *ws {
		t.answer(w, err)
	}
	*ws = nil
}

// deliver gives the answers that have been found.
func (t *tree) deliver() {
	for _, a := range t.answers {
		a.to <- a.err
	}
	clear(t.answers)
	t.answers = t.answers[:0]
}

func (t *tree) errClosed() error {
	return wrapf(ErrClosed, "supervisor %q", t.cfg.name)
}
