package supervision_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// child_adm
func TestSupervisorAdministersChildren(t *testing.T) {
	perform(t, dray.OneForOne, "a b", func(t *testing.T, s *stage) {
		require.NoError(t, s.sup.Add(s.child("c")))
		s.requireRecord("start c")
		require.ErrorIs(t, s.sup.Add(s.child("c")), dray.ErrDuplicate)
		require.ErrorContains(t, s.sup.Add(dray.Child{Name: "d"}), "nil service")

		require.NoError(t, s.sup.Terminate("a"))
		s.requireRecord("stop a")
		require.NoError(t, s.sup.Terminate("a"), "it is down")
		require.Equal(t, "a down, b running, c running", s.cast())
		require.ErrorIs(t, s.sup.Add(s.child("a")), dray.ErrDuplicate, "its place is kept")
		require.NoError(t, s.sup.Restart("a"))
		s.requireRecord("start a")
		require.NoError(t, s.sup.Restart("a"))
		s.requireRecord("stop a, start a")

		require.NoError(t, s.sup.Remove("b"))
		s.requireRecord("stop b")
		require.Equal(t, "a running, c running", s.cast())
		require.NoError(t, s.sup.Add(s.child("b")))
		require.Equal(t, "a running, c running, b running", s.cast())
		require.NoError(t, s.sup.Terminate("c"))
		require.NoError(t, s.sup.Remove("c"))

		for _, call := range []func(string) error{s.sup.Remove, s.sup.Terminate, s.sup.Restart} {
			require.ErrorIs(t, call("c"), dray.ErrNotFound)
		}
		require.Zero(t, restarts(s.sup), "by hand does not count")
		require.NoError(t, s.close())
	}, dray.WithIntensity(0, time.Second))
}

// child_adm of temporary children: those that have ended do not exist.
func TestSupervisorForgetsTemporary(t *testing.T) {
	perform(t, dray.OneForOne, "a/T b/T c/T", func(t *testing.T, s *stage) {
		require.NoError(t, s.sup.Restart("a"), "by hand it may be restarted")
		s.requireRecord("stop a, start a")
		require.NoError(t, s.sup.Terminate("a"))
		s.kill("b", "nil")
		s.kill("c", "panic")
		require.Empty(t, s.sup.Children())
		require.ErrorIs(t, s.sup.Restart("b"), dray.ErrNotFound)
		require.NoError(t, s.sup.Add(s.child("b/T")))
		s.direct("b", func(a *actor) { a.init = failing(1) })
		require.ErrorIs(t, s.sup.Restart("b"), errBoom)
		require.Empty(t, s.sup.Children())
		require.NoError(t, s.sup.Add(s.child("b/T")))
		require.NoError(t, s.close())
		require.Empty(t, s.sup.Children())
	})
}

func TestSupervisorAddFails(t *testing.T) {
	for _, strategy := range []dray.Strategy{dray.OneForOne, dray.RestForOne, dray.OneForAll} {
		perform(t, strategy, "a", func(t *testing.T, s *stage) {
			c := s.child("b")
			s.direct("b", func(a *actor) { a.init = failing(1) })
			require.ErrorIs(t, s.sup.Add(c), errBoom)
			s.requireRecord("fail b")
			require.Equal(t, "a running", s.cast())
			require.NoError(t, s.sup.Add(c))
			s.direct("b", func(a *actor) { a.init = failing(1) })
			require.ErrorIs(t, s.sup.Restart("b"), errBoom)
			s.requireRecord("start b, stop b, fail b")
			require.Equal(t, "a running, b down", s.cast())
			require.Equal(t, errBoom, s.info("b").LastError)
			require.NoError(t, s.sup.Restart("b"))
		}, dray.WithIntensity(0, time.Second))
	}
}

