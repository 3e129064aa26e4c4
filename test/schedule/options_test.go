package schedule_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// TestOptionsNewForEachRun: options that need more than a copy of the record are new
// for each run.
func TestOptionsNewForEachRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		var wrapped []dray.ID
		var delays []time.Duration
		seen := func(next dray.Handler) dray.Handler {
			return func(ctx context.Context, j *dray.Job) error {
				wrapped = append(wrapped, j.ID)
				return next(ctx, j)
			}
		}
		begun := time.Now()
		run := func(context.Context) error { delays = append(delays, time.Since(begun)); return nil }
		require.NoError(t, q.Scheduler().Schedule("task", dray.Every(time.Minute), run,
			dray.WithMiddleware(seen), dray.WithDelay(time.Second), dray.WithDeadline(10*time.Second)))
		time.Sleep(3*time.Minute + 2*time.Second)
		synctest.Wait()
		require.Equal(t, []dray.ID{1, 2, 3}, wrapped)
		require.Equal(t, []time.Duration{61 * time.Second, 121 * time.Second, 181 * time.Second}, delays)
		require.Error(t, q.Scheduler().Schedule("never", dray.Every(time.Minute), run,
			dray.WithDelay(time.Minute), dray.WithDeadline(time.Second)))
		require.NoError(t, q.Close())
	})
}
