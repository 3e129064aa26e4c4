package engine

import (
	"errors"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
	"github.com/a622d8ee/dray/internal/goid"
	"github.com/a622d8ee/dray/internal/jobctx"
)

// OfferPlain is the offer of a plain job that is to be told where it stands. It is
// not done if that takes more than room: then the job needs a record.
func (e *Engine) OfferPlain(fn core.Func) (r Receipt, done bool) {
	q := e.newRequest()
	q.fn = fn
	made := e.submit(q, q.postPlain)
	if r = q.receipt; made {
		e.forget(q)
	}
	return r, r.ID > 0
}

// acceptPlain is the change that OfferPlain makes.
func (e *Engine) acceptPlain(c *core.Core, fn core.Func, now time.Duration) (r Receipt) {
	if e.addPlain(c, fn, now) {
		r = Receipt{ID: e.mail.lastID, Position: c.PlainPosition(e.mail.lastID, now)}
	}
	return r
}

// addPlain accepts a plain job, in an update, if there is room.
func (e *Engine) addPlain(c *core.Core, fn core.Func, now time.Duration) (added bool) {
	if e.mail.closed || c.Room() <= 0 {
		return false
	}
	e.mail.lastID++
	c.Post(fn, e.mail.lastID, now)
	return true
}

// A Receipt is what an accepted job gets: its ID, and where it stands in line if that was wanted.
type Receipt struct {
	ID       uint64
	Position int
}

// Blocks reports whether an Offer may have to wait for room, and so needs to know of a context.
func (e *Engine) Blocks() bool { return e.blocks }

// Offer puts a job that has rules before the core, and waits for room where the policy says so.
// With unique keys the receipt can be that of another job. A job of this queue must not wait:
// it would hold the worker that could make room. Who calls is asked of the context first, and
// of the goroutine's number, which is slow, only where there seems to be no room; what comes of
// a race between the two is caught by rejectOwn.
func (e *Engine) Offer(o Offer, j *core.Job) (Receipt, error) {
	if e.blocks && e.short() {
		o.me, o.known = goid.Current(), true
	}
	var (
		r       Receipt
		waiting bool
	)
	err := ErrBroken
	e.Update(func(c *core.Core, now time.Duration) {
		if e.mail.closed {
			err = errs.ErrClosed
			return
		}
		r, waiting, err = e.accept(o, c, j, now)
		if waiting && o.known && e.caller(o.Inside, o.me) != nil {
			c.Reject(j, now)
			waiting, err = false, errs.ErrQueueFull
		}
	})
	if waiting {
		return e.awaitRoom(o, j)
	}
	return r, err
}

// An Offer is the call of a caller who may have to wait for room, with all of its
// context that has to be known before.
type Offer struct {
	Done   <-chan struct{} // closed at the end of the call's time
	Inside jobctx.Context  // of the job that the context comes from, or nil
	Placed bool            // the receipt is to say where the job stands
	me     goid.ID         // if known: of the caller
	known  bool
}

// ErrWithdrawn is what an offer comes to that has waited for room until it was Done.
var ErrWithdrawn = errors.New("dray: withdrawn")

// receipt is that for a job which is accepted. The core is asked for its place only if that
// is wanted.
func (o Offer) receipt(j *core.Job, now time.Duration, place func(*core.Job, time.Duration) int) Receipt {
	r := Receipt{ID: j.ID}
	if o.Placed {
		r.Position = place(j, now)
	}
	return r
}

// accept is the change that Offer makes. The ID is taken only if the job is accepted: IDs have
// no gaps.
func (e *Engine) accept(o Offer, c *core.Core, j *core.Job, now time.Duration) (Receipt, bool, error) {
	v, existing := c.Accept(j, e.mail.lastID+1, now)
	switch v {
	case core.Kept:
		return o.receipt(existing, now, c.Place), false, nil
	case core.Duplicate:
		return Receipt{}, false, errs.ErrDuplicate
	case core.NoGroup:
		return Receipt{}, false, errs.ErrGroupDone
	case core.Full:
		return Receipt{}, false, errs.ErrQueueFull
	case core.Waits:
		j.Answer = make(chan error, 1)
		return Receipt{}, true, nil
	default:
		e.mail.lastID++
		if end, ok := j.Ref.(Completion); ok {
			end.Accepted(j.ID)
		}
		return o.receipt(j, now, c.Position), false, nil
	}
}

// short reports whether there seems to be no room. To ask for the goroutine's number, which
// is slow, is only worth it then.
func (e *Engine) short() bool {
	e.mail.mu.Lock()
	defer e.mail.mu.Unlock()
	return e.mail.room <= 0
}

// rejectOwn turns j away, which found no room, if a job of this queue enqueues it: that
// would wait for its own end.
func (e *Engine) rejectOwn(o Offer, j *core.Job) (rejected bool) {
	me := goid.Current()
	e.Update(func(c *core.Core, now time.Duration) {
		if j.State == core.Blocked && e.caller(o.Inside, me) != nil {
			c.Reject(j, now)
			rejected = true
		}
	})
	return rejected
}

// awaitRoom waits until j, which found no room, has been accepted or refused. If
// the call ends at that very moment the core knows which of the two came first.
func (e *Engine) awaitRoom(o Offer, j *core.Job) (Receipt, error) {
	if !o.known && e.rejectOwn(o, j) {
		return Receipt{}, errs.ErrQueueFull
	}
	var err error
	select {
	case err = <-j.Answer:
	case <-o.Done:
		withdrawn := false
		e.Update(func(c *core.Core, _ time.Duration) { withdrawn = c.Withdraw(j) })
		if withdrawn {
			return Receipt{}, ErrWithdrawn
		}
		err = <-j.Answer
	}
	if err != nil {
		return Receipt{}, err
	}
	r := Receipt{ID: j.ID}
	if o.Placed {
		e.Update(func(c *core.Core, now time.Duration) { r.Position = c.Place(j, now) })
	}
	return r, nil
}
