package dray

import (
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

// Cancel settles a waiting job as cancelled. If it is running, its context is
// cancelled with the cause [ErrCancelled], and what it then returns decides. It
// returns [ErrNotFound] if the job has settled, or never was.
func (q *Queue) Cancel(id ID) error { return q.cancel(id) }

// CancelKey is [Queue.Cancel] for all jobs of a key ([WithKey]) that are there at the
// call, in the order in which they were accepted. It returns how many there were, 0 for
// the empty key. Very many are cancelled a few at a time, so that no other call has to wait:
// meanwhile others may start, and end otherwise. It looks at no other jobs.
func (q *Queue) CancelKey(key string) int {
	return q.cancelAll(func(c *core.Core, s *core.Span, now time.Duration) int { return c.CancelKey(key, s, now) })
}

// CancelKind is [Queue.CancelKey] for all jobs of a kind. It returns 0 for a kind
// that was never registered.
func (q *Queue) CancelKind(kind string) int {
	return q.cancelAll(func(c *core.Core, s *core.Span, now time.Duration) int { return c.CancelKind(kind, s, now) })
}

// cancel is Queue.Cancel.
func (e *engine) cancel(id ID) error {
	found := false
	e.step(func(c *core.Core, now time.Duration) { found = c.Cancel(uint64(id), now) })
	if !found {
		return ErrNotFound
	}
	return nil
}

// count makes a change that says how many it concerned.
func (e *engine) count(change func(*core.Core, time.Duration) int) (n int) {
	e.step(func(c *core.Core, now time.Duration) { n = change(c, now) })
	return n
}
