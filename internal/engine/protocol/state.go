package protocol

import "math/bits"

const (
	maxJobs      = 6
	maxWorkers   = 3
	maxCallers   = 2
	maxProducers = 2
	maxChunks    = 4
)

// A mask is a set of small numbers. Where the code has a list whose order no promise
// depends on, the model has a set, and takes the least first.
type mask uint8

func (m *mask) has(i uint8) bool { return *m&(1<<i) != 0 }
func (m *mask) len() uint8       { return uint8(bits.OnesCount8(uint8(*m))) }
func (m *mask) least() uint8     { return uint8(bits.TrailingZeros8(uint8(*m))) }
func (m *mask) add(i uint8)      { *m |= 1 << i }
func (m *mask) remove(i uint8)   { *m &^= 1 << i }
func (m *mask) take() (i uint8)  { i = m.least(); m.remove(i); return i }

// state is all that there is. A field that names a job, worker or chunk holds its number
// plus one; 0 is none. All fields are bytes, so that a state is hashed as one piece.
type state struct {
	mail mailbox

	// Atomics.
	coming  bool // a worker is on the way for light jobs
	want    bool // the owner has others
	blocked bool // producers wait for room
	crowded bool // jobs stand behind the key
	more    bool // there may be another chunk behind the one that is offered
	offered uint8
	chunks  [maxChunks]chunk // each one's gate is one word in the code

	// Channels, besides those of workers and callers.
	token   bool // wakeup, capacity 1: who sends to it does not wait
	inState bool // the state of an owner, while none serves

	owner     owner
	self      ownerGoroutine
	workers   [maxWorkers]worker
	producers [maxProducers]producer
	callers   [maxCallers]caller

	// What the code does not have: for the checks.
	jobs     [maxJobs]job
	accepted uint8
	paused   bool // Pause has returned: nothing may start
	allowed  uint8
	crashes  uint8
	panics   uint8
	wrong    fault
}

// mailbox is guarded by mu.
type mailbox struct {
	mu       uint8 // who holds it from one action to the next: free or byOwner
	list     [maxJobs]uint8
	tail     uint8 // of the list
	taken    uint8 // before it: collected by the owner
	asked    mask  // callers, and producers that want room (number + maxCallers)
	returned mask  // workers
	attended bool  // an owner runs
	awake    bool  // it has been told to look, and will
	eager    bool  // it is to be told of jobs, if no worker is on its way that would do so
	poked    bool  // it is to look once more
	pressing bool  // there is a job that it has to see at once
	napping  bool  // it looks at the list by itself after a while
	closed   bool
	crashed  bool  // a caller's tick has, or a worker: the owner is to die of it
	room     uint8 // jobs that may be accepted without asking the core
	lent     uint8 // worker
	direct   uint8 // worker that has a job which was handed over
	job      uint8 // that one
}

const (
	free = iota
	byOwner
)

// chunk is a piece of memory that has a part of the line, and later another one.
type chunk struct {
	part   uint8 // of the line, plus one; 0: not in use
	next   uint8 // place in the line that is claimed next, by adding one
	limit  uint8 // places before it may be claimed
	shut   bool  // no claim succeeds
	leases uint8 // workers that may look at it
	kept   bool  // so may others: it is not used again
}

// job is what has become of a job.
type job struct {
	kind  kind
	stage stage
}

type kind byte

const (
	plain   kind = 'p'
	keyed   kind = 'k' // light, of one key: it stands behind it until the one before has ended
	heavy   kind = 'h' // its rules matter: the owner gives it out by itself
	delayed kind = 'd' // it comes into line when it is due
	late    kind = 'l' // as heavy; it was delayed
)

type stage uint8

const (
	unused stage = iota
	waiting
	running
	processed
	failed
	cancelled
)

// owner is the state that passes from one server to the next: an owner, or a caller.
type owner struct {
	pc       ownerPC
	line     [maxJobs]uint8 // the jobs in line, by place
	head     uint8          // first place that was not claimed, as far as the core knows
	end      uint8          // of the line
	opened   bool
	shared   uint8 // chunk whose gate is open, or was until this tick
	holder   uint8 // keyed job that is in line or runs
	behind   mask  // keyed jobs behind it, which come in the order of their numbers
	delayed  mask
	due      mask              // of those
	leased   [maxWorkers]uint8 // chunk that each has a lease of
	known    [maxWorkers]uint8 // job that runs at each
	failed   uint8
	ended    uint8 // processed
	gone     uint8 // cancelled
	started  uint8
	idle     mask
	back     mask // workers to be settled
	todo     mask // to be served, or not replied to
	begun    mask // of those: done
	waiters  mask // producers that wait for room
	starting mask // workers to be given what is known of them
	workers  mask
	target   uint8
	paused   bool
	revoked  bool // all leases are to be worthless from the next share on
	found    bool // jobs in the mailbox, in this tick
	timer    bool // the owner's is set for a delayed job
}

