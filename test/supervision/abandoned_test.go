package supervision_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// What is abandoned below a nested supervisor is named by whoever ended that, and at
// the end of all, for as long as it runs.
func TestAbandonedBelowANestedSupervisor(t *testing.T) {
	for name, wrap := range map[string]func(*dray.Supervisor) dray.Service{
		"nested":   func(s *dray.Supervisor) dray.Service { return s },
		"embedded": func(s *dray.Supervisor) dray.Service { return embeds{s} },
		"wrapped": func(s *dray.Supervisor) dray.Service {
			return dray.ServiceFunc(func(ctx context.Context) error {
				if err := s.Serve(ctx); err != nil {
					return fmt.Errorf("wrapped: %w", err)
				}
				return nil
			})
		},
	} {
		for call, act := range map[string]func(*run) error{
			"Remove":    func(r *run) error { return r.Remove("inner") },
			"Terminate": func(r *run) error { return r.Terminate("inner") },
			"the end":   func(r *run) error { return r.stop() },
		} {
			t.Run(name+", "+call, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					j := &journal{}
					stuck := slow(newWorker(j, "stuck"), time.Hour)
					inner := build(t, dray.OneForOne, dray.WithChildren(child(stuck)))
					r := supervise(t, dray.OneForOne, dray.WithChildren(
						dray.Child{Name: "inner", Service: wrap(inner), Shutdown: -1}, child(newWorker(j, "a"))))
					began := time.Now()
					err := act(r)
					require.Equal(t, 5*time.Second, time.Since(began))
					require.ErrorIs(t, err, dray.ErrAbandoned)
					require.ErrorContains(t, err, `"stuck"`)
					require.ErrorContains(t, err, `"inner"`)
					if call != "the end" {
						err := r.stop()
						require.ErrorIs(t, err, dray.ErrAbandoned, "it still runs")
						require.ErrorContains(t, err, `"stuck"`)
					}
					time.Sleep(time.Hour)
				})
			})
		}
	}
}

// The same when a group restart, or its own failure, ended the nested one, and not
// any more once what was abandoned has returned.
func TestAbandonedBelowARestartedSupervisor(t *testing.T) {
	for name, act := range map[string]func(*testing.T, *run, *worker, *worker){
		"group":    func(_ *testing.T, _ *run, a, _ *worker) { a.kill(fail) },
		"Restart":  func(t *testing.T, r *run, _, _ *worker) { require.NoError(t, r.Restart("inner")) },
		"gives up": func(_ *testing.T, _ *run, _, b *worker) { b.kill(fail) },
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprint(name, late), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					j := &journal{}
					a, b := newWorker(j, "a"), newWorker(j, "b")
					stuck := slow(newWorker(j, "stuck"), time.Hour)
					inner := build(t, dray.OneForOne, dray.WithIntensity(0, time.Second), dray.WithChildren(child(b), child(stuck)))
					r := supervise(t, dray.RestForOne, dray.WithChildren(child(a), dray.Child{Name: "inner", Service: inner}))
					act(t, r, a, b)
					time.Sleep(10 * time.Second)
					require.Equal(t, "a running, inner running", r.states())
					stuck.mu.Lock()
					stuck.onStop = nil
					stuck.mu.Unlock()
					if late {
						time.Sleep(time.Hour)
						require.NoError(t, r.stop(), "it has returned meanwhile")
						return
					}
					err := r.stop()
					require.ErrorIs(t, err, dray.ErrAbandoned)
					require.ErrorContains(t, err, `"stuck"`)
					time.Sleep(time.Hour)
				})
			})
		}
	}
}

// A temporary child that was given at the beginning is there again whenever its
// supervisor starts again; one that was added later, or removed, is not.
func TestTemporaryChildrenOfARestartedSupervisor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := &journal{}
		temp := func(name string) (*worker, dray.Child) {
			w := newWorker(j, name)
			return w, dray.Child{Name: name, Service: w, Restart: dray.Temporary}
		}
		a, given := temp("a")
		_, removed := temp("b")
		c := newWorker(j, "c")
		inner := build(t, dray.OneForOne, dray.WithChildren(given, removed, child(c)))
		r := supervise(t, dray.OneForOne, dray.WithChildren(dray.Child{Name: "inner", Service: inner}))
		require.Equal(t, "start a, start b, start c", j.take())
		a.kill(fail)
		require.NoError(t, inner.Remove("b"))
		_, added := temp("d")
		require.NoError(t, inner.Add(added))
		require.Equal(t, "die a, stop b, start d", j.take())
		require.NoError(t, r.Restart("inner"))
		require.Equal(t, "stop d, stop c, start a, start c", j.take(), "in its old place")

		require.NoError(t, inner.Terminate("a"))
		_, taken := temp("a")
		require.NoError(t, inner.Add(taken), "its name is free meanwhile")
		j.take()
		require.NoError(t, r.Restart("inner"))
		require.Equal(t, "stop a, stop c, start a, start c", j.take())
		synctest.Wait()
		require.NoError(t, r.stop())
	})
}

// A transient supervisor that gives up has failed, and is restarted. In OTP it would
// not be: see docs/otp.md.
func TestTransientSupervisorThatGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := &journal{}
		a := newWorker(j, "a")
		inner := build(t, dray.OneForOne, dray.WithIntensity(0, time.Second), dray.WithChildren(child(a)))
		r := supervise(t, dray.OneForOne, dray.WithChildren(dray.Child{Name: "inner", Service: inner, Restart: dray.Transient}))
		a.kill(fail)
		require.Equal(t, "start a, die a, start a", j.take())
		require.NoError(t, r.stop())
	})
}