// A call that waits for a start is answered when that start is called off.
func TestSupervisorStartCalledOff(t *testing.T) {
	for name, c := range map[string]struct {
		act  func(*stage) error
		want error
		cast string
	}{
		"terminate":          {func(s *stage) error { return s.sup.Terminate("b") }, dray.ErrShutdown, "a running, b down"},
		"remove":             {func(s *stage) error { return s.sup.Remove("b") }, dray.ErrShutdown, "a running"},
		"stop":               {func(s *stage) error { return s.close() }, dray.ErrClosed, "a down, b down"},
		"restart":            {func(s *stage) error { s.unblock("b"); return s.sup.Restart("b") }, nil, "a running, b running"},
		"restart of a group": {func(s *stage) error { s.unblock("b"); s.cue("a", ""); return nil }, nil, "a running, b running"},
	} {
		t.Run(name, func(t *testing.T) {
			perform(t, dray.RestForOne, "a", func(t *testing.T, s *stage) {
				child := s.child("b")
				s.direct("b", func(a *actor) { a.init = blocking(nil) })
				added := s.later(func() error { return s.sup.Add(child) })
				require.NoError(t, s.promptly(func() error { return c.act(s) }))
				require.ErrorIs(t, <-added, c.want)
				require.Equal(t, c.cast, s.cast())
			})
		})
	}
}

func (s *stage) unblock(name string) { s.direct(name, func(a *actor) { a.init = nil }) }

// A temporary child is not part of the restart that stops it.
func TestSupervisorStartOfTemporaryCalledOff(t *testing.T) {
	perform(t, dray.OneForAll, "a", func(t *testing.T, s *stage) {
		child := s.child("b/T")
		s.direct("b", func(a *actor) { a.init = blocking(nil) })
		added := s.later(func() error { return s.sup.Add(child) })
		s.kill("a", "")
		require.ErrorIs(t, <-added, dray.ErrShutdown)
		require.Equal(t, "a running", s.cast())
	})
}

// But if it is being restarted by hand, it is.
func TestSupervisorRestartOfTemporaryInGroup(t *testing.T) {
	perform(t, dray.OneForAll, "a b/T c", func(t *testing.T, s *stage) {
		s.direct("b", hanging(time.Second))
		restarted := s.later(func() error { return s.sup.Restart("b") })
		s.kill("a", "")
		require.NoError(t, <-restarted)
		time.Sleep(time.Second)
		s.requireRecord("stop b, die a, stop c, start a, start b, start c")
	})
}

// A start that a group has taken over is the group's: Add has returned, and a
// failure is a failed restart.
func TestSupervisorStartTakenOver(t *testing.T) {
	perform(t, dray.RestForOne, "a", func(t *testing.T, s *stage) {
		child := s.child("b")
		s.direct("b", func(a *actor) { a.init = blocking(nil) })
		added := s.later(func() error { return s.sup.Add(child) })
		s.direct("b", func(a *actor) { a.init = func(context.Context) error { time.Sleep(time.Second); return errBoom } })
		s.kill("a", "")
		require.NoError(t, s.promptly(func() error { return <-added }))
		s.unblock("b")
		time.Sleep(time.Second)
		s.requireRecord("die a, fail b, start a, fail b, start b")
		require.EqualValues(t, 2, restarts(s.sup))
	})
}

// The last call wins, while the group that it concerns is being stopped, and
// while a restart by hand is under way.
func TestSupervisorLastCallWins(t *testing.T) {
	perform(t, dray.RestForOne, "a b c/T d", func(t *testing.T, s *stage) {
		s.direct("d", hanging(time.Second))
		s.kill("a", "")
		require.NoError(t, s.promptly(func() error { return s.sup.Terminate("b") }))
		require.NoError(t, s.promptly(func() error { return s.sup.Restart("b") }))
		time.Sleep(time.Second)
		s.requireRecord("die a, stop d, stop b, stop c, start a, start b, start d")
		restarted := s.later(func() error { return s.sup.Restart("d") })
		require.NoError(t, s.sup.Terminate("d"))
		require.ErrorIs(t, <-restarted, dray.ErrShutdown)
		s.requireRecord("stop d")
		s.requireState("d", dray.ChildDown)
	})
}

// A temporary child that is terminated before its turn to start is forgotten
// too, but not one of a supervisor that does not run.
func TestSupervisorTerminatesTemporaryBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, dray.OneForOne, "a b/T")
		s.direct("a", func(a *actor) { a.init = blocking(nil) })
		require.NoError(t, s.sup.Terminate("b"))
		s.start()
		require.Equal(t, "a starting, b down", s.cast())
		require.NoError(t, s.sup.Terminate("b"))
		require.Equal(t, "a starting", s.cast())
		require.NoError(t, s.close())
	})
}

