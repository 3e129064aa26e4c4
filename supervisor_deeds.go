package dray

import (
	"time"
)

// This file has what a tree brings forth: deeds, events and answers.

// A deed is something the keeper has to do for a child.
type deed struct {
	kind  deedKind
	child *child
	after time.Duration // of doHalt and doWait
}

type deedKind uint8

const (
	doLaunch  deedKind = iota // start an incarnation with the child's epoch
	doHalt                    // end its context, and call expired after that time unless negative
	doWait                    // call expired after that time
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
		t.tell(ChildFailed{happened{t.now}, t.cfg.name, c.Name, o.err})
	default:
		t.tell(ChildStopped{happened{t.now}, t.cfg.name, c.Name})
	}
}

func (t *tree) tell(e Event) { t.events = append(t.events, e) }

func (t *tree) do(kind deedKind, c *child, after time.Duration) {
	t.deeds = append(t.deeds, deed{kind, c, after})
}

// await has the keeper call expired, unless after is negative.
func (t *tree) await(kind deedKind, c *child, after time.Duration) {
	c.armed = after >= 0
	t.do(kind, c, after)
}

// disarm takes that back, so that no timer is left.
func (t *tree) disarm(c *child) {
	if c.armed {
		c.armed = false
		t.do(doDisarm, c, 0)
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
