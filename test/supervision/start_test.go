package supervision_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// The names in the comments are the cases of OTP's supervisor_SUITE.

// sup_start_normal, which_children, order_of_children
func TestSupervisorStartsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, dray.OneForOne, "a b c")
		require.Equal(t, "a down, b down, c down", s.cast())
		s.start()
		s.requireRecord("start a, start b, start c")
		require.Equal(t, "a running, b running, c running", s.cast())
		require.Equal(t, time.Now(), s.info("a").Since)
		require.NoError(t, s.close())
		s.requireRecord("stop c, stop b, stop a")
		require.Equal(t, "a down, b down, c down", s.cast())
	})
}

// sup_start_fail, sup_start_ignore_init has no counterpart
func TestSupervisorFirstStartFails(t *testing.T) {
	for how, end := range ends {
		if how == "nil" {
			continue
		}
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, dray.OneForOne, "a b c d")
				s.direct("c", func(a *actor) { a.init = func(context.Context) error { return end() } })
				s.start()
				err := s.requireEnded()
				requireEnd(t, how, s.info("c").LastError)
				require.ErrorIs(t, err, s.info("c").LastError)
				require.ErrorContains(t, err, `"c"`)
				require.NotErrorIs(t, err, dray.ErrIntensity)
				require.Zero(t, restarts(s.sup), "a first start is not tried again")
				record := s.takeRecord()
				if how == "error" {
					require.Equal(t, "start a, start b, fail c, stop b, stop a", record)
				}
				require.Equal(t, "a down, b down, c down, d down", s.cast())
			})
		})
	}
}

// start_link with a child that is slow: what comes later waits, calls do not.
func TestSupervisorInitBlocksLaterChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := newStage(t, dray.RestForOne, "a b c")
		s.direct("b", func(a *actor) { a.init = blocking(release) })
		s.start()
		s.requireRecord("start a")
		require.Equal(t, "a running, b starting, c down", s.cast())
		require.NoError(t, s.promptly(func() error { return s.sup.Add(s.child("d")) }))
		require.NoError(t, s.promptly(func() error { return s.sup.Remove("c") }))
		require.NoError(t, s.promptly(func() error { return s.sup.Restart("d") }))
		require.Equal(t, "a running, b starting, d restarting", s.cast())
		close(release)
		s.requireRecord("start b, start d")
		require.NoError(t, s.close())
		s.requireRecord("stop d, stop b, stop a")
	})
}

func TestSupervisorStopDuringInit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, dray.OneForAll, "a b c")
		s.direct("b", func(a *actor) { a.init = blocking(nil) })
		s.start()
		require.NoError(t, s.close())
		s.requireRecord("start a, fail b, stop a")
		require.NoError(t, s.info("b").LastError, "it was stopped")
	})
}

// A child fails while a later one has not started yet.
func TestSupervisorFailureDuringFirstStart(t *testing.T) {
	for strategy, want := range map[dray.Strategy]string{
		dray.OneForOne:  "start a, die a, start a",
		dray.RestForOne: "start a, die a, fail b, start a, start b, start c",
	} {
		t.Run(strategy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				s := newStage(t, strategy, "a b c")
				s.direct("b", func(a *actor) { a.init = blocking(release) })
				s.start()
				s.direct("b", func(a *actor) { a.init = nil })
				s.kill("a", "")
				s.requireRecord(want)
				close(release)
				synctest.Wait()
				require.Equal(t, "a running, b running, c running", s.cast())
				require.NoError(t, s.close())
			})
		})
	}
}

// A first start that such a failure has interrupted is still a first start.
func TestSupervisorInterruptedFirstStartFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, dray.RestForOne, "a b")
		s.direct("b", func(a *actor) { a.init = blocking(nil) })
		s.start()
		s.direct("b", func(a *actor) { a.init = failing(1) })
		s.kill("a", "")
		s.requireRecord("start a, die a, fail b, start a, fail b, stop a")
		err := s.requireEnded()
		require.ErrorIs(t, err, errBoom)
		require.NotErrorIs(t, err, dray.ErrIntensity)
	})
}

// A child that is restarted by hand during the first start holds up those after
// it until it is up.
func TestSupervisorRestartDuringFirstStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, dray.RestForOne, "a b c")
		s.direct("b", func(a *actor) {
			a.init = func(ctx context.Context) error { <-ctx.Done(); time.Sleep(time.Second); return ctx.Err() }
		})
		s.start()
		restarted := s.later(func() error { return s.sup.Restart("b") })
		s.unblock("b")
		require.NoError(t, s.sup.Restart("a")) // something happens meanwhile
		require.NoError(t, <-restarted)
		s.requireRecord("start a, stop a, start a, fail b, start b, start c")
		require.NoError(t, s.close())
	})
}

// Init and Serve of one incarnation share ctx and goroutine; Serve follows if
// and only if Init succeeded, also when it is too late.
func TestSupervisorServeFollowsInit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entered, served := make(chan struct{}), false
		s, err := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(dray.Child{Name: "a", Service: initServe{
			init:  func(ctx context.Context) error { close(entered); <-ctx.Done(); return nil },
			serve: func(ctx context.Context) error { served = true; return context.Cause(ctx) },
		}}))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-entered; cancel() }()
		require.NoError(t, s.Serve(ctx))
		require.True(t, served)
	})
}

