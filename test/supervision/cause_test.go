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

// causes tells the children apart: which were told that they will start again.
func causes(t *testing.T, workers ...*worker) string {
	t.Helper()
	text := ""
	for _, w := range workers {
		for _, cause := range w.takeCauses() {
			if errors.Is(cause, dray.ErrRestart) {
				text += w.name + " restart "
			} else {
				require.ErrorIs(t, cause, dray.ErrShutdown)
				text += w.name + " shutdown "
			}
		}
	}
	return text
}

func TestCauseOfAStop(t *testing.T) {
	for name, c := range map[string]struct {
		strategy dray.Strategy
		act      func(*testing.T, *run, *worker)
		want     string
	}{
		"one for one":  {dray.OneForOne, func(_ *testing.T, _ *run, a *worker) { a.kill(fail) }, ""},
		"rest for one": {dray.RestForOne, func(_ *testing.T, _ *run, a *worker) { a.kill(fail) }, "b restart c shutdown d restart "},
		"one for all":  {dray.OneForAll, func(_ *testing.T, _ *run, a *worker) { a.kill(panics) }, "b restart c shutdown d restart "},
		"Restart":      {dray.OneForAll, func(t *testing.T, r *run, _ *worker) { require.NoError(t, r.Restart("b")) }, "b restart "},
		"Terminate":    {dray.OneForAll, func(t *testing.T, r *run, _ *worker) { require.NoError(t, r.Terminate("b")) }, "b shutdown "},
		"Remove":       {dray.OneForAll, func(t *testing.T, r *run, _ *worker) { require.NoError(t, r.Remove("d")) }, "d shutdown "},
		"Restart of a temporary one": {
			dray.OneForAll, func(t *testing.T, r *run, _ *worker) { require.NoError(t, r.Restart("c")) }, "c restart ",
		},
		"the end": {dray.OneForAll, func(t *testing.T, r *run, _ *worker) { require.NoError(t, r.stop()) }, "a shutdown b shutdown c shutdown d shutdown "},
		"too many failures": {dray.OneForOne, func(t *testing.T, r *run, a *worker) {
			for range 4 {
				a.kill(exits)
			}
			require.ErrorIs(t, r.end(time.Second), dray.ErrIntensity)
		}, "b shutdown c shutdown d shutdown "},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				j := &journal{}
				a, b, d := newWorker(j, "a"), newWorker(j, "b"), newWorker(j, "d")
				temp := newWorker(j, "c")
				r := supervise(t, c.strategy, dray.WithChildren(child(a), child(b),
					dray.Child{Name: "c", Service: temp, Restart: dray.Temporary}, child(d)))
				c.act(t, r, a)
				require.Equal(t, c.want, causes(t, a, b, temp, d))
				r.cancel()
			})
		})
	}
}

// A supervisor that will be started again says so to its children, also through a
// type that embeds it, and says otherwise when it will not.
func TestCauseOfAStopBelow(t *testing.T) {
	for name, wrap := range map[string]func(*dray.Supervisor) dray.Service{
		"nested":   func(s *dray.Supervisor) dray.Service { return s },
		"embedded": func(s *dray.Supervisor) dray.Service { return embeds{s} },
		"two deep": func(s *dray.Supervisor) dray.Service {
			outer, err := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(dray.Child{Name: "x", Service: s}))
			if err != nil {
				panic(err)
			}
			return outer
		},
		"with a context of its own": func(s *dray.Supervisor) dray.Service {
			return dray.ServiceFunc(func(ctx context.Context) error {
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				return s.Serve(ctx)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				j := &journal{}
				a, b := newWorker(j, "a"), newWorker(j, "b")
				inner := build(t, dray.OneForOne, dray.WithChildren(child(b)))
				r := supervise(t, dray.RestForOne, dray.WithChildren(child(a), dray.Child{Name: "inner", Service: wrap(inner)}))
				a.kill(fail)
				require.Equal(t, "b restart ", causes(t, b))
				require.NoError(t, r.Restart("inner"))
				require.Equal(t, "b restart ", causes(t, b))
				require.NoError(t, r.Terminate("inner"))
				require.Equal(t, "b shutdown ", causes(t, b))
				require.NoError(t, r.Restart("inner"))
				synctest.Wait()
				require.NoError(t, r.stop())
				require.Equal(t, "b shutdown ", causes(t, b))
			})
		})
	}
}
