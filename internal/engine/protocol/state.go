package protocol

import "math/bits"

const (
	maxJobs      = 6
	maxWorkers   = 3
	maxCallers   = 3
	maxProducers = 2
	maxChunks    = 3
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

// state is all that there is. A field that says which slot or worker holds its number
// plus one; 0 is none. All fields are bytes, so that a state is hashed as one piece.
type state struct {
	// The inbox, guarded by mu.
	mu       uint8 // who holds it from one action to the next: unheld, byOwner, byProducer + number
	tail     uint8 // slots before it are filled
	arrived  uint8 // delayed jobs for the owner
	returned mask  // workers that have given themselves back
	asked    mask  // callers with a request that the owner has not collected
	asleep   bool  // set by the owner; cleared by the one that will send the wake-up
	want     bool  // set by the owner with asleep: it has idle workers, and no lease is on its way
	lent     uint8 // worker that the owner has lent
	out      bool  // lent has been given a job
	owned    bool  // an owner runs
	stop     bool  // the owner is to end
	fired    bool  // the timer has
	panicked bool  // a worker has, in code of ours
	watched  bool  // the timer runs because jobs do
	closed   bool
	room     uint8 // jobs that may be accepted before claims are counted again
	counted  uint8 // claims before this slot are in room already
	waiters  [maxProducers]uint8

	// Atomics. The gate is one word in the code.
	next    uint8 // gate: slot to be claimed next, by adding one; no further than limit, as what is beyond means nothing
	limit   uint8 // gate: slots before it may be claimed
	shut    bool  // gate: no claim succeeds
	coming  uint8 // a lease is on its way: nothing, onWay, awaited
	blocked bool  // producers wait for room. Set under mu

	chunkReads [maxChunks]uint8 // slots read, by leases that have ended

	// Channels.
	token   bool // wakeup, capacity 1
	inState bool // the channel that has the owner's state while nobody serves

	owner     owner
	self      ownerGoroutine
	timer     timer
	workers   [maxWorkers]worker
	producers [maxProducers]producer
	callers   [maxCallers]caller

	// What the code does not have: for the checks.
	jobs    [maxJobs]job
	held    bool // Pause or Stop has returned: nothing may start
	allowed uint8
	crashes uint8
	panics  uint8
	wrong   fault
}

// job is what has become of a slot's job.
type job struct {
	kind  kind
	stage stage
}

type kind byte

const (
	plain   kind = 'p'
	keyed   kind = 'k' // it has a slot that the gate's limit never passes: the owner leases it alone
	delayed kind = 'd' // it gets its slot when it is due
)

type stage uint8

const (
	unused stage = iota
	waiting
	running // claimed
	processed
	failed
	cancelled
)

const (
	unheld     = 0
	byOwner    = 1
	byProducer = 2
)

const (
	nothing = iota
	onWay   // set by the owner before it sends the lease
	awaited // set by the owner when it goes to sleep: the worker is to wake it
)

// owner is the state that passes from one server to the next: an owner, or a caller.
type owner struct {
	pc        ownerPC
	collected uint8 // tail when the inbox was last collected
	chunk     uint8 // that leases are of
	passed    uint8 // slots the gate went past without a claim
	running   uint8 // workers with a lease
	failed    uint8
	cancelled uint8
	idle      mask
	back      mask // returned, to be settled
	requests  mask // to be granted
	made      mask // of those: done, but not replied to
	atEnd     mask // to be replied to when nothing waits or runs
	workers   mask
	target    uint8
	paused    bool
	delayed   uint8
	timerAt   uint8 // what the timer was last set for
	crash     bool  // a caller's tick or a worker has panicked: the owner, or the next one, is to crash with that
	reply     uint8 // caller that is being replied to

	job   uint8 // slot claimed, on its way into a lease
	alone bool
	to    uint8 // worker

	index, end uint8 // the gate as it was when it was shut

	recycled mask // chunks
}

type ownerPC uint8

const (
	ownerCollects ownerPC = iota
	ownerSettles
	ownerGrants
	ownerLooks // at the waiting jobs, while the gate is shut
	ownerReplies
	ownerSignals
	ownerRecycles
	ownerFiresTimers
	ownerDispatches
	ownerClaims
	ownerSaysComing
	ownerLeases
	ownerAnnounces
	ownerGoesToSleep
	ownerLends
	ownerSleeps
	ownerStops
	ownerIsDone // the tick is over, and its server puts the state back
)

// ownerGoroutine is the goroutine that owners run in, one after the other.
type ownerGoroutine struct {
	pc     selfPC
	caller uint8 // that has the state instead
}

type selfPC uint8

const (
	selfOff   selfPC = iota
	selfTakes        // the state out of the channel
	selfOwns
	selfTicks
	selfLeaves
	selfPuts
	selfCrashed // until the supervisor starts the next one
)

type timer struct {
	set   uint8 // off, forJobs, forDelayed
	fires bool  // its function has begun
	sends bool
	due   bool // the delayed jobs are
}

const (
	off        = iota
	forJobs    // that run and have a timeout; if there are delayed ones, too, for what comes first
	forDelayed // jobs to come due
)

type worker struct {
	pc        workerPC
	lease     uint8 // its channel, capacity 1: the slot claimed for it
	leaseHow  how
	slot      uint8 // of the job that it runs, or was at when it came back
	how       how
	chunk     uint8
	reads     uint8 // slots of the chunk, not yet in chunkReads
	bad       bool  // the job has failed
	panics    bool  // in code of ours
	sends     bool  // a wake-up, next
	dismissed bool
}

// how is how a worker came by its lease.
type how uint8

const (
	leased how = iota
	alone      // one job, of which the owner is to hear
	handed     // by a producer
)

type workerPC uint8

const (
	workerAwaits workerPC = iota
	workerArrives
	workerTells
	workerLooks
	workerAdmits
	workerRuns
	workerClaims
	workerReturns
	workerReports
	workerIsGone
)

type producer struct {
	pc       producerPC
	posted   uint8 // jobs of its script
	sends    bool
	job      uint8 // being handed over
	to       uint8
	slot     uint8 // posted
	admitted bool
	refused  bool
}

type producerPC uint8

const (
	producerBegins producerPC = iota
	producerHands
	producerBlocks
	producerRecounts
	producerWaits
	producerReads
)

type caller struct {
	pc       callerPC
	call     uint8 // of its script
	sends    bool
	served   bool
	signal   bool // the request's channel, capacity 1
	ok       bool // the reply
	granted  bool // for the checks
	slot     uint8
	crashes  uint8
	internal bool
}

type callerPC uint8

const (
	callerBegins callerPC = iota
	callerWaits           // an owner runs
	callerChecks
	callerServes // none runs, or none did
	callerTicks
	callerAwaitsStop
	callerIsGone
)

// claimed returns how far the gate's jobs have been claimed.
func (s *state) claimed() uint8 { return s.next }

// count returns how many jobs are at a stage.
func (s *state) count(st stage) (n uint8) {
	for _, j := range s.jobs {
		if j.stage == st {
			n++
		}
	}
	return n
}

// start notes that a job has been claimed.
func (s *state) start(slot uint8) {
	if slot >= s.tail || s.jobs[slot].stage != waiting {
		s.is(startedTwice)
		return
	}
	for _, j := range s.jobs[:slot] {
		if j.stage == waiting {
			s.is(overtaken)
		}
	}
	if s.held {
		s.is(startedWhileHeld)
	}
	s.jobs[slot].stage = running
	if s.count(running) > s.allowed {
		s.is(tooMany)
	}
}

// settle notes the end of a job.
func (s *state) settle(slot uint8, as stage) { s.jobs[slot-1].stage = as }

func (s *state) is(f fault) {
	if s.wrong == 0 {
		s.wrong = f
	}
}
