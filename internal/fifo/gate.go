package fifo

import "time"

// This file has how entries are claimed by goroutines that do not own the list.
//
// Of each list one gate is open at most, that of the first chunk. It is one word: the next slot
// to claim, and the limit of those that may be. To claim is to add one to the first half: so
// each slot is got once, in order, without a lock. To shut it is to swap the word for another
// one: the old one says how many claims there were, and none can succeed afterwards. So between
// Shut and the next Open the owner knows exactly what is left, and may do with the list
// whatever it likes.
//
//	Open ─► any number of Claim  ─► Shut (─► Claimed) ─► any change ─► Open …

// Claim takes the next entry that the gate is open for; nil if there is none. Any number of
// goroutines that have a lease may call it, while the owner of the list does with that what it
// likes: for all of them together, each entry is claimed once and in order. A record stays the
// owner's as well, which finds it in Claimed.
//
// A claim that fails moves the first half of the word on, too. That does no harm: it stays above
// the limit until the gate is stored anew, and Shut takes no more than the limit for claimed. Nor
// is a claim undone that was made just before Shut: it counts, and its entry is the claimer's.
func (c *Chunk[J]) Claim() (fn slot, job *J, i uint32) {
	i, limit := parts(c.gate.Add(1 << 32))
	if i--; i >= limit || i >= chunkLen { // the second is never true without the first, and spares the bounds checks
		return nil, nil, 0
	}
	if fn = c.slots[i]; fn == nil {
		return nil, c.jobs[i], i
	}
	c.slots[i] = nil // it is the claimer's from here on
	return fn, nil, i
}

// shut is a gate that is about to be opened again, or left to be dry. Its limit is 0, so nothing
// can be claimed. Its first half is far above that of any gate that is open, and would take 2³¹
// claims to come back to 0: so by its size it is told from an open gate and from a dry one.
const shut = 1 << 63

// Remaining reports whether there is something to claim. While others claim, true may be out of
// date at once; false holds until the next Open.
func (c *Chunk[J]) Remaining() bool {
	next, limit := parts(c.gate.Load())
	return next < limit
}

// Shut reports whether the gate is only shut for now, so that to claim again may help. A worker
// that waits for that looks here and does not call Claim, which would write to the gate each time.
func (c *Chunk[J]) Shut() bool { return c.gate.Load() >= shut }

// Dry leaves the gate shut for good, if it is not open: a worker that waits at it gives up. The
// owner calls it of a chunk that it will not open next.
func (c *Chunk[J]) Dry() {
	if !c.opened {
		c.gate.Store(0)
	}
}

// parts takes a gate apart.
func parts(gate uint64) (next, limit uint32) { return uint32(gate >> 32), uint32(gate) }

// Open lets the entries at the front of the list be claimed that are bare or, by what easy says,
// may be, as far as they are in one chunk, which it returns; nil if the first entry is none. What
// easy has once said of a record holds until Reconsider. The list must not be changed otherwise
// before Shut.
//
// What easy accepts is remembered, so that each record is asked about once and not in each tick.
// That it did not accept one is not: the first such record is asked about again each time.
func (l *List[J]) Open(easy func(*J) bool) *Chunk[J] {
	c := l.front()
	if c == nil || !c.findSharable(easy) {
		return nil
	}
	return c.open(c.easy)
}

// OpenRun is Open for the first of these entries whose IDs go up by one per slot and that came at
// the same time, so that RunOf can tell the claimer of a bare one both. It may open fewer than Open
// would: see More.
func (l *List[J]) OpenRun(easy func(*J) bool) *Chunk[J] {
	c := l.front()
	if c == nil || !c.findSharable(easy) {
		return nil
	}
	end := c.easy
	if len(c.marks) > 0 {
		id, at := c.identify(c.head) // after which turn is above head
		c.first, c.since = id-uint64(c.head), at
		end = min(end, c.turn)
	}
	return c.open(end)
}

// open opens the gate from head to end. The store comes last: it is what publishes slots, jobs,
// first and since to the goroutines that claim.
func (c *Chunk[J]) open(end uint32) *Chunk[J] {
	c.opened = true
	c.gate.Store(uint64(c.head)<<32 | uint64(end))
	return c
}

// RunOf returns the ID and the time of the bare entry at slot i, which was claimed since OpenRun.
// It is for the claimer, at once: the next OpenRun of the chunk says something else.
func (c *Chunk[J]) RunOf(i uint32) (id uint64, at time.Duration) { return c.first + uint64(i), c.since }

