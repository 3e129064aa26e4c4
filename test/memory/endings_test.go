package memory_test

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/virtual"
)

// An ending is how a job comes to its end.
type ending struct {
	name    string
	queue   []dray.Option                              // of the queue
	jobs    []dray.JobOption                           // of the job, after those that are tried
	before  func(sc *scene)                            // before it is enqueued; nil for nothing
	act     func(ctx context.Context, sc *scene) error // what it does; nil if it is not to run
	after   func(sc *scene)                            // after it was enqueued; nil lets time pass
	refused bool                                       // the call gives an error
	runs    int                                        // attempts
	settled func(s dray.Stats) uint64                  // which of the books counts it; nil for none
}

func processed(s dray.Stats) uint64 { return s.Processed }
func failed(s dray.Stats) uint64    { return s.Failed }
func cancelled(s dray.Stats) uint64 { return s.Cancelled }
func evicted(s dray.Stats) uint64   { return s.Evicted }

// fails returns an error, again and again.
func fails(_ context.Context, sc *scene) error { return sc.err() }

// obeys returns an error when its context ends.
func obeys(ctx context.Context, sc *scene) error {
	<-ctx.Done()
	return errors.Join(sc.err(), context.Cause(ctx))
}

// blocked has the job wait in line, behind another one, until the end of the scene.
func blocked(sc *scene) { sc.block(); sc.fill() }

// full has no room for another besides, where the capacity is one.
func full(sc *scene) { blocked(sc) }

// later cancels the job once it has come to where it is to be cancelled.
func later(sc *scene) {
	sc.pass(2 * time.Hour)
	sc.cancelAll()
}

func endings() []ending {
	one := dray.WithCapacity(1)
	return []ending{
		{name: "processed", act: func(context.Context, *scene) error { return nil }, runs: 1, settled: processed},
		{name: "processed, context used", runs: 1, settled: processed, act: func(ctx context.Context, _ *scene) error {
			child, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			_, ok := dray.JobFrom(child)
			if child.Err() != nil || !ok {
				return child.Err()
			}
			return nil
		}},
		{name: "failed", act: fails, jobs: attempts(1), runs: 1, settled: failed},
		{name: "retried, then failed", act: fails, jobs: attempts(3), runs: 3, settled: failed},
		{name: "discarded", act: func(_ context.Context, sc *scene) error { return dray.Discard(sc.err()) }, jobs: attempts(2), runs: 1, settled: failed},
		{name: "snoozed, then processed", runs: 2, settled: processed, act: func(_ context.Context, sc *scene) error {
			if sc.runs.Load() == 1 {
				return dray.Snooze(time.Minute)
			}
			return nil
		}},
		{name: "panicked", act: func(_ context.Context, sc *scene) error { panic(sc.watch(errorOf(sc.runs.Load()))) }, jobs: attempts(2), runs: 2, settled: failed},
		{name: "panicked with its error", act: func(_ context.Context, sc *scene) error { panic(sc.err()) }, jobs: attempts(1), runs: 1, settled: failed},
		{name: "Goexit", act: func(context.Context, *scene) error { runtime.Goexit(); return nil }, jobs: attempts(2), runs: 2, settled: failed},
		{name: "timed out", act: obeys, jobs: append(attempts(1), dray.WithTimeout(time.Second)), runs: 1, settled: failed},
		{name: "timed out, then retried", act: obeys, jobs: append(attempts(2), dray.WithTimeout(time.Second)), runs: 2, settled: failed},
		{name: "stuck, then returned", jobs: append(attempts(1), dray.WithTimeout(time.Second)), runs: 1, settled: failed,
			act: func(_ context.Context, sc *scene) error { virtual.Sleep(time.Minute); return sc.err() }},
		{name: "past its deadline while running", act: obeys, jobs: append(attempts(1), dray.WithDeadline(time.Hour)), runs: 1, settled: failed},
		{name: "past its deadline while waiting", before: blocked, jobs: []dray.JobOption{dray.WithDeadline(time.Hour)}, settled: failed},

		{name: "cancelled while running", act: obeys, after: later, runs: 1, settled: cancelled},
		{name: "cancelled while waiting", before: blocked, after: (*scene).cancelAll, settled: cancelled},
		{name: "cancelled in a paused queue", before: func(sc *scene) { require.NoError(sc.t, sc.q.Pause()); sc.fill() }, after: later, settled: cancelled},
		{name: "cancelled while retrying", act: fails, jobs: append(attempts(2), dray.WithBackoff(dray.Constant(100*time.Hour))),
			after: later, runs: 1, settled: cancelled},
		{name: "cancelled while snoozing", act: func(context.Context, *scene) error { return dray.Snooze(100 * time.Hour) },
			after: later, runs: 1, settled: cancelled},
		{name: "cancelled while delayed", jobs: []dray.JobOption{dray.WithDelay(100 * time.Hour)}, after: later, settled: cancelled},
		{name: "cancelled behind its key", queue: []dray.Option{dray.WithWorkers(2)}, jobs: []dray.JobOption{dray.WithKey("busy"), dray.WithKeyLimit(1)},
			before: func(sc *scene) { sc.block(dray.WithKey("busy")); sc.fill(dray.WithKey("busy")) }, after: later, settled: cancelled},
		{name: "cancelled with its key", before: blocked, jobs: []dray.JobOption{dray.WithKey("cancelled")},
			after: func(sc *scene) { require.Equal(sc.t, 1, sc.q.CancelKey("cancelled")) }, settled: cancelled},
		{name: "cancelled while waiting for a token", jobs: []dray.JobOption{dray.WithRateLimit(noTokens{})}, after: later, settled: cancelled},

		{name: "evicted as the oldest", queue: []dray.Option{one, dray.WithOverflow(dray.DropOldest)}, before: func(sc *scene) { sc.block() },
			after: func(sc *scene) { sc.fill() }, settled: evicted},
		{name: "evicted as the newest", queue: []dray.Option{one, dray.WithOverflow(dray.DropNewest)}, before: full,
			after: func(*scene) {}, settled: evicted},
		{name: "replaced", before: blocked, jobs: []dray.JobOption{dray.WithUnique("taken", dray.ReplacePending)},
			after: func(sc *scene) { sc.fill(dray.WithUnique("taken", dray.ReplacePending)) }, settled: evicted},
		{name: "rejected: full", queue: []dray.Option{one}, before: full, after: func(*scene) {}, refused: true},
		{name: "rejected: duplicate", jobs: []dray.JobOption{dray.WithUnique("taken", dray.RejectDuplicate)},
			before: func(sc *scene) { sc.block(); sc.fill(dray.WithUnique("taken", dray.KeepExisting)) }, after: func(*scene) {}, refused: true},
		{name: "not added: duplicate", jobs: []dray.JobOption{dray.WithUnique("taken", dray.KeepExisting)},
			before: func(sc *scene) { sc.block(); sc.fill(dray.WithUnique("taken", dray.KeepExisting)) }, after: func(*scene) {}},
		{name: "withdrawn while it waited for room", queue: []dray.Option{one, dray.WithOverflow(dray.Block)}, before: full,
			after: func(sc *scene) { sc.cancel() }},
	}
}

func attempts(n int) []dray.JobOption { return []dray.JobOption{dray.WithMaxAttempts(n)} }

// noTokens is a limiter that never has one.
type noTokens struct{}

func (noTokens) Wait(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
