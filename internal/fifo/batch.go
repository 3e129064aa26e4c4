package fifo

import "time"

// This file has how very many bare functions are appended to a list that others wait for: they
// are put into chunks of a list of their own beforehand, with IDs from 1 on and the time 0, and
// get theirs only then.

// Rebase gives the entries of l, bare functions that were pushed with IDs from 1 on and the
// time 0, IDs from id on and the time at. It costs a look at each chunk. It is done once, with
// a list that nothing was popped or taken out of, and that is appended to another one next.
func (l *List[J]) Rebase(id uint64, at time.Duration) {
	for c := l.first; c != nil; c = c.next {
		for i := range c.marks {
			c.marks[i].id += id - 1
		}
		c.low += id - 1
		c.nextID += id - 1
		c.base, c.at = at, at
	}
}

// LendSpare moves the spare chunks of l to o, if that has none.
func (l *List[J]) LendSpare(o *List[J]) {
	if o.spares == 0 {
		o.spare, o.spares = l.spare, l.spares
		l.spare, l.spares = nil, 0
	}
}