// Reconsider has easy be asked again. Only the first chunk has been asked about, as only that is
// ever opened.
func (l *List[J]) Reconsider() {
	if l.first != nil {
		l.first.easy = l.first.head
	}
}

// front returns the first chunk, which has entries if any has; nil if there is no chunk. Empty ones
// before it are dropped. The gate must be shut.
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

// findSharable finds out how far the entries from head on may be claimed, and reports whether the
// first may. It goes on from where the last look ended, so a slot is looked at once, however often
// it is asked. Without records and holes there is nothing to look at.
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

// Shut ends what Open began, and returns how many entries were claimed. If there may be records
// among them Claimed is to be called next, and before it the caller has to make sure that each
// claimer has read what it has claimed: Claimed takes the records out of their slots.
//
// The swap is the moment from which on nothing is claimed. Failed claims may have gone beyond the
// limit, so no more than that counts. Functions that were claimed are not looked at again.
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
		c.claimed = c.head // from where Claimed looks for records
	}
	c.head = next
	l.n -= claimed
	return claimed, c.jobs != nil && claimed > 0
}

// Claimed yields the records that were claimed before the last Shut, with their slots, in order,
// and lets go of them. A second call yields nothing.
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

// Keep leaves the chunk to the garbage collector once it is used up. A worker that has no lease of
// it calls Keep before it claims from it: it is not counted in leases, so nothing else would keep
// the chunk from being used for other entries meanwhile. Whether the chunk is still on offer is to
// be looked at after Keep, and not before, or it may have been used again in between: see the
// engine's claimElsewhere.
func (c *Chunk[J]) Keep() {
	if !c.kept.Load() { // where it is already, a store would only take the cache line from others
		c.kept.Store(true)
	}
}

// Lease lets one more goroutine claim from c, until Release. The owner calls it before the
// goroutine can know of c.
func (*List[J]) Lease(c *Chunk[J]) { c.leases++ }

// Release ends a lease of c: the goroutine will not look at it any more. If c has left its list,
// and this was the last lease, it becomes one of l's spare chunks. l may be another list than c's,
// of the same owner.
func (l *List[J]) Release(c *Chunk[J]) {
	if c.leases--; c.dropped && c.leases == 0 {
		l.recycle(c)
	}
}

// Renew moves what is in the first chunk to another one, if that is leased, so that no lease is
// worth anything any more: the old gate stays dry. The entries keep their order and numbers; slots
// change, so what was claimed before is still to be identified by the old chunk. It copies one
// chunk at most.
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
	// It is found by its low, which is the same for both; if no bare entry was ever in it, it is
	// not in there.
	if k := l.bareChunk(o.low); l.bare.is(k, o) {
		l.bare.live()[k] = c
	}
	o.next = nil
	o.Dry()
	// Claimers may still be at slots before head, but at none from there on: nothing was claimed of
	// these.
	clear(o.slots[o.head:o.tail])
	if o.jobs != nil {
		clear(o.jobs[o.head:o.tail])
	}
	l.recycle(o)
}

// Identify returns the ID and the time of the bare entry that was at slot i, also when it has been
// claimed. It may be asked as long as there is a lease of the chunk, and for ever of a kept one:
// marks are cleared only when the chunk is used again. It is the owner's, which may add marks.
func (c *Chunk[J]) Identify(i uint32) (e Entry[J]) {
	k := len(c.marks) - 1
	for k > 0 && c.marks[k].from > i {
		k--
	}
	return c.bareAt(nil, &c.marks[k], i)
}

// FirstIsSharable reports whether Open would open anything. It opens nothing itself.
func (l *List[J]) FirstIsSharable(easy func(*J) bool) bool {
	c := l.front()
	return c != nil && c.findSharable(easy)
}

// Opened is how many entries Open has opened the gate for, claimed since or not. It is asked while
// the gate is open.
func (l *List[J]) Opened() int {
	_, limit := parts(l.first.gate.Load())
	return int(limit - l.first.head)
}

// More reports whether there is more behind what Open has opened, which it may open next: another
// run, or another chunk, if nothing in this one is in the way. It is asked while the gate is open.
func (l *List[J]) More() bool {
	c := l.first
	_, limit := parts(c.gate.Load())
	return limit < c.easy || c.easy == c.tail && c.next != nil
}
