package core

import (
	"cmp"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/sorted"
)

// Pause starts no more jobs until Resume. It reports whether that is a change.
func (c *Core) Pause() bool {
	changed := !c.paused
	c.paused = true
	return changed
}

// Resume ends Pause. It reports whether that is a change.
func (c *Core) Resume() bool {
	changed := c.paused
	c.paused = false
	return changed
}

// PauseKind starts no more jobs of a kind; those in line are put aside when their turn comes, so to
// pause costs the same however many there are. It reports whether that is a change.
func (c *Core) PauseKind(kind string) bool {
	// Records of the kind may be known as light, to be claimed without the core.
	for i := range c.lanes {
		c.lanes[i].list.Reconsider()
	}
	return pauseIn(c.pausedKinds, kind)
}

// pauseIn notes that what has the name is paused. That it is noted twice must not lose what stands
// aside.
func pauseIn(paused map[string]*aside, name string) (changed bool) {
	if _, is := paused[name]; is {
		return false
	}
	paused[name] = new(aside)
	return true
}

// ResumeKind puts the jobs that were put aside back in front of their lanes, in their order. It
// reports whether that is a change. It costs the same however many there are, but for joining short
// lists: a lane's front takes over the list as it is.
func (c *Core) ResumeKind(kind string) bool {
	return c.resumeIn(c.pausedKinds, kind)
}

// PauseTask is PauseKind for the runs of a periodic task. These are not light, so no lane has to
// reconsider.
func (c *Core) PauseTask(task string) bool { return pauseIn(c.pausedTasks, task) }

// ResumeTask is ResumeKind for the runs of a periodic task.
func (c *Core) ResumeTask(task string) bool { return c.resumeIn(c.pausedTasks, task) }

// Held reports whether jobs wait and nothing goes on until a paused kind or task is resumed.
func (c *Core) Held() bool {
	if len(c.pausedKinds)+len(c.pausedTasks) == 0 || c.running+c.waiting.len()+c.inLanes()+len(c.promoting) > 0 {
		return false
	}
	for _, l := range c.limits.all() {
		if l.waiting > 0 {
			return false
		}
	}
	return c.pending > 0
}

// resumeIn undoes pauseIn, and moves what stood aside to the fronts of the lanes. It stays
// setAside: see unset.
func (c *Core) resumeIn(paused map[string]*aside, name string) (changed bool) {
	aside, is := paused[name]
	delete(paused, name)
	if !is {
		return false
	}
	for i := range c.lanes {
		c.lanes[i].front.take(&aside[i])
	}
	return true
}

// bySeq orders jobs by when they became pending.
func bySeq(a, b *Job) int { return cmp.Compare(a.seq, b.seq) }

// Resize sets the number of workers. Places beyond it are Surplus as they come free: no job is
// ended.
func (c *Core) Resize(workers int) { c.cfg.Workers = workers }

// SetStopped says whether no job will be claimed any more, so that the end of a drain is not to
// wait for those in line. Close alone can be the beginning of a restart. To allow claims again
// takes Open as well.
func (c *Core) SetStopped(stopped bool) {
	c.stopped = stopped
	c.closed = c.closed || stopped
}

// Seal makes what waits the affair of a report, which has it in the order in which it would have
// started. The core keeps how many these were, and nothing else of them. A job that still runs will
// settle when it returns.
//
// The counters of waiting jobs are left as they are, as the books of a closed queue are to balance;
// so none of the lists that they count may be used again. The groups of the jobs are told by
// HandBack, one by one.
func (c *Core) Seal(now time.Duration) []*Job {
	left := c.WaitingJobs(now)
	c.SetStopped(true)
	c.sealed = true
	c.forgetWaiting(left)
	return left
}

