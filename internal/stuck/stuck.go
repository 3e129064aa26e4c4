// Package stuck finds the stacks of jobs that are stuck.
package stuck

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/goid"
	"github.com/a622d8ee/dray/internal/guard"
)

// stacksEvery is how far two dumps of all stacks are apart at least: each stops the
// whole process for as long as it takes.
const stacksEvery = time.Second

// Jobs tells observers of jobs that are stuck, with their stacks. Those come out of
// one dump for all the jobs that became stuck since the last one, made on a goroutine
// that exists only while there are some. A job is told of as soon as its stack is there,
// and before anything that comes of it: if it ends first, it is told of without.
//
// Its lock is taken last but for those of the bus.
type Jobs struct {
	limit  int          // immutable: of a stack, in bytes
	untold atomic.Int64 // len(jobs), set with it; read without the lock

	mu       sync.Mutex
	jobs     map[uint64]*job    // guarded by mu: those not told of
	waiting  []*job             // guarded by mu: those for the next dump, in order, and some that have ended
	looking  []*job             // guarded by mu: those of the dump that is being made, as waiting
	lastDump time.Time          // guarded by mu: when it had ended
	hasten   context.CancelFunc // guarded by mu: of the goroutine; nil without one
	ended    chan struct{}      // guarded by mu: closed when that goroutine has ended
	closed   bool               // guarded by mu: nothing is told any more
}

// A job is one attempt at a job. It is immutable.
type job struct {
	id        uint64
	tell      func(stack []byte) // called once, under Jobs.mu
	goroutine goid.ID
}

// New returns one that tells of stacks of at most limit bytes.
func New(limit int) *Jobs { return &Jobs{limit: limit} }

// Add has tell called with the stack of a job, nil if that was not found or the job has ended
// before the next dump. It must not call back. It is called in a tick.
func (s *Jobs) Add(id uint64, g goid.ID, tell func(stack []byte)) {
	j := &job{id, tell, g}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.jobs == nil {
		s.jobs = map[uint64]*job{}
	}
	s.jobs[id] = j
	s.untold.Store(int64(len(s.jobs)))
	s.waiting = append(s.waiting, j)
}

// Start sees to it that the stacks are looked up, after all jobs of a step were added.
func (s *Jobs) Start() {
	if s.untold.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) > 0 && s.hasten == nil {
		ctx, cancel := context.WithCancel(context.Background())
		s.hasten, s.ended = cancel, make(chan struct{})
		guard.Go(func() { s.run(ctx) })
	}
}

// run makes dumps until none is needed. When ctx ends it does not wait for the next one.
func (s *Jobs) run(ctx context.Context) {
	for d, ok := s.wait(); ok; d, ok = s.wait() {
		next := time.NewTimer(d)
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
		}
		s.look()
	}
}

// wait returns when the next dump is due, or ends the goroutine if none is.
func (s *Jobs) wait() (d time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) > 0 {
		return stacksEvery - time.Since(s.lastDump), true
	}
	s.hasten()
	s.hasten = nil
	close(s.ended)
	return 0, false
}

// look tells of the jobs that wait, if they have not ended.
func (s *Jobs) look() {
	goroutines := s.take()
	if len(goroutines) == 0 {
		return
	}
	stacks := goid.Stacks(goroutines, s.limit)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastDump = time.Now()
	for _, j := range s.looking {
		s.tell(j, stacks[j.goroutine])
	}
	s.looking = nil
}

// take returns the goroutines of the jobs that wait and have not ended.
func (s *Jobs) take() (goroutines []goid.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.waiting {
		if s.jobs[j.id] == j {
			goroutines = append(goroutines, j.goroutine)
		}
	}
	s.looking, s.waiting = s.waiting, nil
	return goroutines
}

// tell tells of a job, once, under mu.
func (s *Jobs) tell(j *job, stack []byte) {
	if s.jobs[j.id] != j {
		return
	}
	delete(s.jobs, j.id)
	s.untold.Store(int64(len(s.jobs)))
	if len(s.jobs) == 0 {
		s.jobs = nil // which would keep its room
	}
	j.tell(stack)
}

// AttemptEnds is called when an attempt has ended and before that is told, in a
// tick. From then on a stack of its goroutine may be that of another job.
func (s *Jobs) AttemptEnds(id uint64) {
	if s.untold.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.jobs[id]; j != nil {
		s.tell(j, nil)
	}
}

// Finish has all be told of now, with one dump more if need be, and returns when the
// goroutine has ended.
func (s *Jobs) Finish() {
	s.mu.Lock()
	hasten, ended := s.hasten, s.ended
	s.mu.Unlock()
	if hasten != nil {
		hasten()
		<-ended
	}
}

// Close tells of those that were not told of yet, without their stacks, and of none that comes
// until Open.
func (s *Jobs) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range slices.Concat(s.looking, s.waiting) {
		s.tell(j, nil)
	}
	s.looking, s.waiting, s.closed = nil, nil, true
}

// Open ends Close.
func (s *Jobs) Open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = false
}