type initServe struct{ init, serve func(context.Context) error }

func (s initServe) Init(ctx context.Context) error  { return s.init(ctx) }
func (s initServe) Serve(ctx context.Context) error { return s.serve(ctx) }

// A panic on the way out of Goexit is a panic, and one whose deferred call is a
// Goexit is a Goexit: whatever was last.
func TestSupervisorNestedEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func() error
		want string
	}{
		"panic in Goexit": {func() error { defer func() { panic("boom") }(); runtime.Goexit(); return nil }, "panic"},
		"Goexit in panic": {func() error { defer runtime.Goexit(); panic("boom") }, "Goexit"},
		"panic in panic":  {func() error { defer func() { panic("boom") }(); panic("first") }, "panic"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := dray.NewSupervisor(dray.OneForOne, dray.WithIntensity(1, time.Second), dray.WithChildren(dray.Child{Name: "a", Service: serving(c.end)}))
				require.NoError(t, err)
				require.ErrorIs(t, s.Serve(t.Context()), dray.ErrIntensity)
				last := s.Children()[0].LastError
				if c.want == "Goexit" {
					require.Equal(t, dray.ErrGoexit, last)
					return
				}
				p, ok := errors.AsType[*dray.PanicError](last)
				require.True(t, ok)
				require.Equal(t, "boom", p.Value)
			})
		})
	}
}

func TestSupervisorPanicStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dive func(n int)
		dive = func(n int) {
			if n == 0 {
				panic(errBoom)
			}
			dive(n - 1)
		}
		s, err := dray.NewSupervisor(dray.OneForOne, dray.WithIntensity(0, time.Second), dray.WithChildren(
			dray.Child{Name: "a", Service: serving(func() error { dive(10_000); return nil })}))
		require.NoError(t, err)
		err = s.Serve(t.Context())
		require.ErrorIs(t, err, errBoom, "the panic value is an error, and part of the chain")
		p, ok := errors.AsType[*dray.PanicError](err)
		require.True(t, ok)
		require.Contains(t, string(p.Stack), "TestSupervisorPanicStack")
		require.LessOrEqual(t, len(p.Stack), 16<<10)
		require.LessOrEqual(t, cap(p.Stack), 32<<10)
	})
}

// sup_flags, child_specs
func TestSupervisorRefusesBadConfiguration(t *testing.T) {
	nop := serving(func() error { return nil })
	for name, opts := range map[string][]dray.SupervisorOption{
		"nil option":              {nil},
		"negative intensity":      {dray.WithIntensity(-1, time.Second)},
		"no period":               {dray.WithIntensity(1, 0)},
		"negative period":         {dray.WithIntensity(1, -1)},
		"nil backoff":             {dray.WithRestartBackoff(nil)},
		"auto-shutdown":           {dray.WithAutoShutdown(3)},
		"empty name of its own":   {dray.WithName("")},
		"empty name":              {dray.WithChildren(dray.Child{Service: nop})},
		"nil service":             {dray.WithChildren(dray.Child{Name: "a"})},
		"nil pointer":             {dray.WithChildren(dray.Child{Name: "a", Service: (*pointer)(nil)})},
		"nil func":                {dray.WithChildren(dray.Child{Name: "a", Service: dray.ServiceFunc(nil)})},
		"restart type":            {dray.WithChildren(dray.Child{Name: "a", Service: nop, Restart: 3})},
		"significant permanent":   {dray.WithAutoShutdown(dray.AnySignificant), dray.WithChildren(dray.Child{Name: "a", Service: nop, Significant: true})},
		"significant for nothing": {dray.WithChildren(dray.Child{Name: "a", Service: nop, Restart: dray.Transient, Significant: true})},
		"duplicate":               {dray.WithChildren(dray.Child{Name: "a", Service: nop}), dray.WithChildren(dray.Child{Name: "a", Service: nop})},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := dray.NewSupervisor(dray.OneForOne, opts...)
			require.Nil(t, s)
			require.ErrorContains(t, err, "dray: ")
			require.Equal(t, name == "duplicate", errors.Is(err, dray.ErrDuplicate))
			require.Equal(t, name == "nil func", errors.Is(err, dray.ErrNilFunc))
		})
	}
	_, err := dray.NewSupervisor(dray.OneForAll + 1)
	require.ErrorContains(t, err, "Strategy(3)")
}

func TestSupervisorNames(t *testing.T) {
	require.Equal(t, "one_for_one rest_for_one one_for_all",
		dray.OneForOne.String()+" "+dray.RestForOne.String()+" "+dray.OneForAll.String())
	require.Equal(t, "permanent transient temporary", dray.Permanent.String()+" "+dray.Transient.String()+" "+dray.Temporary.String())
	require.Equal(t, "never any_significant all_significant",
		dray.NeverShutdown.String()+" "+dray.AnySignificant.String()+" "+dray.AllSignificant.String())
	require.Equal(t, "stuck dray.ChildState(6)", dray.ChildStuck.String()+" "+(dray.ChildStuck+1).String())
}
