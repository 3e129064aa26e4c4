package dray

import (
	"context"
	"math"
	"time"
)

// ChildState is what a child of a supervisor is doing.
type ChildState uint8

const (
	// ChildDown: not running: not started yet, ended normally, or terminated.
	ChildDown ChildState = iota
	// ChildStarting: its Init is running.
	ChildStarting
	// ChildRunning: its Serve is running.
	ChildRunning
	// ChildStopping: its context has ended and it has not returned yet.
	ChildStopping
	// ChildRestarting: it waits for its backoff, or for its turn in a group that
	// is being restarted.
	ChildRestarting
	// ChildStuck: it was abandoned, because it did not end within its shutdown time.
	ChildStuck
)

// String returns "down", "starting", "running", "stopping", "restarting" or "stuck".
func (s ChildState) String() string {
	return nameOf(s, "down", "starting", "running", "stopping", "restarting", "stuck")
}

// ChildInfo is one child in a snapshot.
type ChildInfo struct {
	Name  string
	State ChildState
	// Restarts counts the failures of this child that led to a restart, since its
	// supervisor's Serve was called. Restarts that it owes to a sibling or to
	// [Supervisor.Restart] are not among them.
	Restarts uint64
	// LastError is the last failure of the child, its stop included, or nil. It
	// is a *PanicError after a panic, ErrGoexit after a Goexit.
	LastError error
	// Since is when State began; zero if it is unchanged since the child was added.
	Since time.Time
	// Children are those of a nested supervisor: of a service that has a method
	// Children() []ChildInfo, such as a [Supervisor] or a [Queue].
	Children []ChildInfo
}

// hasChildren is a service with children of its own.
type hasChildren interface{ Children() []ChildInfo }

// A childView is a ChildInfo whose Children have still to be asked for.
type childView struct {
	info   ChildInfo
	nested hasChildren
}

// child is a child as its supervisor sees it. Like the tree it belongs to, it is
// not safe for concurrent use.
type child struct {
	Child
	seq   uint64 // place in the order of start; unique in the tree
	inits bool   // its start takes time: the service has an Init

	state    ChildState
	since    time.Time
	restarts uint64
	streak   int     // failures in a row, for the backoff
	lastErr  error   // of the last failure
	lastOut  *demise // where lastErr comes from, while its stack may be unformatted

	// epoch numbers the incarnations: it changes when one begins and when one is
	// abandoned. News with another number is late.
	epoch uint64
	why   startReason

	due      bool // to be started when the plan comes to it
	again    bool // to be started as soon as it is down
	removing bool // to be forgotten as soon as it is down

	armed bool // expired may still be called for this epoch

	awaitStart []waiter
	awaitStop  []waiter

	// The rest belongs to the keeper.
	running *incarnation
	timer   *time.Timer // of its shutdown or backoff; the last one, perhaps over
}

// startReason says whom a failed start concerns.
type startReason uint8

const (
	startAgain   startReason = iota // the intensity: it is a failed restart
	startFirst                      // the supervisor, which ends
	startByHand                     // the caller of Restart
	startOnceAdd                    // the caller of Add; the child is forgotten
)

func newChild(c Child, seq uint64) *child {
	_, inits := initOf(c.Service)
	return &child{Child: c, seq: seq, inits: inits}
}

// alive reports whether the child has a goroutine that somebody waits for.
func (c *child) alive() bool {
	return c.state == ChildStarting || c.state == ChildRunning || c.state == ChildStopping
}

// active reports whether the child runs or is about to.
func (c *child) active() bool { return c.alive() || c.due || c.state == ChildRestarting }

func (c *child) enter(s ChildState, now time.Time) { c.state, c.since = s, now }

func (c *child) fail(o *demise) { c.lastErr, c.lastOut = o.err, o }

func (c *child) view() childView {
	if c.lastOut != nil {
		c.lastOut.format()
		c.lastOut = nil
	}
	nested, _ := c.Service.(hasChildren)
	return childView{nested: nested, info: ChildInfo{
		Name: c.Name, State: c.state, Restarts: c.restarts, LastError: c.lastErr, Since: c.since,
	}}
}

func (t *tree) views() []childView {
	views := make([]childView, len(t.children))
	for i, c := range t.children {
		views[i] = c.view()
	}
	return views
}

// nextAttempt counts a failure at now and returns how many there were in a row.
// A run that outlived the intensity's period ends the row.
func (c *child) nextAttempt(now time.Time, period time.Duration) int {
	if c.state == ChildRunning && now.Sub(c.since) > period {
		c.streak = 0
	}
	if c.streak < math.MaxInt {
		c.streak++
	}
	return c.streak
}

// initOf returns what a service wants done before the next child may start.
func initOf(s Service) (func(context.Context) error, bool) {
	switch s := s.(type) {
	case interface{ boot(context.Context) error }:
		return s.boot, true
	case Initer:
		return s.Init, true
	}
	return nil, false
}
