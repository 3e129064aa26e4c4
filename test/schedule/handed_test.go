package schedule_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// A run that another queue left, and one that is run again after its failure, still
// knows whose run it is, and when it was due.
func TestTaskFromOfRunsThatComeAgain(t *testing.T) {
	type run struct {
		name string
		due  time.Time
	}
	for _, opts := range [][]dray.TaskOption{nil, {dray.WithKey("k")}, {dray.WithMiddleware(func(next dray.Handler) dray.Handler { return next })}} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(73*time.Hour + 11*time.Minute + 17*time.Millisecond)
			begun := time.Now()
			var seen []run
			job := func(ctx context.Context) error {
				name, due, ok := dray.TaskFrom(ctx)
				require.True(t, ok)
				seen = append(seen, run{name, due})
				if len(seen) == 1 {
					return errors.New("once")
				}
				return nil
			}
			made := func() *dray.Queue {
				q, err := dray.New(dray.WithPeriodic("hourly", dray.Every(time.Hour), job, opts...))
				require.NoError(t, err)
				return q
			}
			a := made()
			require.NoError(t, a.Start())
			time.Sleep(time.Hour)
			synctest.Wait()
			require.NoError(t, a.Pause())
			n, err := a.RequeueAll()
			require.NoError(t, err)
			require.Equal(t, 1, n)
			report, err := a.Shutdown(t.Context())
			require.NoError(t, err)
			b := made()
			require.NoError(t, b.Restore(report))
			require.NoError(t, b.Start())
			synctest.Wait()
			require.NoError(t, b.Close())
			due := begun.Add(time.Hour)
			require.Len(t, seen, 2)
			for _, r := range seen {
				require.Equal(t, "hourly", r.name)
				require.WithinDuration(t, due, r.due, 0)
			}
		})
	}
}
