package jobctx

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// An Owner runs jobs, one after the other. It has one Book.
type Owner interface {
	// Bounds is called while a job runs, by calls on its context, on any goroutine and under the
	// book's mu: it must wait for nothing, and not call the book. It says what ends the context
	// of the job that runs.
	Bounds() Bounds
}

// Bounds is what ends the context of a job before the job does. The zero value is: nothing does.
type Bounds struct {
	Deadline time.Time // zero for none
	Cause    error     // of the end that the deadline brings
	Ended    error     // why it has ended by now; nil if it has not
}

// A Book gives the jobs of one owner their contexts. Its zero value is not usable. Begin,
// Again, End, Leave and Current are called by one goroutine at a time, the others by all.
//
// Which job runs is one word, written once for each job. The goroutine that makes the context of
// a job a standard one looks at it again after that was announced in live, and the owner looks at
// live after it has written the word: so one of the two ends the context. Atomics are
// sequentially consistent, so it cannot be that each misses what the other has written. A job
// whose context is never used takes no lock.
type Book struct {
	owner Owner                     // immutable
	tell  func(time.Time) time.Time // immutable: tells deadlines
	word  atomic.Uint64             // mark << numberBits | number of the present job's context in its page, from 1; 0 without a job
	live  atomic.Pointer[standard]  // what the context of a job has become that is not over, or whose end is to be noticed
	page  *page                     // of the goroutine that runs the jobs: contexts are taken from it; nil after Leave
	given int                       // as page: how many of its contexts were given away
	room  int                       // as page: how many it has; 0 without a page. So many as were given once crowded was seen

	mu      sync.Mutex // held while standard contexts are made and ended
	crowded bool       // maxUsed contexts of the page were used; guarded by mu
}

// numberBits are enough for the contexts of a page, which are counted from 1: pageCells*perCell,
// 192.
const numberBits = 8

// NewBook returns the book of o. Deadlines are shown as tell tells them; tell outlives the book
// in contexts that are kept, so it must lead to nothing that is not to be kept.
func NewBook(o Owner, tell func(time.Time) time.Time) *Book { return &Book{owner: o, tell: tell} }

// A page is contexts, and what they share. A context that is kept keeps its page, so that
// must lead nowhere else: once its book has turned it, or left, it has no book any more,
// and with that no owner, no queue and no other job. What remains is the values that its
// jobs had in common, and at most maxUsed standard contexts, all ended.
type page struct {
	book  atomic.Pointer[Book]     // that takes contexts from it; set once, nil once it does not any more, for ever
	base  context.Context          // immutable: where the values are from
	last  atomic.Pointer[standard] // the one asked for last, so that a job finds its own quickly
	used  map[Context]*standard    // guarded by the book's mu; without a book not changed, and read without it
	cells []cell                   // immutable
}

// pageCells makes a page fill its size class, of 256 bytes, so that it is seldom turned. One job
// with values of its own has a page to itself, of 80 bytes. The cells lie in the page itself, so
// both are one allocation.
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

// newPage returns a page without a book, for contexts with the values of base.
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

// A page is turned before its end when so many of its contexts were used, because what was used
// stays in memory for as long as the page, which is for as long as any context of it is kept.
const maxUsed = 8

// Begin gives a job its context, with the values of base. It shows it with the mark, of which the
// highest numberBits are lost. What the context of the job before has become is ended by the same
// word.
func (b *Book) Begin(base context.Context, mark uint64) {
	if p := b.page; p == nil || p.base != base || b.given == b.room {
		b.Leave()
		b.page, b.given = newPage(base), 0
		b.room = len(b.page.cells) * perCell
		b.page.book.Store(b)
	}
	b.given++
	b.show(mark<<numberBits | uint64(b.given))
}

// Again is Begin with the values of the job before, if the page has another context: it spares
// the comparison of values. It reports false if there is none, or no page, and has changed
// nothing then: Begin is to follow.
func (b *Book) Again(mark uint64) bool {
	if b.given == b.room {
		return false
	}
	b.given++
	b.show(mark<<numberBits | uint64(b.given))
	return true
}

// End cancels the context of the job, which has returned, and shows the mark alone. It may
// be called twice, and without a Begin.
func (b *Book) End(mark uint64) {
	b.show(mark << numberBits)
	if b.page != nil && len(b.page.cells) == 1 {
		b.Leave() // else an idle owner would keep the values
	}
}

