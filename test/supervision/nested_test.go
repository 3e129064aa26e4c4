package supervision_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// nest adds a supervisor of further actors to the stage, as a child of its own.
func (s *stage) nest(name string, strategy dray.Strategy, cast string, opts ...dray.SupervisorOption) dray.Child {
	inner := newStage(s.t, strategy, cast, append(opts, dray.WithName(name))...)
	for actor, a := range inner.actors {
		a.stage = s
		s.actors[actor] = a
	}
	return dray.Child{Name: name, Service: inner.sup}
}

// tree: a nested supervisor starts whole before the next child does.
func TestSupervisorTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, dray.RestForOne, "a")
		require.NoError(t, s.sup.Add(s.nest("in", dray.OneForAll, "b c")))
		require.NoError(t, s.sup.Add(s.child("d")))
		release := make(chan struct{})
		s.direct("c", func(a *actor) { a.init = blocking(release) })
		s.start()
		s.requireRecord("start a, start b")
		require.Equal(t, "a running, in starting, d down", s.cast())
		close(release)
		s.requireRecord("start c, start d")

		children := s.info("in").Children
		require.Len(t, children, 2)
		require.Equal(t, "b", children[0].Name)
		require.Equal(t, dray.ChildRunning, children[0].State)

		s.kill("b", "")
		s.requireRecord("die b, stop c, start b, start c")
		require.Zero(t, restarts(s.sup), "the inner one has dealt with it")
		s.kill("a", "")
		s.requireRecord("die a, stop d, stop c, stop b, start a, start b, start c, start d")
		require.NoError(t, s.close())
		s.requireRecord("stop d, stop c, stop b, stop a")
	})
}

// Past the intensity of the inner supervisor its parent restarts it, afresh.
func TestSupervisorEscalates(t *testing.T) {
	perform(t, dray.RestForOne, "a", func(t *testing.T, s *stage) {
		require.NoError(t, s.sup.Add(s.nest("in", dray.OneForOne, "b c/T", dray.WithIntensity(1, time.Second))))
		require.NoError(t, s.sup.Add(s.child("d")))
		s.takeRecord()
		s.kill("b", "")
		s.requireRecord("die b, start b")
		s.kill("b", "panic")
		s.requireRecord("die b, stop c, stop d, start b, start c, start d")
		in := s.info("in")
		require.EqualValues(t, 1, in.Restarts)
		require.ErrorIs(t, in.LastError, dray.ErrIntensity)
		requireEnd(t, "panic", in.LastError)
		require.Len(t, in.Children, 2, "the temporary child is there again")
		require.Zero(t, in.Children[0].Restarts)
	})
}

// Escalation to the top is an error that tells the whole way.
func TestSupervisorEscalatesToTheTop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var service dray.Service = serving(func() error { return errBoom })
		starts := 0
		for depth := range 5 {
			inner := service
			counted := dray.ServiceFunc(func(ctx context.Context) error {
				if depth == 0 {
					starts++
				}
				return inner.Serve(ctx)
			})
			s, err := dray.NewSupervisor(dray.OneForOne, dray.WithName("s"+strconv.Itoa(depth)), dray.WithIntensity(1, time.Second),
				dray.WithChildren(dray.Child{Name: "c" + strconv.Itoa(depth), Service: counted}))
			require.NoError(t, err)
			service = s
		}
		err := service.Serve(t.Context())
		require.ErrorIs(t, err, dray.ErrIntensity)
		require.ErrorIs(t, err, errBoom)
		require.ErrorContains(t, err, `"c0"`)
		require.ErrorContains(t, err, `"c4"`)
		require.Equal(t, 32, starts, "each level tries twice")
	})
}

// A failed first start of a nested supervisor is a failed start of the child.
func TestSupervisorNestedStartFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, dray.OneForOne, "a")
		require.NoError(t, s.sup.Add(s.nest("in", dray.OneForOne, "b c")))
		require.NoError(t, s.sup.Add(s.child("d")))
		s.direct("c", func(a *actor) { a.init = failing(1) })
		s.start()
		s.requireRecord("start a, start b, fail c, stop b, stop a")
		require.ErrorIs(t, s.requireEnded(), errBoom)
		require.NoError(t, s.sup.Serve(canceled(t)), "nothing of the last Serve")
		s.start()
		s.requireRecord("start a, start b, start c, start d")
		require.NoError(t, s.close())
	})
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestSupervisorNestedStopDuringBoot(t *testing.T) {
	perform(t, dray.OneForOne, "", func(t *testing.T, s *stage) {
		in := s.nest("in", dray.OneForOne, "a b")
		s.direct("b", func(a *actor) { a.init = blocking(nil) })
		added := s.later(func() error { return s.sup.Add(in) })
		require.NoError(t, s.promptly(func() error { return s.sup.Terminate("in") }))
		require.ErrorIs(t, <-added, dray.ErrShutdown)
		s.requireRecord("start a, fail b, stop a")
		s.unblock("b")
		require.NoError(t, s.sup.Restart("in"))
		require.NoError(t, s.close())
	})
}

