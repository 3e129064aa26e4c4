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

// nap is how long the owner leaves plain jobs in the mailbox that it could give to nobody,
// after it has found some there: else it would come back for every few of a burst, and
// slow the producers down. Dates are wrong by so much at most.
const nap = 100 * time.Microsecond

// Serve is the owner's loop: do what is due, then sleep until more is.
func (o owner) Serve(ctx context.Context) error {
	select {
	case <-o.state: // a caller has it for one tick at most
	case <-ctx.Done():
		return nil
	}
	defer o.resign()
	o.attend()
	timer := time.NewTimer(never)
	defer timer.Stop()
	for {
		o.dieOfCrash()
		timer.Reset(o.look())
		select {
		case <-o.wakeup:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look is a tick. It returns how long there is nothing more to do.
func (o owner) look() time.Duration {
	if o.tick(true) {
		return min(o.armed-o.now(), nap)
	}
	return o.armed - o.now()
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

// dieOfCrash panics with what broke somewhere else.
func (o owner) dieOfCrash() {
	o.mail.mu.Lock()
	p := o.mail.crashed
	o.mail.crashed = nil
	o.mail.mu.Unlock()
	if p != nil {
		panic(p)
	}
}

var _ Service = owner{}
