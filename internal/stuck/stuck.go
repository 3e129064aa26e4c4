// Package stuck finds the stacks of jobs that are stuck: that were cancelled, and have not
// returned in time.
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
	limit int // immutable: of a stack, in bytes
	// len(jobs), set with it under mu, and read without it: so an attempt that ends takes no
	// lock while no job is stuck. In a tick 0 means that there is none, as jobs are added in
	// ticks alone.
	untold atomic.Int64

	mu       sync.Mutex
	jobs     map[uint64]*job    // guarded by mu: those not told of, by ID; nil if there are none
	waiting  []*job             // guarded by mu: those for the next dump, in order, and some that have ended
	looking  []*job             // guarded by mu: those of the dump that is being made, as waiting
	lastDump time.Time          // guarded by mu: when it had ended
	hasten   context.CancelFunc // guarded by mu: of the goroutine; nil without one
	ended    chan struct{}      // guarded by mu: closed when that goroutine has ended
	closed   bool               // guarded by mu: nothing is told any more
}

// A job is one attempt at a job, by its pointer: another attempt of that ID is another one. It is
// immutable.
type job struct {
	id        uint64
	tell      func(stack []byte) // called once, under Jobs.mu
	goroutine goid.ID
}

// New returns one that tells of stacks of at most limit bytes. It has no goroutine while no job
// is stuck.
func New(limit int) *Jobs { return &Jobs{limit: limit} }

// Add has tell called with the stack of a job, nil if that was not found or the job has ended
// before the next dump. It must not call back, as it is called under the lock. It is called in a
// tick, and after all jobs of that tick Start: so one dump serves for all of them.
func (s *Jobs) Add(id uint64, g goid.ID, tell func(stack []byte)) {
	j := &job{id, tell, g}
	s.mu.Lock()
	defer s.mu.Unlock()
	// The run has ended, and QueueStopped is to be the last event.
	if s.closed {
		return
	}
	if s.jobs == nil {
		s.jobs = map[uint64]*job{}
	}
	s.jobs[id] = j
	s.untold.Store(int64(len(s.jobs)))
	// It may have ended when its turn comes, which jobs tells: to take it out here would cost a
	// search.
	s.waiting = append(s.waiting, j)
}

// Start sees to it that the stacks are looked up, after all jobs of a step were added. It costs
// one atomic load if no job is stuck.
func (s *Jobs) Start() {
	if s.untold.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// One goroutine for all: a second would make dumps of its own.
	if len(s.waiting) > 0 && s.hasten == nil {
		ctx, cancel := context.WithCancel(context.Background())
		s.hasten, s.ended = cancel, make(chan struct{})
		guard.Go(func() { s.run(ctx) })
	}
}

// run makes dumps until none is needed. When ctx ends it does not wait for the next one: what is
// stuck then is told of at once, also if the last dump was less than stacksEvery ago.
func (s *Jobs) run(ctx context.Context) {
	for d, ok := s.wait(); ok; d, ok = s.wait() {
		if d > 0 {
			sleep(ctx, d)
		}
		s.look()
	}
}

// sleep returns after d, or when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	next := time.NewTimer(d)
	defer next.Stop()
	select {
	case <-next.C:
	case <-ctx.Done():
	}
}

// wait returns when the next dump is due, or ends the goroutine if none is: in the section in
// which it finds that, so that Start either sees the goroutine or starts another one. d may be
// negative.
func (s *Jobs) wait() (d time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) > 0 {
		return stacksEvery - time.Since(s.lastDump), true
	}
	s.hasten() // which frees the context
	s.hasten = nil
	close(s.ended)
	return 0, false
}

// look tells of the jobs that wait, if they have not ended. The dump is made without the lock, as
// it stops the process for as long as it takes, and Add and AttemptEnds are called in ticks.
func (s *Jobs) look() {
	// From here on looking has those that this dump is for; what becomes stuck now waits for the
	// next one.
	goroutines := s.take()
	if len(goroutines) == 0 {
		return
	}
	stacks := goid.Stacks(goroutines, s.limit)
	s.mu.Lock()
	defer s.mu.Unlock()
	// After the dump, so that the process has rest for as long as stacksEvery.
	s.lastDump = time.Now()
	// A job that has ended meanwhile was told of, and tell knows it by that: the stack may be
	// another job's.
	for _, j := range s.looking {
		s.tell(j, stacks[j.goroutine])
	}
	s.looking = nil
}

// take returns the goroutines of the jobs that wait and have not ended. If there are none no dump
// is made, and nothing is kept of the others, which were told of.
func (s *Jobs) take() (goroutines []goid.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.waiting {
		if s.jobs[j.id] == j {
			goroutines = append(goroutines, j.goroutine)
		}
	}
	if len(goroutines) > 0 {
		s.looking = s.waiting
	}
	s.waiting = nil
	return goroutines
}

// tell tells of a job, once, under mu. It is of no effect for one that was told of, also if
// another attempt at that job is stuck by now.
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

// AttemptEnds is called when an attempt has ended and before that is told, in a tick. From then
// on a stack of its goroutine may be that of another job. So what is known of the job is told
// now, without a stack: its order before the end says more than a stack that comes after it.
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

// Finish has all be told of now, with one dump more if need be, and returns when the goroutine
// has ended. It waits, so it is not called in a tick. Jobs that become stuck later are told of as
// ever.
func (s *Jobs) Finish() {
	s.mu.Lock()
	// If a goroutine runs, it sees all that was added before, as it ends only where none waits.
	hasten, ended := s.hasten, s.ended
	s.mu.Unlock()
	if hasten != nil {
		hasten()
		<-ended
	}
}

// Close tells of those that were not told of yet, without their stacks, and of none that comes
// until Open. It is called in a tick. A dump that is under way is of no use then, and is not
// waited for.
func (s *Jobs) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range slices.Concat(s.looking, s.waiting) {
		s.tell(j, nil)
	}
	s.looking, s.waiting, s.closed = nil, nil, true
}

// Open ends Close: the queue runs again.
func (s *Jobs) Open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = false
}
