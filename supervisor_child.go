package dray

import (
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
	// Since is when State began, by the wall clock of now; zero if it is unchanged since
	// the child was added.
	Since time.Time
	// Children are those of a nested [Supervisor] or [Queue]. Of any other service
	// that has a method Children() []ChildInfo they are what that returns, which for
	// a type that embeds a *Supervisor are the supervisor's. Such a method is given
	// a second; one that panics, or has not returned by then, has no children, and
	// is not called again before it has returned.
	Children []ChildInfo
}

// child is a child as its supervisor sees it. Like the tree it belongs to, it is
// not safe for concurrent use.
type child struct {
	Child
	seq   uint64       // place in the order of start; unique in the tree
	inits bool         // its start takes time: the service is nested or has an Init
	given bool         // by WithChildren
	inner *innerLookup // nil unless the service has a Children method of the user's

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

	armed bool   // expired may still be called, with the number alarm
	alarm uint64 // numbers the timers: one that went off too late has another number
	asked bool   // what it waits for is the backoff's answer

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
	start, _ := phasesOf(c.Service)
	return &child{Child: c, seq: seq, inits: start != nil, inner: lookupOf(c.Service)}
}

// alive reports whether the child has a goroutine that somebody waits for.
func (c *child) alive() bool {
	return c.state == ChildStarting || c.state == ChildRunning || c.state == ChildStopping
}

// active reports whether the child runs or is about to.
func (c *child) active() bool { return c.alive() || c.due || c.state == ChildRestarting }

func (c *child) enter(s ChildState, now time.Time) { c.state, c.since = s, now }

func (c *child) fail(o *demise) { c.lastErr, c.lastOut = o.err, o }

func (c *child) view(clock *clock) childView {
	if c.lastOut != nil {
		c.lastOut.format()
		c.lastOut = nil
	}
	since := c.since
	if !since.IsZero() {
		since = clock.tellTime(since)
	}
	return childView{service: c.Service, inner: c.inner, info: ChildInfo{
		Name: c.Name, State: c.state, Restarts: c.restarts, LastError: c.lastErr, Since: since,
	}}
}

func (t *tree) views() []childView {
	views := make([]childView, len(t.children))
	for i, c := range t.children {
		views[i] = c.view(t.cfg.clock)
	}
	return views
}

// endRow ends the row of failures if the run that ends now, for whatever reason,
// has outlived the intensity's period.
func (c *child) endRow(now time.Time, period time.Duration) {
	if c.state == ChildRunning && now.Sub(c.since) > period {
		c.streak = 0
	}
}

// countFailure counts how many there were in a row.
func (c *child) countFailure() {
	if c.streak < math.MaxInt {
		c.streak++
	}
}
