package dray

import (
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

// Reading the clock costs as much as a tiny job and all that dray does for it.
// So a worker whose plain jobs take less than brief on average reads it once per
// stretch of them, of at most longest; the first job that takes longer ends the
// stretch. Jobs with options, jobs that are watched, and the first job after a
// pause are always timed one by one.
const (
	brief   = time.Microsecond
	longest = 16
)

// A pace decides how often its worker reads the clock. It belongs to the worker.
type pace struct {
	now    time.Duration // when the clock was last read
	begin  time.Duration // of the stretch
	length int           // jobs in a stretch; 0 counts as 1
	done   int           // jobs of the stretch that have ended
	wait   time.Duration // how long the first of them had waited
}

// clock returns the time, fresh unless a stretch is under way.
func (p *pace) clock(w *worker) time.Duration {
	if p.done+1 >= p.length || w.run.Job != nil || w.run.ID == 0 ||
		w.result.Kind != core.OK || w.engine.herald != nil {
		p.now = w.engine.now()
		p.length = min(p.length, p.done+1) // this reading ends the stretch
	}
	return p.now
}

// started notes the beginning of a job. One with a record gets its exact time
// even in the middle of a stretch.
func (p *pace) started(w *worker) {
	if w.run.Job != nil && p.done > 0 {
		p.now = w.engine.now()
		w.engine.core.Retime(&w.run, p.now)
	}
	if p.done == 0 {
		p.begin, p.wait = w.run.StartedAt, w.run.StartedAt-w.run.ReadyAt
	}
}

// ended counts a job, and measures the stretch that it completes. Jobs with a
// record are measured by the core.
func (p *pace) ended(w *worker, now time.Duration) {
	if w.run.Job != nil {
		now = w.run.StartedAt // it ends the stretch before it
	} else if p.done++; p.done < p.length {
		return
	}
	if p.done > 0 {
		p.measure(w, now-p.begin, p.done)
	}
	p.done = 0
}

// measure records n plain jobs that took so long together. If that is longer than
// brief jobs take, one of them was long: it is put down as having taken it all.
func (p *pace) measure(w *worker, took time.Duration, n int) {
	c := w.engine.core
	if took < brief*time.Duration(n) {
		c.Measured(p.wait, took/time.Duration(n), uint64(n))
		p.length = min(max(2*p.length, 2), longest)
		return
	}
	c.Measured(p.wait, took, 1)
	if n > 1 {
		c.Measured(p.wait, 0, uint64(n-1))
	}
	p.length = 1
}
