package draytest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
)

// What is left of paused kinds and tasks nothing will start; what others have to do is waited for.
func TestDrainOfPausedKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := draytest.New(t, dray.WithPeriodic("task", dray.Every(time.Minute), nop))
		k, err := dray.Handle(q, "mail", func(context.Context, string) error { return nil },
			dray.WithRateLimit(hourly{}), dray.WithMaxAttempts(2))
		require.NoError(t, err)
		drain := func() string { return try(func(t testing.TB) { draytest.Drain(t, q) }) }
		time.Sleep(time.Second)

		require.NoError(t, q.PauseKind("mail"))
		require.Empty(t, drain(), "none waits")
		for _, opts := range [][]dray.JobOption{{dray.WithLabel("first"), dray.WithKey("key")}, {dray.WithDelay(time.Minute)}} {
			require.NoError(t, k.Enqueue(t.Context(), "", opts...))
		}
		require.NoError(t, q.Enqueue(t.Context(), nop, dray.WithKey("key"), dray.WithLabel("behind it")))
		require.NoError(t, q.Enqueue(t.Context(), draytest.Slow(time.Hour)))
		start := time.Now()
		require.Regexp(t, "nothing will start .*first.*behind it", drain())
		require.InDelta(t, time.Hour, time.Since(start), float64(time.Minute), "the slow one")
		require.NoError(t, q.ResumeKind("mail"))
		require.Empty(t, drain())

		require.NoError(t, q.Scheduler().Pause("task"))
		require.NoError(t, q.Scheduler().RunNow("task"))
		require.Empty(t, drain(), "asked for")
	})
}

// What the end of a job sets off may resume what is paused, also if Drain looks in between.
func TestDrainBesideWhatFollows(t *testing.T) {
	for name, follow := range map[string]func(t *testing.T, q *dray.Queue, first, second dray.Func){
		"a completion job": func(t *testing.T, q *dray.Queue, first, second dray.Func) {
			g, err := dray.NewGroup(q, dray.WithCompletion(func(ctx context.Context, _ error) error { return second(ctx) }))
			require.NoError(t, err)
			require.NoError(t, g.Enqueue(t.Context(), first))
			g.Close()
		},
		"a postponed run": func(t *testing.T, q *dray.Queue, first, second dray.Func) {
			fns := make(chan dray.Func, 2)
			fns <- first
			fns <- second
			run := func(ctx context.Context) error { return (<-fns)(ctx) }
			require.NoError(t, q.Scheduler().Schedule("task", dray.Every(time.Hour), run, dray.WithOverlap(dray.QueueOverlap)))
			require.NoError(t, q.Scheduler().RunNow("task"))
			require.NoError(t, q.Scheduler().RunNow("task"))
		},
	} {
		for i := range 300 { // it has to look at the very moment at which the first job ends
			synctest.Test(t, func(t *testing.T) {
				q := draytest.New(t, dray.WithWorkers(1))
				k, err := dray.Handle(q, "paused", func(context.Context, int) error { return nil })
				require.NoError(t, err)
				require.NoError(t, q.PauseKind("paused"))
				require.NoError(t, k.Enqueue(t.Context(), 1))
				synctest.Wait()
				follow(t, q, draytest.Slow(time.Duration(1+i%20)*time.Microsecond), func(context.Context) error { return q.ResumeKind("paused") })
				require.Empty(t, try(func(t testing.TB) { draytest.Drain(t, q) }), name)
			})
		}
	}
}

// A job that never comes due is waited for by nobody.
func TestDrainOfWhatNeverComesDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := draytest.New(t, dray.WithPeriodic("task", dray.Every(time.Hour), draytest.Slow(time.Minute)))
		require.NoError(t, q.Enqueue(t.Context(), nop, dray.WithRunAt(time.Now().AddDate(500, 0, 0)), dray.WithLabel("far")))
		require.NoError(t, q.Enqueue(t.Context(), nop, dray.WithDelay(time.Hour)))
		draytest.SetClock(t, q, -time.Hour)
		begin := time.Now()
		require.Regexp(t, "never come due.*far", try(func(t testing.TB) { draytest.Drain(t, q) }))
		require.InDelta(t, time.Hour, time.Since(begin), float64(2*time.Minute), "the other one")
		require.NoError(t, q.Cancel(1))
		require.GreaterOrEqual(t, draytest.Drain(t, q).Processed, uint64(1))
	})
}

// hourly is a limiter with a token an hour after each was asked for.
type hourly struct{}

func (hourly) Wait(ctx context.Context) error { return draytest.Slow(time.Hour)(ctx) }

// Runs that leave gaps are never in step with the looks at the queue.
func TestDrainBesideATask(t *testing.T) {
	for _, c := range []struct{ every, takes time.Duration }{
		{100 * time.Millisecond, 90 * time.Millisecond}, {time.Second, 950 * time.Millisecond}, {time.Second, 10 * time.Millisecond},
		{7 * time.Second, 6 * time.Second}, {time.Hour, 55 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := draytest.New(t, dray.WithPeriodic("task", dray.Every(c.every), draytest.Slow(c.takes)))
			require.NoError(t, q.Enqueue(t.Context(), nop, dray.WithDelay(100*c.every)))
			s := draytest.Drain(t, q)
			require.Zero(t, s.Running, "every %v, for %v", c.every, c.takes)
			require.GreaterOrEqual(t, s.Processed, uint64(100))
		})
	}
}