// show writes the word, and after it ends the context of the job before, if that has become a
// standard one. The order is what the type's comment is about: a standard context that is
// announced after the load of live finds the word changed, and ends itself.
func (b *Book) show(word uint64) {
	b.word.Store(word)
	if b.live.Load() != nil {
		b.end()
	}
}

// end ends the context of a job that is over. It may find that of the job that runs by now, which
// has been made since show was called: that is left.
func (b *Book) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.live.Load(); s != nil && !b.Runs(s.of) {
		s.end(context.Canceled)
		b.live.Store(nil)
	}
	if b.crowded {
		b.room = b.given
	}
}

// Mark is what was last given to Begin, Again or End. Any goroutine may ask.
func (b *Book) Mark() uint64 { return b.word.Load() >> numberBits }

// Cancel cancels the context of the present job, if it was ever used: else Bounds is to say so
// when it is, so the caller has to set what Bounds reads before. Any goroutine may call it. It
// cancels what runs when it is called: that this is the job that is meant is for the caller to
// see to.
func (b *Book) Cancel(cause error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.live.Load(); s != nil && b.Runs(s.of) {
		s.cancel(cause)
	}
}

// Leave lets the next context come from another page. The present job is over. It cuts the page
// off: contexts of it that are kept lead to no book from here on. A book that has no page is left
// as it is.
func (b *Book) Leave() {
	p := b.page
	if p == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.live.Swap(nil); s != nil {
		s.end(context.Canceled)
	}
	// From here on used is not changed: find writes it under mu alone, and only while the book is
	// there.
	p.book.Store(nil)
	b.page, b.given, b.room = nil, 0, 0
	b.crowded = false
}

// Current is the context of the present job. It is called by the goroutine that runs it, between
// Begin or Again and End. The same job gets the same context each time.
func (b *Book) Current() context.Context { return b.page.at(b.given) }

// at returns the context with the number n, from 1. It is a conversion of a pointer, and makes
// nothing.
func (p *page) at(n int) context.Context {
	i := uint(n - 1) //nolint:gosec // at least 0
	return p.cells[i/perCell].at(int(i % perCell))
}

// Runs reports whether the job that c was made for is running, on any goroutine. The answer is
// one of a moment, unless the caller is that job. It compares the context that the word stands
// for with c, as a number alone would be that of another page's as well.
func (b *Book) Runs(c Context) bool {
	p, n := c.onPage(), int(b.word.Load()&(1<<numberBits-1))
	return n > 0 && n <= len(p.cells)*perCell && p.at(n) == context.Context(c) && p.book.Load() == b
}

// find returns the standard context behind c, and makes it if its job runs; nil if that is over,
// and c was not used before. After the lock is taken it asks for the book again: the page may
// have been turned meanwhile.
func (p *page) find(c Context) *standard {
	b := p.book.Load()
	if b == nil {
		return p.used[c] // all that was written there was before the book left
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := p.used[c]
	if s == nil && p.book.Load() == b && b.Runs(c) {
		if p.used == nil {
			p.used = map[Context]*standard{}
		}
		s = b.newStandard(c)
		p.used[c] = s
		b.crowded = len(p.used) >= maxUsed
	}
	return s
}

// newStandard makes the standard context of the job that runs, in the state in which that is by
// now. What ends it after Bounds was asked finds it in live, as both hold mu. The job may end
// while it is made: then it is ended here, or by the owner, or by both.
func (b *Book) newStandard(c Context) *standard {
	ctx, cancel := context.WithCancelCause(c.onPage().base)
	s := &standard{Context: ctx, of: c, tell: b.tell, cancel: cancel, stop: func() {}}
	bounds := b.owner.Bounds()
	if !bounds.Deadline.IsZero() {
		s.Context, s.stop = context.WithDeadlineCause(ctx, bounds.Deadline, bounds.Cause)
	}
	if bounds.Ended != nil {
		cancel(bounds.Ended)
	}
	if old := b.live.Swap(s); old != nil { // of a job that is over, as the owner is about to notice
		old.end(context.Canceled)
	}
	// Not before Swap: see Book.
	if !b.Runs(c) {
		s.end(context.Canceled)
	}
	return s
}
