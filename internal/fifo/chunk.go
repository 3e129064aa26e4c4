package fifo

import (
	"context"
	"math"
	"sync/atomic"
	"time"
)

// A slot is the function of a bare entry, or nil for a record, which then is at the same
// index of the chunk's jobs, or for an entry that was taken out.
type slot = func(context.Context) error

// A Chunk is a part of a list. Bare entries keep neither ID nor time in their slots: neighbours
// nearly always have IDs in sequence and came at the same time, so a mark says it once for a run of
// them.
//
// All fields but the first two belong to the list's owner. Goroutines that claim read besides slots
// and jobs at the indexes that they have claimed, and first and since. What the owner has written
// before it opens the gate they see, as each claim goes through the gate. In the other direction
// the gate orders nothing: until the last lease has ended a claimer may still write to its slot, so
// the owner leaves those before head alone.
type Chunk[J any] struct {
	gate atomic.Uint64 // next slot to claim << 32 | limit of those that may be; Store and Swap by the list's owner, Add by all
	kept atomic.Bool   // it is never to be used again, as others may look at it; set by them, read by the owner
	_    [52]byte      // keeps the gate, which each claim writes to, off the cache line of what follows

	// Slots before head are empty, or belong to the goroutines that have claimed them.
	next       *Chunk[J]
	head, tail uint32 // slots[head:tail] are filled
	holes      uint32 // of those, taken out
	turn       uint32 // the slots before it, from head on, have IDs from ids and the time date
	ids        uint64 // the ID that slot 0 would have
	date       time.Duration
	nextID     uint64        // with which a bare entry goes on the last run; 0 while there is none
	at         time.Duration // of the last run, as given

	// The rest is read less often, so it comes behind what each push and pop needs.
	start   uint64        // the number of slot 0
	low     uint64        // in List.bare: no ID here is lower, and none before it so high
	base    time.Duration // of the times in marks
	easy    uint32        // the slots before it, from head on, may be claimed
	first   uint64        // the ID that slot 0 would have in the run of those that may be claimed
	since   time.Duration // when that run came
	claimed uint32        // the slots from it to head were claimed before the last Shut
	opened  bool          // its gate is open
	dropped bool          // it has left its list, and is leased
	leases  uint32        // workers that may still look at it, whatever its gate says
	mark    uint32        // index of the mark that ids and date are from
	jobs    *[chunkLen]*J // the records; nil while there has been none
	marks   []mark
	slots   [chunkLen]slot
}

// inUse reports whether a worker may still look at what was in the chunk. While it is true the
// chunk is not cleared, and no slot of it is filled a second time.
func (c *Chunk[J]) inUse() bool { return c.leases > 0 || c.kept.Load() }

// usualMarks is how many marks a chunk has room for at first: as many as it has of a burst.
const usualMarks = 8

// A mark says of the bare entries from slot from on, up to the next mark, that they came at the
// same time and that their IDs go up by one per slot. Slots of records and holes count as well: in
// the mailbox a record has an ID of the same sequence, and so does not end a run.
//
// It has 16 bytes. That its time has 32 bits bounds what one chunk can hold to 71 minutes: see
// near.
type mark struct {
	from uint32
	at   uint32 // µs since the chunk's base
	id   uint64
}

// push appends e, for which there must be room: see fits. While there is a run each entry moves
// nextID on, a record too, as the run counts slots.
func (c *Chunk[J]) push(e Entry[J]) {
	if e.Job != nil {
		if c.jobs == nil {
			c.jobs = new([chunkLen]*J)
		}
		c.jobs[c.tail] = e.Job
	} else {
		if e.ID != c.nextID || e.At != c.at || c.nextID == 0 {
			c.begin(e)
		}
		c.slots[c.tail] = e.Fn
	}
	if c.nextID != 0 {
		c.nextID++
	}
	c.tail++
}

// begin begins a run with e at slot tail, unless it goes on the last one to the µs. That is asked
// again here, as push compares times to the ns, and a mark has no more than the µs of them.
func (c *Chunk[J]) begin(e Entry[J]) {
	m := mark{from: c.tail, at: uint32((e.At - c.base) / time.Microsecond), id: e.ID}
	if !c.goesOn(m) {
		c.marks = append(c.marks, m)
	}
	c.nextID, c.at = e.ID, e.At
}

