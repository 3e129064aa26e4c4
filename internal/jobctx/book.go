package jobctx

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// An Owner runs jobs, one after the other.
type Owner interface {
	// Bounds is called while a job runs, with the lock held.
	Bounds() Bounds
}

// Bounds is what ends the context of a job before the job does.
type Bounds struct {
	Deadline time.Time // zero for none
	Cause    error     // of the end that the deadline brings
	Ended    error     // why it has ended by now; nil if it has not
}

// A Book gives the jobs of one owner their contexts. It is guarded by the owner's lock,
// but for Current. Its zero value is not usable.
type Book struct {
	owner   Owner                     // immutable
	lock    sync.Locker               // immutable; held around all calls but Current
	tell    func(time.Time) time.Time // immutable: tells deadlines
	page    *page                     // written by the owner's goroutine alone, while a job runs
	given   int                       // as page: how many of its contexts were given away, the last to the present job
	running bool                      // from Begin to End
	live    *standard                 // what the context of the present job has become, if it was ever used
}

// NewBook returns the book of o, whose lock is the one given. Deadlines are shown as tell
// tells them.
func NewBook(o Owner, lock sync.Locker, tell func(time.Time) time.Time) Book {
	return Book{owner: o, lock: lock, tell: tell}
}

// A page is contexts, and what they share. A context that is kept keeps its page, so that
// must lead nowhere else: once its book has turned it, or left, it has no book any more,
// and with that no owner, no queue and no other job. What remains is the values that its
// jobs had in common, and at most maxUsed standard contexts, all ended.
type page struct {
	book  atomic.Pointer[Book]     // that takes contexts from it; nil once it does not any more
	base  context.Context          // immutable: where the values are from
	last  atomic.Pointer[standard] // the one asked for last, so that a job finds its own quickly
	used  map[Context]*standard    // guarded by the book's lock; not changed any more without a book
	cells []cell                   // immutable
}

// pageCells makes a page fill its size class, of 256 bytes: three of the longest stretches of tiny jobs; one job with values of its own
// has a page to itself.
const pageCells = 24

type (
	single struct {
		page
		room [1]cell
	}
	whole struct {
		page
		room [pageCells]cell
	}
)

func newPage(base context.Context) (p *page) {
	if _, own := base.(*inherited); own {
		s := &single{}
		p, s.cells = &s.page, s.room[:]
	} else {
		w := &whole{}
		p, w.cells = &w.page, w.room[:]
	}
	p.base = base
	for i := range p.cells {
		p.cells[i].page = p
	}
	return p
}

// MaxStretch is how many jobs Begin can see to.
const MaxStretch = pageCells * perCell

// A page is turned before its end when so many of its contexts were used, because
// what was used stays in memory for as long as the page.
const maxUsed = 8

// Begin gives a job its context, with the values of base, and sees to it that there is
// one for each of the n-1 jobs that follow it by Next.
func (b *Book) Begin(base context.Context, n int) {
	if p := b.page; p == nil || p.base != base || len(p.used) >= maxUsed || b.given+n > len(p.cells)*perCell {
		b.Leave()
		b.page, b.given = newPage(base), 0
		b.page.book.Store(b)
	}
	b.given++
	b.running = true
}

// Next is the end of a job and the beginning of the next one.
func (b *Book) Next() {
	if b.live != nil {
		b.end()
	}
	b.given++
}

// End cancels the context of the job, which has returned. It may be called twice.
func (b *Book) End() {
	b.running = false
	if b.live != nil {
		b.end()
	}
	if b.page != nil && len(b.page.cells) == 1 {
		b.Leave() // else an idle owner would keep the values
	}
}

func (b *Book) end() {
	b.live.end(context.Canceled)
	b.live = nil
}

// Cancel cancels the context of the present job, if it was ever used: else Bounds will
// say so when it is.
func (b *Book) Cancel(cause error) {
	if b.live != nil {
		b.live.cancel(cause)
	}
}

// Leave lets the next context come from another page. No job runs.
func (b *Book) Leave() {
	if b.page != nil {
		b.page.book.Store(nil)
		b.page = nil
	}
}

// Current is the context of the present job. It is called by the goroutine that runs it.
func (b *Book) Current() context.Context {
	n := uint(b.given - 1) //nolint:gosec // at least 0, as a job runs
	return b.page.cells[n/perCell].at(int(n % perCell))
}

// Runs reports whether the job that c was made for is running.
func (b *Book) Runs(c Context) bool {
	return b.running && b.page == c.onPage() && b.Current() == context.Context(c)
}

// find returns the standard context behind c, and makes it if its job runs.
func (p *page) find(c Context) *standard {
	b := p.book.Load()
	if b == nil {
		return p.used[c] // all that was written there was before the book left
	}
	b.lock.Lock()
	defer b.lock.Unlock()
	s := p.used[c]
	if s == nil && b.Runs(c) {
		if p.used == nil {
			p.used = map[Context]*standard{}
		}
		s = b.newStandard(c)
		p.used[c] = s
	}
	return s
}

// newStandard makes the standard context of the job that runs, in the state in which that
// is by now.
func (b *Book) newStandard(c Context) *standard {
	ctx, cancel := context.WithCancelCause(b.page.base)
	s := &standard{Context: ctx, of: c, tell: b.tell, cancel: cancel, stop: func() {}}
	bounds := b.owner.Bounds()
	if !bounds.Deadline.IsZero() {
		s.Context, s.stop = context.WithDeadlineCause(ctx, bounds.Deadline, bounds.Cause)
	}
	if bounds.Ended != nil {
		cancel(bounds.Ended)
	}
	b.live = s
	return s
}
