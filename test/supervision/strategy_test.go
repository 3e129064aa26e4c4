package supervision_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/internal/restart"

	"github.com/a622d8ee/dray"
)

// What OTP 25 really did, in order.
func TestSupervisorSampleTraces(t *testing.T) {
	t.Run("rest_for_one, b dies", func(t *testing.T) {
		perform(t, dray.RestForOne, "a b c", func(t *testing.T, s *stage) {
			s.kill("b", "")
			s.requireRecord("die b, stop c, start b, start c")
		})
	})
	t.Run("one_for_all, b dies", func(t *testing.T) {
		perform(t, dray.OneForAll, "a b c", func(t *testing.T, s *stage) {
			s.kill("b", "")
			s.requireRecord("die b, stop c, stop a, start a, start b, start c")
		})
	})
	t.Run("intensity 2, third crash of b", func(t *testing.T) {
		perform(t, dray.OneForOne, "a b c", func(t *testing.T, s *stage) {
			s.kill("b", "")
			s.kill("b", "")
			s.takeRecord()
			s.kill("b", "")
			s.requireRecord("die b, stop c, stop a")
			require.ErrorIs(t, s.requireEnded(), dray.ErrIntensity)
		}, dray.WithIntensity(2, time.Second))
	})
	t.Run("rest_for_one, c temporary, a dies", func(t *testing.T) {
		perform(t, dray.RestForOne, "a b c/T", func(t *testing.T, s *stage) {
			s.kill("a", "")
			s.requireRecord("die a, stop c, stop b, start a, start b")
			require.Equal(t, "a running, b running", s.cast())
		})
	})
}

// permanent_normal ... temporary_abnormal of OTP's suite, for every way to end
// and every strategy.
func TestSupervisorRestartTable(t *testing.T) {
	restarted := map[dray.Strategy]string{
		dray.OneForOne:  "die b, start b",
		dray.RestForOne: "die b, stop c, start b, start c",
		dray.OneForAll:  "die b, stop c, stop a, start a, start b, start c",
	}
	types := map[dray.Restart]string{dray.Permanent: "b", dray.Transient: "b/t", dray.Temporary: "b/T"}
	for strategy, record := range restarted {
		for restart, b := range types {
			for how := range ends {
				t.Run(strings.Join([]string{strategy.String(), restart.String(), how}, "/"), func(t *testing.T) {
					perform(t, strategy, "a "+b+" c", func(t *testing.T, s *stage) {
						s.kill("b", how)
						switch {
						case restart == dray.Permanent || restart == dray.Transient && how != "nil":
							s.requireRecord(record)
							require.Equal(t, "a running, b running, c running", s.cast())
							require.EqualValues(t, 1, s.info("b").Restarts)
							requireEnd(t, how, s.info("b").LastError)
						case restart == dray.Transient:
							s.requireRecord("die b")
							require.Equal(t, "a running, b down, c running", s.cast())
						default:
							s.requireRecord("die b")
							require.Equal(t, "a running, c running", s.cast())
						}
					})
				})
			}
		}
	}
}

// requireEnd checks that err tells how a child ended.
func requireEnd(t *testing.T, how string, err error) {
	t.Helper()
	switch how {
	case "nil":
		require.NoError(t, err)
	case "error":
		require.Equal(t, errBoom, err)
	case "Goexit":
		require.Equal(t, dray.ErrGoexit, err)
	default:
		p, ok := errors.AsType[*dray.PanicError](err)
		require.True(t, ok, "%v", err)
		require.Contains(t, string(p.Stack), "supervisor_kit_test.go")
		require.Equal(t, how == "panic(nil)", p.Value != "boom")
	}
}

// A group is started whole: OTP's start_children does not ask why a child is down.
func TestSupervisorGroupStartsWhole(t *testing.T) {
	perform(t, dray.RestForOne, "a b c/t d/T", func(t *testing.T, s *stage) {
		s.kill("c", "nil")
		require.NoError(t, s.sup.Terminate("b"))
		s.kill("d", "")
		s.takeRecord()
		s.kill("a", "")
		s.requireRecord("die a, start a, start b, start c")
	})
}

