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

// When Serve ends and begins again, tasks go on: what was due in between is missed, what
// was postponed is still there, and a lock is kept.
func TestTasksOverTheEndOfServe(t *testing.T) {
	for name, cause := range map[string]error{"end": context.Canceled, "restart": dray.ErrRestart} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				oddStart()
				told := &skips{}
				l := &ledger{}
				q, err := dray.New(told.option(), dray.WithShutdownTimeout(time.Second))
				require.NoError(t, err)
				s := q.Scheduler()
				fn, ran := counter()
				require.NoError(t, s.Schedule("every", dray.Every(time.Minute), fn))
				require.NoError(t, s.Schedule("minutes", foreign(minutes), fn))
				tries := 0
				require.NoError(t, s.Schedule("locked", dray.Every(1000*time.Hour), func(ctx context.Context) error {
					if tries++; tries > 1 {
						return nil
					}
					<-ctx.Done()
					return errors.New("cut off")
				}, dray.WithLock(l), dray.WithOverlap(dray.QueueOverlap)))
				serve := func() (stop func()) {
					ctx, cancel := context.WithCancelCause(t.Context())
					ended := make(chan error)
					go func() { ended <- q.Serve(ctx) }()
					return func() {
						cancel(cause)
						require.NoError(t, <-ended)
					}
				}
				stop := serve()
				pass(10*time.Minute + time.Second)
				require.Equal(t, int64(20), ran.Load())
				require.NoError(t, s.RunNow("locked"))
				pass(time.Second)
				require.NoError(t, s.RunNow("locked"))
				require.Equal(t, 1, info(t, q, "locked").Waiting)
				stop()
				pass(10 * time.Minute)
				require.Equal(t, int64(20), ran.Load())
				require.Equal(t, 1, info(t, q, "locked").Waiting)
				require.Empty(t, told.of(dray.ErrMissed))
				stop = serve()
				pass(10 * time.Second)
				require.Equal(t, int64(22), ran.Load(), "one is made up for")
				require.Equal(t, uint64(9), info(t, q, "every").Missed)
				require.Equal(t, uint64(9), info(t, q, "minutes").Missed)
				require.Zero(t, info(t, q, "locked").Waiting)
				locks, unlocks, held := l.state()
				require.Equal(t, []any{2, 2, false}, []any{locks, unlocks, held}, "once for each of two runs")
				require.Equal(t, 3, tries)
				pass(time.Minute)
				require.Equal(t, int64(24), ran.Load())
				stop()
				require.NoError(t, q.Close())
			})
		})
	}
}
