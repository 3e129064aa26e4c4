// Package jobctx has the contexts of jobs. Most jobs never look at theirs, so it is a
// value of eight bytes out of a page of them, and becomes a standard context only when
// it is first used. It stays its job's for ever: once the job has returned it is
// cancelled, wherever it was kept, and never lives again with a later job.
package jobctx

import (
	"context"
	"time"
)

// A Context is the context of one attempt at one job. It is known by its address, by
// which it is compared with that of the job that runs.
type Context struct {
	page *page // immutable
}

// standard is what a Context becomes.
type standard struct {
	context.Context
	of     *Context
	tell   func(time.Time) time.Time // leads nowhere else
	cancel context.CancelCauseFunc
	stop   context.CancelFunc // of the deadline's timer
}

func (s *standard) end(cause error) {
	s.cancel(cause)
	s.stop()
}

// std returns the standard context behind c: nil if the attempt had ended before it
// was first used, so that none was ever needed.
func (c *Context) std() *standard {
	p := c.page
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

// Deadline is that of [context.Context].
func (c *Context) Deadline() (end time.Time, ok bool) {
	s := c.std()
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

// Done is that of [context.Context].
func (c *Context) Done() <-chan struct{} {
	if s := c.std(); s != nil {
		return s.Done()
	}
	return ended
}

// Err is that of [context.Context].
func (c *Context) Err() error {
	if s := c.std(); s != nil {
		return s.Err()
	}
	return context.Canceled
}

// self is the key under which a Context gives itself away.
type self struct{}

// Value is that of [context.Context].
func (c *Context) Value(key any) any {
	if key == (self{}) {
		return c
	}
	if s := c.std(); s != nil {
		return s.Value(key)
	}
	return c.page.base.Value(key)
}

func (c *Context) String() string { return "dray.Job" }

// From returns the context of a job that ctx is, or is derived from, or nil. It calls
// user code.
func From(ctx context.Context) *Context {
	c, _ := ctx.Value(self{}).(*Context)
	return c
}

// Owner returns what runs jobs with contexts of c's page, or nil if nothing does any
// more. From inside the job it is what runs the job.
func (c *Context) Owner() Owner {
	if b := c.page.book.Load(); b != nil {
		return b.owner
	}
	return nil
}

// WhileRunning calls do with what runs c's job, under its lock, or reports false if the
// job has ended.
func (c *Context) WhileRunning(do func(o Owner)) bool {
	b := c.page.book.Load()
	if b == nil {
		return false
	}
	b.lock.Lock()
	defer b.lock.Unlock()
	if !b.Runs(c) {
		return false
	}
	do(b.owner)
	return true
}
