package core

import (
	"time"

	"github.com/a622d8ee/dray/internal/fifo"
)

// neighbours are the place of a job in a chain. The zero value is that of a job in none, or alone
// in one.
type neighbours struct{ prev, next *Job }

// which says which links of its jobs a chain uses: a job may be in one of each at a time. The
// constants say which chains share links, as no job is in two of these at once.
type which uint8

const (
	standing which = iota // where it waits: behind its key or its lane, for tokens, or for room
	alike                 // of its key; until it is accepted, of its group
	inRoom                // what holds room
	chains
)

// A chain is jobs in the order in which they came. To take one out of the middle costs no more than
// to take the first, and needs no memory: the links are in the records. The zero value is empty.
// All calls for one chain are with the same links.
type chain struct {
	head, tail *Job
	n          int
}

// push appends j, which is in no chain by those links.
func (c *chain) push(j *Job, w which) {
	k := &j.links[w]
	if k.prev = c.tail; c.tail == nil {
		c.head = j
	} else {
		c.tail.links[w].next = j
	}
	c.tail = j
	c.n++
}

// remove takes out j, which is in this chain. That is not checked: of a job that is in another one,
// or in none, it would make head, tail and n wrong.
func (c *chain) remove(j *Job, w which) {
	k := &j.links[w]
	if k.prev == nil {
		c.head = k.next
	} else {
		k.prev.links[w].next = k.next
	}
	if k.next == nil {
		c.tail = k.prev
	} else {
		k.next.links[w].prev = k.prev
	}
	*k = neighbours{}
	c.n--
}

// A waitList is jobs that stand behind something, in order. A job stands in one at most, so all of
// them use the same links.
type waitList struct{ jobs chain }

func (l *waitList) len() int      { return l.jobs.n }
func (l *waitList) first() *Job   { return l.jobs.head }
func (l *waitList) push(j *Job)   { l.jobs.push(j, standing) }
func (l *waitList) remove(j *Job) { l.jobs.remove(j, standing) }

// pop takes the first job, or nil if there is none.
func (l *waitList) pop() *Job {
	j := l.jobs.head
	if j != nil {
		l.remove(j)
	}
	return j
}

// all returns the jobs in order, in a slice of their own, nil if there are none. It is O(n).
func (l *waitList) all() (all []*Job) {
	for j := l.jobs.head; j != nil; j = j.links[standing].next {
		all = append(all, j)
	}
	return all
}

// place returns how many stand before j, which stands in the line: exactly, if these are few, and
// else by its turn, as if turns were spread evenly. That bounds what a position costs.
func (l *waitList) place(j *Job) (n int) {
	for o := l.jobs.head; o != j; o = o.links[standing].next {
		if n++; n == maxExact {
			return max(n, l.about(j))
		}
	}
	return n
}

// about returns how many would stand before j if turns were spread evenly between those of the
// first and the last of the line.
func (l *waitList) about(j *Job) int {
	first, last := l.jobs.head.seq, l.jobs.tail.seq
	if last <= first {
		return 0
	}
	share := float64(j.seq-first) / float64(last-first)
	return int(min(max(share, 0), 1) * float64(l.len()-1))
}

// A lane holds the pending jobs of one priority that may start when it is their turn: those in
// front before those in the list. What is behind is not in line yet. The normal lane alone has
// plain jobs, in its list.
type lane struct {
	front front // before the list, by turn: jobs that were put aside, as their kind was paused, or cut off
	list  fifo.List[Job]

	started  time.Duration // when a job of it last started
	roomless int           // those in list, at most maxRoomless
	behind   waitList      // roomless ones that come into list as those leave it
}

// maxRoomless bounds how many jobs that take no room stand in line at a time, so that the runs of
// very many tasks that are due together let others pass: whatever is accepted after them waits for
// so many of them at most. Jobs that take room are bounded by the capacity.
const maxRoomless = 1024

// push puts a job at the end of the lane. While others stand behind it a roomless job does, too, as
// then there are maxRoomless in line: so these keep their order.
func (l *lane) push(j *Job) {
	if j.Roomless {
		if l.roomless >= maxRoomless {
			j.place = behindLane
			l.behind.push(j)
			return
		}
		l.roomless++
	}
	j.place = inList
	j.spot = l.list.Push(Entry{Job: j, ID: j.ID, At: j.EnqueuedAt})
}

// priorityOf returns the priority of an entry. A plain job is Normal: any other needs a record.
func priorityOf(e Entry) Priority {
	if e.Job != nil {
		return e.Job.Priority
	}
	return Normal
}

// lane returns the lane of a priority: lanes[0] is High.
func (c *Core) lane(p Priority) *lane { return &c.lanes[High-p] }

// enterLane puts a pending job into its lane.
func (c *Core) enterLane(j *Job) {
	c.lane(j.Priority).push(j)
}

// toFront puts a pending job before all in its lane that came there in their turn, among others
// like it by turn. Its place is that of a job which was put aside and has come back, as it is taken
// out in the same way.
func (c *Core) toFront(j *Job) {
	j.place = setAside
	c.lane(j.Priority).front.push(j)
}

// leaveLane notes that a job is not in its lane any more. It is called of every pending job with a
// record that leaves its line, wherever it stood; only a roomless one that stood in the list makes
// a place for another one, which comes to the end of it.
func (c *Core) leaveLane(j *Job) {
	was := j.place
	j.place = nowhere
	// Only those in the list count in roomless. One that was put aside has left it before.
	if was != inList || !j.Roomless {
		return
	}
	l := c.lane(j.Priority)
	l.roomless--
	if next := l.behind.pop(); next != nil {
		l.push(next)
	}
}

// place returns how many stand in the list before j, which does: exactly, if these are few, and
// else by its number, as if none behind it had been taken out. That is never less than what was
// counted.
func (l *lane) place(j *Job) (n int) {
	for e := range l.list.All() {
		if e.Job == j {
			return n
		}
		if n++; n == maxExact {
			break
		}
	}
	return max(n, l.list.Len()-int(l.list.Next()-j.spot))
}

// len returns how many jobs stand in the lane: those behind it are not counted.
func (l *lane) len() int { return l.front.len() + l.list.Len() }

// pop takes the first job out, those in front before those in the list. It is not ok if there is
// none. Of a record the place, and what is counted of roomless ones, are left to leaveLane.
func (l *lane) pop() (Entry, bool) {
	if j := l.front.pop(); j != nil {
		return Entry{Job: j}, true
	}
	return l.list.Pop()
}

// listSince returns when the first job behind the front became ready; it is not ok if there is
// none.
func (l *lane) listSince() (time.Duration, bool) {
	e, ok := l.list.First()
	return readySince(e), ok
}

// readySince returns when what stands in line became ready.
func readySince(e Entry) time.Duration {
	if e.Job != nil {
		return e.Job.readyAt
	}
	return e.At
}