// The crashed child is restarted by hand while its dependents are being stopped.
func TestSupervisorRestartKeepsOrder(t *testing.T) {
	perform(t, dray.RestForOne, "a b c", func(t *testing.T, s *stage) {
		s.direct("c", hanging(time.Second))
		s.kill("b", "")
		require.NoError(t, s.promptly(func() error { return s.sup.Restart("b") }))
		s.requireRecord("die b, stop c")
		time.Sleep(time.Second)
		s.requireRecord("start b, start c")
	})
}

// While a child takes its time to stop, everything else goes on.
func TestSupervisorWhileChildStops(t *testing.T) {
	perform(t, dray.OneForOne, "a b c", func(t *testing.T, s *stage) {
		s.direct("b", hanging(4*time.Second))
		terminated := s.later(func() error { return s.sup.Terminate("b") })
		require.Equal(t, "a running, b stopping, c running", s.cast())
		require.NoError(t, s.promptly(func() error { return s.sup.Add(s.child("d")) }))
		require.NoError(t, s.promptly(func() error { return s.sup.Remove("c") }))
		require.NoError(t, s.promptly(func() error { return s.sup.Restart("a") }))
		require.ErrorIs(t, s.promptly(func() error { return s.sup.Add(s.child("b")) }), dray.ErrDuplicate)
		s.kill("d", "")
		s.takeRecord()
		restarted := s.later(func() error { return s.sup.Restart("b") })
		removed := s.later(func() error { return s.sup.Remove("b") })
		require.ErrorIs(t, s.promptly(func() error { return s.sup.Restart("b") }), dray.ErrNotFound)
		require.ErrorIs(t, <-restarted, dray.ErrShutdown, "the removal came after it")
		require.NoError(t, <-terminated)
		require.NoError(t, <-removed)
		require.Equal(t, "a running, d running", s.cast())
	})
}

func TestSupervisorWhileGroupStops(t *testing.T) {
	perform(t, dray.RestForOne, "a b c d", func(t *testing.T, s *stage) {
		s.direct("d", hanging(4*time.Second))
		s.kill("b", "")
		s.requireRecord("die b, stop d")
		require.NoError(t, s.promptly(func() error { return s.sup.Add(s.child("e")) }))
		require.NoError(t, s.promptly(func() error { return s.sup.Terminate("c") }))
		require.NoError(t, s.promptly(func() error { return s.sup.Restart("a") }))
		require.NoError(t, s.promptly(func() error { return s.sup.Restart("d") }))
		s.requireRecord("stop c, stop a, start a")
		time.Sleep(4 * time.Second)
		s.requireRecord("start b, start d, start e")
		require.Equal(t, "a running, b running, c down, d running, e running", s.cast())
		s.direct("d", func(a *actor) { a.stop = nil })
	})
}

// Calls during the stop return; those that wait for a child no longer do.
func TestSupervisorCallsDuringStop(t *testing.T) {
	perform(t, dray.OneForOne, "a b", func(t *testing.T, s *stage) {
		s.direct("b", hanging(4*time.Second))
		removed := s.later(func() error { return s.sup.Remove("b") })
		s.cancel()
		synctest.Wait()
		require.ErrorIs(t, <-removed, dray.ErrClosed)
		for _, call := range []func() error{
			func() error { return s.sup.Add(s.child("c")) },
			func() error { return s.sup.Remove("a") },
			func() error { return s.sup.Restart("a") },
			func() error { return s.sup.Terminate("x") },
		} {
			require.ErrorIs(t, s.promptly(call), dray.ErrClosed)
		}
		require.Equal(t, "a running, b stopping", s.cast())
		require.NoError(t, <-s.ended)
		require.Equal(t, "a down", s.cast(), "the removal was under way")
		require.NoError(t, s.sup.Add(s.child("c")))
		require.NoError(t, s.sup.Remove("a"))
	})
}

