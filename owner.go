package dray

import (
	"context"
	"runtime"
	"time"
)

// An owner is the goroutine that a queue's state belongs to. It collects the
// mailbox when no worker is free to, moves jobs whose time has come, cancels
// those that run too long, and sends for workers. It is also the one that dies
// when a rule is broken, wherever that was noticed, so that its supervisor knows.
//
// It keeps nothing to itself: a successor begins with the state as it is.
type owner struct{ *engine }

// nap is how long the owner leaves the mailbox alone after it has found a rush
// in it: else a burst, which no worker is free to collect, would have it come back
// every few jobs, and slow the producers down. The dates of a rush do not depend on it.
const (
	rush = 2 * dated
	nap  = 100 * time.Microsecond
)

// Serve is the owner's loop: do what is due, then sleep until more is.
func (o owner) Serve(ctx context.Context) error {
	timer := time.NewTimer(never)
	defer timer.Stop()
	defer o.attend()()
	for {
		idle, rushed := o.tick()
		wakeup := o.wakeup
		if rushed {
			idle, wakeup = min(idle, nap), nil
		}
		if idle <= 0 && ctx.Err() == nil { // there is more, and all others have had their turn
			o.dieOfCrash()
			runtime.Gosched()
			continue
		}
		timer.Reset(idle)
		select {
		case <-wakeup:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		o.dieOfCrash()
	}
}

// attend takes over the mailbox, until the function it returns is called.
func (o owner) attend() (leave func()) {
	set := func(attended bool) {
		o.mail.mu.Lock()
		o.mail.unattended = !attended
		o.mail.mu.Unlock()
	}
	set(true)
	return func() { set(false) }
}

// tick does what is due, and returns how long there is nothing more to do, and
// whether there was a rush in the mailbox. It does not contain a crash, as step does: this one is the owner's own.
func (o owner) tick() (idle time.Duration, rushed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mail.mu.Lock()
	defer o.mail.mu.Unlock()
	now := o.now()
	o.armed = -never // so that follow does not poke its own caller
	rushed = o.mail.list.Len() >= rush
	o.collect()
	o.core.AdvanceSome(now, slicedJobs)
	o.dismissIdle(now)
	o.at("advance")
	o.follow(now)
	o.armed = min(o.due(), o.beat(now))
	return o.armed - now, rushed
}

// dieOfCrash panics with what broke somewhere else.
func (o owner) dieOfCrash() {
	o.mu.Lock()
	p := o.crashed
	o.crashed = nil
	o.mu.Unlock()
	if p != nil {
		panic(p)
	}
}

var _ Service = owner{}
