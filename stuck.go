package dray

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a622d8ee/dray/internal/core"
	"github.com/a622d8ee/dray/internal/goid"
	"github.com/a622d8ee/dray/internal/guard"
)

// stacksEvery is how far two dumps of all stacks are apart at least: each stops the
// whole process for as long as it takes.
const stacksEvery = time.Second

// stuckJobs tells observers of jobs that are stuck, with their stacks. Those come out of
// one dump for all the jobs that became stuck since the last one, made on a goroutine
// that exists only while there are some. A job is told of as soon as its stack is there,
// and before anything that comes of it: if it ends first, it is told of without.
//
// Its lock is taken last but for those of the bus.
type stuckJobs struct {
	emit   func(Event)  // immutable
	untold atomic.Int64 // len(jobs), set with it; read without the lock

	mu       sync.Mutex
	jobs     map[ID]*stuckJob   // guarded by mu: those not told of
	waiting  []*stuckJob        // guarded by mu: those for the next dump, in order, and some that have ended
	looking  []*stuckJob        // guarded by mu: those of the dump that is being made, as waiting
	lastDump time.Time          // guarded by mu: when it had ended
	hasten   context.CancelFunc // guarded by mu: of the goroutine; nil without one
	ended    chan struct{}      // guarded by mu: closed when that goroutine has ended
	closed   bool               // guarded by mu: QueueStopped was told, and nothing comes after it
}

// A stuckJob is one attempt at a job.
type stuckJob struct {
	event     Event   // but for the stack; immutable
	goroutine goid.ID // immutable
}

// reportStuck has observers told of a stuck job, in a tick.
func (e *engine) reportStuck(f *core.Effect) {
	if !e.wants(JobStuck) {
		return
	}
	event := Event{Kind: JobStuck, Time: e.clock.Now(), Job: e.jobInfo(*f.Info), Err: causeError(f.Cause), task: taskName(f.Run.Job)}
	e.stuck.add(&stuckJob{event, goid.ID(e.workerAt(f.Run).goid.Load())})
}

func (s *stuckJobs) add(j *stuckJob) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.jobs == nil {
		s.jobs = map[ID]*stuckJob{}
	}
	s.jobs[j.event.Job.ID] = j
	s.untold.Store(int64(len(s.jobs)))
	s.waiting = append(s.waiting, j)
}

// start sees to it that the stacks are looked up, after all jobs of a step were added.
func (s *stuckJobs) start() {
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
func (s *stuckJobs) run(ctx context.Context) {
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
func (s *stuckJobs) wait() (d time.Duration, ok bool) {
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
func (s *stuckJobs) look() {
	goroutines := s.take()
	if len(goroutines) == 0 {
		return
	}
	stacks := goid.Stacks(goroutines, maxStack)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastDump = time.Now()
	for _, j := range s.looking {
		s.tell(j, stacks[j.goroutine])
	}
	s.looking = nil
}

// take returns the goroutines of the jobs that wait and have not ended.
func (s *stuckJobs) take() (goroutines []goid.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.waiting {
		if s.jobs[j.event.Job.ID] == j {
			goroutines = append(goroutines, j.goroutine)
		}
	}
	s.looking, s.waiting = s.waiting, nil
	return goroutines
}

// tell tells of a job, once, under mu.
func (s *stuckJobs) tell(j *stuckJob, stack []byte) {
	id := j.event.Job.ID
	if s.jobs[id] != j {
		return
	}
	delete(s.jobs, id)
	s.untold.Store(int64(len(s.jobs)))
	if len(s.jobs) == 0 {
		s.jobs = nil // which would keep its room
	}
	event := j.event
	event.Stack = stack
	s.emit(event)
}

// attemptEnds is called when an attempt has ended and before that is told, in a
// tick. From then on a stack of its goroutine may be that of another job.
func (s *stuckJobs) attemptEnds(id ID) {
	if s.untold.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.jobs[id]; j != nil {
		s.tell(j, nil)
	}
}

// finish has all be told of now, with one dump more if need be, and returns when the
// goroutine has ended.
func (s *stuckJobs) finish() {
	s.mu.Lock()
	hasten, ended := s.hasten, s.ended
	s.mu.Unlock()
	if hasten != nil {
		hasten()
		<-ended
	}
}

// close is called before QueueStopped is told, in a tick.
func (s *stuckJobs) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range slices.Concat(s.looking, s.waiting) {
		s.tell(j, nil)
	}
	s.looking, s.waiting, s.closed = nil, nil, true
}

// open is called when jobs are run again.
func (s *stuckJobs) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = false
}
