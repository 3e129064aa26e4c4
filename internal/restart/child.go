package restart

import (
	"errors"
	"time"
)

// Strategy says which children are restarted when one of them has to be.
type Strategy uint8

// The strategies, as in OTP.
const (
	OneForOne Strategy = iota
	RestForOne
	OneForAll
)

// Type says after which end a child is restarted.
type Type uint8

// The types, as in OTP.
const (
	Permanent Type = iota // after any
	Transient             // after a failure
	Temporary             // after none
)

// AutoShutdown says whether the supervisor ends when significant children have.
type AutoShutdown uint8

// As in OTP.
const (
	NeverShutdown AutoShutdown = iota
	AnySignificant
	AllSignificant
)

// ChildState is what a child is doing.
type ChildState uint8

// The states of a child.
const (
	Down       ChildState = iota
	Starting              // its start takes time, and is not complete
	Running               // Exited is to come
	Stopping              // it was told to; Exited or Expired is to come
	Restarting            // it waits for its backoff, or its turn in a group
	Stuck                 // it was abandoned
)

// Spec is what is known of a child from the beginning. Immutable. Package dray has checked it:
// names are not empty, a permanent child is not significant, nor is any child without
// AutoShutdown.
type Spec struct {
	Name        string // unique among the children
	Type        Type
	Significant bool // its end counts for AutoShutdown
	SlowStart   bool // Start is complete when Started is called, not when it returns
	Initial     bool // it is there before the first Begin, and again at each further one
	Data        any  // the shell's
}

// A Child is a child and what it is doing. Fields are the State's to write, but for Shell. The
// pointer stands for it as long as it is in State.Children; one that comes back after it was
// forgotten is another.
type Child struct {
	Spec
	State    ChildState
	Since    time.Time // when State began
	Restarts uint64    // that its failures have led to, since Begin
	Failures int       // in a row, for the backoff: the restarts since it last ran for longer than the period
	LastErr  error     // of its last failure, its stop included; nil without

	Shell any // the shell's, for as long as it is a child

	seq      uint64      // its place in the order of start; unique
	reason   startReason // of its next start, or of the one that is not complete
	due      bool        // to be started when the plan comes to it
	again    bool        // a call restarts it: to be started as soon as it is down; it is Stopping
	removing bool        // to be forgotten as soon as it is down; never taken back
	promised bool        // it was told that it will be started again, and was not since

	// Calls that are answered when its start is complete or has failed, and when it is down or
	// abandoned.
	awaitStart, awaitStop []Call
}

// startReason says where a start that fails is told. The zero value is that of a child which is
// restarted.
type startReason uint8

const (
	restarted  startReason = iota // the intensity: it is a failed restart
	firstStart                    // the supervisor, which ends
	byHand                        // the caller of Restart
	added                         // the caller of Add; the child is forgotten
)

// alive reports whether the child runs, so that its end is to come.
func (c *Child) alive() bool {
	return c.State == Starting || c.State == Running || c.State == Stopping
}

// keepsAlive reports whether the child is significant, and runs or is about to, so that the
// supervisor does not end under AllSignificant.
func (c *Child) keepsAlive() bool {
	// A child whose backoff runs, or that a plan is to start, is as good as alive.
	return c.Significant && (c.alive() || c.due || c.State == Restarting)
}

// enter notes what the child is doing from now on.
func (c *Child) enter(s ChildState, now time.Time) { c.State, c.Since = s, now }

// An Exit is how a child ended. The shell finds out what an error means before it makes one, as
// the error's methods are user code.
type Exit struct {
	Err      error // nil: a normal end
	Told     bool  // Stop had been called before it ended
	Threw    bool  // by a panic or a Goexit
	Harmless bool  // Err says no more than that it was told to
	Stopped  error // names what it has left running; nil without
}

// ErrUntold is the failure of a permanent child that ends normally: what a supervisor gives as
// its reason when that was one restart too many.
var ErrUntold = errors.New("dray: child ended without being asked to")

// reason is the failure that led to a restart; never nil.
func (e Exit) reason() error {
	if e.Err == nil {
		return ErrUntold
	}
	return e.Err
}

// replyAll answers calls, and forgets them, so that each is answered once.
func replyAll(calls *[]Call, err error) {
	for _, reply := range *calls {
		reply(err)
	}
	*calls = nil
}
