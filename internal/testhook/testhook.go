// Package testhook is how dray's test kit reaches what the public API keeps closed: to
// crash a queue, to run its jobs by hand, and to see what was enqueued. It is
// internal, so that users cannot.
package testhook

import "time"

// Inside returns the inside of a *dray.Queue. It is set by package dray, which
// cannot be imported here.
var Inside func(queue any) Queue

// Queue is what the test kit may do to a queue.
type Queue interface {
	// Fault has f called after each step of the queue's engine, under its locks,
	// with the name of the step; nil ends that. A panic of f is a crash between two
	// steps; what it may call is nothing of the queue.
	Fault(f func(at string))
	// Endure lifts the limit of how often the queue's own tree may be restarted. Call it
	// before the queue is used.
	Endure()
	// StopScheduler has the scheduler let nothing come due any more.
	StopScheduler()
	// Entries returns how many entries the scheduler's heap of intervals has, and how many
	// of them are in use.
	Entries() (all, armed int)
	// Poke has the owner take a step now.
	Poke()
	// Record has every accepted job told. Call it before the queue is used.
	Record(w Recorder)
	// Skew has the wall clock, as far as the queue goes by it and tells times by it, run
	// ahead of the machine's by what f returns. Call it before the queue is used.
	Skew(f func() time.Duration)
	// RunNext runs the next attempt that may start now, and returns when it has
	// ended; false if there is none, and once the queue has been started.
	RunNext() bool
	// WasStarted reports whether the queue's own workers run, or ever did.
	WasStarted() bool
	// Started reports whether the queue's own workers run.
	Started() bool
	// Held reports whether jobs wait that nothing will start until a paused kind or task is
	// resumed, and no others run or wait.
	Held() bool
	// Closing reports whether a call has begun to shut the queue down.
	Closing() bool
}

// Recorder is told of what was accepted.
type Recorder struct {
	// Accepted is called at the end of each call by which jobs may have been accepted, on the
	// goroutine of the caller; nil if nothing is to happen there.
	Accepted func()
	// Payload is told of each job of a typed kind at the moment of its acceptance. The queue is
	// locked then, so it may do nothing but keep what it is told.
	Payload func(id uint64, kind string, payload any)
}
