package supervision_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// A queue that is shut down under its supervisor cannot be started again: a permanent one
// uses the intensity up, and a transient one has come to a normal end.
func TestShutdownOfASupervisedQueue(t *testing.T) {
	for restart, want := range map[dray.Restart]error{dray.Permanent: dray.ErrIntensity, dray.Transient: nil} {
		t.Run(restart.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(73*time.Hour + 11*time.Minute + 17*time.Millisecond)
				q, err := dray.New()
				require.NoError(t, err)
				s, err := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(dray.Child{Name: "queue", Service: q, Restart: restart}))
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() { served <- s.Serve(ctx) }()
				synctest.Wait()
				_, err = q.Shutdown(t.Context())
				require.NoError(t, err)
				synctest.Wait()
				require.Equal(t, want != nil, len(served) > 0, "whether the supervisor has given up")
				cancel()
				err = <-served
				require.ErrorIs(t, err, want)
				if want != nil {
					require.ErrorIs(t, err, dray.ErrClosed)
				}
			})
		})
	}
}