// A restart by hand that is under way is called off by the stop.
func TestSupervisorStopDuringRestartByHand(t *testing.T) {
	perform(t, dray.OneForOne, "a b", func(t *testing.T, s *stage) {
		s.direct("b", hanging(time.Second))
		restarted := s.later(func() error { return s.sup.Restart("b") })
		require.NoError(t, s.close())
		require.ErrorIs(t, <-restarted, dray.ErrClosed)
		s.requireRecord("stop b, stop a")
	})
}

// A child that calls its own supervisor.
func TestSupervisorCalledFromChild(t *testing.T) {
	for name, c := range map[string]struct {
		call  func(*dray.Supervisor) error
		takes time.Duration
		want  error
		cast  string
	}{
		"children":          {func(s *dray.Supervisor) error { s.Children(); return nil }, 0, nil, "a running, b running, c running"},
		"restart sibling":   {func(s *dray.Supervisor) error { return s.Restart("a") }, 0, nil, "a running, b running, c running"},
		"terminate sibling": {func(s *dray.Supervisor) error { return s.Terminate("c") }, 0, nil, "a running, b running, c down"},
		"terminate itself":  {func(s *dray.Supervisor) error { return s.Terminate("b") }, 5 * time.Second, dray.ErrAbandoned, "a running, b stuck, c running"},
		"remove itself":     {func(s *dray.Supervisor) error { return s.Remove("b") }, 5 * time.Second, dray.ErrAbandoned, "a running, c running"},
		"restart itself":    {func(s *dray.Supervisor) error { return s.Restart("b") }, 5 * time.Second, nil, "a running, b running, c running"},
	} {
		t.Run(name, func(t *testing.T) {
			perform(t, dray.OneForAll, "a b c", func(t *testing.T, s *stage) {
				began, result := time.Now(), make(chan error, 1)
				s.actors["b"].cues <- func() error {
					result <- c.call(s.sup)
					sleepOr(s.over, time.Hour)
					return nil
				}
				require.ErrorIs(t, <-result, c.want)
				require.Equal(t, c.takes, time.Since(began))
				require.Equal(t, c.cast, s.cast())
				s.cancel()
				synctest.Wait()
			})
		})
	}
}

// A child that is stopped while it waits for a call is not held up by it.
func TestSupervisorStopFreesCallers(t *testing.T) {
	perform(t, dray.OneForOne, "a b", func(t *testing.T, s *stage) {
		s.direct("b", hanging(time.Hour))
		result := make(chan error, 1)
		s.actors["a"].cues <- func() error { result <- s.sup.Terminate("b"); return nil }
		synctest.Wait()
		s.cancel()
		require.ErrorIs(t, <-result, dray.ErrClosed)
	})
}

// Add in an Init: the child comes when its turn comes, instead of a deadlock.
func TestSupervisorAddFromInit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, dray.OneForOne, "a b")
		c := s.child("c")
		s.direct("a", func(a *actor) { a.init = func(context.Context) error { return s.sup.Add(c) } })
		s.start()
		s.requireRecord("start a, start b, start c")
		require.NoError(t, s.close())
	})
}

// Real concurrency: every call returns, and the supervisor ends, whatever races.
func TestSupervisorCallsRace(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, dray.OneForAll, "a b c d", dray.WithIntensity(20, time.Second))
			s.start()
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					for range 30 {
						for _, name := range []string{"a", "b", "c", "d"} {
							s.anyCall(i, name)
						}
						runtime.Gosched()
					}
				})
			}
			if len(s.takeRecord())%2 == 0 { // stop sometimes amid, sometimes after the calls
				wg.Wait()
			}
			s.cancel()
			wg.Wait()
			<-s.ended //nolint:errcheck // how it ended is not what this is about
		})
	}
}

func (s *stage) anyCall(i int, name string) {
	switch i {
	case 0, 1:
		_ = s.sup.Restart(name)
	case 2:
		_ = s.sup.Terminate(name)
	case 3:
		_ = s.sup.Remove(name)
		_ = s.sup.Add(dray.Child{Name: name, Service: s.actors[name]})
	case 4:
		s.sup.Children()
	default:
		select {
		case s.actors[name].cues <- ends["error"]:
		default:
		}
	}
}
