package core

import (
	"cmp"
	"slices"
	"time"
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

// PauseKind starts no more jobs of a kind; those in line are put aside when
// their turn comes. It reports whether that is a change.
func (c *Core) PauseKind(kind string) bool {
	return pauseIn(c.pausedKinds, kind)
}

func pauseIn(paused map[string]*line, name string) (changed bool) {
	if _, is := paused[name]; is {
		return false
	}
	paused[name] = new(line)
	return true
}

// ResumeKind puts the jobs that were put aside back in front of their lanes, in
// their order. It reports whether that is a change.
func (c *Core) ResumeKind(kind string) bool {
	return c.resumeIn(c.pausedKinds, kind)
}

// PauseTask is PauseKind for the runs of a periodic task.
func (c *Core) PauseTask(task string) bool { return pauseIn(c.pausedTasks, task) }

// ResumeTask is ResumeKind for the runs of a periodic task.
func (c *Core) ResumeTask(task string) bool { return c.resumeIn(c.pausedTasks, task) }

func (c *Core) resumeIn(paused map[string]*line, name string) (changed bool) {
	aside, is := paused[name]
	delete(paused, name)
	if !is {
		return false
	}
	for _, j := range aside.all() {
		j.place = inFront
		c.lane(j.Priority).front.push(j)
	}
	for i := range c.lanes { // other kinds may have been resumed just before
		slices.SortFunc(c.lanes[i].front.jobs, byTurn)
	}
	return true
}

// byTurn orders jobs by when they became pending.
func byTurn(a, b *Job) int { return cmp.Compare(a.seq, b.seq) }

// Resize sets the number of workers. Places beyond it are Surplus as they come free.
func (c *Core) Resize(workers int) { c.cfg.Workers = workers }

// Halt says whether no job will be claimed any more, so that the end of a drain
// is not to wait for those in line. Close alone can be the beginning of a restart.
func (c *Core) Halt(halted bool) {
	c.halted = halted
	c.closed = c.closed || halted
}

// Seal makes what waits and what was interrupted somebody else's: it is handed
// back in a report. A job that still runs will settle when it returns.
func (c *Core) Seal() {
	c.Halt(true)
	c.sealed = true
}

// Close ends all claiming, and Open allows it (again).
func (c *Core) Close() { c.closed = true }

// Open allows claims, unless they are over for good (Halt).
func (c *Core) Open() { c.closed = c.halted }

// Closed reports whether Close was called last, not Open.
func (c *Core) Closed() bool { return c.closed }

// Barred reports whether no job may start, whatever is waiting.
func (c *Core) Barred() bool { return c.paused || c.closed }

// CanStart reports whether a job is in line and may start if there is a worker for it.
func (c *Core) CanStart() bool { return c.running < c.Limit() && c.Ready() > 0 }

// Vacant reports whether every place that is left has a job, so that no worker
// is about to look for one.
func (c *Core) Vacant() bool { return len(c.runs) == c.running }

// Places returns how many places there are.
func (c *Core) Places() int { return len(c.runs) }

// InterruptAll cancels every running job because of a shutdown.
func (c *Core) InterruptAll(now time.Duration) {
	for _, r := range c.runs {
		if r.ID != 0 {
			c.interrupt(r, Shutdown, now)
		}
	}
}

// Runs returns every place, to be read only.
func (c *Core) Runs() []*Run { return c.runs }

// RunOf returns the place of the running job with the given ID, or nil.
func (c *Core) RunOf(id uint64) *Run {
	i := slices.IndexFunc(c.runs, func(r *Run) bool { return r.ID == id })
	if i < 0 || id == 0 {
		return nil
	}
	return c.runs[i]
}

// Excuse exempts a running job from being waited for, because it is the one that waits.
func (c *Core) Excuse(r *Run) {
	if r.ID != 0 && !r.Exempt {
		r.Exempt, r.plain = true, false
		c.exempt++
	}
}

// Progress notes how far the running job at r has come.
func (*Core) Progress(r *Run, done, total int64) {
	r.Done, r.Total, r.plain = done, total, false
}
