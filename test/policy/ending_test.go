package policy_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// What ended a job's context is found in the error that the job then failed with,
// wherever that is told, beside what the job returned.
func TestErrorSaysWhatEndedTheContext(t *testing.T) {
	for name, tc := range map[string]struct {
		opts  []dray.JobOption
		cause error
	}{
		"timeout":  {[]dray.JobOption{dray.WithTimeout(time.Second)}, dray.ErrTimeout},
		"deadline": {[]dray.JobOption{dray.WithDeadline(time.Second)}, dray.ErrDeadline},
		"both":     {[]dray.JobOption{dray.WithDeadline(time.Second), dray.WithTimeout(time.Hour)}, dray.ErrDeadline},
	} {
		for how, fn := range map[string]dray.Func{
			"the context's error": untilCancelled,
			"its own":             func(ctx context.Context) error { <-ctx.Done(); return kit.ErrBoom },
			"its own, wrapped":    func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("no: %w", ctx.Err()) },
			"a panic":             func(ctx context.Context) error { <-ctx.Done(); panic(kit.ErrBoom) },
			"discarded":           func(ctx context.Context) error { <-ctx.Done(); return dray.Discard(kit.ErrBoom) },
			"late":                func(context.Context) error { time.Sleep(time.Minute); return kit.ErrBoom },
		} {
			bubble(t, name+"/"+how, func(t *testing.T) {
				var told record[error]
				q := start(t, dray.WithObserver(func(ev dray.Event) {
					if ev.Kind == dray.JobFailed {
						told.Add(ev.Err)
					}
				}))
				task, err := dray.Submit(t.Context(), q, func(ctx context.Context) (int, error) { return 0, fn(ctx) }, tc.opts...)
				require.NoError(t, err)
				_, err = task.Wait(t.Context())
				synctest.Wait()
				f := q.Failures()[0]
				for _, err := range []error{err, told.All()[0], f.Err, f.LastError, f.Errs[0]} {
					require.ErrorIs(t, err, tc.cause)
					require.NotErrorIs(t, err, dray.ErrCancelled)
					if how == "its own" || how == "a panic" || how == "late" || how == "discarded" {
						require.ErrorIs(t, err, kit.ErrBoom)
					} else {
						require.True(t, errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded), "%v", err)
					}
				}
			})
		}
	}
}

// Also of an attempt that another one follows.
func TestErrorOfAnAttemptThatTimedOut(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var told record[error]
		q := start(t, dray.WithObserver(func(ev dray.Event) {
			if ev.Kind == dray.JobRetrying {
				told.Add(ev.Err)
				told.Add(ev.Job.LastError)
			}
		}))
		add(t, q, untilCancelled, dray.WithTimeout(time.Second), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Hour)))
		kit.Elapse(time.Minute)
		require.Len(t, told.All(), 2)
		for _, err := range told.All() {
			require.ErrorIs(t, err, dray.ErrTimeout)
		}
	})
}

// A cancelled job that was running ends as one that was not: with ErrCancelled.
func TestCancelledWhileRunning(t *testing.T) {
	run := func(ctx context.Context) (int, error) { return 0, untilCancelled(ctx) }
	for name, wait := range map[string]func(t *testing.T, q *dray.Queue) error{
		"Task.Wait": func(t *testing.T, q *dray.Queue) error {
			task, err := dray.Submit(t.Context(), q, run)
			require.NoError(t, err)
			synctest.Wait()
			require.NoError(t, task.Cancel())
			_, err = task.Wait(t.Context())
			_, again, ok := task.Result()
			require.True(t, ok)
			require.Equal(t, err, again)
			return err
		},
		"Group.Wait": func(t *testing.T, q *dray.Queue) error {
			g, err := dray.NewGroup(q)
			require.NoError(t, err)
			require.NoError(t, g.Enqueue(t.Context(), untilCancelled))
			synctest.Wait()
			g.Cancel()
			return g.Wait(t.Context())
		},
		"Run": func(t *testing.T, q *dray.Queue) error {
			go func() { time.Sleep(time.Second); _ = q.Cancel(1) }()
			_, err := dray.Run(t.Context(), q, run)
			return err
		},
		"Run with options": func(t *testing.T, q *dray.Queue) error {
			go func() { time.Sleep(time.Second); q.CancelKey("k") }()
			_, err := dray.Run(t.Context(), q, run, dray.WithKey("k"))
			return err
		},
	} {
		bubble(t, name, func(t *testing.T) {
			var told record[error]
			q := start(t, dray.WithObserver(func(ev dray.Event) {
				if ev.Kind == dray.JobCancelled {
					told.Add(ev.Err)
				}
			}))
			err := wait(t, q)
			synctest.Wait()
			for _, err := range append(told.All(), err) {
				require.ErrorIs(t, err, dray.ErrCancelled)
				require.ErrorIs(t, err, context.Canceled, "what it returned is there, too")
			}
			require.Len(t, told.All(), 1)
		})
	}
}

