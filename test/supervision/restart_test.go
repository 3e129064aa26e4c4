package supervision_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// one_for_one, rest_for_one_other_child_fails_restart,
// one_for_all_other_child_fails_restart: a restart that fails.
func TestSupervisorFailedRestart(t *testing.T) {
	for _, c := range []struct {
		strategy    dray.Strategy
		dies, fails string
		want        string
	}{
		{dray.OneForOne, "b", "b", "die b, fail b, fail b, start b"},
		{dray.RestForOne, "b", "b", "die b, stop c, fail b, fail b, start b, start c"},
		{dray.RestForOne, "a", "b", "die a, stop c, stop b, start a, fail b, fail b, start b, start c"},
		{dray.RestForOne, "a", "c", "die a, stop c, stop b, start a, start b, fail c, fail c, start c"},
		{dray.OneForAll, "a", "a", "die a, stop c, stop b, fail a, fail a, start a, start b, start c"},
		{
			dray.OneForAll, "a", "b",
			"die a, stop c, stop b, start a, fail b, stop a, start a, fail b, stop a, start a, start b, start c",
		},
	} {
		t.Run(c.strategy.String()+", "+c.dies+" dies, "+c.fails+" fails", func(t *testing.T) {
			perform(t, c.strategy, "a b c", func(t *testing.T, s *stage) {
				s.direct(c.fails, func(a *actor) { a.init = failing(2) })
				s.kill(c.dies, "")
				s.requireRecord(c.want)
				require.EqualValues(t, 3, restarts(s.sup), "each failed restart counts")
				s.requireRunning()
			})
		})
	}
}

// one_for_one_escalation, rest_for_one_escalation, one_for_all_escalation
func TestSupervisorFailedRestartsEscalate(t *testing.T) {
	for strategy, want := range map[dray.Strategy]string{
		dray.OneForOne:  "die b, fail b, fail b, stop c, stop a",
		dray.RestForOne: "die b, stop c, fail b, fail b, stop a",
		dray.OneForAll:  "die b, stop c, stop a, start a, fail b, stop a, start a, fail b, stop a",
	} {
		for _, how := range []string{"error", "panic", "panic(nil)", "Goexit"} {
			t.Run(strategy.String()+"/"+how, func(t *testing.T) {
				perform(t, strategy, "a b c", func(t *testing.T, s *stage) {
					s.direct("b", func(a *actor) { a.init = func(context.Context) error { return ends[how]() } })
					s.kill("b", "")
					err := s.requireEnded()
					require.ErrorIs(t, err, dray.ErrIntensity)
					require.ErrorIs(t, err, s.info("b").LastError)
					requireEnd(t, how, s.info("b").LastError)
					if how == "error" {
						s.requireRecord(want)
					}
				}, dray.WithIntensity(2, time.Second))
			})
		}
	}
}

// hanging_restart_loop, hanging_restart_loop_rest_for_one: restarts that fail
// for ever do not keep anyone from being heard.
func TestSupervisorHangingRestartLoop(t *testing.T) {
	for _, strategy := range []dray.Strategy{dray.OneForOne, dray.RestForOne, dray.OneForAll} {
		t.Run(strategy.String(), func(t *testing.T) {
			loop := func(t *testing.T, s *stage) {
				s.direct("b", func(a *actor) { a.init = func(context.Context) error { return errBoom } })
				s.cue("b", "")
				for restarts(s.sup) < 100 { // real concurrency: the loop never comes to rest
					runtime.Gosched()
				}
				require.Len(t, s.sup.Children(), 3)
				require.ErrorIs(t, s.sup.Add(s.child("a")), dray.ErrDuplicate)
				require.NoError(t, s.sup.Add(dray.Child{Name: "d", Service: s.child("d").Service}))
				require.NoError(t, s.sup.Remove("d"))
				require.NoError(t, s.sup.Terminate("b"))
				s.requireState("b", dray.ChildDown)
				s.requireRunning()
			}
			perform(t, strategy, "a b c", loop, dray.WithIntensity(1<<30, time.Hour))
		})
	}
}

func TestSupervisorStopDuringRestartLoop(t *testing.T) {
	perform(t, dray.OneForAll, "a b", func(t *testing.T, s *stage) {
		s.direct("b", func(a *actor) { a.init = func(context.Context) error { return errBoom } })
		s.cue("b", "")
		for restarts(s.sup) < 10 {
			runtime.Gosched()
		}
		require.NoError(t, s.close())
		require.Equal(t, "a down, b down", s.cast())
	}, dray.WithIntensity(1<<30, time.Hour))
}

