package draytest

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/internal/testhook"
)

// Manual is a queue that runs a job when told to. Give its Queue to the code under
// test. Nothing runs on the side: no worker, no owner, no periodic task. It is made
// by [NewManual]; the zero value is not usable.
type Manual struct {
	*dray.Queue
	t testing.TB
}

// NewManual returns a queue whose jobs the test runs one by one. It must not be
// started. At its end the test does not fail for jobs that wait.
func NewManual(t testing.TB, opts ...dray.Option) *Manual {
	t.Helper()
	k := newKit(t, nil, opts)
	t.Cleanup(func() { t.Helper(); k.end(false) })
	return &Manual{k.q, t}
}

// Next runs the first job in line, and returns when that attempt has ended and all
// that follows from it has happened; false if there is none that may start now.
// Jobs whose time has come are in line; one with a rate limit ([dray.WithRateLimit]) may not be, as
// its limiter is asked on a goroutine of its own. The job runs on a goroutine of its own.
func (m *Manual) Next() bool {
	m.t.Helper()
	inside := testhook.Inside(m.Queue)
	ran := inside.RunNext()
	if !ran && inside.WasStarted() {
		m.t.Fatalf("draytest: the queue was started, and runs its jobs itself")
	}
	return ran
}

// All runs jobs until there is none that may start now, those that jobs enqueue
// included, and returns how many attempts that were.
func (m *Manual) All() (attempts int) {
	m.t.Helper()
	for m.Next() {
		attempts++
	}
	return attempts
}

// NewInline returns a queue that runs each job before the call returns that
// enqueued it, on one worker; the completion job of a group before the call returns
// that completed the group. Jobs are run later in these cases:
//
//   - one that a job enqueues: after that job;
//   - one of a batch: when all of them are accepted or refused, but under [dray.Block] at once, so that
//     there is room for the next;
//   - one that another goroutine enqueues while a job runs: by the goroutine that runs this one;
//   - one that is delayed or retried, or was enqueued while the queue or its kind was paused: by the
//     first call that enqueues or cancels jobs after its time;
//   - one with a rate limit ([dray.WithRateLimit]): by the first such call after there is a token. A
//     limiter is asked on a goroutine of its own, and it is not told when it answers. To test a limit
//     take a queue of [New], and [Drain].
//
// Once the code under test has started the queue, that runs its jobs itself, and these are never run
// inline again: not while a supervisor is about to start it once more, nor after the end of its
// Serve. At its end the test does not fail for jobs that wait.
func NewInline(t testing.TB, opts ...dray.Option) *dray.Queue {
	t.Helper()
	in := new(inline)
	k := newKit(t, in.accepted, append(slices.Clip(opts), dray.WithWorkers(1)))
	in.q = k.q
	t.Cleanup(func() { t.Helper(); k.end(false) })
	return k.q
}

// inline runs jobs on the goroutines that enqueue them, one at a time. So Enqueue returns when
// its job has ended, but for the cases that NewInline names.
type inline struct {
	q      *dray.Queue   // immutable once NewInline has returned
	busy   sync.Mutex    // held while jobs are run; only ever tried, as inside a job the wait would not end
	offers atomic.Uint64 // jobs accepted so far: one that comes just before busy is let go is not missed
}

// accepted runs what may start. A caller that finds another one at it leaves the job to
// that one, which looks again if anything was accepted since it last looked.
func (in *inline) accepted() {
	inside := testhook.Inside(in.q)
	in.offers.Add(1)
	for !inside.WasStarted() && in.busy.TryLock() {
		// Before the jobs are looked through: one that is accepted after that makes the two differ.
		seen := in.offers.Load()
		for inside.RunNext() {
		}
		in.busy.Unlock()
		if in.offers.Load() == seen {
			return
		}
	}
}
