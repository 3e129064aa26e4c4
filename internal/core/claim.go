package core

import (
	"math"
	"time"

	"github.com/a622d8ee/dray/internal/sorted"
	"github.com/a622d8ee/dray/internal/span"
)

// Join adds a worker's place, which is free. It is O(1), as Leave is.
func (c *Core) Join(r *Run) {
	r.pos = len(c.runs)
	c.runs = append(c.runs, r)
}

// minRuns is the room for places that is kept.
const minRuns = 1024

// Leave removes a place, which must be free. The last one takes its position, so the order of
// places means nothing.
func (c *Core) Leave(r *Run) {
	last := len(c.runs) - 1
	c.runs[r.pos] = c.runs[last]
	c.runs[r.pos].pos = r.pos
	c.runs[last] = nil
	c.runs = c.runs[:last]
	// Only where it is much, and down to half: so that workers which come and go do not make it
	// move each time.
	if room := cap(c.runs); room > minRuns && last < room/4 { // a burst is over
		c.runs = append(make([]*Run, 0, room/2), c.runs...)
	}
}

// Limit returns how many jobs may run: the workers, those lent for stuck jobs, and those for jobs
// that wait for the queue's shutdown themselves. Without the last a drain would wait for jobs in
// line, which would wait for the worker of the job that waits for the drain.
func (c *Core) Limit() int {
	return c.cfg.Workers + min(c.stuck, c.cfg.StuckAllowance) + c.exempt
}

// Surplus reports whether there are more places than may work, so that a worker that is free should
// leave. It is so after a Resize to fewer, or when a stuck job has returned.
func (c *Core) Surplus() bool { return len(c.runs) > c.Limit() }

// Claim gives the next job to the place r, which is free. It reports false if there is none that
// may start now. It may take long. The engine's owner uses ClaimSome.
func (c *Core) Claim(r *Run, now time.Duration) bool {
	left := math.MaxInt
	return c.ClaimSome(r, now, &left)
}

// ClaimSome is Claim that does not look for longer than left says. The order is: the priority whose
// turn it is, in that what stands before the list of its lane, then the list.
//
// A job whose turn has come may not be allowed to start: then it is put aside, or ends, and the
// next one is looked at. What is put aside is not looked at again until what held it back has
// changed, so the cost of that is shared out over the jobs; but there may be very many at a time.
// So each counts left down, which is at least 1, and at 0 it is enough: there may be more.
func (c *Core) ClaimSome(r *Run, now time.Duration, left *int) bool {
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
		// Before leaveLane, which forgets the place.
		fromLane := e.Job.place != atLimit
		c.leaveLane(e.Job)
		if !c.parked(e.Job, fromLane, now) {
			c.beginJob(r, e.Job, now)
			return true
		}
		if *left--; *left == 0 {
			return false
		}
	}
}

// Sharable reports whether a job may follow another one of its lane, if both are light, without
// further ado. It is so unless one of these has to be looked at in between:
//
//   - starts or ends of plain jobs, as observers have asked for them
//   - a pause or a close, or that what is due comes into line first
//   - that more jobs run than may, so that workers are to come back and leave
//   - effects that have not been carried out
//   - what goes before the lists of the lanes, in front of them or with a token
func (c *Core) Sharable() bool {
	return c.cfg.Watched&perPlainJob == 0 && !c.Barred() && !c.gathering() && c.running <= c.Limit() && len(c.effects) == 0 &&
		c.lanes[0].front.len()+c.lanes[1].front.len()+c.lanes[2].front.len()+c.grants == 0
}

// begin takes a job from the line to the place r. It is the one place where a job starts by the
// core: what workers claim by themselves is counted by Unshare.
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

// beginJob starts an attempt of a job with a record at r. With the first one of a job its room
// becomes free: the next Admit admits a caller that waits for it. A snooze or a shutdown takes the
// count of this attempt off again.
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

// limitTime watches the timeout of the job that has begun at r. The heap's item is in the place, so
// this allocates nothing; interrupt uses it for its own purpose, and free takes it out.
func (c *Core) limitTime(r *Run) {
	if r.Job.Timeout > 0 {
		r.deadline.Value = r
		c.deadlines.Add(&r.deadline, span.Sum(r.StartedAt, r.Job.Timeout))
	}
}

