package restart

import "time"

// Config is what the rules of one supervisor go by. Immutable.
type Config struct {
	Name      string
	Strategy  Strategy
	Intensity int           // restarts allowed
	Period    time.Duration // within this time
	Auto      AutoShutdown
	Delayed   bool // a restart waits for Shell.Delay
}

// A Shell does what the rules decide, at once. It does not call the State meanwhile: what a call
// leads to is reported by a later call. The end of a run that was abandoned is not reported at
// all.
type Shell interface {
	// Start runs the child. Started is to be called if its start takes time (Spec.SlowStart), and
	// Exited when it has ended, whatever ended it. The child is not alive before.
	Start(c *Child)
	// Stop tells a child to end, and why. Expired is to be called if it does not within
	// its limit. It is called once for each Start at most.
	Stop(c *Child, cause error)
	// Delay has Expired called when the child's backoff has passed, which Child.Failures is the
	// argument of.
	Delay(c *Child)
	// Disarm has Expired not called any more, if it was to be. It may be called when nothing is
	// armed.
	Disarm(c *Child)
	// Emit says what happened. The Child is as it is at that moment, and must not be kept.
	Emit(e Event)
}

// An Event is something that has happened to a child or to the supervisor.
type Event struct {
	Kind   EventKind
	Child  *Child        // nil of GaveUp
	Err    error         // of Failed and GaveUp
	Waited time.Duration // of Abandoned
}

// EventKind says what.
type EventKind uint8

// The kinds of events.
const (
	Started   EventKind = iota // the start of a child is complete
	Failed                     // a child has failed
	Stopped                    // it has ended, and did not fail
	Abandoned                  // it did not stop within its limit; it is not waited for
	Forgotten                  // it is no child any more, for good
	Dropped                    // it is down, and will not be started again though its Stop has said so
	GaveUp                     // the supervisor has ended because of a failure
)

// A Call is where the answer to a user's call goes. It is called once, possibly before the method
// of the State that it was given to returns, and must not wait.
type Call func(error)