type ownerPC uint8

const (
	ownerBegins ownerPC = iota // looks whether it is to stop
	ownerCollects
	ownerShuts
	ownerLearns // what runs where; the lock is held
	ownerSettles
	ownerServes
	ownerAdmits
	ownerAdvances
	ownerClaims
	ownerAdmitsMore
	ownerWants
	ownerClaimsAgain
	ownerFlags
	ownerOpens
	ownerSaysMore
	ownerOffers
	ownerSaysComing
	ownerLeases
	ownerReplies
	ownerEnds
	ownerLooksOnce // more, before it sleeps; the lock is held
	ownerWantsLate
	ownerSleeps
	ownerIsDone // its server puts the state back
)

// ownerGoroutine is the goroutine that owners run in, one after the other.
type ownerGoroutine struct {
	pc     selfPC
	stop   bool
	caller uint8 // that has the state instead
}

type selfPC uint8

const (
	selfOff   selfPC = iota
	selfTakes        // the state out of the channel
	selfAttends
	selfTicks
	selfResigns
	selfPuts
	selfCrashed // until the supervisor starts the next one
)

type worker struct {
	pc        workerPC
	then      workerPC // after a word to the owner
	sends     bool     // the wake-up, next
	lease     uint8    // its channel, capacity 1: the job
	through   uint8    // with it: the chunk to claim others from; 0: none
	job       uint8    // that it runs, or had when it came back
	chunk     uint8    // that its lease is of
	other     uint8    // chunk that it looks at without one
	tries     uint8
	bad       bool // the job has failed
	pinned    bool // atomic: it is to come back after the job at hand
	cause     bool // atomic: the job's context was cancelled
	dismissed bool
	keyed     bool // the job before had a key
	unshown   bool // it has claimed a job, and not shown which
}

type workerPC uint8

const (
	workerAwaits workerPC = iota
	workerArrives
	workerLooksForWant
	workerRouses
	workerPokes
	workerReports // a panic
	workerRuns
	workerClaims
	workerShows // which job it has claimed
	workerLooksForBlocked
	workerLooksForCrowded
	workerLooksElsewhere
	workerKeeps
	workerChecks
	workerClaimsThere
	workerLooksForMore
	workerReturns
	workerIsGone
)

type producer struct {
	pc       producerPC
	posted   uint8 // jobs of its script
	sends    bool
	job      uint8 // being handed over
	to       uint8
	admitted bool // its job was accepted
	replied  bool // its request was replied to
}

type producerPC uint8

const (
	producerBegins producerPC = iota
	producerHands
	producerAsks // for room
	producerWaits
)

type caller struct {
	pc    callerPC
	call  uint8 // of its script
	sends bool
	yes   bool // in its channel: it was served
	no    bool // in its channel: the owner has ended
	tries uint8
	ok    bool // what a Cancel found
	made  bool // for the checks
}

type callerPC uint8

const (
	callerBegins callerPC = iota
	callerWaits           // an owner runs
	callerServes          // none runs, or none did
	callerTicks
	callerAwaitsStop
	callerWithdraws
)

// count returns how many jobs are at a stage.
func (s *state) count(st stage) (n uint8) {
	for _, j := range s.jobs {
		if j.stage == st {
			n++
		}
	}
	return n
}

// start notes that a job has been claimed, at a place of the line.
func (s *state) start(slot uint8) {
	if s.jobs[slot].stage != waiting {
		s.is(startedTwice)
		return
	}
	s.jobs[slot].stage = running
	for _, j := range s.jobs[:slot] {
		if j.stage == waiting && j.inOrder() && s.jobs[slot].inOrder() {
			s.is(overtaken)
		}
	}
	if s.paused {
		s.is(startedWhilePaused)
	}
	if s.count(running) > s.allowed {
		s.is(tooMany)
	}
}

// inOrder reports whether the job comes into line when it is accepted.
func (j job) inOrder() bool { return j.kind == plain || j.kind == heavy }

// settle notes the end of a job, 0: of none.
func (s *state) settle(job uint8, as stage) {
	if job > 0 && s.jobs[job-1].stage == running {
		s.jobs[job-1].stage = as
	}
}

func (s *state) is(f fault) {
	if s.wrong == 0 {
		s.wrong = f
	}
}
