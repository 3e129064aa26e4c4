package supervise

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/internal/restart"
)

// A timer whose time has not come is stopped, not left to fire for nothing.
func TestTimersAreStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{
			Config:  restart.Config{Name: "s", Intensity: 3, Period: time.Minute},
			Backoff: func(int) time.Duration { return time.Hour },
			Tell:    func(at time.Time) time.Time { return at },
		})
		fail := make(chan error)
		serve := func(ctx context.Context) error {
			select {
			case err := <-fail:
				return err
			case <-ctx.Done():
				return nil
			}
		}
		service := &Service{Phases: func() (start, run func(context.Context) error) { return nil, serve }, Limit: time.Minute}
		require.NoError(t, s.Add(restart.Spec{Name: "a"}, service))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- s.Serve(End{Context: ctx, Done: ctx.Done(), Quick: true, Restart: func() bool { return false }})
		}()
		synctest.Wait()

		timer := func() (of *time.Timer) {
			_ = s.call(func(st *state, reply restart.Call) { of = childOf(st.Children[0]).timer; reply(nil) })
			return of
		}
		require.Nil(t, timer())
		require.NoError(t, s.Restart("a"))
		require.Nil(t, timer(), "of its stop")
		fail <- errors.New("boom")
		synctest.Wait()
		backoff := timer()
		require.NotNil(t, backoff)
		require.NoError(t, s.Restart("a"))
		require.Nil(t, timer(), "of its backoff")
		require.False(t, backoff.Stop())
		fail <- errors.New("boom")
		synctest.Wait()
		backoff = timer()
		cancel()
		require.NoError(t, <-ended)
		require.False(t, backoff.Stop(), "of its backoff, ended by the stop")
	})
}
