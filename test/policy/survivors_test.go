package policy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// A backoff function that does not return counts as a second.
func TestBackoffThatDoesNotReturn(t *testing.T) {
	for name, throw := range map[string]func(){"panic": func() { panic(kit.ErrBoom) }, "goexit": runtime.Goexit} {
		bubble(t, name, func(t *testing.T) {
			q := start(t)
			var began record[time.Time]
			add(t, q, func(context.Context) error {
				began.Add(time.Now())
				return kit.ErrBoom
			}, dray.WithMaxAttempts(3), dray.WithBackoff(func(int) time.Duration { throw(); return time.Hour }))
			kit.Elapse(time.Minute)
			at := began.All()
			require.Len(t, at, 3)
			require.Equal(t, []time.Duration{time.Second, time.Second}, []time.Duration{at[1].Sub(at[0]), at[2].Sub(at[1])})
			require.Equal(t, uint64(1), q.Stats().Failed)
		})
	}
}

// What is discarded is told by its reason: of an error that Discard made by the one that
// it was given, of one that wraps that by the whole.
func TestLogOfWhatIsDiscarded(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		text string
	}{
		"bare":      {dray.Discard(kit.ErrBoom), "boom"},
		"wrapped":   {fmt.Errorf("step 3: %w", dray.Discard(kit.ErrBoom)), fmt.Errorf("step 3: %w", dray.Discard(kit.ErrBoom)).Error()},
		"no reason": {dray.Discard(nil), "dray: discarded without a reason"},
	} {
		bubble(t, name, func(t *testing.T) {
			var buf bytes.Buffer
			q := start(t, dray.WithLogger(slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{
				ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
					if a.Key == "error" {
						return a
					}
					return slog.Attr{}
				},
			}))))
			add(t, q, func(context.Context) error { return c.err }, dray.WithMaxAttempts(3))
			synctest.Wait()
			require.Contains(t, strings.ReplaceAll(buf.String(), `"`, ""), "error="+c.text+"\n")
		})
	}
}

// Jobs that were put aside while their kind was paused are first when it is resumed,
// also for a worker that has run one plain job after the other.
func TestWhatWasPutAsideGoesFirst(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		q := start(t, dray.WithWorkers(1))
		var got record[string]
		k, err := dray.Handle(q, "k", func(_ context.Context, s string) error { got.Add(s); return nil })
		require.NoError(t, err)
		require.NoError(t, q.PauseKind("k"))
		plain := func(name string) { require.NoError(t, q.Enqueue(t.Context(), got.job(name, time.Second))) }
		require.NoError(t, k.Enqueue(t.Context(), "aside 1"))
		require.NoError(t, k.Enqueue(t.Context(), "aside 2"))
		for _, name := range []string{"1", "2", "3", "4"} {
			plain(name)
		}
		kit.Elapse(1500 * time.Millisecond) // in the second of them
		require.NoError(t, q.ResumeKind("k"))
		kit.Elapse(time.Hour)
		require.Equal(t, []string{"1", "2", "aside 1", "aside 2", "3", "4"}, got.All())
	})
}

// The oldest waiting job may be one that was put aside.
func TestOldestPendingOfWhatWasPutAside(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		q := start(t, dray.WithWorkers(1))
		var got record[string]
		k, err := dray.Handle(q, "k", func(context.Context, string) error { return nil })
		require.NoError(t, err)
		require.NoError(t, q.PauseKind("k"))
		add(t, q, got.job("first", time.Hour))
		kit.Elapse(time.Minute)
		require.NoError(t, k.Enqueue(t.Context(), "aside"))
		kit.Elapse(time.Minute)
		add(t, q, got.job("second", time.Hour))
		kit.Elapse(time.Hour) // in the second, which has gone past the one aside
		require.NoError(t, q.ResumeKind("k"))
		add(t, q, got.job("third", time.Hour))
		kit.Elapse(time.Second)
		require.Equal(t, time.Minute+time.Hour+time.Second, q.Stats().OldestPending)
	})
}

// An error is asked for its text once for each attempt, however often that is told.
func TestErrorIsAskedOnce(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		asked := &counting{}
		q := start(t, dray.WithWorkers(1), dray.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))), dray.WithObserver(func(dray.Event) {}))
		add(t, q, func(context.Context) error { return asked }, dray.WithMaxAttempts(3))
		kit.Elapse(time.Hour)
		require.Equal(t, uint64(1), q.Stats().Failed)
		require.EqualValues(t, 3, asked.times.Load())
	})
}

type counting struct{ times atomic.Int32 }

func (c *counting) Error() string { c.times.Add(1); return "counting" }

// A completion job is not evicted: what it follows from was accepted.
func TestCompletionIsNotEvicted(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		q := start(t, dray.WithWorkers(1), dray.WithCapacity(1), dray.WithOverflow(dray.DropOldest))
		var got record[string]
		g, err := dray.NewGroup(q, dray.WithCompletion(func(context.Context, error) error { got.Add("completion"); return nil }))
		require.NoError(t, err)
		add(t, q, got.job("member", time.Second), dray.WithGroup(g))
		synctest.Wait()
		add(t, q, got.job("busy", time.Minute))
		require.NoError(t, g.Wait(t.Context()))
		synctest.Wait()
		for range 10 {
			add(t, q, got.job("later", time.Second))
		}
		kit.Elapse(time.Hour)
		require.Equal(t, []string{"member", "busy", "completion", "later"}, got.All())
		require.Equal(t, uint64(9), q.Stats().Evicted)
	})
}