// A child that is abandoned while its supervisor boots does not spoil the start.
func TestSupervisorNestedAbandonsDuringBoot(t *testing.T) {
	perform(t, dray.OneForOne, "", func(t *testing.T, s *stage) {
		in := s.nest("in", dray.OneForOne, "a b")
		release := make(chan struct{})
		s.direct("b", func(a *actor) { a.init = blocking(release) })
		added := s.later(func() error { return s.sup.Add(in) })
		s.direct("a", hanging(time.Hour))
		require.NoError(t, in.Service.(*dray.Supervisor).Restart("a"))
		s.direct("a", func(a *actor) { a.stop = nil })
		close(release)
		require.NoError(t, <-added)
		require.Equal(t, "in running", s.cast())
		s.requireRecord("start a, stop a, start a, start b")
	})
}

// While a supervisor boots, nobody else may serve it.
func TestSupervisorServeOfNested(t *testing.T) {
	perform(t, dray.OneForOne, "", func(t *testing.T, s *stage) {
		in := s.nest("in", dray.OneForOne, "a")
		release := make(chan struct{})
		s.direct("a", func(a *actor) { a.init = blocking(release) })
		added := s.later(func() error { return s.sup.Add(in) })
		require.ErrorIs(t, in.Service.Serve(t.Context()), dray.ErrStarted)
		close(release)
		require.NoError(t, <-added)
		require.ErrorIs(t, in.Service.Serve(t.Context()), dray.ErrStarted)
	})
}

// A supervisor is given the time its children need, and reports those of its
// grandchildren that are left.
func TestSupervisorNestedShutdownTime(t *testing.T) {
	perform(t, dray.OneForOne, "", func(t *testing.T, s *stage) {
		require.NoError(t, s.sup.Add(s.nest("in", dray.OneForOne, "a b c")))
		for _, name := range []string{"a", "b"} {
			s.direct(name, hanging(5*time.Second-1))
		}
		s.direct("c", hanging(time.Hour))
		began := time.Now()
		err := s.close()
		require.Equal(t, 15*time.Second-2, time.Since(began))
		require.ErrorIs(t, err, dray.ErrAbandoned)
		require.ErrorContains(t, err, `"c"`)
		require.Equal(t, "in down", s.cast())
	})
}

func TestSupervisorNestedCast(t *testing.T) {
	perform(t, dray.OneForOne, "a", func(t *testing.T, s *stage) {
		require.NoError(t, s.sup.Add(s.nest("in", dray.OneForOne, "b")))
		s.direct("b", hanging(time.Second))
		terminated := s.later(func() error { return s.sup.Terminate("in") })
		infos := s.sup.Children() // in a tree that is stopping too
		require.Equal(t, dray.ChildStopping, infos[1].State)
		require.Equal(t, dray.ChildStopping, infos[1].Children[0].State)
		require.NoError(t, <-terminated)
	})
}