// parked puts a job aside that may not start although it is its turn: because its kind is paused,
// or there is no token for it. One past its deadline it ends. It reports false if the job is to
// start, for which it has then taken the tokens: so they are asked for last, when nothing else can
// hold the job back.
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

// asideOf returns where j stands while its kind or its task is paused, nil if neither is. If both
// are it stands with its kind, and goes to its task when the kind is resumed, as parked looks again
// at its turn.
func (c *Core) asideOf(j *Job) *aside {
	if aside, paused := c.pausedKinds[j.Kind]; paused {
		return aside
	}
	if len(c.pausedTasks) == 0 {
		return nil
	}
	return c.pausedTasks[j.Task]
}

// pick takes the first job of the lane that is to go first, or the first of those that have waited
// for their tokens, if there are such. The usual case, that there are only jobs in the list of the
// normal lane, is found by one sum. Lanes that are not open are as if they were empty.
func (c *Core) pick(now time.Duration) (Entry, bool) {
	best, open := 1, c.open()
	var ahead [3]*Job
	if c.lanes[0].len()+c.lanes[2].len()+c.lanes[1].front.len()+c.grants > 0 || open < 2 {
		ahead = c.firstAhead()
		h := c.heads(ahead)
		clear(h.there[open:])
		best = max(h.next(now), 0)
	}
	if j := ahead[best]; j != nil && j.place == atLimit {
		return Entry{Job: c.popSet(j.set, best, now)}, true
	}
	return c.lanes[best].pop()
}

// firstAhead returns the first job of each priority that goes before the list of its lane, nil
// where there is none: of those in front of it and those with tokens the one whose turn is earlier.
func (c *Core) firstAhead() (firsts [3]*Job) {
	firsts = c.tokened()
	for i := range c.lanes {
		firsts[i] = earlier(firsts[i], c.lanes[i].front.first())
	}
	return firsts
}

// Advance makes everything happen that is due at now: jobs whose deadline is over end, unique keys
// are freed, jobs whose time has come become pending, those that have a place of their key come into
// line, attempts that have run too long are cancelled, and those that did not heed it are reported.
// It may take long. The engine's owner uses AdvanceSome.
func (c *Core) Advance(now time.Duration) {
	for c.AdvanceSome(now, math.MaxInt) {
	}
}

// AdvanceSome is Advance for so many at most of each, but for attempts, of which there are no more
// than places. It reports whether there is more to do.
//
// Deadlines come first: a job that is due when its deadline is over has ended, and does not become
// pending before that.
//
// If not all that are due come into line, the higher priorities do first, and nothing of a lower one
// starts before they have: else it would go before one of a high that is due at the same moment. That
// holds for those due at the time of the first of these calls: then what is in line has a turn, so that
// jobs which come due all the time do not keep the lower ones from starting.
func (c *Core) AdvanceSome(now time.Duration, limit int) (more bool) {
	if !c.gathering() {
		c.gathers = now
	}
	for n := 0; n < limit && isDue(&c.expiries, now); n++ {
		_, j, _ := c.expiries.Pop()
		c.expire(j, now)
	}
	for n := 0; n < limit && isDue(&c.uniqueEnds, now); n++ {
		_, s, _ := c.uniqueEnds.Pop()
		c.uniqueHolds.remove(s.key)
	}
	j := c.waiting.due(c.gathers)
	for n := 0; n < limit && j != nil; n++ {
		c.undelay(j)
		c.ready(j, now)
		j = c.waiting.due(c.gathers)
	}
	if j == nil {
		c.gathers = 0 // or one that is tried again at once would be taken for the rest of these
	}
	c.promoteMore()
	// It comes to an end: what overdue enters again is due after now.
	for it, ok := c.deadlines.Pop(now); ok; it, ok = c.deadlines.Pop(now) {
		c.overdue(it.Value, now)
	}
	return isDue(&c.expiries, now) || isDue(&c.uniqueEnds, now) || c.waiting.due(now) != nil || len(c.promoting) > 0
}

// foundDue returns the first job that has been found due and is not in line yet, nil if there is none.
func (c *Core) foundDue() *Job {
	if c.gathers == 0 {
		return nil
	}
	return c.waiting.due(c.gathers)
}

