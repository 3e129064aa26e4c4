package protocol

// A Rule is one thing that the protocol must do, which can be taken out of the model.
// docs/protocol.md has them in context.
type Rule string

// Before the owner sleeps, in the section in which it says so.
const (
	SleepSeesWorkers  Rule = "SleepSeesWorkers"  // it looks for workers that came back since it collected
	SleepSeesRequests Rule = "SleepSeesRequests" // for requests
	SleepSeesCrash    Rule = "SleepSeesCrash"    // for a panic of our own code on a worker
	SleepSeesPoke     Rule = "SleepSeesPoke"     // whether it was told to look once more
	SleepSeesPressing Rule = "SleepSeesPressing" // for a job that it has to see at once
	SleepSeesJobs     Rule = "SleepSeesJobs"     // if others may be needed and none is on the way: for jobs
	SleepSeesGate     Rule = "SleepSeesGate"     // for those that workers may claim
	SleepSeesLine     Rule = "SleepSeesLine"     // and for all behind these
	LendInOrder       Rule = "LendInOrder"       // it lends no worker while anything waits
	PausedLendsNone   Rule = "PausedLendsNone"   // nor while paused
	WantThenComing    Rule = "WantThenComing"    // it says that it has other workers before it looks whether one is on the way
)

// Wake-ups.
const (
	JobWakes       Rule = "JobWakes"       // a job tells an owner that has idle workers, and none on the way
	PressingWakes  Rule = "PressingWakes"  // one that it has to see at once does in any case
	WorkerWakes    Rule = "WorkerWakes"    // so does a worker that comes back
	RequestWakes   Rule = "RequestWakes"   // and a request
	CrashWakes     Rule = "CrashWakes"     // and a panic of our own code on a worker
	ArrivalWakes   Rule = "ArrivalWakes"   // and one that arrives, if the owner has others
	SuccessorTicks Rule = "SuccessorTicks" // which begins with a tick
)

// Leases and the gate.
const (
	ComingBeforeLease Rule = "ComingBeforeLease" // coming is set before the lease is sent
	TickShuts         Rule = "TickShuts"         // a tick begins by shutting the gate
	LimitStops        Rule = "LimitStops"        // it is opened no further than to a job that the owner gives out itself
	ReuseAfterLeases  Rule = "ReuseAfterLeases"  // a chunk is used again when no worker has a lease of it
	ReuseNoneKept     Rule = "ReuseNoneKept"     // nor has said that it looks at it without one
	KeepThenLook      Rule = "KeepThenLook"      // it says so before it looks whether the chunk is still offered
	ShowBeforeWords   Rule = "ShowBeforeWords"   // a worker shows which job it has claimed before it waits for the lock
	LearnAwaitsShown  Rule = "LearnAwaitsShown"  // and the owner waits for that
	PinRevokes        Rule = "PinRevokes"        // to do something to a running job makes all leases worthless
	PinnedComesBack   Rule = "PinnedComesBack"   // and keeps its worker from claiming elsewhere
)

// Hand-over.
const (
	HandOverInOrder Rule = "HandOverInOrder" // no job is handed over while another waits
	TakeLent        Rule = "TakeLent"        // a tick begins by taking back what was lent
	TakeDirect      Rule = "TakeDirect"      // and by counting a lent worker that has a job
)

// Capacity and keys.
const (
	BlockedBeforeOpen Rule = "BlockedBeforeOpen" // that producers wait is said before the gate is opened
	ClaimSeesBlocked  Rule = "ClaimSeesBlocked"  // who has claimed a job tells the owner then
	ClaimSeesCrowded  Rule = "ClaimSeesCrowded"  // or if others stand behind the key of the job before
	AdmitEachTick     Rule = "AdmitEachTick"     // the owner admits as many as there is room for
)

// Requests, crashes and successors.
const (
	ResignTells      Rule = "ResignTells"      // an owner that ends tells the callers whose requests lie in the mailbox
	ResignTellsTodo  Rule = "ResignTellsTodo"  // and those whose requests it has taken
	CallersServe     Rule = "CallersServe"     // callers take the state while no owner runs
	OnlyCrashesCount Rule = "OnlyCrashesCount" // they give up after two ticks of theirs that crash, however many owners come and go
	PutBackAlways    Rule = "PutBackAlways"    // a caller whose tick crashes puts the state back
	MadeOnce         Rule = "MadeOnce"         // a request that was made, but not replied to, is not made again
	StartIsWhole     Rule = "StartIsWhole"     // nothing can panic between saying that a worker comes and its lease
)