// forgetWaiting lets go of all jobs that wait, but for their groups. They are in the report from
// here on, which may live long: so they must not lead to one another, and nothing here to them.
//
// The lines behind keys and limits are emptied before any job leaves its key or its limits: else
// the next one would be let into a lane.
func (c *Core) forgetWaiting(left []*Job) {
	for _, j := range left {
		c.live.Delete(byID(j.ID))
		c.release(j)
		c.unwatch(j)
		j.links[standing], j.links[inRoom] = neighbours{}, neighbours{}
	}
	for _, k := range c.keys.all() {
		k.queue, k.asleep = waitList{}, 0
	}
	c.behind, c.promoting = [3]int{}, nil
	// The sets themselves go with their last users: some may run.
	for _, s := range c.sets.all() {
		s.waitLists = [3]waitList{}
		c.review(s)
	}
	for _, j := range left {
		// A restored job has a right to the place that it had: see Restore.
		if j.keyed {
			c.leaveKey(j)
			j.keyed = true // so it is where it is restored
		}
		c.unlimit(j)
		c.unindex(j)
	}
	c.lanes, c.waiting, c.held, c.roomed = [3]lane{}, sleepers{}, 0, chain{}
	c.uniqueHolds, c.uniqueEnds = table[string, *uniqueHold]{}, sorted.List[*uniqueHold]{} // nothing is offered any more
	clear(c.pausedKinds)
	clear(c.pausedTasks)
}

// Sealed reports whether the report is made.
func (c *Core) Sealed() bool { return c.sealed }

// Waiting returns how many jobs wait, and how many of them a shutdown cut off. It is asked before
// Seal.
func (c *Core) Waiting() (waiting, cut int) { return c.pending + c.waiting.len(), c.interrupted }

// Close ends all claiming, and Open allows it (again).
func (c *Core) Close() { c.closed = true }

// Open allows claims, unless they are over for good (SetStopped).
func (c *Core) Open() { c.closed = c.stopped }

// Closed reports whether Close was called last, not Open.
func (c *Core) Closed() bool { return c.closed }

// Barred reports whether no job may start, whatever is waiting.
func (c *Core) Barred() bool { return c.paused || c.closed }

// CanStart reports whether a job is in line and may start if there is a worker for it. Claim may
// find none all the same, as Ready counts what has to be put aside first.
func (c *Core) CanStart() bool { return c.running < c.Limit() && c.Ready() > 0 }

// Vacant reports whether every place that is left has a job, so that no worker
// is about to look for one.
func (c *Core) Vacant() bool { return len(c.runs) == c.running }

// Places returns how many places there are.
func (c *Core) Places() int { return len(c.runs) }

// InterruptAll cancels every running job because of a shutdown. Those that come back go before all
// others, in the order in which they had started: each is given its turn now, below all that were
// given before, as they come back in any order. One that a user has cancelled will settle, and gets
// none.
func (c *Core) InterruptAll(now time.Duration) {
	cut := slices.DeleteFunc(c.byStart(), func(r *Run) bool { return r.Cause >= Shutdown })
	c.frontSeq -= int64(len(cut))
	for i, r := range cut {
		r.frontSeq = c.frontSeq + int64(i)
		c.interrupt(r, Shutdown, now)
	}
}

// Runs returns every place, to be read only.
func (c *Core) Runs() []*Run { return c.runs }

// RunOf returns the place of the running job with the given ID, or nil. It looks through all
// places. A free one has the ID 0, which no job has.
func (c *Core) RunOf(id uint64) *Run {
	c.updateRuns()
	i := slices.IndexFunc(c.runs, func(r *Run) bool { return r.ID == id })
	if i < 0 || id == 0 {
		return nil
	}
	return c.runs[i]
}

// Exempt exempts a running job from being waited for, because it is the one that waits. It counts
// against no limit any more, so that a drain does not lack its worker. A second call changes
// nothing.
func (c *Core) Exempt(r *Run) {
	if r.ID != 0 && !r.Exempt {
		r.Exempt, r.plain = true, false
		c.exempt++
	}
}

// Progress notes how far the running job at r has come. The place is not plain from here on, so
// that free clears that again.
func (*Core) Progress(r *Run, done, total int64) {
	r.Done, r.Total, r.plain = done, total, false
}
