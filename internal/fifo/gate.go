package fifo

import "time"

// Claim takes the next entry that the gate is open for; nil if there is none. Any number
// of goroutines that have a lease may call it, while the owner of the list does with that
// what it likes: for all of them together, each entry is claimed once and in order.
// A record stays the owner's as well, which finds it in Claimed.
func (c *Chunk[J]) Claim() (fn slot, job *J, i uint32) {
	i, limit := parts(c.gate.Add(1 << 32))
	if i--; i >= limit || i >= chunkLen {
		return nil, nil, 0
	}
	if fn = c.slots[i]; fn == nil {
		return nil, c.jobs[i], i
	}
	c.slots[i] = nil // it is the claimer's from here on
	return fn, nil, i
}

// shut is a gate that is about to be opened again, or left to be dry. No number of claims
// brings its upper half down to the limit of an open one.
const shut = 1 << 63

// Remaining reports whether there is something to claim.
func (c *Chunk[J]) Remaining() bool {
	next, limit := parts(c.gate.Load())
	return next < limit
}

// Shut reports whether the gate is only shut for now, so that to claim again may help.
func (c *Chunk[J]) Shut() bool { return c.gate.Load() >= shut }

// Dry leaves the gate shut for good, if it is not open.
func (c *Chunk[J]) Dry() {
	if !c.opened {
		c.gate.Store(0)
	}
}

func parts(gate uint64) (next, limit uint32) { return uint32(gate >> 32), uint32(gate) }

// Open lets the entries at the front of the list be claimed that are bare or, by what easy
// says, may be, as far as they are in one chunk, which it returns; nil if the first entry is
// none. What easy has once said of a record holds until Reconsider. The list must not be
// changed otherwise before Shut.
func (l *List[J]) Open(easy func(*J) bool) *Chunk[J] {
	c := l.front()
	if c == nil || !c.findSharable(easy) {
		return nil
	}
	return c.open(c.easy)
}

// OpenRun is Open for the first of these entries whose IDs go up by one per slot and that came
// at the same time, so that who claims a bare one can ask RunOf for both.
func (l *List[J]) OpenRun(easy func(*J) bool) *Chunk[J] {
	c := l.front()
	if c == nil || !c.findSharable(easy) {
		return nil
	}
	end := c.easy
	if len(c.marks) > 0 {
		id, at := c.identify(c.head)
		c.first, c.since = id-uint64(c.head), at
		end = min(end, max(c.turn, c.head+1))
	}
	return c.open(end)
}

func (c *Chunk[J]) open(end uint32) *Chunk[J] {
	c.opened = true
	c.gate.Store(uint64(c.head)<<32 | uint64(end))
	return c
}

// RunOf returns the ID and the time of the bare entry at slot i, which was claimed since OpenRun.
func (c *Chunk[J]) RunOf(i uint32) (id uint64, at time.Duration) { return c.first + uint64(i), c.since }

// Reconsider has easy be asked again.
func (l *List[J]) Reconsider() {
	if l.first != nil {
		l.first.easy = l.first.head
	}
}

// front returns the first chunk, which has entries if any has.
func (l *List[J]) front() *Chunk[J] {
	for l.first != nil {
		c := l.first
		if c.skip(); !c.empty() || c.next == nil {
			return c
		}
		l.drop(0)
	}
	return nil
}

// findSharable finds out how far the entries from head on may be claimed, and reports whether
// the first may.
func (c *Chunk[J]) findSharable(easy func(*J) bool) bool {
	c.easy = max(c.easy, c.head)
	if c.jobs == nil && c.holes == 0 {
		c.easy = c.tail
	}
	for c.easy < c.tail && (c.slots[c.easy] != nil || c.job(c.easy) != nil && easy(c.jobs[c.easy])) {
		c.easy++
	}
	return c.easy > c.head
}

// Shut ends what Open began, and returns how many entries were claimed. If there may be
// records among them Claimed is to be called next.
func (l *List[J]) Shut() (claimed int, records bool) {
	c := l.first
	if c == nil || !c.opened {
		return 0, false
	}
	c.opened = false
	next, limit := parts(c.gate.Swap(shut))
	next = min(next, limit)
	claimed = int(next - c.head)
	if c.jobs != nil {
		c.claimed = c.head
	}
	c.head = next
	l.n -= claimed
	return claimed, c.jobs != nil && claimed > 0
}

// Claimed yields the records that were claimed before the last Shut, with their slots, and
// lets go of them.
func (l *List[J]) Claimed(yield func(i uint32, j *J)) {
	c := l.first
	if c == nil || c.jobs == nil {
		return
	}
	for i := c.claimed; i < c.head; i++ {
		if j := c.jobs[i]; j != nil {
			c.jobs[i] = nil
			l.records--
			yield(i, j)
		}
	}
}

// Keep leaves the chunk to the garbage collector once it is used up: who claims from it
// without a lease calls Keep before.
func (c *Chunk[J]) Keep() {
	if !c.kept.Load() {
		c.kept.Store(true)
	}
}

// Lease lets one more goroutine claim from c, whose list this is, until Release.
func (*List[J]) Lease(c *Chunk[J]) { c.leases++ }

// Release ends a lease.
func (l *List[J]) Release(c *Chunk[J]) {
	if c.leases--; c.dropped && c.leases == 0 {
		l.recycle(c)
	}
}

// Renew moves what is in the first chunk to another one, if that is leased, so that no
// lease is worth anything any more.
func (l *List[J]) Renew() {
	o := l.front()
	if o == nil || !o.inUse() {
		return
	}
	c := l.newChunk()
	c.start, c.low, c.base = o.start+uint64(o.head), o.low, o.base
	c.copy(o)
	c.next = o.next
	if l.first = c; l.last == o {
		l.last = c
	}
	l.chunks.live()[0] = c
	if k := l.bareChunk(o.low); l.bare.is(k, o) {
		l.bare.live()[k] = c
	}
	o.next = nil
	o.Dry()
	clear(o.slots[o.head:o.tail])
	if o.jobs != nil {
		clear(o.jobs[o.head:o.tail])
	}
	l.recycle(o)
}

// Identify returns the ID and the time of the bare entry that was at slot i.
func (c *Chunk[J]) Identify(i uint32) (e Entry[J]) {
	k := len(c.marks) - 1
	for k > 0 && c.marks[k].from > i {
		k--
	}
	return c.bareAt(nil, &c.marks[k], i)
}

// FirstIsSharable reports whether Open would open anything.
func (l *List[J]) FirstIsSharable(easy func(*J) bool) bool {
	c := l.front()
	return c != nil && c.findSharable(easy)
}

// Opened is how many entries Open has opened the gate for.
func (l *List[J]) Opened() int {
	_, limit := parts(l.first.gate.Load())
	return int(limit - l.first.head)
}

// More reports whether there is more behind what Open has opened, which it may open next.
func (l *List[J]) More() bool {
	c := l.first
	_, limit := parts(c.gate.Load())
	return limit < c.easy || c.easy == c.tail && c.next != nil
}