// gathering reports whether there are such.
func (c *Core) gathering() bool { return c.foundDue() != nil }

// open returns how many of the lanes may start jobs, the highest first: none that is lower than one for
// which jobs have been found due that are not in line yet.
func (c *Core) open() int {
	if j := c.foundDue(); j != nil {
		return int(High-j.Priority) + 1
	}
	return len(c.lanes)
}

// isDue reports whether the first of a list that is ordered by times is due at now.
func isDue[V any](l *sorted.List[V], now time.Duration) bool {
	k, _, ok := l.First()
	return ok && time.Duration(k.Major) <= now
}

// overdue is called when r's timeout, or the grace after its cancellation, is over. Both use one
// timer, one after the other: which it was the cause tells.
func (c *Core) overdue(r *Run, now time.Duration) {
	if r.Cause == NotCancelled {
		if at := span.Sum(c.begun(r, now), r.Job.Timeout); at > now {
			c.deadlines.Add(&r.deadline, at)
			return
		}
		c.interrupt(r, TimedOut, now)
		return
	}
	c.effect(Effect{Kind: IsStuck, Info: new(infoOfRun(r)), Run: r, Cause: r.Cause})
}

// begun returns when the attempt at r has begun, or now if it has not: a worker gets a job a moment after
// it was claimed for it, and where processors are rare that may be longer than a short timeout.
func (c *Core) begun(r *Run, now time.Duration) time.Duration {
	if c.cfg.Begun == nil || r.Job == nil || r.Job.Timeout == 0 {
		return r.StartedAt
	}
	return max(r.StartedAt, c.cfg.Begun(r, now))
}

// interrupt cancels the context of a running job, by an effect. A cause that weighs more replaces
// an earlier one, and that is told, too; one that weighs less, or the same again, changes nothing.
// From the first on the job counts as stuck, and the grace runs, which no later cause makes longer.
func (c *Core) interrupt(r *Run, cause Cause, now time.Duration) {
	if r.Cause >= cause {
		return
	}
	if r.Cause == NotCancelled {
		c.stuck++
		r.deadline.Value = r
		c.deadlines.Add(&r.deadline, span.Sum(now, stuckGrace))
	}
	r.Cause, r.plain = cause, false
	c.effect(Effect{Kind: Interrupt, Run: r, Cause: cause})
}

// Next returns when Advance has something to do, or the order of lanes changes by time alone. It is
// not ok if nothing of that is to come. The owner sets its timer by it.
func (c *Core) Next() (due time.Duration, ok bool) {
	due, ok = c.deadlines.Next()
	sooner := func(k sorted.Key, there bool) {
		if t := time.Duration(k.Major); there && (!ok || t < due) {
			due, ok = t, true
		}
	}
	for i := range c.waiting {
		k, _, there := c.waiting[i].First()
		sooner(k, there)
	}
	k, _, there := c.expiries.First()
	sooner(k, there)
	k, _, there = c.uniqueEnds.First()
	sooner(k, there)
	sooner(sorted.Key{Major: int64(c.aged)}, c.aged > 0)
	sooner(sorted.Key{}, len(c.promoting) > 0)
	return due, ok
}

// Ready returns how many jobs may be claimed: an upper bound of those in the lanes, as it counts
// those of paused kinds that were not come across yet; and of those that have waited for a token
// one for each limit that has it. It is 0 only if no job may start, so a caller need not try then.
func (c *Core) Ready() (n int) {
	if c.paused || c.closed {
		return 0
	}
	open := c.open()
	if open == len(c.lanes) {
		return c.inLanes() + c.grants
	}
	for i := range open {
		n += c.lanes[i].len() + c.granted[i].Len()
	}
	return n
}

func (c *Core) inLanes() int { return c.lanes[0].len() + c.lanes[1].len() + c.lanes[2].len() }

// Idle reports whether nothing is running or will start, which is the end of a drain. Jobs that
// wait for a time to come are not waited for, nor those behind one of them, nor those whose token is
// not likely to come. One whose time has come is waited for, in line or not, and so is one for which
// its key has a place.
func (c *Core) Idle(now time.Duration) bool {
	return c.running-c.exempt == 0 &&
		(c.paused || c.stopped || c.inLanes()+c.Expected()+len(c.promoting) == 0 && c.waiting.due(now) == nil)
}