// goesOn reports whether what m says follows from the last mark, so that m need not be kept. Only a
// mark for the next slot can follow.
func (c *Chunk[J]) goesOn(m mark) bool {
	last := len(c.marks) - 1
	return last >= 0 && m.from == c.tail && m.id == c.nextID && m.at == c.marks[last].at
}

// fits reports whether there is room for e. Its time must be such that a mark can hold it, while a
// record carries its own. Nothing fits into an untouched chunk, as it has no base yet: grow gives
// it one.
func (c *Chunk[J]) fits(e Entry[J]) bool {
	return c.tail < chunkLen && c.tail > 0 && (e.Job != nil || e.At == c.at && c.nextID != 0 || c.near(e.At))
}

// empty reports whether all that was filled was popped or taken out.
func (c *Chunk[J]) empty() bool { return c.tail-c.head == c.holes }

// near reports whether a mark can hold the time: no earlier than base, which as an unsigned
// difference is enormous, and no more than 2³²-1 µs after it.
func (c *Chunk[J]) near(at time.Duration) bool {
	return uint64(at-c.base) <= math.MaxUint32*uint64(time.Microsecond)
}

// pop takes out the first entry, which there must be. It is not ok if that was taken out before:
// then it has stepped over one hole, and the caller tries again. The gate must be shut.
func (c *Chunk[J]) pop() (e Entry[J], ok bool) {
	i := c.head
	c.head++
	fn := c.slots[i]
	if fn == nil {
		j := c.job(i)
		if j == nil {
			c.holes--
			return e, false
		}
		c.jobs[i] = nil // a popped job must not be kept alive
		return Entry[J]{Job: j}, true
	}
	c.slots[i] = nil
	id, at := c.identify(i)
	return Entry[J]{Fn: fn, ID: id, At: at}, true
}

// job returns the record at slot i, or nil.
func (c *Chunk[J]) job(i uint32) *J {
	if c.jobs == nil {
		return nil
	}
	return c.jobs[i]
}

// identify returns the ID and time of the bare entry at slot i, which is at or after that of the
// last call. So what is true of a run is looked up once for it, and not for each of its entries.
func (c *Chunk[J]) identify(i uint32) (id uint64, at time.Duration) {
	if i >= c.turn {
		c.advance(i)
	}
	return c.ids + uint64(i), c.date
}

// advance moves on to the mark that holds at slot i, and notes in turn up to where it does. It
// never goes back, as entries are popped in order. What was claimed is asked for by Identify, which
// has its own way.
func (c *Chunk[J]) advance(i uint32) {
	c.turn = c.tail // what is pushed later may have a mark of its own
	for next := c.mark + 1; int(next) < len(c.marks); next++ {
		if c.marks[next].from > i {
			c.turn = c.marks[next].from
			break
		}
		c.mark = next
	}
	m := &c.marks[c.mark]
	c.ids, c.date = m.id-uint64(m.from), c.base+time.Duration(m.at)*time.Microsecond
}

// bareAt returns the bare entry at slot i, whose function is fn and for which m is the mark.
func (c *Chunk[J]) bareAt(fn slot, m *mark, i uint32) Entry[J] {
	return Entry[J]{Fn: fn, ID: m.id + uint64(i-m.from), At: c.base + time.Duration(m.at)*time.Microsecond}
}

// each yields what is there from slot i on, which has not been popped, without removing it. It
// reports false when told to stop. It has its own index into the marks, so it does not disturb
// identify.
func (c *Chunk[J]) each(i uint32, yield func(i uint32, e Entry[J]) bool) bool {
	m := int(c.mark)
	for ; i < c.tail; i++ {
		for m+1 < len(c.marks) && c.marks[m+1].from <= i {
			m++
		}
		e := Entry[J]{}
		if c.slots[i] != nil {
			e = c.bareAt(c.slots[i], &c.marks[m], i)
		} else {
			e.Job = c.job(i)
		}
		if (e.Fn != nil || e.Job != nil) && !yield(i, e) {
			return false
		}
	}
	return true
}

