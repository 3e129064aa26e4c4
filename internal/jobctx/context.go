// Package jobctx has the contexts of jobs. Most jobs never look at theirs, so it is next
// to nothing, a place on a page, and becomes a standard context only when it is first
// used. It stays its job's for ever: once the job has returned it is cancelled, wherever
// it was kept, and never lives again with a later job.
package jobctx

import (
	"context"
	"time"
)

// A Context is the context of one attempt at one job. The only implementations are those of this
// package. They are compared, and nothing else is done to find out which they are. Two are equal
// exactly if they are of the same attempt.
type Context interface {
	context.Context
	onPage() *page
}

// A cell is the contexts of perCell jobs. All that a context has is its page, so they have
// that in common, and are told apart by their types, as two pointers of different types
// are never the same context. With a cell for each context a job would cost 6 ns more, for
// the memory alone (docs/performance.md).
type cell struct {
	page *page // immutable
}

// perCell is how many types of slots there are: one for each case of cell.at.
const perCell = 8

// A slot is one context of a cell. Each K makes it another one. It is the cell itself under
// another type, so that a context needs no memory of its own.
type slot[K any] cell

// at returns the ith context of c, from 0. i is below perCell.
func (c *cell) at(i int) context.Context {
	switch i {
	case 0:
		return (*slot[[0]bool])(c)
	case 1:
		return (*slot[[1]bool])(c)
	case 2:
		return (*slot[[2]bool])(c)
	case 3:
		return (*slot[[3]bool])(c)
	case 4:
		return (*slot[[4]bool])(c)
	case 5:
		return (*slot[[5]bool])(c)
	case 6:
		return (*slot[[6]bool])(c)
	default:
		return (*slot[[7]bool])(c)
	}
}

func (s *slot[K]) onPage() *page                      { return s.page }
func (s *slot[K]) Deadline() (end time.Time, ok bool) { return s.page.deadline(s) }
func (s *slot[K]) Done() <-chan struct{}              { return s.page.done(s) }
func (s *slot[K]) Err() error                         { return s.page.err(s) }
func (s *slot[K]) Value(key any) any                  { return s.page.value(s, key) }
func (*slot[K]) String() string                       { return "dray.Job" }

// standard is what a Context becomes. It is not changed once it is in live. It is kept by the
// page, so it leads neither to the book nor to the owner.
type standard struct {
	context.Context
	of     Context                   // that it stands behind
	tell   func(time.Time) time.Time // leads nowhere else
	cancel context.CancelCauseFunc   // ends Context: it is that of Context, or of its parent if there is a deadline
	stop   context.CancelFunc        // of the deadline's timer
}

// end ends the context and stops its timer, which the runtime would keep until the deadline. It
// may be called twice, and by several goroutines.
func (s *standard) end(cause error) {
	s.cancel(cause)
	s.stop()
}

// std returns the standard context behind c: nil if the attempt had ended before it was first
// used, so that none was ever needed. The one that was asked for last is found without a lock;
// that may be another job's, if several contexts of the page are kept and used.
func (p *page) std(c Context) *standard {
	if s := p.last.Load(); s != nil && s.of == c {
		return s
	}
	s := p.find(c)
	if s != nil {
		p.last.Store(s)
	}
	return s
}

// A context first used after its attempt has been cancelled all along, as far as
// anything can tell.

// deadline is Deadline. It is told by the wall clock as it is when it is asked for.
func (p *page) deadline(c Context) (end time.Time, ok bool) {
	s := p.std(c)
	if s == nil {
		return time.Time{}, false
	}
	if end, ok = s.Deadline(); ok {
		end = s.tell(end)
	}
	return end, ok
}

// ended is the Done of all contexts that were not used in time.
var ended = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// done is Done: the channel of the standard context, which is the same for all calls.
func (p *page) done(c Context) <-chan struct{} {
	if s := p.std(c); s != nil {
		return s.Done()
	}
	return ended
}

// err is Err. It is not nil any more once End, or the Begin or Again of the next job, has returned.
func (p *page) err(c Context) error {
	if s := p.std(c); s != nil {
		return s.Err()
	}
	return context.Canceled
}

// self is the key under which a Context gives itself away, to those that have one derived from it.
type self struct{}

// value is Value. The values of a job that is over are there still, without a standard context.
func (p *page) value(c Context, key any) any {
	if key == (self{}) {
		return c
	}
	if s := p.std(c); s != nil {
		return s.Value(key)
	}
	return p.base.Value(key)
}

// From returns the context of a job that ctx is, or is derived from, or nil. It calls user code,
// as ctx may be foreign: not under a lock, nor in a tick. Of contexts derived from several jobs
// it is the innermost.
func From(ctx context.Context) Context {
	c, _ := ctx.Value(self{}).(Context)
	return c
}

// OwnerOf returns what runs jobs with contexts of c's page, or nil if nothing does any
// more. From inside the job it is what runs the job. Elsewhere the job may be over: see Running.
func OwnerOf(c Context) Owner {
	if b := c.onPage().book.Load(); b != nil {
		return b.owner
	}
	return nil
}

// Running reports whether c's job runs. It is the answer of a moment, as that of Runs.
func Running(c Context) bool {
	b := c.onPage().book.Load()
	return b != nil && b.Runs(c)
}
