/*
Package draytest helps to test code that enqueues jobs.

	q := draytest.New(t)        // runs its jobs, and is shut down at the end of the test
	m := draytest.NewManual(t)  // runs a job when told to: m.Next, m.All
	q := draytest.NewInline(t)  // runs a job before Enqueue returns

Each gives a [dray.Queue] to hand to the code under test. What that has enqueued,
[RequireEnqueued] tells; [Drain] waits for the end of all jobs, [RequireSettled]
asserts it. Jobs that take their time, fail or throw are in this package as well,
and so are crashes of dray itself: [CrashOwner], [CrashWorker].

# Time

Everything works inside a [testing/synctest] bubble, and is best used there: a job
that sleeps, a retry with its backoff and a periodic task then cost no time, and
[synctest.Wait] returns when all jobs have ended that can. Make the queue inside
the bubble.

# Leaks

A queue made here fails its test when that leaves something behind: a job that was
accepted and has not settled, one that does not return, or a goroutine that a job
has started and that goes on. The last is found for goroutines started by jobs
themselves, and by those in their turn, as long as these live. A queue that runs
its jobs by hand is not asked what still waits in it, and neither is one that the
test has shut down itself: that has the report.
*/
package draytest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/internal/span"
	"github.com/a622d8ee/dray/internal/testhook"
)

// patience is how long the end of a test waits for the queue's jobs: long for a
// test, and less than the ten minutes after which go test gives up. In a bubble it
// costs nothing.
const patience = 10 * time.Second

// kits are the queues made here, until their tests have ended. It is one for the process, as a
// test may hand on no more than the queue.
var kits sync.Map // *dray.Queue to *kit

// A kit is what is known of one queue. It is used by all goroutines that enqueue jobs, or run them.
type kit struct {
	t testing.TB  // immutable
	q *dray.Queue // immutable once newKit has returned

	skew *atomic.Int64 // immutable: by how much the wall clock was set, in ns; see SetClock

	offersMu sync.Mutex // one of its own, held for no longer than a copy takes: all that enqueue may wait for it
	offers   []offer    // guarded by offersMu: of all kinds, in no order

	workersMu sync.Mutex
	workers   map[string]bool // guarded by workersMu: goroutines that have run jobs
}

// An offer is an accepted job of a kind. It is kept whatever becomes of the job, for as long as
// the test runs.
type offer struct {
	id      uint64 // grows in the order of acceptance
	kind    string
	payload any
}

// New returns a running queue with the given options, which therefore nothing else can
// start: for a service that does so, or has it supervised, there is [NewInline]. At the end
// of the test it is shut down, and the test fails if jobs have not settled by then, or have left
// goroutines behind: see Leaks.
func New(t testing.TB, opts ...dray.Option) *dray.Queue {
	t.Helper()
	k := newKit(t, nil, opts)
	if err := k.q.Start(); err != nil {
		t.Fatalf("draytest: %v", err)
	}
	t.Cleanup(func() { t.Helper(); k.end(true) })
	return k.q
}

// newKit makes a queue, which is not started. accepted, if it is not nil, is called when jobs may have
// been accepted, on the goroutine of the call that enqueues them. The kit's middleware is the
// outermost, so that it knows of all goroutines that run jobs, also where another middleware does not
// call next.
func newKit(t testing.TB, accepted func(), opts []dray.Option) *kit {
	t.Helper()
	k := &kit{t: t, skew: new(atomic.Int64), workers: make(map[string]bool)}
	q, err := dray.New(slices.Concat([]dray.Option{dray.WithMiddleware(k.noteWorker)}, opts)...)
	if err != nil {
		t.Fatalf("draytest: %v", err)
	}
	k.q = q
	testhook.Inside(q).Record(testhook.Recorder{Accepted: accepted, Payload: k.note})
	skew := k.skew // what is kept of the queue's clock does not keep the queue
	testhook.Inside(q).Skew(func() time.Duration { return time.Duration(skew.Load()) })
	// After all that may fail: what is stored here is taken out by end, which the caller has
	// called at the end of the test.
	kits.Store(q, k)
	return k
}

// note keeps a payload. It is called as the job is accepted, with the queue locked.
func (k *kit) note(id uint64, kind string, payload any) {
	k.offersMu.Lock()
	defer k.offersMu.Unlock()
	k.offers = append(k.offers, offer{id, kind, payload})
}