// firstBare returns the first bare entry. It looks through the records and holes before it.
func (c *Chunk[J]) firstBare() (e Entry[J], ok bool) {
	for i := c.head; i < c.tail; i++ {
		if c.slots[i] == nil {
			continue
		}
		m := int(c.mark)
		for m+1 < len(c.marks) && c.marks[m+1].from <= i {
			m++
		}
		return c.bareAt(c.slots[i], &c.marks[m], i), true
	}
	return e, false
}

// find returns the slot of the bare entry with the given ID, and the mark that holds there. It
// looks from the last mark to the current one: runs before that have been popped.
func (c *Chunk[J]) find(id uint64) (i uint32, m *mark, ok bool) {
	end := c.tail
	for k := len(c.marks) - 1; k >= int(c.mark); k-- {
		m = &c.marks[k]
		i = m.from + uint32(min(id-m.id, chunkLen)) // an ID before the run's wraps to a huge difference
		if i < end && i >= c.head && c.slots[i] != nil {
			return i, m, true
		}
		end = m.from
	}
	return 0, nil, false
}

// take takes the bare entry at slot i out, and leaves a hole, as to move the others would change
// their slots, which runs count. A hole ends what may be claimed (easy): a claim of it would find
// neither a function nor a record. The caller has to count the entry out of the list.
func (c *Chunk[J]) take(i uint32, m *mark) Entry[J] {
	e := c.bareAt(c.slots[i], m, i)
	c.slots[i] = nil
	c.easy = min(c.easy, i)
	c.holes++
	return e
}

// takeJob takes the record at slot i out, as take does with a bare entry.
func (c *Chunk[J]) takeJob(i uint32) {
	c.jobs[i] = nil
	c.easy = min(c.easy, i)
	c.holes++
}

// skip steps over the entries at the front that were taken out, so that no look at the first one
// does so again. The gate must be shut: head is where Shut counts from.
func (c *Chunk[J]) skip() {
	for c.head < c.tail && c.slots[c.head] == nil && c.job(c.head) == nil {
		c.head++
		c.holes--
	}
}

// takes reports whether there is room for o's entries: for their slots, and in marks for the times
// of the first of its runs and of the last. As times ascend, those of the other runs lie between.
func (c *Chunk[J]) takes(o *Chunk[J]) bool {
	return c.tail+o.tail-o.head <= chunkLen && c.near(o.base) && c.near(o.at)
}

// copy appends all of o's entries, which fit, with their holes. Marks that are still of use come
// along, moved by as many slots as their entries, and by the distance of the two bases. What o has
// is left there: the caller clears it, or the entries would be reachable twice.
func (c *Chunk[J]) copy(o *Chunk[J]) {
	base := uint32((o.base - c.base) / time.Microsecond)
	for k := int(o.mark); k < len(o.marks); k++ {
		if k+1 < len(o.marks) && o.marks[k+1].from <= o.head {
			continue // it is of entries that are gone
		}
		m := o.marks[k]
		m.at += base
		if m.from < o.head { // its run began with entries that are gone: it begins with the first that is left
			m.id += uint64(o.head - m.from)
			m.from = o.head
		}
		m.from += c.tail - o.head
		if !c.goesOn(m) {
			c.marks = append(c.marks, m)
		}
	}
	if o.jobs != nil {
		if c.jobs == nil {
			c.jobs = new([chunkLen]*J)
		}
		copy(c.jobs[c.tail:], o.jobs[o.head:o.tail])
	}
	copy(c.slots[c.tail:], o.slots[o.head:o.tail])
	c.tail += o.tail - o.head
	c.holes += o.holes
	c.nextID, c.at = o.nextID, o.at
}

// clear makes the chunk as new, but for the room in its slices. Slots before head are empty by now:
// popped, or claimed by goroutines whose leases have ended. start and low are the caller's affair.
func (c *Chunk[J]) clear() {
	clear(c.slots[c.head:c.tail])
	if c.jobs != nil {
		clear(c.jobs[c.head:c.tail])
	}
	c.head, c.tail, c.holes, c.turn, c.mark, c.nextID, c.easy = 0, 0, 0, 0, 0, 0, 0
	c.marks = c.marks[:0]
}
