package supervision_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// A queue or pool that was stopped to be started again goes on taking jobs. If that does not come
// about, whatever the reason, it takes none any more: they would never run.
func TestChildThatIsNotRestartedAfterAll(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, s *dray.Supervisor, stop func()){
		"its supervisor gives up":   func(*testing.T, *dray.Supervisor, func()) { time.Sleep(time.Hour) },
		"its supervisor is stopped": func(_ *testing.T, _ *dray.Supervisor, stop func()) { stop() },
		"it is terminated":          func(t *testing.T, s *dray.Supervisor, _ func()) { terminateBoth(t, s.Terminate) },
		"it is removed":             func(t *testing.T, s *dray.Supervisor, _ func()) { terminateBoth(t, s.Remove) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				q, err := dray.New(dray.WithCapacity(1), dray.WithOverflow(dray.Block))
				require.NoError(t, err)
				p, err := dray.NewPool(1)
				require.NoError(t, err)
				s, err := dray.NewSupervisor(dray.OneForAll, dray.WithIntensity(1, time.Hour), dray.WithRestartBackoff(dray.Constant(time.Minute)), dray.WithChildren(
					dray.Child{Name: "db", Service: &failsAfterItsStart{}},
					dray.Child{Name: "queue", Service: q}, dray.Child{Name: "pool", Service: p}))
				require.NoError(t, err)
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				ended := make(chan error, 1)
				go func() { ended <- s.Serve(ctx) }()

				time.Sleep(10 * time.Second) // db has failed
				require.NoError(t, q.Enqueue(t.Context(), nothing), "it is to be started again")
				require.ErrorIs(t, p.RunAsync(nothing), dray.ErrNoWorkers)
				blocked := make(chan error, 1)
				go func() { blocked <- q.Enqueue(t.Context(), nothing) }()
				synctest.Wait()
				end(t, s, stop)
				synctest.Wait()

				require.ErrorIs(t, q.Enqueue(t.Context(), nothing), dray.ErrClosed)
				require.ErrorIs(t, p.RunAsync(nothing), dray.ErrClosed)
				require.ErrorIs(t, <-blocked, dray.ErrClosed)
				stop()
				t.Log(<-ended)
				report, err := q.Shutdown(t.Context())
				require.NoError(t, err)
				require.Len(t, report.Waiting, 1)
				require.NoError(t, p.Close())
			})
		})
	}
}

func terminateBoth(t *testing.T, end func(string) error) {
	require.NoError(t, end("queue"))
	require.NoError(t, end("pool"))
}

// failsAfterItsStart runs for a second, once; it does not come up again.
type failsAfterItsStart struct{ starts int }

func (s *failsAfterItsStart) Init(context.Context) error {
	if s.starts++; s.starts > 1 {
		return errors.New("not there")
	}
	return nil
}

func (*failsAfterItsStart) Serve(ctx context.Context) error {
	select {
	case <-time.After(time.Second):
		return errors.New("gone")
	case <-ctx.Done():
		return nil
	}
}

// So does one below a supervisor that is not started again, and it comes back with that.
func TestQueueBelowASupervisorThatIsNotRestartedAfterAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q, err := dray.New()
		require.NoError(t, err)
		inner, err := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(dray.Child{Name: "queue", Service: q}))
		require.NoError(t, err)
		outer, err := dray.NewSupervisor(dray.OneForAll, dray.WithIntensity(1, time.Hour), dray.WithRestartBackoff(dray.Constant(time.Minute)), dray.WithChildren(
			dray.Child{Name: "db", Service: dray.ServiceFunc((&failsAfterItsStart{}).Serve)}, dray.Child{Name: "inner", Service: inner}))
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- outer.Serve(ctx) }()
		time.Sleep(10 * time.Second)
		require.NoError(t, q.Enqueue(t.Context(), nothing))

		require.NoError(t, outer.Terminate("inner"))
		require.ErrorIs(t, q.Enqueue(t.Context(), nothing), dray.ErrClosed)
		require.NoError(t, outer.Restart("inner"))
		synctest.Wait() // in its turn
		require.NoError(t, q.Enqueue(t.Context(), nothing))
		synctest.Wait()
		require.EqualValues(t, 2, q.Stats().Processed)
		stop()
		require.NoError(t, <-ended)
		require.ErrorIs(t, q.Enqueue(t.Context(), nothing), dray.ErrClosed)
		require.NoError(t, q.Close())
	})
}