// end shuts the queue down and looks at what it leaves. It is called once, at the end of the
// test. If settled is false, or the test has shut the queue down itself, jobs that have not
// settled are no failure; goroutines that jobs have left are one in any case.
func (k *kit) end(settled bool) {
	k.t.Helper()
	defer kits.Delete(k.q)
	if !settled || testhook.Inside(k.q).Closing() {
		_ = k.q.Close() // its error is that of an earlier shutdown
		k.requireNoLeaks()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience) // that of t has ended
	defer cancel()
	report, _ := k.q.Shutdown(ctx) // the report says it all
	var left []string
	for _, l := range slices.Concat(report.Waiting, report.Interrupted) {
		left = append(left, describe(l.JobInfo))
	}
	for _, j := range report.Abandoned {
		left = append(left, describe(j)+", which does not return")
	}
	if len(left) > 0 {
		k.t.Errorf("draytest: jobs that have not settled: %s", strings.Join(left, "; "))
	}
	k.requireNoLeaks()
}

// describe names a job for a message, with what is known of it: kind, label, state, last error.
func describe(j dray.JobInfo) string {
	parts := slices.DeleteFunc([]string{j.Kind, j.Label, j.State.String()}, func(s string) bool { return s == "" })
	if j.LastError != nil {
		parts = append(parts, fmt.Sprintf("last error: %v", j.LastError))
	}
	return fmt.Sprintf("job %d (%s)", j.ID, strings.Join(parts, ", "))
}

// Drain waits until every job of a running queue has settled, retries and delayed ones
// included, and returns the books. In a bubble that takes no time; outside it takes as long as
// it takes. It fails the test at once if jobs wait that nothing would start: in a queue that is
// paused, closed, or was not started, where all that is left is of paused kinds and tasks, or where
// all that is left is more than 146 years ahead, which is never. A queue that a supervisor is about
// to start again is not running either: let its backoff pass before.
//
// Runs of periodic tasks are jobs like others, so it ends at a moment at which none is under
// way. A task whose runs leave no such moment keeps it from ending: remove it before
// ([dray.Scheduler.Unschedule]).
func Drain(t testing.TB, q *dray.Queue) dray.Stats {
	t.Helper()
	begin, seen := time.Now(), false
	for n := 0; ; n++ {
		s := q.Stats()
		settled := unsettled(s) == 0
		switch {
		case !settled && !isHeld(q, s):
			seen = false
			pass(t, q, s, time.Since(begin), n)
		// Twice: what follows from what has just happened may not be there yet, such as a task's run that
		// is due at this very moment, or was postponed, and a group's completion job.
		case !seen:
			seen = true
			time.Sleep(time.Microsecond)
		case settled:
			return s
		default:
			t.Fatalf("draytest: Drain: nothing will start the jobs that wait: %s", list(q))
		}
	}
}

// isHeld reports whether nothing will start the jobs that wait, as it looks.
func isHeld(q *dray.Queue, s dray.Stats) bool {
	inside := testhook.Inside(q)
	return s.Paused && s.Pending > 0 || !inside.Started() || inside.Held()
}

// pass waits for a part of the time that is still needed, for the nth time. While jobs run or wait
// in line that is not known: then it looks again after an eighth of what it has waited or less,
// and never in step with a task that has a run under way each time. If all wait for their time it
// is that of the first, which may be never.
func pass(t testing.TB, q *dray.Queue, s dray.Stats, waited time.Duration, n int) {
	t.Helper()
	_, part := math.Modf(float64(n) * math.Phi)                              // spread evenly, without a period
	d := time.Duration((1 + part) / 2 * float64(min(waited/8, time.Second))) // finds the end of a long wait early enough
	d = max(d, time.Microsecond)
	if s.Pending+s.Running == 0 {
		switch due := nextDue(q); {
		case due >= span.Never: // the queue's timers do not reach so far, and the runtime's break
			t.Fatalf("draytest: Drain: the jobs that wait never come due: %s", list(q))
		case due > 0:
			d = due
		}
	}
	time.Sleep(d)
}

// nextDue returns how long nothing is due, if something will be; 0 or less if not, or if it is
// due already.
func nextDue(q *dray.Queue) time.Duration {
	var first time.Time
	for j := range q.Jobs() {
		if !j.RunAt.IsZero() && (first.IsZero() || j.RunAt.Before(first)) {
			first = j.RunAt
		}
	}
	if first.IsZero() {
		return 0
	}
	return span.Difference(time.Until(first), skewOf(q))
}

// RequireSettled fails the test, naming them, if there are jobs that have not
// settled, and returns the books. It does not wait: see [Drain].
func RequireSettled(t testing.TB, q *dray.Queue) dray.Stats {
	t.Helper()
	s := q.Stats()
	if unsettled(s) > 0 {
		t.Fatalf("draytest: jobs that have not settled: %s", list(q))
	}
	return s
}

// unsettled is how many jobs have been accepted and have not settled.
func unsettled(s dray.Stats) int { return s.Pending + s.Delayed + s.Retrying + s.Running }

// list names the jobs that have not settled, for a message.
func list(q *dray.Queue) string {
	var all []string
	for j := range q.Jobs() {
		all = append(all, describe(j))
	}
	return strings.Join(all, "; ")
}