// A snooze that comes after the timeout is a failed attempt: it is retried by the
// backoff, as often as there are attempts.
func TestSnoozeAfterTheTimeout(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		q := start(t)
		var at record[time.Duration]
		begin := time.Now()
		add(t, q, func(ctx context.Context) error {
			at.Add(time.Since(begin))
			<-ctx.Done()
			return dray.Snooze(24 * time.Hour)
		}, dray.WithTimeout(time.Second), dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(time.Minute)))
		kit.Elapse(time.Hour)
		require.Equal(t, []time.Duration{0, 61 * time.Second, 122 * time.Second}, at.All())
		s := q.Stats()
		require.Equal(t, []uint64{2, 1}, []uint64{s.Retried, s.Failed})
		require.ErrorIs(t, q.Failures()[0].Err, dray.ErrTimeout)
	})
	bubble(t, "before it", func(t *testing.T) {
		q := start(t)
		runs := 0
		add(t, q, func(context.Context) error {
			if runs++; runs == 1 {
				return dray.Snooze(time.Hour)
			}
			return nil
		}, dray.WithTimeout(time.Second), dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(time.Minute)))
		kit.Elapse(time.Hour)
		s := q.Stats()
		require.Equal(t, []uint64{0, 1}, []uint64{s.Retried, s.Processed})
	})
}

// Discard ends the attempts wherever it is found, and loses nothing of what is around it.
func TestDiscardKeepsTheRest(t *testing.T) {
	other := errors.New("other")
	for name, tc := range map[string]struct {
		fn       dray.Func
		text     string
		panicked uint64
	}{
		"bare":    {func(context.Context) error { return dray.Discard(kit.ErrBoom) }, "boom", 0},
		"wrapped": {func(context.Context) error { return fmt.Errorf("%w: %w", other, dray.Discard(kit.ErrBoom)) }, "other: dray: discarded: boom", 0},
		"joined":  {func(context.Context) error { return errors.Join(other, dray.Discard(kit.ErrBoom)) }, "other\ndray: discarded: boom", 0},
		"thrown":  {func(context.Context) error { panic(dray.Discard(kit.ErrBoom)) }, "dray: panic: discarded: boom", 1},
		"around a snooze": {func(context.Context) error {
			return dray.Discard(errors.Join(other, kit.ErrBoom, dray.Snooze(time.Hour)))
		},
			"other\nboom\ndray: snoozed for 1h0m0s", 0},
		"before a snooze": {func(context.Context) error {
			return errors.Join(other, dray.Discard(kit.ErrBoom), dray.Snooze(time.Hour))
		},
			"other\ndray: discarded: boom\ndray: snoozed for 1h0m0s", 0},
		"thrown, wrapped": {func(context.Context) error { panic(fmt.Errorf("%w: %w", other, dray.Discard(kit.ErrBoom))) },
			"dray: panic: other: dray: discarded: boom", 1},
	} {
		bubble(t, name, func(t *testing.T) {
			q := start(t, dray.WithMaxAttempts(9), dray.WithBackoff(dray.Constant(0)))
			add(t, q, tc.fn)
			synctest.Wait()
			s := q.Stats()
			require.Equal(t, []uint64{1, 0, tc.panicked}, []uint64{s.Failed, s.Retried, s.Panicked})
			f := q.Failures()[0]
			require.Equal(t, 1, f.Attempt)
			require.ErrorIs(t, f.Err, kit.ErrBoom)
			require.Equal(t, tc.text, f.Err.Error())
			if name != "bare" && name != "thrown" {
				require.ErrorIs(t, f.Err, other)
			}
			if tc.panicked > 0 {
				require.NotEmpty(t, f.Stack)
				_, ok := errors.AsType[*dray.PanicError](f.Err)
				require.True(t, ok)
			}
		})
	}
}

// A snooze that is thrown is a panic like any other: an attempt that has failed.
func TestThrownSnooze(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		q := start(t)
		add(t, q, func(context.Context) error { panic(dray.Snooze(time.Hour)) },
			dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Minute)))
		kit.Elapse(time.Minute)
		s := q.Stats()
		require.Equal(t, []uint64{1, 1, 2}, []uint64{s.Failed, s.Retried, s.Panicked})
	})
}

// The state of a job that has settled is how it did, wherever it is told.
func TestStatesOfSettledJobs(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var ends record[dray.JobInfo]
		q := start(t, dray.WithWorkers(1), dray.WithCapacity(2), dray.WithOverflow(dray.DropOldest), dray.WithObserver(func(ev dray.Event) {
			switch ev.Kind {
			case dray.JobProcessed:
				ends.Add(ev.Job)
			case dray.JobFailed:
				ends.Add(ev.Job)
			case dray.JobCancelled:
				ends.Add(ev.Job)
			case dray.JobEvicted:
				ends.Add(ev.Job)
			}
		}))
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
		require.NoError(t, q.Enqueue(t.Context(), kit.Fail))
		synctest.Wait()
		r := add(t, q, kit.Nop, dray.WithDelay(time.Hour))
		require.NoError(t, q.Cancel(r.ID))
		add(t, q, kit.Nop, dray.WithUnique("u", dray.ReplacePending), dray.WithDelay(time.Hour))
		add(t, q, kit.Nop, dray.WithUnique("u", dray.ReplacePending), dray.WithDelay(time.Hour))
		late := add(t, q, untilCancelled, dray.WithDeadline(time.Second))
		synctest.Wait()
		require.NoError(t, q.Cancel(late.ID))
		synctest.Wait()
		var states []dray.State
		for _, j := range ends.All() {
			states = append(states, j.State)
			require.Zero(t, j.RunAt)
			require.Zero(t, j.StartedAt)
		}
		require.Equal(t, []dray.State{dray.Processed, dray.Failed, dray.Cancelled, dray.Evicted, dray.Cancelled}, states)
		require.Equal(t, dray.Failed, q.Failures()[0].State)
		require.Equal(t, "processed failed cancelled evicted State(9)",
			fmt.Sprint(dray.Processed, " ", dray.Failed, " ", dray.Cancelled, " ", dray.Evicted, " ", dray.Evicted+1))
	})
}
