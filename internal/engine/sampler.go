package engine

import (
	"sync"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/span"
)

// Reading the clock costs as much as a tiny job and all that dray does for it. So a worker
// whose jobs take less than brief on average reads it once per sample of them, of at most
// longest. The owner ends all samples once per samplePeriod, so that many long jobs that follow
// tiny ones are not taken for one. Jobs that are not light or have a timeout, jobs whose starts
// or good ends are watched, and the first job of a lease are timed one by one.
const (
	brief        = time.Microsecond
	longest      = 64
	samplePeriod = time.Millisecond
)

// maxSamples bounds what a worker measures before it goes back to the owner.
const maxSamples = 64

// A sampler decides how often its worker reads the clock, and keeps what was measured.
type sampler struct {
	engine *Engine // immutable

	// The worker's own.
	now    sample
	length int    // jobs in a sample
	left   int    // of those, not yet begun
	period uint32 // of the engine, when the sample began

	mu      sync.Mutex
	samples []sample // guarded by mu
}

// A sample is jobs in a row that share two readings of the clock.
type sample struct {
	begin  time.Duration
	took   time.Duration
	n      int
	chunk  *core.Chunk // and slot: where its first job was claimed, a plain one; nil: that had waited for so long
	slot   uint32
	waited time.Duration
}

// over reports whether the clock is to be read when the present job has ended.
func (p *sampler) over() bool { return p.left == 0 || p.period != p.engine.periods.Load() }

// long reports whether the job that has ended by now was not brief, if over.
func (p *sampler) long(now time.Duration) bool { return p.length == 1 && now-p.now.begin >= brief }

// full reports whether the owner is to take in what was measured before more is. It bounds the
// memory of a worker that never goes back by itself.
func (p *sampler) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.samples) >= maxSamples
}

// first begins a sample of one, with the first job of a lease.
func (p *sampler) first(l lease) {
	p.now = sample{begin: l.began, waited: l.waited}
	p.length, p.left = 1, 0
	p.period = p.engine.periods.Load()
}

// start begins a sample with a job that was claimed.
func (p *sampler) start(s sample) {
	p.flush(s.begin)
	p.now = s
	p.left = p.length - 1
	e := p.engine
	p.period = e.periods.Load()
	if p.left > 0 {
		e.startSampling()
	}
}

// startSampling has the owner count periods, if it does not.
func (e *Engine) startSampling() {
	if !e.sampling.Load() {
		e.sampling.Store(true)
		if !e.counting.Load() {
			e.poke()
		}
	}
}

// alone has the clock be read after the job at hand. Its timeout is to be watched.
func (p *sampler) alone() {
	p.length, p.left = 1, 0
	p.engine.startSampling()
}

// flush ends a sample. If it was longer than as many brief jobs take, one of them was
// long: it is put down as having taken it all.
func (p *sampler) flush(now time.Duration) {
	p.now.took, p.now.n = now-p.now.begin, p.length-p.left
	if p.now.n <= 0 {
		p.length = 1
		return
	}
	if p.now.took < brief*time.Duration(p.now.n) {
		p.length = min(2*p.length, longest)
	} else {
		p.length = 1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.samples = append(p.samples, p.now)
}

// measure takes what a worker has measured into the statistics. It is called by the owner.
func (e *Engine) measure(w *Worker) {
	p := &w.sampler
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.samples {
		if s.chunk != nil {
			s.waited = max(s.begin-s.chunk.Identify(s.slot).At, 0)
		}
		if s.took < brief*time.Duration(s.n) {
			e.core.Measured(s.waited, s.took/time.Duration(s.n), uint64(s.n))
		} else {
			e.core.Measured(s.waited, s.took, 1)
			e.core.Measured(s.waited, 0, uint64(s.n-1))
		}
	}
	p.samples = p.samples[:0]
}

// measureAll does so for all workers.
func (e *Engine) measureAll() {
	for _, r := range e.core.Runs() {
		if w := e.workerAt(r); w.chunk != nil { // the others have been measured when they came back
			e.measure(w)
		}
	}
}

// endPeriod ends all samples if it is time to, and returns when it next will be.
func (e *Engine) endPeriod(now time.Duration) time.Duration {
	if !e.counting.Load() && e.sampling.Load() {
		e.counting.Store(true)
		e.periodEnds = now + samplePeriod
	}
	if e.counting.Load() && now >= e.periodEnds {
		e.periods.Add(1)
		e.periodEnds = now + samplePeriod
		e.counting.Store(e.sampling.Swap(false))
		if !e.counting.Load() && e.sampling.Load() { // by a worker that has seen it count
			e.counting.Store(true)
		}
	}
	if !e.counting.Load() {
		return span.Never
	}
	return e.periodEnds
}
