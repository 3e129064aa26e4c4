package core

// This file has how all jobs are read a page at a time, so that others have their turn in
// between. Each stage goes through one sort of list in an order that stays (times, turns,
// numbers, IDs), and remembers the key of what it read last. A job that moves on between two
// pages may be missed, or come twice.

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/sorted"
)

// A Reader is how far a reading of all jobs has come. The zero value begins one. What it says is
// where the next page begins, so nothing that happens between two pages disturbs it. It holds on to
// no job, and may be given up at any time.
type Reader struct {
	stage   stage         // what is read next
	lane    int           // of the stages readFront and readList: which, High first
	started time.Duration // of the last running job
	run     uint64        // its ID
	seq     sorted.Key    // of the last in front of a lane
	number  uint64        // of the next in the list of a lane
	id      uint64        // of the last record that was looked at
	due     sorted.Key    // of the last that waits for its time
}

// stage is what a Reader reads. They follow one another, but for readFront and readList, which
// alternate, lane after lane.
type stage uint8

const (
	readAll      stage = iota // at one moment, if there are few
	readRuns                  // the running jobs, by start
	readFront                 // what goes before the list of a lane, by turn
	readList                  // the list of a lane, by number
	readHeldBack              // the records that are pending elsewhere, by ID
	readTimers                // what waits for its time, by that
	readEnd
)

// Read returns the next jobs in page, which is empty: as many as it has room for, unless they are
// few in all. It says whether there are more: the running ones, the longest first; then those in
// line, by priority; those that stand aside; and those that wait for their time. Few jobs come at
// once, the waiting ones in the order of WaitingJobs. A job that stays where it is comes once.
//
// A page may come back empty though there are more: a stage has ended, or has looked at enough.
func (c *Core) Read(r *Reader, page []Info, now time.Duration) (_ []Info, more bool) {
	// Few enough to be read in one step, in the exact order; that is decided with the first page.
	if r.stage == readAll && c.pending+c.waiting.len()+len(c.runs)+c.keys.len()+c.sets.len() <= maxExact {
		page = append(page, c.RunningJobs()...)
		for _, j := range c.WaitingJobs(now) {
			page = append(page, infoOfJob(j))
		}
		return page, false
	}
	// Too many. That stays so for this reading, even if there are few later: some have been read by
	// then.
	if r.stage == readAll {
		r.stage = readRuns
	}
	page = c.readSome(r, page)
	return page, r.stage != readEnd
}

// readSome is Read for one stage. If it has no more the next one begins. That it has none shows in
// a page that is not full; so a stage that ends with a full page costs one that is empty.
func (c *Core) readSome(r *Reader, page []Info) []Info {
	limit := cap(page)
	switch r.stage {
	case readRuns:
		if page = c.readRuns(r, page); len(page) < limit {
			r.stage, r.seq = readFront, sorted.Key{Major: math.MinInt64}
		}
	case readFront:
		if page = c.readFront(r, page); len(page) < limit {
			r.stage, r.number = readList, 0
		}
	case readList:
		if page = c.readList(r, page); len(page) == limit {
			break
		}
		if r.lane++; r.lane < len(c.lanes) {
			r.stage, r.seq = readFront, sorted.Key{Major: math.MinInt64}
		} else {
			r.stage = readHeldBack
		}
	case readHeldBack:
		var more bool
		if page, more = c.readHeldBack(r, page); !more {
			r.stage, r.due = readTimers, sorted.Key{Major: math.MinInt64}
		}
	case readTimers:
		if page = c.readTimers(r, page); len(page) < limit {
			r.stage = readEnd
		}
	}
	return page
}

// readRuns reads the jobs that started next after the last one. It looks at all places for each
// page, and keeps the first so many in order, as places are in no order of their own.
func (c *Core) readRuns(r *Reader, page []Info) []Info {
	c.updateRuns()
	order := func(a, b *Run) int {
		return cmp.Or(cmp.Compare(a.StartedAt, b.StartedAt), cmp.Compare(a.ID, b.ID))
	}
	// Not a place, only what order compares.
	last := &Run{StartedAt: r.started, ID: r.run}
	limit := cap(page)
	var next []*Run // the first of those behind the last
	for _, o := range c.runs {
		// Free places, what was read before, and what comes behind all that there is room for.
		if o.ID == 0 || r.run != 0 && order(o, last) <= 0 || len(next) == limit && order(o, next[limit-1]) > 0 {
			continue
		}
		i, _ := slices.BinarySearchFunc(next, o, order)
		// If next is full its last one goes.
		next = slices.Insert(next[:min(len(next), limit-1)], min(i, limit-1), o)
	}
	for _, o := range next {
		page = append(page, infoOfRun(o))
		r.started, r.run = o.StartedAt, o.ID
	}
	return page
}

// readFront reads what goes before the list of the lane, behind the turn read last.
func (c *Core) readFront(r *Reader, page []Info) []Info {
	for _, j := range c.lanes[r.lane].front.after(r.seq, cap(page)) {
		page = append(page, infoOfJob(j))
		r.seq = seqOf(j)
	}
	return page
}

// readList reads the list of the lane, from the number behind the one read last. Entries keep their
// numbers, and new ones get higher ones.
func (c *Core) readList(r *Reader, page []Info) []Info {
	for number, e := range c.lanes[r.lane].list.From(r.number) {
		page = append(page, infoOf(e))
		if r.number = number + 1; len(page) == cap(page) {
			break
		}
	}
	return page
}

// readHeldBack looks through the records for those that stand aside. There may be none among many,
// so that it stops after some, and says itself whether there are more: a page that is not full does
// not tell.
func (c *Core) readHeldBack(r *Reader, page []Info) (_ []Info, more bool) {
	limit := cap(page)
	seen := 0
	for k, j := range c.live.After(byID(r.id)) {
		// Before this job is looked at, so that the next page begins with it.
		if len(page) == limit || seen == 2*limit {
			return page, true
		}
		seen++
		r.id = k.Minor
		if c.heldBackNow(j) {
			page = append(page, infoOfJob(j))
		}
	}
	return page, false
}

// heldBackNow reports whether j is pending, but neither in its lane nor in front of it. Its place
// alone does not tell: a job in front of its lane is setAside, too.
func (c *Core) heldBackNow(j *Job) bool {
	return j.State == Pending && j.place != inList && !c.lane(j.Priority).front.has(j)
}

// readTimers reads what waits for its time, behind what was read last.
func (c *Core) readTimers(r *Reader, page []Info) []Info {
	for k, j := range c.waiting.after(r.due) {
		page = append(page, infoOfJob(j))
		if r.due = k; len(page) == cap(page) {
			break
		}
	}
	return page
}
