package policy_test

import (
	"context"
	"log/slog"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

const year = 365 * 24 * time.Hour

// badJobOptions make no sense for any job.
var badJobOptions = map[string]dray.JobOption{
	"nil":                   nil,
	"timeout < 0":           dray.WithTimeout(-1),
	"timeout > a year":      dray.WithTimeout(year + 1),
	"timeout overflow":      dray.WithTimeout(math.MaxInt64),
	"attempts 0":            dray.WithMaxAttempts(0),
	"attempts < 0":          dray.WithMaxAttempts(-1),
	"backoff nil":           dray.WithBackoff(nil),
	"delay < 0":             dray.WithDelay(-1),
	"delay overflow":        dray.WithDelay(math.MaxInt64),
	"key limit 0":           dray.WithKeyLimit(0),
	"key limit < 0":         dray.WithKeyLimit(-1),
	"unique empty":          dray.WithUnique("", dray.KeepExisting),
	"unique policy unknown": dray.WithUnique("u", 3),
	"priority too high":     dray.WithPriority(2),
	"priority too low":      dray.WithPriority(-2),
}

func TestBadJobOptions(t *testing.T) {
	for name, bad := range badJobOptions {
		kit.Bubble(t, name, func(t *testing.T) {
			if bad != nil {
				_, err := dray.New(bad)
				require.ErrorContains(t, err, "dray: ")
			}
			q := kit.Start(t)
			require.ErrorContains(t, q.Enqueue(t.Context(), kit.Nop, bad), "dray: ")
			_, err := q.EnqueueSync(t.Context(), kit.Nop, dray.WithLabel("x"), bad)
			require.Error(t, err)
			n, err := q.EnqueueBatch(t.Context(), []dray.Func{kit.Nop}, bad)
			require.Error(t, err)
			require.Zero(t, n)
			_, err = dray.Submit(t.Context(), q, kit.One, bad)
			require.Error(t, err)
			_, err = dray.Run(t.Context(), q, kit.One, bad)
			require.Error(t, err)
			_, err = dray.Handle(q, "k", func(context.Context, int) error { return nil }, bad)
			require.Error(t, err)
			require.Error(t, q.Scheduler().Schedule("s", dray.Every(time.Hour), kit.Nop, bad))
			s := kit.Balanced(t, q)
			require.Zero(t, s.Enqueued+s.Rejected)
			require.Empty(t, q.Scheduler().Tasks())
		})
	}
}

func TestBadQueueOptions(t *testing.T) {
	identity := func(next dray.Handler) dray.Handler { return next }
	for name, bad := range map[string]dray.Option{
		"nil":                    nil,
		"name empty":             dray.WithName(""),
		"workers 0":              dray.WithWorkers(0),
		"workers < 0":            dray.WithWorkers(-3),
		"workers > 2^20":         dray.WithWorkers(1<<20 + 1),
		"capacity 0":             dray.WithCapacity(0),
		"capacity < 0":           dray.WithCapacity(-2),
		"overflow unknown":       dray.WithOverflow(4),
		"failures < 0":           dray.WithFailuresKept(-1),
		"stuck allowance < 0":    dray.WithStuckAllowance(-1),
		"logger nil":             dray.WithLogger(nil),
		"observer nil":           dray.WithObserver(nil),
		"shutdown timeout < 0":   dray.WithShutdownTimeout(-1),
		"middleware nil":         dray.WithMiddleware(identity, nil),
		"periodic without name":  dray.WithPeriodic("", dray.Every(time.Second), kit.Nop),
		"periodic without when":  dray.WithPeriodic("p", nil, kit.Nop),
		"periodic without func":  dray.WithPeriodic("p", dray.Every(time.Second), nil),
		"periodic of no time":    dray.WithPeriodic("p", dray.Every(0), kit.Nop),
		"periodic negative time": dray.WithPeriodic("p", dray.Every(-time.Second), kit.Nop),
		"periodic bad option":    dray.WithPeriodic("p", dray.Every(time.Second), kit.Nop, dray.WithMaxAttempts(0)),
	} {
		t.Run(name, func(t *testing.T) {
			q, err := dray.New(dray.WithName("fine"), bad)
			require.Error(t, err)
			require.Nil(t, q)
		})
	}
}

func TestGoodOptions(t *testing.T) {
	for name, good := range map[string][]dray.Option{
		"none":            nil,
		"workers 1":       {dray.WithWorkers(1)},
		"workers 2^20":    {dray.WithWorkers(1 << 20)},
		"capacity 1":      {dray.WithCapacity(1)},
		"unbounded":       {dray.WithCapacity(dray.Unbounded)},
		"zeroes":          {dray.WithFailuresKept(0), dray.WithStuckAllowance(0), dray.WithShutdownTimeout(0)},
		"job zeroes":      {dray.WithTimeout(0), dray.WithDelay(0), dray.WithKey(""), dray.WithLabel("")},
		"greatest":        {dray.WithTimeout(year), dray.WithDelay(0), dray.WithMaxAttempts(math.MaxInt), dray.WithKeyLimit(math.MaxInt)},
		"shutdown's most": {dray.WithShutdownTimeout(math.MaxInt64)},
		"logger":          {dray.WithLogger(slog.New(slog.DiscardHandler))},
		"no middleware":   {dray.WithMiddleware()},
	} {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, good...)
			require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
			synctest.Wait()
			require.Equal(t, uint64(1), kit.Balanced(t, q).Processed)
			require.NoError(t, q.Close())
		})
	}
}

func TestDefaults(t *testing.T) {
	q := kit.Paused(t)
	s := q.Stats()
	require.Equal(t, 10_000, s.Capacity)
	require.Positive(t, s.Workers)
	require.Equal(t, s.Workers, s.Idle)
	for range 10_000 {
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
	}
	require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop), dray.ErrQueueFull)
	require.Equal(t, uint64(1), kit.Balanced(t, q).Rejected)
}

func TestNames(t *testing.T) {
	require.Equal(t, "42", dray.ID(42).String())
	for want, s := range map[string]dray.State{
		"pending": dray.Pending, "delayed": dray.Delayed, "retrying": dray.Retrying, "running": dray.Running, "stuck": dray.Stuck,
	} {
		require.Equal(t, want, s.String())
	}
	for want, p := range map[string]dray.Priority{"low": dray.Low, "normal": dray.Normal, "high": dray.High} {
		require.Equal(t, want, p.String())
	}
	require.NotPanics(t, func() { _ = dray.State(9).String() + dray.Priority(9).String() })
}
