package core

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/sorted"
)

// A Reader is how far a reading of all jobs has come. The zero value begins one. What it
// says is where the next page begins, so nothing that happens between two pages disturbs it.
type Reader struct {
	stage   stage
	lane    int
	started time.Duration // of the last running job
	run     uint64        // its ID
	seq     sorted.Key    // of the last in front of a lane
	number  uint64        // of the next in the list of a lane
	id      uint64        // of the last record that was looked at
	due     sorted.Key    // of the last that waits for its time
}

// stage is what a Reader reads.
type stage uint8

const (
	readAll stage = iota // at one moment, if there are few
	readRuns
	readFront
	readList
	readHeldBack
	readTimers
	readEnd
)

// Read returns the next jobs in page, which is empty: as many as it has room for, unless they
// are few in all. It says whether there are more: the running ones, the longest first; then those in line, by priority; those that
// stand aside; and those that wait for their time. Few jobs come at once, the waiting ones in
// the order of WaitingJobs. A job that stays where it is comes once.
func (c *Core) Read(r *Reader, page []Info, now time.Duration) (_ []Info, more bool) {
	if r.stage == readAll && c.pending+c.waiting.Len()+len(c.runs)+c.keys.len()+c.sets.len() <= maxExact {
		page = append(page, c.RunningJobs()...)
		for _, j := range c.WaitingJobs(now) {
			page = append(page, infoOfJob(j))
		}
		return page, false
	}
	if r.stage == readAll {
		r.stage = readRuns
	}
	page = c.readSome(r, page)
	return page, r.stage != readEnd
}

// readSome is Read for one stage. If it has no more the next one begins.
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

func (c *Core) readRuns(r *Reader, page []Info) []Info {
	c.updateRuns()
	order := func(a, b *Run) int {
		return cmp.Or(cmp.Compare(a.StartedAt, b.StartedAt), cmp.Compare(a.ID, b.ID))
	}
	last := &Run{StartedAt: r.started, ID: r.run}
	limit := cap(page)
	var next []*Run // the first of those behind the last
	for _, o := range c.runs {
		if o.ID == 0 || r.run != 0 && order(o, last) <= 0 || len(next) == limit && order(o, next[limit-1]) > 0 {
			continue
		}
		i, _ := slices.BinarySearchFunc(next, o, order)
		next = slices.Insert(next[:min(len(next), limit-1)], min(i, limit-1), o)
	}
	for _, o := range next {
		page = append(page, infoOfRun(o))
		r.started, r.run = o.StartedAt, o.ID
	}
	return page
}

func (c *Core) readFront(r *Reader, page []Info) []Info {
	for _, j := range c.lanes[r.lane].front.after(r.seq, cap(page)) {
		page = append(page, infoOfJob(j))
		r.seq = seqOf(j)
	}
	return page
}

func (c *Core) readList(r *Reader, page []Info) []Info {
	for number, e := range c.lanes[r.lane].list.From(r.number) {
		page = append(page, infoOf(e))
		if r.number = number + 1; len(page) == cap(page) {
			break
		}
	}
	return page
}

// readHeldBack looks through the records for those that stand aside. There may be none
// among many, so that it stops after some.
func (c *Core) readHeldBack(r *Reader, page []Info) (_ []Info, more bool) {
	limit := cap(page)
	seen := 0
	for k, j := range c.live.After(byID(r.id)) {
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

// heldBackNow reports whether j is pending, but neither in its lane nor in front of it.
func (c *Core) heldBackNow(j *Job) bool {
	return j.State == Pending && j.place != inList && !c.lane(j.Priority).front.has(j)
}

func (c *Core) readTimers(r *Reader, page []Info) []Info {
	for k, j := range c.waiting.After(r.due) {
		page = append(page, infoOfJob(j))
		if r.due = k; len(page) == cap(page) {
			break
		}
	}
	return page
}
