package dray

import (
	"time"

	"github.com/a622d8ee/dray/internal/core"
)

// Reading the clock costs as much as a tiny job and all that dray does for it.
// So a worker whose plain jobs take less than brief on average reads it once per
// stretch of them, of at most longest. The owner ends all stretches once per beat,
// lest many long jobs that follow tiny ones be taken for one. Jobs with options,
// jobs whose starts or good ends are watched, and the first job after a pause are timed
// one by one.
const (
	brief   = time.Microsecond
	longest = 64
	beat    = time.Millisecond
)

// A pace decides how often its worker reads the clock. It belongs to the worker.
type pace struct {
	engine *engine       // immutable
	begin  time.Duration // of the stretch: when the clock was last read
	wait   time.Duration // how long its first job had waited
	length int           // jobs in a stretch; 0 counts as 1
	left   int           // of those, not yet begun
	beats  uint32        // of the engine, when the stretch began
}

// over reports whether the clock is to be read when the present job has ended.
func (p *pace) over() bool { return p.left == 0 }

// start begins a stretch with the job that has just started at r, under the engine's lock.
func (p *pace) start(r *core.Run) {
	p.begin, p.wait = r.StartedAt, r.StartedAt-r.ReadyAt()
	p.length = max(p.length, 1)
	p.left = p.length - 1
	if p.left == 0 {
		return
	}
	e := p.engine
	p.beats, e.strides = e.beats, true
	if !e.beating {
		e.beating, e.beatAt = true, p.begin+beat
		e.poke()
	}
}

// beat ends all stretches if it is time to, and returns when it next will be.
func (e *engine) beat(now time.Duration) time.Duration {
	if e.beating && now >= e.beatAt {
		e.beats++
		e.beatAt = now + beat
		e.beating, e.strides = e.strides, false
	}
	if !e.beating {
		return never
	}
	return e.beatAt
}

// flush measures the stretch, whose present job ended at now. If it was longer
// than as many brief jobs take, one of them was long: it is put down as having
// taken it all.
func (p *pace) flush(now time.Duration) {
	took, n := now-p.begin, p.length-p.left
	if took < brief*time.Duration(n) {
		p.engine.core.Measured(p.wait, took/time.Duration(n), uint64(n))
		p.length = min(2*p.length, longest)
		return
	}
	p.engine.core.Measured(p.wait, took, 1)
	p.engine.core.Measured(p.wait, 0, uint64(n-1))
	p.length = 1
}