// A restart whose Init hangs holds up nothing that does not depend on it.
func TestSupervisorRestartHangs(t *testing.T) {
	for strategy, others := range map[dray.Strategy]string{
		dray.OneForOne:  "a running, b starting, c running, d running",
		dray.RestForOne: "a running, b starting, c restarting, d restarting",
	} {
		t.Run(strategy.String(), func(t *testing.T) {
			perform(t, strategy, "a b c", func(t *testing.T, s *stage) {
				s.direct("b", func(a *actor) { a.init = blocking(nil) })
				s.kill("b", "")
				require.NoError(t, s.promptly(func() error { return s.sup.Add(s.child("d")) }))
				require.Equal(t, others, s.cast())
				require.NoError(t, s.promptly(func() error { return s.sup.Terminate("a") }))
				require.NoError(t, s.promptly(func() error { return s.sup.Remove("c") }))
				s.direct("b", func(a *actor) { a.init = nil })
				require.NoError(t, s.promptly(func() error { return s.sup.Restart("b") }))
				require.Equal(t, "a down, b running, d running", s.cast())
			})
		})
	}
}

func TestSupervisorBackoff(t *testing.T) {
	var asked []int
	backoff := dray.WithRestartBackoff(func(attempt int) time.Duration {
		asked = append(asked, attempt)
		return time.Duration(attempt) * time.Second
	})
	for strategy, want := range map[dray.Strategy][2]string{
		dray.OneForOne:  {"die b", "start b"},
		dray.RestForOne: {"die b, stop c", "start b, start c"},
		dray.OneForAll:  {"die b, stop c, stop a", "start a, start b, start c"},
	} {
		t.Run(strategy.String(), func(t *testing.T) {
			perform(t, strategy, "a b c", func(t *testing.T, s *stage) {
				asked = nil
				for attempt := range 3 {
					s.kill("b", "")
					s.requireRecord(want[0])
					s.requireState("b", dray.ChildRestarting)
					time.Sleep(time.Duration(attempt+1)*time.Second - 1)
					s.requireRecord("")
					time.Sleep(1)
					s.requireRecord(want[1])
				}
				time.Sleep(time.Minute + 1) // longer than the period: all is well again
				s.kill("b", "")
				require.Equal(t, []int{1, 2, 3, 1}, asked)
			}, dray.WithIntensity(100, time.Minute), backoff)
		})
	}
}

// A backoff that grows beyond the period must not start again from 1 for that.
func TestSupervisorBackoffLongerThanPeriod(t *testing.T) {
	var asked []int
	perform(t, dray.OneForOne, "a", func(t *testing.T, s *stage) {
		s.direct("a", func(a *actor) { a.init = failing(3) })
		s.kill("a", "")
		time.Sleep(time.Hour)
		s.requireRecord("die a, fail a, fail a, fail a, start a")
		require.Equal(t, []int{1, 2, 3, 4}, asked)
	}, dray.WithIntensity(1, time.Second), dray.WithRestartBackoff(func(attempt int) time.Duration {
		asked = append(asked, attempt)
		return time.Minute
	}))
}

// What counts is how long the child has run, to the nanosecond.
func TestSupervisorBackoffRow(t *testing.T) {
	var asked []int
	perform(t, dray.OneForOne, "a", func(t *testing.T, s *stage) {
		s.kill("a", "")
		time.Sleep(time.Minute)
		s.kill("a", "") // after a minute of running: not longer than the period
		time.Sleep(time.Minute + 1)
		s.direct("a", func(a *actor) {
			a.init = func(context.Context) error { time.Sleep(time.Hour); return errBoom }
		})
		s.kill("a", "") // longer
		time.Sleep(2*time.Hour + time.Minute)
		s.unblock("a")
		require.Equal(t, []int{1, 2, 1, 2, 3}, asked, "a long start that fails is no run")
	}, dray.WithIntensity(3, time.Minute), dray.WithRestartBackoff(func(attempt int) time.Duration {
		asked = append(asked, attempt)
		return 0
	}))
}