// nonsignificant_*, significant_temporary, significant_transient, significant_bystander
func TestSupervisorAutoShutdown(t *testing.T) {
	for name, c := range map[string]struct {
		auto dray.AutoShutdown
		cast string
		act  func(*stage)
		want string
		ends bool
	}{
		"nonsignificant transient":         {dray.AnySignificant, "a b/t", func(s *stage) { s.kill("b", "nil") }, "die b", false},
		"nonsignificant temporary":         {dray.AnySignificant, "a b/T", func(s *stage) { s.kill("b", "") }, "die b", false},
		"significant transient, normal":    {dray.AnySignificant, "a b/ts c", func(s *stage) { s.kill("b", "nil") }, "die b, stop c, stop a", true},
		"significant transient, abnormal":  {dray.AnySignificant, "a b/ts c", func(s *stage) { s.kill("b", "") }, "die b, start b", false},
		"significant temporary, normal":    {dray.AnySignificant, "a b/Ts c", func(s *stage) { s.kill("b", "nil") }, "die b, stop c, stop a", true},
		"significant temporary, abnormal":  {dray.AnySignificant, "a b/Ts c", func(s *stage) { s.kill("b", "panic") }, "die b, stop c, stop a", true},
		"all, one of two":                  {dray.AllSignificant, "a/ts b/Ts c", func(s *stage) { s.kill("b", "") }, "die b", false},
		"all, two of two":                  {dray.AllSignificant, "a/ts b/Ts c", func(s *stage) { s.kill("b", ""); s.kill("a", "nil") }, "die b, die a, stop c", true},
		"all, the other one is terminated": {dray.AllSignificant, "a/ts b/ts", func(s *stage) { s.do(s.sup.Terminate("a")); s.kill("b", "nil") }, "stop a, die b", true},
		"terminated":                       {dray.AnySignificant, "a b/ts", func(s *stage) { s.do(s.sup.Terminate("b")) }, "stop b", false},
		"removed":                          {dray.AnySignificant, "a b/Ts", func(s *stage) { s.do(s.sup.Remove("b")) }, "stop b", false},
		"restarted by hand":                {dray.AnySignificant, "a b/Ts", func(s *stage) { s.do(s.sup.Restart("b")) }, "stop b, start b", false},
	} {
		t.Run(name, func(t *testing.T) {
			perform(t, dray.OneForOne, c.cast, func(t *testing.T, s *stage) {
				c.act(s)
				s.requireRecord(c.want)
				if c.ends {
					require.NoError(t, s.requireEnded())
				} else {
					s.requireRunning()
				}
			}, dray.WithAutoShutdown(c.auto))
		})
	}
}

func (s *stage) do(err error) { require.NoError(s.t, err) }

// significant_bystander: stopped because of a sibling's crash is not by itself.
func TestSupervisorSignificantBystander(t *testing.T) {
	for _, auto := range []dray.AutoShutdown{dray.AnySignificant, dray.AllSignificant} {
		for _, strategy := range []dray.Strategy{dray.RestForOne, dray.OneForAll} {
			perform(t, strategy, "a b/Ts c/ts", func(t *testing.T, s *stage) {
				s.kill("a", "")
				s.requireRecord("die a, stop c, stop b, start a, start c")
				s.requireRunning()
				s.kill("c", "nil")
				require.NoError(t, s.requireEnded())
			}, dray.WithAutoShutdown(auto))
		}
	}
}

// A significant child that waits for its restart has not ended.
func TestSupervisorSignificantInBackoff(t *testing.T) {
	perform(t, dray.OneForOne, "a/ts b/ts", func(t *testing.T, s *stage) {
		s.kill("a", "")
		s.kill("b", "nil")
		s.requireRunning()
		time.Sleep(time.Second)
		s.kill("a", "nil")
		require.NoError(t, s.requireEnded())
	}, dray.WithAutoShutdown(dray.AllSignificant), dray.WithRestartBackoff(func(int) time.Duration { return time.Second }))
}

// significant_escalation: an inner supervisor that shuts down by itself ends
// normally, which its parent treats as such.
func TestSupervisorSignificantEscalation(t *testing.T) {
	for restart, want := range map[dray.Restart]string{
		dray.Permanent: "die b, stop a, start a, start b",
		dray.Transient: "die b, stop a, stop d",
	} {
		t.Run(restart.String(), func(t *testing.T) {
			perform(t, dray.OneForOne, "d", func(t *testing.T, s *stage) {
				in := s.nest("in", dray.OneForOne, "a b/ts", dray.WithAutoShutdown(dray.AnySignificant))
				in.Restart, in.Significant = restart, restart == dray.Transient
				require.NoError(t, s.sup.Add(in))
				s.takeRecord()
				s.kill("b", "nil")
				s.requireRecord(want)
				if restart == dray.Transient {
					require.NoError(t, s.requireEnded())
				}
			}, dray.WithAutoShutdown(dray.AnySignificant))
		})
	}
}

// A significant child ends while the supervisor is still starting.
func TestSupervisorAutoShutdownWhileStarting(t *testing.T) {
	for _, nested := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, dray.OneForOne, "", dray.WithAutoShutdown(dray.AnySignificant))
			in := s.nest("in", dray.OneForOne, "a/ts b", dray.WithAutoShutdown(dray.AnySignificant))
			in.Restart, in.Significant = dray.Transient, true
			s.direct("b", func(a *actor) { a.init = blocking(nil) })
			require.NoError(t, s.sup.Add(in))
			if !nested {
				s.sup = in.Service.(*dray.Supervisor)
			}
			s.start()
			s.kill("a", "nil")
			s.requireRecord("start a, die a, fail b")
			require.NoError(t, s.requireEnded())
		})
	}
}
