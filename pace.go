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
	longest = 64
)

// A pace decides how often its worker reads the clock. It belongs to the worker.
type pace struct {
	core   *core.Core    // immutable
	begin  time.Duration // of the stretch: when the clock was last read
	wait   time.Duration // how long its first job had waited
	length int           // jobs in a stretch; 0 counts as 1
	left   int           // of those, not yet begun
}

// start begins a stretch with the job that has just started at r.
func (p *pace) start(r *core.Run) {
	p.begin, p.wait = r.StartedAt, r.StartedAt-r.ReadyAt()
	p.length = max(p.length, 1)
	p.left = p.length - 1
}

// flush measures the stretch, whose present job ended at now. If it was longer
// than as many brief jobs take, one of them was long: it is put down as having
// taken it all.
func (p *pace) flush(now time.Duration) {
	took, n := now-p.begin, p.length-p.left
	if took < brief*time.Duration(n) {
		p.core.Measured(p.wait, took/time.Duration(n), uint64(n))
		p.length = min(2*p.length, longest)
		return
	}
	p.core.Measured(p.wait, took, 1)
	p.core.Measured(p.wait, 0, uint64(n-1))
	p.length = 1
}