func TestSupervisorBackoffGoesWrong(t *testing.T) {
	for name, b := range map[string]dray.Backoff{
		"panic":    func(int) time.Duration { panic("boom") },
		"negative": func(int) time.Duration { return -time.Hour },
		"zero":     func(int) time.Duration { return 0 },
	} {
		t.Run(name, func(t *testing.T) {
			perform(t, dray.RestForOne, "a b", func(t *testing.T, s *stage) {
				s.kill("a", "")
				s.requireRecord("die a, stop b, start a, start b")
			}, dray.WithRestartBackoff(b))
		})
	}
}

// Calls, failures and the stop during a backoff.
func TestSupervisorDuringBackoff(t *testing.T) {
	for name, c := range map[string]struct {
		strategy dray.Strategy
		act      func(*stage) error
		want     string // at once
		later    string // when the backoff is over
		cast     string
	}{
		"restart it": {
			dray.OneForOne, func(s *stage) error { return s.sup.Restart("b") },
			"start b", "", "a running, b running, c running",
		},
		"restart it in a group": {
			dray.RestForOne, func(s *stage) error { return s.sup.Restart("b") },
			"start b, start c", "", "a running, b running, c running",
		},
		"restart another of the group": {
			dray.OneForAll, func(s *stage) error { return s.sup.Restart("c") },
			"start a, start b, start c", "", "a running, b running, c running",
		},
		"terminate it": {
			dray.OneForOne, func(s *stage) error { return s.sup.Terminate("b") },
			"", "", "a running, b down, c running",
		},
		"terminate it in a group": {
			dray.RestForOne, func(s *stage) error { return s.sup.Terminate("b") },
			"start c", "", "a running, b down, c running",
		},
		"terminate another of the group": {
			dray.RestForOne, func(s *stage) error { return s.sup.Terminate("c") },
			"", "start b", "a running, b running, c down",
		},
		"remove it": {
			dray.OneForOne, func(s *stage) error { return s.sup.Remove("b") },
			"", "", "a running, c running",
		},
		"remove it in a group": {
			dray.OneForAll, func(s *stage) error { return s.sup.Remove("b") },
			"start a, start c", "", "a running, c running",
		},
		"add": {
			dray.OneForOne, func(s *stage) error { return s.sup.Add(s.child("d")) },
			"start d", "start b", "a running, b running, c running, d running",
		},
		"add to a group": {
			dray.RestForOne, func(s *stage) error { return s.sup.Add(s.child("d")) },
			"", "start b, start c, start d", "a running, b running, c running, d running",
		},
		"an earlier one fails": {
			dray.RestForOne, func(s *stage) error { s.cue("a", ""); return nil },
			"die a", "start a, start b, start c", "a running, b running, c running",
		},
	} {
		t.Run(name, func(t *testing.T) {
			perform(t, c.strategy, "a b c", func(t *testing.T, s *stage) {
				s.kill("b", "")
				s.takeRecord()
				require.NoError(t, s.promptly(func() error { return c.act(s) }))
				s.requireRecord(c.want)
				time.Sleep(time.Minute)
				s.requireRecord(c.later)
				require.Equal(t, c.cast, s.cast())
			}, dray.WithRestartBackoff(func(int) time.Duration { return time.Minute }))
		})
	}
}

func TestSupervisorStopDuringBackoff(t *testing.T) {
	for _, strategy := range []dray.Strategy{dray.OneForOne, dray.RestForOne, dray.OneForAll} {
		perform(t, strategy, "a b c", func(t *testing.T, s *stage) {
			s.kill("b", "")
			before := time.Now()
			require.NoError(t, s.promptly(s.close))
			require.Equal(t, before, time.Now())
			require.Equal(t, "a down, b down, c down", s.cast())
			time.Sleep(time.Hour)
			require.NotContains(t, s.takeRecord(), "start")
		}, dray.WithRestartBackoff(func(int) time.Duration { return time.Minute }))
	}
}

// multiple_restarts
func TestSupervisorMultipleRestarts(t *testing.T) {
	perform(t, dray.OneForOne, "a b c", func(t *testing.T, s *stage) {
		for i := range 50 {
			s.kill(strings.Split("a b c", " ")[i%3], "panic")
			time.Sleep(3 * time.Second)
		}
		synctest.Wait()
		require.EqualValues(t, 50, restarts(s.sup))
		var sum uint64
		for _, c := range s.sup.Children() {
			sum += c.Restarts
		}
		require.EqualValues(t, 50, sum)
	})
}
