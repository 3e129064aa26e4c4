package core

import (
	"time"

	"github.com/a622d8ee/dray/internal/fifo"
)

// A line is pending jobs that stand behind something, in order. To take one out
// of the middle costs no more than to take the first, as it only leaves a gap; so
// to cancel all that stand in a long line is linear.
type line struct {
	jobs []*Job // those whose place is nowhere have left
	gaps int
}

// minGaps keeps short lines from being rewritten for every job that leaves.
const minGaps = 64

func (l *line) len() int { return len(l.jobs) - l.gaps }

func (l *line) push(j *Job) { l.jobs = append(l.jobs, j) }

// first returns the first job without taking it, or nil.
func (l *line) first() *Job {
	for len(l.jobs) > 0 && l.jobs[0].place == nowhere {
		l.skip()
		l.gaps--
	}
	if len(l.jobs) == 0 {
		return nil
	}
	return l.jobs[0]
}

// pop takes the first job, or nil.
func (l *line) pop() *Job {
	j := l.first()
	if j != nil {
		l.skip()
	}
	return j
}

func (l *line) skip() {
	l.jobs[0], l.jobs = nil, l.jobs[1:]
	if len(l.jobs) == 0 {
		l.jobs = nil
	}
}

// leave notes that the place of one job of the line has become nowhere.
func (l *line) leave() {
	l.gaps++
	if l.gaps == len(l.jobs) || l.gaps >= minGaps && l.gaps > len(l.jobs)/2 {
		l.jobs, l.gaps = l.all(), 0
	}
}

// all returns the jobs in order, in a slice of their own, nil if there are none.
func (l *line) all() []*Job {
	if l.len() == 0 {
		return nil
	}
	all := make([]*Job, 0, l.len())
	for _, j := range l.jobs {
		if j.place != nowhere {
			all = append(all, j)
		}
	}
	return all
}

// place returns how many stand before j, which stands in the line.
func (l *line) place(j *Job) (n int) {
	for _, o := range l.jobs {
		if o == j {
			break
		}
		if o.place != nowhere {
			n++
		}
	}
	return n
}

// A lane holds the pending jobs of one priority.
type lane struct {
	front line // before the list, by turn: jobs that were put aside, as their kind was paused, or cut off
	list  fifo.List[Job]
	dead  int // entries of list whose job was cancelled where it stood

	turned   time.Duration // when a job of it last started
	roomless int           // live ones in list, at most maxRoomless
	behind   line          // roomless ones that come into list as those leave it
}

// maxRoomless bounds how many jobs that take no room stand in line at a time, so
// that the runs of very many tasks that are due together let others pass: whatever
// is accepted after them waits for so many of them at most.
const maxRoomless = 1024

// push puts a job at the end of the lane.
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
	l.list.Push(Entry{Job: j, ID: j.ID, At: j.EnqueuedAt})
}

func priorityOf(e Entry) Priority {
	if e.Job != nil {
		return e.Job.Priority
	}
	return Normal
}

// leaveLane notes that a job is not in its lane any more, or about to leave it.
func (c *Core) leaveLane(j *Job) {
	was := j.place
	j.place = nowhere
	if was != inList || !j.Roomless {
		return
	}
	l := c.lane(j.Priority)
	l.roomless--
	if next := l.behind.pop(); next != nil {
		l.push(next)
	}
}

// place returns how many stand in the list before j, which does.
func (l *lane) place(j *Job) (n int) {
	for e := range l.list.All() {
		if e.Job == j {
			break
		}
		if l.alive(e) {
			n++
		}
	}
	return n
}

// len returns how many live jobs stand in the lane.
func (l *lane) len() int { return l.front.len() + l.listed() }

// listed returns how many live jobs stand in the list.
func (l *lane) listed() int { return l.list.Len() - l.dead }

func (l *lane) pop() (Entry, bool) {
	if j := l.front.pop(); j != nil {
		return Entry{Job: j}, true
	}
	for {
		e, ok := l.list.Pop()
		if !ok || l.alive(e) {
			return e, ok
		}
		l.dead--
	}
}

// alive reports whether e is still in line, not cancelled where it stood.
func (*lane) alive(e Entry) bool {
	return e.Job == nil || e.Job.State == Pending && e.Job.place == inList
}

// bury notes that one more entry of the list is dead, and clears them out when
// they are the most, so that cancelling costs no memory in the long run.
func (l *lane) bury() {
	l.dead++
	if l.dead < minGaps || l.dead < l.list.Len()/2 {
		return
	}
	var old fifo.List[Job]
	old, l.list, l.dead = l.list, old, 0
	for e := range old.All() {
		if l.alive(e) {
			l.list.Push(e)
		}
	}
}

// since returns when the first job of the lane became ready. It takes out the
// dead ones before that, so that nobody has to step over them twice.
func (l *lane) since() (time.Duration, bool) {
	if j := l.front.first(); j != nil {
		return j.readyAt, true
	}
	return l.listSince()
}

// listSince is since for those behind the front.
func (l *lane) listSince() (time.Duration, bool) {
	for e, ok := l.head(); ok; e, ok = l.head() {
		switch {
		case e.Job == nil:
			return e.At, true
		case l.alive(e):
			return e.Job.readyAt, true
		}
		l.list.Pop()
		l.dead--
	}
	return 0, false
}

// head returns the first entry of the list, dead or alive, without taking it.
func (l *lane) head() (Entry, bool) {
	for e := range l.list.All() {
		return e, true
	}
	return Entry{}, false
}