// A job that is replaced while it runs ends with what its attempt returned.
func TestReplacedWhileItRuns(t *testing.T) {
	for name, c := range map[string]struct {
		returns error
		wraps   error
	}{"error": {kit.ErrBoom, kit.ErrBoom}, "snooze": {dray.Snooze(time.Second), nil}} {
		bubble(t, name, func(t *testing.T) {
			var evicted record[error]
			q := start(t, dray.WithWorkers(1), dray.WithObserver(func(ev dray.Event) {
				if ev.Kind == dray.JobEvicted {
					evicted.Add(ev.Err)
				}
			}))
			unique := dray.WithUnique("u", dray.ReplacePending)
			task, err := dray.Submit(t.Context(), q, func(context.Context) (int, error) {
				time.Sleep(time.Second)
				return 0, c.returns
			}, unique, dray.WithMaxAttempts(3))
			require.NoError(t, err)
			synctest.Wait()
			add(t, q, kit.Nop, unique)
			_, err = task.Wait(t.Context())
			require.ErrorIs(t, err, dray.ErrReplaced)
			synctest.Wait()
			require.Len(t, evicted.All(), 1)
			require.ErrorIs(t, evicted.All()[0], dray.ErrReplaced)
			if c.wraps != nil {
				require.ErrorIs(t, err, c.wraps)
				require.ErrorIs(t, evicted.All()[0], c.wraps)
			}
			require.Equal(t, uint64(1), q.Stats().Evicted)
		})
	}
}

// Groups that are complete in the same step get jobs of their own.
func TestGroupsThatAreCompleteAtOnce(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		q := queue(t, dray.WithWorkers(1))
		var ids record[dray.ID]
		k, err := dray.Handle(q, "k", func(context.Context, int) error { return nil })
		require.NoError(t, err)
		groups := make([]*dray.Group, 5)
		for i := range groups {
			groups[i], err = dray.NewGroup(q, dray.WithCompletion(func(ctx context.Context, _ error) error {
				info, _ := dray.JobFrom(ctx)
				ids.Add(info.ID)
				return nil
			}))
			require.NoError(t, err)
			require.NoError(t, k.Enqueue(t.Context(), i, dray.WithGroup(groups[i])))
			groups[i].Close()
		}
		n := q.CancelKind("k")
		require.Equal(t, len(groups), n)
		require.NoError(t, q.Start())
		kit.Elapse(time.Hour)
		require.Equal(t, []dray.ID{6, 7, 8, 9, 10}, ids.All())
	})
}

// What was restored has the error that it was handed back with.
func TestRestoredJobHasItsLastError(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		q := queue(t)
		require.NoError(t, q.Restore(dray.Report{Waiting: []dray.Leftover{{
			JobInfo: dray.JobInfo{Attempt: 1, LastError: kit.ErrBoom}, Func: kit.Nop,
		}}}))
		for j := range q.Jobs() {
			require.ErrorIs(t, j.LastError, kit.ErrBoom)
		}
		require.Equal(t, 1, q.Stats().Pending)
	})
}

// Without a backoff of its own a job is retried after Exponential(1 s, 1 min), which is
// random: of 200 jobs the longest wait is near what it may be at most.
func TestDefaultBackoff(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		q := start(t, dray.WithWorkers(200))
		var longest [9]time.Duration
		for range 200 {
			var last time.Time
			add(t, q, func(ctx context.Context) error {
				info, _ := dray.JobFrom(ctx)
				if now := time.Now(); !last.IsZero() {
					longest[info.Attempt-1] = max(longest[info.Attempt-1], now.Sub(last))
				}
				last = time.Now()
				return kit.ErrBoom
			}, dray.WithMaxAttempts(9), dray.WithKey("one at a time"), dray.WithKeyLimit(1))
		}
		kit.Elapse(100 * time.Hour)
		require.EqualValues(t, 200, q.Stats().Failed)
		for i, most := 1, time.Second; i < 9; i, most = i+1, min(2*most, time.Minute) {
			require.LessOrEqual(t, longest[i], most, "attempt %d", i+1)
			require.Greater(t, longest[i], most*8/10, "attempt %d", i+1)
		}
	})
}

// Options of a completion job that make no sense together are refused with the group.
func TestCompletionOptionsThatContradict(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		_, err := dray.NewGroup(queue(t), dray.WithCompletion(func(context.Context, error) error { return nil },
			dray.WithDelay(time.Hour), dray.WithDeadline(time.Minute)))
		require.ErrorContains(t, err, "WithDeadline")
	})
}

// What might keep a completion job from being accepted is named, one by one.
func TestCompletionOptionsThatRefuse(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		q := queue(t)
		g, err := dray.NewGroup(q)
		require.NoError(t, err)
		for name, option := range map[string]dray.JobOption{"WithUnique": dray.WithUnique("u", dray.KeepExisting), "WithGroup": dray.WithGroup(g)} {
			_, err := dray.NewGroup(q, dray.WithCompletion(func(context.Context, error) error { return nil }, option))
			require.EqualError(t, err, "dray: WithCompletion: with "+name+", which might keep it from being accepted")
		}
	})
}
