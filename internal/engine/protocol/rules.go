package protocol

// A Rule is one thing that the protocol must do, which can be taken out of the model.
type Rule uint8

// The rules. docs/protocol.md has them in context.
const (
	Whole Rule = iota // none is taken out

	// Before the owner sleeps, in the section in which it says so.

	SleepSeesJobs     // it looks for jobs posted since it collected
	SleepSeesWorkers  // for workers that came back
	SleepSeesRequests // for requests
	SleepSeesStop     // for Stop
	SleepSeesTimer    // for the timer's note
	SleepAwaitsLease  // a worker whose lease is on its way is told to wake it
	AwaitedIsComing   // that includes one that was told by an earlier sleep
	SleepSeesMore     // if no lease is on its way, it looks for jobs that another worker could take
	MoreBeyondChunk   // in the chunks behind the current one, too
	PausedLendsNone   // it lends no worker while paused

	// The timer.

	TimerLeavesNote  // a timer that fires leaves a note: the owner may be awake
	TimerIsForgotten // with the note goes what the timer was set for: it is to be set again
	HandOverWatches  // who hands over a job with a timeout wakes the owner, unless its timer runs

	// Leases.

	ComingBeforeLease  // coming is set before the lease is sent
	ArrivalWakes       // the worker whose lease is awaited wakes the owner
	LimitIsTail        // the gate is opened as far as slots were seen to be filled
	LimitStops         // and no further than a slot that the owner handles itself
	RecycleAfterLeases // slots count as read when the lease ends, not when they are claimed
	DispatchIsWhole    // nothing can panic between the claim and the sending of the lease

	// Hand-over.

	JobWakes         // a job wakes an owner that has idle workers
	JobWakesLender   // as does one that might have been handed over, but was not
	RulesWake        // a job that the owner must see wakes it in any case
	DecideUnderLock  // whether to wake is decided under the lock: afterwards the job may be over
	HandOverInOrder  // no hand-over while anything waits
	HandOverInChunk  // nor into a chunk that the gate does not belong to
	ReturnInOrder    // a lent worker stays lent only if nothing waits
	ReturnOnlyIfOut  // and if the owner has not taken it back meanwhile
	CollectTakesLent // the owner takes back what it has lent before anything else
	CollectCountsOut // and counts a lent worker that has a job as one with a lease

	// The gate.

	PauseShuts        // Pause shuts the gate
	StopShuts         // so does Stop
	ResizeShuts       // and Resize, if workers that run are too many
	CancelShuts       // a job is taken out while the gate is shut, by a swap
	CancelLowersLimit // and the gate is opened no further than to its slot

	// Requests, crashes and successors.

	AskSeesNoOwner      // an owner that ends says so in the section in which it wakes the callers
	LeaveWakesAsked     // it wakes those whose requests lie in the inbox
	LeaveWakesCollected // and those whose requests it has collected
	CallersServe        // callers take the state while no owner runs
	PutBackAlways       // a caller whose tick crashes puts the state back
	ServedBeforeSignal  // a request is served first, then the signal is sent
	ReplyKeepsChannel   // the request is not touched after it is served: it may be in use again
	LookAtServed        // a caller that receives a signal looks whether it is served
	SyncIsAccepted      // the job of an EnqueueSync whose own tick crashed was accepted
	MadeOnce            // a request that was made, but not replied to, is not made again
	SuccessorTicks      // an owner begins with a tick
	PanicWithWorker     // a worker leaves its panic in the section in which it gives itself back

	// Capacity.

	BlockedThenCount   // a producer that has said that it is blocked counts claims again
	ClaimThenBlocked   // a worker that has claimed a job looks whether producers are blocked
	ArrivalSeesBlocked // also for the first job of its lease, which the owner claimed
	CountOnce          // claims become room once
	PassIsNoClaim      // where the gate's index moves without a claim, the room is counted anew
	CancelMakesRoom    // as it is where a job is taken out
	WaitersFirst       // what makes room admits those that wait in the same section
	CloseRefuses       // Close refuses those that wait

	rules
)
