package core

import (
	"math"
	"time"

	"github.com/a622d8ee/dray/internal/sorted"
	"github.com/a622d8ee/dray/internal/span"
)

// Join adds a worker's place.
func (c *Core) Join(r *Run) {
	r.pos = len(c.runs)
	c.runs = append(c.runs, r)
}

// minRuns is the room for places that is kept.
const minRuns = 1024

// Leave removes a place, which must be free.
func (c *Core) Leave(r *Run) {
	last := len(c.runs) - 1
	c.runs[r.pos] = c.runs[last]
	c.runs[r.pos].pos = r.pos
	c.runs[last] = nil
	c.runs = c.runs[:last]
	if room := cap(c.runs); room > minRuns && last < room/4 { // a burst is over
		c.runs = append(make([]*Run, 0, room/2), c.runs...)
	}
}

// Limit returns how many jobs may run: the workers, those lent for stuck jobs,
// and those for jobs that wait for the queue's shutdown themselves.
func (c *Core) Limit() int {
	return c.cfg.Workers + min(c.stuck, c.cfg.StuckAllowance) + c.exempt
}

// Surplus reports whether there are more places than may work, so that a worker
// that is free should leave.
func (c *Core) Surplus() bool { return len(c.runs) > c.Limit() }

// Claim gives the next job to the place r, which is free. It reports false if
// there is none that may start now.
func (c *Core) Claim(r *Run, now time.Duration) bool {
	if c.paused || c.closed || c.running >= c.Limit() {
		return false
	}
	for {
		e, ok := c.pick(now)
		if !ok {
			return false
		}
		if e.Job == nil {
			c.held--
			c.begin(r, e, now)
			return true
		}
		fromLane := e.Job.place != atLimit
		c.leaveLane(e.Job)
		if !c.parked(e.Job, fromLane, now) {
			c.beginJob(r, e.Job, now)
			return true
		}
	}
}

// Sharable reports whether a job may follow another one of its lane, if both are light, without
// further ado.
func (c *Core) Sharable() bool {
	return c.cfg.Watched&perPlainJob == 0 && !c.Barred() && c.running <= c.Limit() && len(c.effects) == 0 &&
		c.lanes[0].front.len()+c.lanes[1].front.len()+c.lanes[2].front.len()+c.grants == 0
}

// begin takes a job from the line to the place r.
func (c *Core) begin(r *Run, e Entry, now time.Duration) {
	c.pending--
	c.running++
	p := priorityOf(e)
	if p == c.shared {
		c.claimed = false // whenever others of it were: that is over
	}
	c.lane(p).started = now
	r.ID, r.Fn, r.Job, r.plain = e.ID, e.Fn, e.Job, e.Job == nil
	r.Enqueued, r.StartedAt = e.At, now
	if c.cfg.Watched.has(DidStart) {
		c.effect(Effect{Kind: DidStart, Info: new(infoOfRun(r)), Wait: now - r.ReadyAt()})
	}
}

func (c *Core) beginJob(r *Run, j *Job, now time.Duration) {
	if !j.started {
		j.started = true
		c.vacate(j)
	}
	if j.interrupted {
		c.interrupted--
	}
	j.State, j.place, j.run, j.interrupted = Running, nowhere, r, false
	j.Attempt++
	c.begin(r, Entry{Fn: j.Fn, Job: j, ID: j.ID, At: j.EnqueuedAt}, now)
	c.limitTime(r)
}

// limitTime watches the timeout of the job that has begun at r.
func (c *Core) limitTime(r *Run) {
	if r.Job.Timeout > 0 {
		r.deadline.Value = r
		c.deadlines.Add(&r.deadline, span.Sum(r.StartedAt, r.Job.Timeout))
	}
}

// parked puts a job aside that may not start although it is its turn: because its
// kind is paused, or there is no token for it. One past its deadline it ends.
func (c *Core) parked(j *Job, fromLane bool, now time.Duration) bool {
	if j.lateAt(now) {
		c.expire(j, now)
		return true
	}
	if aside := c.asideOf(j); aside != nil {
		aside.push(j)
		j.place = setAside
		return true
	}
	return c.limited(j, fromLane, now)
}

// asideOf returns where j stands while its kind or its task is paused, nil if neither is.
func (c *Core) asideOf(j *Job) *aside {
	if aside, paused := c.pausedKinds[j.Kind]; paused {
		return aside
	}
	if len(c.pausedTasks) == 0 {
		return nil
	}
	return c.pausedTasks[j.Task]
}

