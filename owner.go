package dray

import (
	"context"
	"time"
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
