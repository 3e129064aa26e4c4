package fifo

// Claim takes the next entry that the gate is open for; nil if there is none. Any number
// of goroutines may call it, while the owner of the list does with that what it likes:
// for all of them together, each entry is claimed once and in order.
func (c *Chunk[J]) Claim() (fn slot, i uint32) {
	i, limit := parts(c.gate.Add(1 << 32))
	if i--; i >= limit || i >= chunkLen {
		return nil, 0
	}
	fn = c.slots[i]
	c.slots[i] = nil // it is the claimer's from here on
	return fn, i
}

func parts(gate uint64) (next, limit uint32) { return uint32(gate >> 32), uint32(gate) }

// Open lets the bare entries at the front of the list be claimed, as far as they are in
// one chunk, which it returns; nil if the first entry is none. The list must not be
// changed otherwise before Shut.
func (l *List[J]) Open() *Chunk[J] {
	c := l.first
	for c != nil {
		if c.skip(); !c.empty() || c.next == nil {
			break
		}
		l.drop(0)
		c = l.first
	}
	if c == nil || !c.findBare() {
		return nil
	}
	c.opened, c.shared = true, true
	c.gate.Store(uint64(c.head)<<32 | uint64(c.bare))
	return c
}

// findBare finds out how far the entries from head on are bare, and reports whether the
// first is.
func (c *Chunk[J]) findBare() bool {
	c.bare = max(c.bare, c.head)
	if len(c.records) == 0 {
		c.bare = c.tail
	}
	for c.bare < c.tail && c.slots[c.bare] != nil {
		c.bare++
	}
	return c.bare > c.head
}

// Shut ends what Open began, and returns how many entries were claimed.
func (l *List[J]) Shut() (claimed int) {
	c := l.first
	if c == nil || !c.opened {
		return 0
	}
	c.opened = false
	next, limit := parts(c.gate.Swap(0))
	next = min(next, limit)
	claimed = int(next - c.head)
	c.head = next
	l.n -= claimed
	return claimed
}

// Identify returns the ID and the time of the bare entry that was at slot i.
func (c *Chunk[J]) Identify(i uint32) (e Entry[J]) {
	k := len(c.marks) - 1
	for k > 0 && c.marks[k].from > i {
		k--
	}
	return c.bareAt(nil, &c.marks[k], i)
}

// FirstIsBare reports whether the first entry is a bare function. It may say no of one
// behind one that was taken out.
func (l *List[J]) FirstIsBare() bool {
	c := l.first
	for c != nil && c.empty() {
		c = c.next
	}
	return c != nil && c.slots[c.head] != nil
}
