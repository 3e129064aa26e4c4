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

// Spec is what is known of a child from the beginning. Immutable.
type Spec struct {
	Name        string
	Type        Type
	Significant bool
	SlowStart   bool // Started is to be called
	Initial     bool // it is there before the first Begin, and again at each further one
	Data        any  // the shell's
}

// A Child is a child and what it is doing. Fields are the State's to write.
type Child struct {
	Spec
	State    ChildState
	Since    time.Time // when State began
	Restarts uint64    // that its failures have led to, since Begin
	Failures int       // in a row, for the backoff
	LastErr  error     // of its last failure

	Shell any // the shell's, for as long as it is a child

	seq      uint64 // its place in the order of start; unique
	reason   startReason
	due      bool // to be started when the plan comes to it
	again    bool // to be started as soon as it is down
	removing bool // to be forgotten as soon as it is down

	awaitStart, awaitStop []Call
}

// startReason says who hears of a start that fails.
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

// keepsAlive reports whether the child is significant, and runs or is about to.
func (c *Child) keepsAlive() bool {
	return c.Significant && (c.alive() || c.due || c.State == Restarting)
}

func (c *Child) enter(s ChildState, now time.Time) { c.State, c.Since = s, now }

// An Exit is how a child ended.
type Exit struct {
	Err      error // nil: a normal end
	Told     bool  // after Stop
	Threw    bool  // by a panic or a Goexit
	Harmless bool  // Err says no more than that it was told to
	Stopped  error // names what it has left running; nil without
}

// ErrUntold is the failure of a permanent child that ends normally.
var ErrUntold = errors.New("dray: child ended without being asked to")

// reason is the failure that led to a restart.
func (e Exit) reason() error {
	if e.Err == nil {
		return ErrUntold
	}
	return e.Err
}

func replyAll(calls *[]Call, err error) {
	for _, reply := range *calls {
		reply(err)
	}
	*calls = nil
}