// pick takes the first job of the lane that is to go first.
func (c *Core) pick(now time.Duration) (Entry, bool) {
	best := 1
	var ahead [3]*Job
	if c.lanes[0].len()+c.lanes[2].len()+c.lanes[1].front.len()+c.grants > 0 {
		ahead = c.firstAhead()
		h := c.heads(ahead)
		best = max(h.next(now), 0)
	}
	if j := ahead[best]; j != nil && j.place == atLimit {
		return Entry{Job: c.popSet(j.set, best, now)}, true
	}
	return c.lanes[best].pop()
}

// firstAhead returns the first job of each that goes before the list of its lane.
func (c *Core) firstAhead() (firsts [3]*Job) {
	firsts = c.tokened()
	for i := range c.lanes {
		firsts[i] = earlier(firsts[i], c.lanes[i].front.first())
	}
	return firsts
}

// Advance makes everything happen that is due at now: jobs whose deadline is over
// end, unique keys are freed, jobs whose time has come become pending, attempts that have run too long are cancelled, and those that
// did not heed it are reported.
func (c *Core) Advance(now time.Duration) {
	for c.AdvanceSome(now, math.MaxInt) {
	}
}

// AdvanceSome is Advance for so many at most of each, but for attempts, of which there are
// no more than places. It reports whether there is more to do.
func (c *Core) AdvanceSome(now time.Duration, limit int) (more bool) {
	for n := 0; n < limit && isDue(&c.expiries, now); n++ {
		_, j, _ := c.expiries.Pop()
		c.expire(j, now)
	}
	for n := 0; n < limit && isDue(&c.uniqueEnds, now); n++ {
		_, s, _ := c.uniqueEnds.Pop()
		c.uniqueHolds.remove(s.key)
	}
	for n := 0; n < limit && isDue(&c.waiting, now); n++ {
		_, j, _ := c.waiting.First()
		c.undelay(j)
		c.ready(j, now)
	}
	for it, ok := c.deadlines.Pop(now); ok; it, ok = c.deadlines.Pop(now) {
		c.overdue(it.Value, now)
	}
	return isDue(&c.expiries, now) || isDue(&c.uniqueEnds, now) || isDue(&c.waiting, now)
}

func isDue[V any](l *sorted.List[V], now time.Duration) bool {
	k, _, ok := l.First()
	return ok && time.Duration(k.Major) <= now
}

// overdue is called when r's timeout, or the grace after its cancellation, is over.
func (c *Core) overdue(r *Run, now time.Duration) {
	if r.Cause == NotCancelled {
		c.interrupt(r, TimedOut, now)
		return
	}
	r.reported = true
	c.effect(Effect{Kind: IsStuck, Info: new(infoOfRun(r)), Run: r, Cause: r.Cause})
}

// interrupt cancels the context of a running job.
func (c *Core) interrupt(r *Run, cause Cause, now time.Duration) {
	if r.Cause >= cause {
		return
	}
	if r.Cause == NotCancelled {
		c.stuck++
		r.CausedAt = now
		r.deadline.Value = r
		c.deadlines.Add(&r.deadline, span.Sum(now, stuckGrace))
	}
	r.Cause, r.plain = cause, false
	c.effect(Effect{Kind: Interrupt, Run: r, Cause: cause})
}

// Next returns when Advance has something to do.
func (c *Core) Next() (due time.Duration, ok bool) {
	due, ok = c.deadlines.Next()
	sooner := func(k sorted.Key, there bool) {
		if t := time.Duration(k.Major); there && (!ok || t < due) {
			due, ok = t, true
		}
	}
	k, _, there := c.waiting.First()
	sooner(k, there)
	k, _, there = c.expiries.First()
	sooner(k, there)
	k, _, there = c.uniqueEnds.First()
	sooner(k, there)
	sooner(sorted.Key{Major: int64(c.aged)}, c.aged > 0)
	return due, ok
}

// Ready returns how many jobs may be claimed: an upper bound of those in the lanes, as
// it counts those of paused kinds that were not come across yet; and of those that
// have waited for a token one for each limit that has it.
func (c *Core) Ready() int {
	if c.paused || c.closed {
		return 0
	}
	return c.inLanes() + c.grants
}

func (c *Core) inLanes() int { return c.lanes[0].len() + c.lanes[1].len() + c.lanes[2].len() }

// Idle reports whether nothing is running or will start, which is the end of a drain.
func (c *Core) Idle() bool {
	return c.running-c.exempt == 0 && (c.paused || c.stopped || c.inLanes()+c.Expected() == 0)
}
