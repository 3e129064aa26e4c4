package memory_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// A child is a service that has captured a probe, and whose Serve does as it is told.
type child struct {
	*probe
	serve func(ctx context.Context) error
}

func (c *child) Serve(ctx context.Context) error {
	defer runtime.KeepAlive(c)
	return c.serve(ctx)
}

func waits(ctx context.Context) error { <-ctx.Done(); return nil }

// childEndings are how a supervisor comes to have no more use for a child called "child".
var childEndings = map[string]struct {
	serve   func(traps *trap) func(ctx context.Context) error
	restart dray.Restart
	end     func(t *testing.T, s *dray.Supervisor)
	kept    []string // what the contract keeps
}{
	"removed":        {end: remove},
	"removed, twice": {end: func(t *testing.T, s *dray.Supervisor) { require.NoError(t, s.Terminate("child")); remove(t, s) }},
	"failed, restarted, removed": {serve: failsOnce, end: func(t *testing.T, s *dray.Supervisor) {
		time.Sleep(time.Hour)
		remove(t, s)
	}},
	"panicked, removed": {serve: func(traps *trap) func(context.Context) error {
		return func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(7 * time.Minute):
				panic(traps.watch("panic value"))
			}
		}
	}, end: func(t *testing.T, s *dray.Supervisor) { time.Sleep(time.Hour); remove(t, s) }},
	"temporary, returned": {restart: dray.Temporary, serve: func(*trap) func(context.Context) error {
		return func(context.Context) error { return nil }
	}, end: func(*testing.T, *dray.Supervisor) {}},
	"temporary, failed": {restart: dray.Temporary, serve: func(traps *trap) func(context.Context) error {
		return func(context.Context) error { return failure{traps.watch("error")} }
	}, end: func(*testing.T, *dray.Supervisor) {}},
	"temporary, terminated": {restart: dray.Temporary, end: func(t *testing.T, s *dray.Supervisor) { require.NoError(t, s.Terminate("child")) }},
	"abandoned, returned later": {serve: func(*trap) func(context.Context) error {
		return func(context.Context) error { time.Sleep(time.Hour); return nil }
	}, end: func(t *testing.T, s *dray.Supervisor) {
		require.ErrorIs(t, s.Remove("child"), dray.ErrAbandoned)
		time.Sleep(2 * time.Hour)
	}},
	"terminated, kept":        {end: func(t *testing.T, s *dray.Supervisor) { require.NoError(t, s.Terminate("child")) }, kept: []string{"service"}},
	"failed, restarted, kept": {serve: failsOnce, end: func(*testing.T, *dray.Supervisor) { time.Sleep(time.Hour) }, kept: []string{"service", "error"}},
	"failed twice, kept": {serve: func(traps *trap) func(context.Context) error {
		return func(ctx context.Context) error {
			if len(traps.names) < 3 {
				return failure{traps.watch(map[int]string{1: "first error", 2: "error"}[len(traps.names)])}
			}
			return waits(ctx)
		}
	}, end: func(*testing.T, *dray.Supervisor) { time.Sleep(time.Hour) }, kept: []string{"service", "error"}},
}

func remove(t *testing.T, s *dray.Supervisor) { require.NoError(t, s.Remove("child")) }

func failsOnce(traps *trap) func(context.Context) error {
	return func(ctx context.Context) error {
		if slices.Contains(traps.names, "error") {
			return waits(ctx)
		}
		return failure{traps.watch("error")}
	}
}

// A supervisor keeps the children that it may have to start again, and the last error of
// each; of others it keeps nothing, whether it runs or has ended.
func TestChildrenAreLetGoOf(t *testing.T) {
	for name, e := range childEndings {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				traps := &trap{}
				s, err := dray.NewSupervisor(dray.OneForOne, dray.WithIntensity(1000, time.Second),
					dray.WithChildren(dray.Child{Name: "other", Service: dray.ServiceFunc(waits)}))
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- s.Serve(ctx) }()
				synctest.Wait()
				addChild(t, s, traps, e.serve, e.restart)
				synctest.Wait()
				e.end(t, s)
				time.Sleep(time.Hour) // a timer that is stopped stays in the runtime's heap until its time
				synctest.Wait()
				collect()
				if alive := traps.alive(); !slices.Equal(e.kept, alive) {
					t.Errorf("kept: %q, and not %q", alive, e.kept)
				}
				cancel()
				require.NoError(t, <-ended)
				collect()
				if alive := traps.alive(); !slices.Equal(e.kept, alive) {
					t.Errorf("kept after the end: %q, and not %q", alive, e.kept)
				}
				runtime.KeepAlive(s)
			})
		})
	}
}

func addChild(t *testing.T, s *dray.Supervisor, traps *trap, serve func(*trap) func(context.Context) error, r dray.Restart) {
	c := &child{traps.watch("service"), waits}
	if serve != nil {
		c.serve = serve(traps)
	}
	require.NoError(t, s.Add(dray.Child{Name: "child", Service: c, Restart: r, Shutdown: time.Second}))
}

// A child that could not be added is not kept, nor one whose start failed.
func TestChildrenThatAreNotAdded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		traps := &trap{}
		s, err := dray.NewSupervisor(dray.OneForOne)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(ctx) }()
		synctest.Wait()
		func() {
			require.NoError(t, s.Add(dray.Child{Name: "child", Service: dray.ServiceFunc(waits)}))
			require.ErrorIs(t, s.Add(dray.Child{Name: "child", Service: &child{traps.watch("duplicate"), waits}}), dray.ErrDuplicate)
			require.Error(t, s.Add(dray.Child{Name: "failing", Service: &failing{child{traps.watch("failing"), waits}}}))
		}()
		synctest.Wait()
		collect()
		require.Empty(t, traps.alive())
		cancel()
		require.NoError(t, <-ended)
	})
}

// failing is a child whose start fails.
type failing struct{ child }

func (*failing) Init(context.Context) error { return dray.ErrGoexit }

// A supervisor that has ended, and could be served again, does not keep the values of
// the context that it was served with.
func TestEndedSupervisorKeepsNoContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		traps := &trap{}
		s, err := dray.NewSupervisor(dray.OneForAll, dray.WithChildren(
			dray.Child{Name: "first", Service: dray.ServiceFunc(waits)},
			dray.Child{Name: "second", Service: dray.ServiceFunc(func(ctx context.Context) error {
				select {
				case <-time.After(time.Hour):
					return dray.ErrGoexit // any error
				case <-ctx.Done():
					return nil
				}
			})}))
		require.NoError(t, err)
		for range 2 {
			done := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), key("value"), traps.watch("value of Serve")), 90*time.Minute)
				defer cancel()
				done <- s.Serve(ctx)
			}()
			require.NoError(t, <-done)
			time.Sleep(time.Hour) // see above, on timers
			synctest.Wait()
			collect()
			require.Empty(t, traps.alive())
		}
		runtime.KeepAlive(s)
	})
}