func TestSupervisorTwoDieAtOnce(t *testing.T) {
	for strategy, want := range map[dray.Strategy]struct {
		starts   string
		restarts uint64 // at most
	}{
		dray.OneForOne: {"start a, start b", 2},
		// If b is heard first, c is being stopped for it when a's death is heard, and
		// the two restarts become one; if a is heard first, b's death is part of it.
		dray.RestForOne: {"start a, start b, start c, stop c", 2},
		dray.OneForAll:  {"start a, start b, start c, stop c", 1},
	} {
		t.Run(strategy.String(), func(t *testing.T) {
			for range 20 {
				perform(t, strategy, "a b c", func(t *testing.T, s *stage) {
					s.direct("c", func(a *actor) { a.stop = func() error { time.Sleep(time.Second); return nil } })
					s.cue("a", "")
					s.cue("b", "")
					time.Sleep(2 * time.Second)
					record := strings.Split(s.takeRecord(), ", ")
					slices.Sort(record)
					require.Equal(t, "die a, die b, "+want.starts, strings.Join(record, ", "))
					require.LessOrEqual(t, restarts(s.sup), want.restarts)
					require.Positive(t, restarts(s.sup))
					require.Equal(t, "a running, b running, c running", s.cast())
					if strategy == dray.OneForOne {
						require.EqualValues(t, 1, s.info("a").Restarts)
						require.EqualValues(t, 1, s.info("b").Restarts)
					}
				})
			}
		})
	}
}

// An earlier child fails while later ones are being stopped: the group grows. A later one fails
// meanwhile: it was to be stopped anyway, and is not counted.
func TestSupervisorGroupGrows(t *testing.T) {
	perform(t, dray.RestForOne, "a b c d", func(t *testing.T, s *stage) {
		s.direct("d", func(a *actor) { a.stop = func() error { time.Sleep(time.Second); return nil } })
		s.kill("b", "")
		s.kill("c", "")
		s.kill("a", "")
		require.EqualValues(t, 2, restarts(s.sup))
		time.Sleep(2 * time.Second)
		s.requireRecord("die b, stop d, die c, die a, start a, start b, start c, start d")
		require.Equal(t, errBoom, s.info("c").LastError)
		require.EqualValues(t, 0, s.info("c").Restarts)
	})
}

func TestSupervisorIntensityEdge(t *testing.T) {
	const period = 5 * time.Second
	for name, c := range map[string]struct {
		after time.Duration
		ends  bool
	}{
		"1 ns before": {period - 1, true},
		"exactly":     {period, true},
		"1 ns past":   {period + 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			perform(t, dray.OneForOne, "a", func(t *testing.T, s *stage) {
				s.kill("a", "")
				time.Sleep(c.after)
				s.kill("a", "")
				if c.ends {
					require.ErrorIs(t, s.requireEnded(), dray.ErrIntensity)
				} else {
					s.requireRunning()
				}
			}, dray.WithIntensity(1, period))
		})
	}
}

func TestSupervisorDefaultIntensity(t *testing.T) {
	perform(t, dray.OneForOne, "a", func(t *testing.T, s *stage) {
		for range 3 {
			s.kill("a", "panic")
		}
		s.requireRunning()
		s.kill("a", "panic")
		err := s.requireEnded()
		require.ErrorIs(t, err, dray.ErrIntensity)
		requireEnd(t, "panic", err)
		require.EqualValues(t, 3, restarts(s.sup), "the failure that ended it led to no restart")
		require.ErrorContains(t, err, `"a"`)
	})
}

func TestSupervisorIntensityZero(t *testing.T) {
	perform(t, dray.OneForOne, "a b", func(t *testing.T, s *stage) {
		s.kill("b", "nil")
		s.requireRecord("die b, stop a")
		err := s.requireEnded()
		require.ErrorIs(t, err, dray.ErrIntensity)
		require.ErrorIs(t, err, restart.ErrUntold, "a normal end of a permanent child is a failure, and says so")
	}, dray.WithIntensity(0, time.Hour))
}

func TestSupervisorStorm(t *testing.T) {
	for how := range ends {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				starts := 0
				s, err := dray.NewSupervisor(dray.OneForOne, dray.WithIntensity(1000, time.Minute), dray.WithChildren(
					dray.Child{Name: "a", Service: serving(func() error { starts++; return ends[how]() })}))
				require.NoError(t, err)
				err = s.Serve(t.Context())
				require.ErrorIs(t, err, dray.ErrIntensity)
				require.Equal(t, 1001, starts)
				require.EqualValues(t, 1000, restarts(s))
			})
		})
	}
}
