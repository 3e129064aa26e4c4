package dray

import (
	"context"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/goid"
	"github.com/a622d8ee/dray/internal/jobctx"
)

// offerPlain is the offer of a plain job that is to be told where it stands. It is
// not done if that takes more than room: then the job needs a record.
func (e *engine) offerPlain(fn Func) (r Receipt, done bool) {
	q := e.newRequest()
	q.fn = fn
	made := e.submit(q, q.postPlain)
	if r = q.receipt; made {
		e.forget(q)
	}
	return r, r.ID > 0
}

// acceptPlain is the change that offerPlain makes.
func (e *engine) acceptPlain(c *core.Core, fn Func, now time.Duration) (r Receipt) {
	if e.mail.closed || c.Room() <= 0 {
		return r
	}
	e.mail.lastID++
	return Receipt{ID: ID(e.mail.lastID), Position: c.Post(fn, e.mail.lastID, now)}
}

// offer puts a job that has rules before the core, and waits for room where the
// policy says so. With unique keys the receipt can be that of another job. It says where
// that stands if the caller asks for it.
func (e *engine) offer(ctx context.Context, j *core.Job, placed bool) (Receipt, error) {
	if !placed {
		if id, posted := e.postRecord(j); posted {
			return Receipt{ID: id}, nil
		}
	}
	o, err := e.offerOf(ctx)
	if err != nil {
		return Receipt{}, err
	}
	o.placed = placed
	if e.blocks && e.short() {
		o.me, o.known = goid.Current(), true
	}
	var (
		r       Receipt
		waiting bool
	)
	err = errBroken
	e.step(func(c *core.Core, now time.Duration) {
		if e.mail.closed {
			err = ErrClosed
			return
		}
		r, waiting, err = e.accept(o, c, j, now)
		if waiting && o.known && e.caller(o.inside, o.me) != nil {
			c.Reject(j, now)
			waiting, err = false, ErrQueueFull
		}
	})
	if waiting {
		return e.awaitRoom(o, j)
	}
	return r, err
}

// An offer is the call of a caller who may have to wait for room, with all of its
// context that has to be known before.
type offer struct {
	ctx    context.Context
	done   <-chan struct{}
	inside jobctx.Context // of the job that ctx comes from, or nil
	me     goid.ID        // if known: of the caller
	known  bool
	placed bool // the receipt is to say where the job stands
}

// receipt is that for a job which is accepted. The core is asked for its place only if that
// is wanted.
func (o offer) receipt(j *core.Job, now time.Duration, place func(*core.Job, time.Duration) int) Receipt {
	r := Receipt{ID: ID(j.ID)}
	if o.placed {
		r.Position = place(j, now)
	}
	return r
}

// offerOf asks the context on the caller's goroutine, if its call may have to wait.
func (e *engine) offerOf(ctx context.Context) (o offer, err error) {
	if !e.blocks {
		return o, nil
	}
	o.ctx = ctx
	if o.done, err = doneOf(ctx); err == nil {
		o.inside, err = insideOf(ctx)
	}
	return o, err
}

// accept is the change that offer makes.
func (e *engine) accept(o offer, c *core.Core, j *core.Job, now time.Duration) (Receipt, bool, error) {
	v, existing := c.Accept(j, e.mail.lastID+1, now)
	switch v {
	case core.Kept:
		return o.receipt(existing, now, c.Place), false, nil
	case core.Duplicate:
		return Receipt{}, false, ErrDuplicate
	case core.NoGroup:
		return Receipt{}, false, ErrGroupDone
	case core.Full:
		return Receipt{}, false, ErrQueueFull
	case core.Waits:
		j.Answer = make(chan error, 1)
		return Receipt{}, true, nil
	default:
		e.mail.lastID++
		if end, ok := j.Ref.(ending); ok {
			end.accepted(ID(j.ID))
		}
		return o.receipt(j, now, c.Position), false, nil
	}
}

// short reports whether there seems to be no room. To ask for the goroutine's number, which
// is slow, is only worth it then.
func (e *engine) short() bool {
	e.mail.mu.Lock()
	defer e.mail.mu.Unlock()
	return e.mail.room <= 0
}

// rejectOwn turns j away, which found no room, if a job of this queue enqueues it: that
// would wait for its own end.
func (e *engine) rejectOwn(o offer, j *core.Job) (rejected bool) {
	me := goid.Current()
	e.step(func(c *core.Core, now time.Duration) {
		if j.State == core.Blocked && e.caller(o.inside, me) != nil {
			c.Reject(j, now)
			rejected = true
		}
	})
	return rejected
}

// awaitRoom waits until j, which found no room, has been accepted or refused. If
// ctx ends at that very moment the core knows which of the two came first.
func (e *engine) awaitRoom(o offer, j *core.Job) (Receipt, error) {
	if !o.known && e.rejectOwn(o, j) {
		return Receipt{}, ErrQueueFull
	}
	var err error
	select {
	case err = <-j.Answer:
	case <-o.done:
		withdrawn := false
		e.step(func(c *core.Core, _ time.Duration) { withdrawn = c.Withdraw(j) })
		if withdrawn {
			return Receipt{}, causeOf(o.ctx)
		}
		err = <-j.Answer
	}
	if err != nil {
		return Receipt{}, err
	}
	r := Receipt{ID: ID(j.ID)}
	if o.placed {
		e.step(func(c *core.Core, now time.Duration) { r.Position = c.Place(j, now) })
	}
	return r, nil
}
