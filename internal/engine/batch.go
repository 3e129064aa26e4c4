package engine

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/errs"
)

// What concerns very many jobs is done in slices, each an update of its own, as every call
// and every worker waits for one. So much is dealt with in one of them, which takes
// some dozen microseconds.
const (
	SlicedJobs  = 64   // records that are changed; a batch of so many is accepted at one moment
	SlicedReads = 256  // jobs that are only looked at
	slicedPlain = 4096 // plain jobs that are added
	fewPlain    = 512  // plain jobs that are added one by one
)

// InSlices makes a change in several updates, between which all others have their turn. The
// change is told by its result to go on.
func (e *Engine) InSlices(change func(c *core.Core, now time.Duration) (more bool)) {
	for more := true; more; {
		more = false
		e.Update(func(c *core.Core, now time.Duration) { more = change(c, now) })
		if more {
			runtime.Gosched() // to the goroutine that was woken for the state
		}
	}
}

// CancelAll cancels what some cancels a part of, as far as it was there at the call: what is
// accepted between two slices has a higher ID than the last one then, and stays.
func (e *Engine) CancelAll(some func(*core.Core, *core.Span, time.Duration) int) (n int) {
	var s core.Span
	e.InSlices(func(c *core.Core, now time.Duration) bool {
		if s.Limit == 0 {
			s.Limit, s.UpTo = SlicedJobs, e.mail.lastID
		}
		n += some(c, &s, now)
		return s.More
	})
	return n
}

// PostAll is Post for as many plain jobs as there is room for. Very many are put into chunks
// before the mailbox is locked, which would else be so nearly all the time: then others hardly
// get it.
func PostAll[F ~func(context.Context) error](e *Engine, fns []F) (posted int) {
	var filled core.Mailbox
	atOnce := slicedPlain
	if e.mail.watched {
		atOnce = SlicedJobs
	} else if len(fns) > fewPlain {
		e.lendSpare(&e.mail.list, &filled)
		defer e.lendSpare(&filled, &e.mail.list)
	}
	for posted < len(fns) {
		some := fns[posted:min(posted+atOnce, len(fns))]
		if len(some) > fewPlain {
			for i, fn := range some {
				filled.PushBare(fn, uint64(i)+1, 0)
			}
		}
		n := postSome(e, some, &filled)
		if n == 0 && e.mail.watched {
			n = addSome(e, some)
		}
		if posted += n; n < len(some) {
			break
		}
	}
	return posted
}

// addSome is postSome where the owner has been left too many: that makes room in the mailbox first.
// Where there is not room for all it adds none, as they are few: what offers them then does so in one
// update.
func addSome[F ~func(context.Context) error](e *Engine, fns []F) (added int) {
	e.Update(func(c *core.Core, now time.Duration) {
		if c.Room() < len(fns) {
			return
		}
		for added < len(fns) && e.addPlain(c, core.Func(fns[added]), now) {
			added++
		}
	})
	return added
}

// lendSpare moves the chunks that one list has for later to another one, of which one is the
// mailbox's.
func (e *Engine) lendSpare(from, to *core.Mailbox) {
	e.mail.mu.Lock()
	defer e.mail.mu.Unlock()
	from.LendSpare(to)
}

// postSome is PostAll for so few that the mailbox is not locked for long: filled has all of
// them, or nothing. All of them have one date: the clock is read once. A short batch is not torn.
func postSome[F ~func(context.Context) error](e *Engine, fns []F, filled *core.Mailbox) int {
	m := &e.mail
	m.mu.Lock()
	n := min(m.room, len(fns))
	if n <= 0 || m.closed || n < len(fns) && len(fns) <= SlicedJobs {
		m.mu.Unlock()
		return 0
	}
	first := m.list.Len() == 0
	m.stamp = e.Now()
	m.room -= n
	if filled.Len() == n {
		filled.Rebase(m.lastID+1, m.stamp)
		m.list.Append(filled)
		m.lastID += uint64(n)
	} else {
		for _, fn := range fns[:n] {
			m.lastID++
			m.list.PushBare(fn, m.lastID, m.stamp)
		}
	}
	e.posted(first)
	return n
}

// OfferAll is Offer for several jobs, in order, until one is not accepted. It returns how many
// were.
func (e *Engine) OfferAll(o Offer, jobs []*core.Job) (accepted int, err error) {
	for accepted < len(jobs) {
		n, waiting, err := e.offerSome(o, jobs[accepted:])
		accepted += n
		if waiting {
			if _, err = e.awaitRoom(o, jobs[accepted]); err == nil {
				accepted++
			}
		}
		if err != nil {
			return accepted, err
		}
	}
	return accepted, nil
}

// offerSome offers jobs until one is not accepted: then it waits for room, or the
// others are turned away like it. These are counted as rejected one by one, so that the books have
// them, though the caller hears of the first alone.
func (e *Engine) offerSome(o Offer, jobs []*core.Job) (accepted int, waiting bool, err error) {
	left, full := jobs, false
	err = ErrBroken
	e.InSlices(func(c *core.Core, now time.Duration) (more bool) {
		if err = nil; e.mail.closed {
			err = errs.ErrClosed
			return false
		}
		some := left[:min(SlicedJobs, len(left))]
		left = left[len(some):]
		for _, j := range some {
			if full { // whatever room there is by now: the first of them are accepted
				c.Reject(j, now)
				continue
			}
			_, waiting, err = e.accept(o, c, j, now)
			switch {
			case err == nil && !waiting:
				accepted++
			case errors.Is(err, errs.ErrQueueFull):
				full = true
			default:
				return false
			}
		}
		return len(left) > 0
	})
	if full && err == nil {
		err = errs.ErrQueueFull
	}
	return accepted, waiting, err
}
