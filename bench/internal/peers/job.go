// Package peers gives dray and the libraries it is measured against one shape,
// so that the same work can be given to each.
//
// The loop over the jobs is each contender's own, and a job has the type that its
// contender asks for: nothing is wrapped, converted or called through an
// interface once per job, which at these prices would be a good part of the bill.
package peers

import (
	"context"
	"fmt"
)

// A Job is one function in each of the forms that contenders take.
type Job struct {
	Plain func()
	Err   func() error
	Ctx   func(context.Context) error
}

// NewJob returns do in all forms. The call that the others cost more than Plain
// is a nanosecond: too much only for a job that does nothing at all.
func NewJob(do func()) Job {
	return Job{
		Plain: do,
		Err:   func() error { do(); return nil },
		Ctx:   func(context.Context) error { do(); return nil },
	}
}

// A Pool runs jobs on a bounded set of workers.
type Pool interface {
	// Enqueue gives the job to the pool n times. Many goroutines may call it at once.
	Enqueue(j Job, n int)
	// Close returns when no goroutine of the pool is left. All jobs have ended by then.
	Close()
}

// A Holder is a pool that can be told to start nothing. Others are held by
// giving each of their workers a job that waits.
type Holder interface {
	Hold()
	Release()
}

// A Maker makes the pools of one contender.
type Maker struct {
	Name string
	New  func(workers int) Pool
}

// check ends the program: a contender that refuses work cannot be measured.
func check(err error) {
	if err != nil {
		panic(fmt.Errorf("bench: %w", err))
	}
}
