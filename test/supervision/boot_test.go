package supervision_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

func build(t *testing.T, strategy dray.Strategy, opts ...dray.SupervisorOption) *dray.Supervisor {
	t.Helper()
	s, err := dray.NewSupervisor(strategy, opts...)
	require.NoError(t, err)
	return s
}

// slow makes a worker's stop take that long.
func slow(w *worker, d time.Duration) *worker {
	w.onStop = func() error { time.Sleep(d); return nil }
	return w
}

func TestBootAndServe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := &journal{}
		a, b := newWorker(j, "a"), newWorker(j, "b")
		s := build(t, dray.OneForAll, dray.WithChildren(child(a), child(b)))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		require.NoError(t, s.Boot(ctx))
		require.Equal(t, "start a, start b", j.take(), "all are up when Boot returns")
		require.ErrorIs(t, s.Boot(ctx), dray.ErrStarted)

		require.NoError(t, s.Add(child(newWorker(j, "c"))), "calls are served before Serve is called")
		a.kill(fail)
		require.Equal(t, "start c, die a, stop c, stop b, start a, start b, start c", j.take(), "and failures are dealt with")

		r := serve(t, s)
		require.Empty(t, j.take(), "Serve goes on from there")
		require.ErrorIs(t, s.Serve(ctx), dray.ErrStarted)
		cancel()
		synctest.Wait()
		r.requireRunning() // from now on Serve's own ctx counts
		require.NoError(t, r.stop())
		require.Equal(t, "stop c, stop b, stop a", j.take())

		r = serve(t, s) // does both
		require.Equal(t, "start a, start b, start c", j.take())
		require.ErrorIs(t, s.Boot(t.Context()), dray.ErrStarted)
		require.NoError(t, r.stop())
	})
}

func TestBootFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := &journal{}
		a, b := newWorker(j, "a"), newWorker(j, "b")
		s := build(t, dray.OneForOne, dray.WithChildren(child(a), child(b)))
		b.fails = 1
		err := s.Boot(t.Context())
		require.ErrorIs(t, err, errFailed)
		require.ErrorContains(t, err, `"b"`)
		require.Equal(t, "start a, fail b, stop a", j.take())
		require.NoError(t, s.Boot(t.Context()), "and may be tried again")
		r := serve(t, s)
		require.NoError(t, r.stop())
	})
}

func TestBootWithAnEndedContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := &journal{}
		s := build(t, dray.OneForOne, dray.WithChildren(child(newWorker(j, "a"))))
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errFailed)
		require.ErrorIs(t, s.Boot(ctx), errFailed)
		require.NoError(t, s.Serve(ctx))
		require.Empty(t, j.take())
	})
}

// The context ends while a start takes its time.
func TestBootIsCutShort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := &journal{}
		b := newWorker(j, "b")
		b.onInit = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		s := build(t, dray.OneForOne, dray.WithChildren(child(newWorker(j, "a")), child(b)))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errFailed)
		defer cancel()
		require.ErrorIs(t, s.Boot(ctx), errFailed)
		require.Equal(t, "start a, stop a", j.take())
		require.NoError(t, s.Add(child(newWorker(j, "c"))))
	})
}

// What has been booted and is never served ends with Boot's context.
func TestBootWithoutServe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := &journal{}
		s := build(t, dray.OneForOne, dray.WithChildren(child(newWorker(j, "a"))))
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, s.Boot(ctx))
		cancel()
		require.Equal(t, "start a, stop a", j.take())
		require.NoError(t, s.Serve(ctx), "that was all of it")
		r := serve(t, s)
		require.Equal(t, "start a", j.take())
		require.NoError(t, r.stop())
	})
}

// A supervisor that gives up between Boot and Serve says so in Serve.
func TestBootedSupervisorGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := &journal{}
		a := newWorker(j, "a")
		s := build(t, dray.OneForOne, dray.WithIntensity(0, time.Second), dray.WithChildren(child(a)))
		require.NoError(t, s.Boot(t.Context()))
		a.kill(fail)
		require.ErrorIs(t, s.Serve(t.Context()), dray.ErrIntensity)
		r := serve(t, s)
		require.NoError(t, r.stop(), "the next one begins anew")
	})
}

// Serve with an ended context has nothing to tell of the Serve before.
func TestServeWithAnEndedContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := &journal{}
		a, b := newWorker(j, "a"), slow(newWorker(j, "b"), time.Hour)
		r := supervise(t, dray.OneForOne, dray.WithIntensity(0, time.Second), dray.WithChildren(child(a), child(b)))
		a.kill(fail)
		err := r.end(time.Minute)
		require.ErrorIs(t, err, dray.ErrIntensity)
		require.ErrorIs(t, err, dray.ErrAbandoned)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, r.Serve(ended))
		time.Sleep(time.Hour)
	})
}

// The ways to run a supervisor as a part of a type of one's own.
type (
	embeds struct{ *dray.Supervisor } // Serve alone does both

	embedsInit struct { // with a start of its own
		*dray.Supervisor
		journal *journal
	}

	embedsServe struct { // with a Serve of its own
		*dray.Supervisor
		journal *journal
	}
)

func (e *embedsInit) Init(ctx context.Context) error {
	e.journal.note("init", "own")
	return e.Boot(ctx)
}

func (e *embedsServe) Serve(ctx context.Context) error {
	e.journal.note("begin", "own")
	defer e.journal.note("end", "own")
	return e.Supervisor.Serve(ctx)
}

func TestTypesThatEmbedASupervisor(t *testing.T) {
	for name, c := range map[string]struct {
		wrap        func(*dray.Supervisor, *journal) dray.Service
		start, stop string
		listed      bool
	}{
		"plain": {
			func(s *dray.Supervisor, _ *journal) dray.Service { return embeds{s} },
			"start a", "stop a", true,
		},
		"own Init": {
			func(s *dray.Supervisor, j *journal) dray.Service { return &embedsInit{s, j} },
			"init own, start a", "stop a", true,
		},
		"own Serve": {
			func(s *dray.Supervisor, j *journal) dray.Service { return &embedsServe{s, j} },
			"begin own, start a", "stop a, end own", true,
		},
		"ServiceFunc": {
			func(s *dray.Supervisor, _ *journal) dray.Service { return dray.ServiceFunc(s.Serve) },
			"start a", "stop a", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				j := &journal{}
				a := slow(newWorker(j, "a"), time.Hour)
				long := child(a)
				long.Shutdown = -1
				service := c.wrap(build(t, dray.OneForOne, dray.WithChildren(long)), j)
				r := supervise(t, dray.OneForOne,
					dray.WithChildren(dray.Child{Name: "it", Service: service, Shutdown: -1}))
				require.Equal(t, c.start, j.take())
				if c.listed {
					require.Len(t, r.Children()[0].Children, 1)
					require.Equal(t, "a", r.Children()[0].Children[0].Name)
				} else {
					require.Empty(t, r.Children()[0].Children)
				}
				for range 2 { // each of them may be restarted
					require.NoError(t, r.Restart("it"))
					require.Equal(t, c.stop+", "+c.start, j.take())
				}
				require.NoError(t, r.stop())
				require.Equal(t, c.stop, j.take(), "no limit of its own: an hour was enough")
			})
		})
	}
}

// A type that embeds a supervisor is a service like any other: with a limit, which
// leaves what is below it to end by itself, and is told of.
func TestWrappedSupervisorHasAShutdownTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := &journal{}
		long := child(slow(newWorker(j, "a"), time.Hour))
		long.Shutdown = -1
		r := supervise(t, dray.OneForOne, dray.WithChildren(
			dray.Child{Name: "it", Service: embeds{build(t, dray.OneForOne, dray.WithChildren(long))}}))
		began := time.Now()
		err := r.stop()
		require.Equal(t, 5*time.Second, time.Since(began))
		require.ErrorIs(t, err, dray.ErrAbandoned)
		require.ErrorContains(t, err, `"it"`)
		time.Sleep(time.Hour)
	})
}

// The types that are nested have no limit, and wait in line with their start.
func TestNestedSupervisorHasNoShutdownTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := &journal{}
		a := slow(newWorker(j, "a"), 4*time.Second)
		b := slow(newWorker(j, "b"), 4*time.Second)
		inner := build(t, dray.OneForOne, dray.WithChildren(child(a), child(b)))
		r := supervise(t, dray.OneForOne, dray.WithChildren(dray.Child{Name: "inner", Service: inner}, child(newWorker(j, "c"))))
		require.Equal(t, "start a, start b, start c", j.take())
		began := time.Now()
		require.NoError(t, r.stop())
		require.Equal(t, 8*time.Second, time.Since(began))
		require.Equal(t, "stop c, stop b, stop a", j.take())
	})
}

func TestSupervisorWithinItself(t *testing.T) {
	chain := func(n int) []*dray.Supervisor {
		all := make([]*dray.Supervisor, n)
		for i := range all {
			all[i] = build(t, dray.OneForOne)
		}
		return all
	}
	nest := func(outer, inner *dray.Supervisor) error {
		return outer.Add(dray.Child{Name: "inner", Service: inner, Restart: dray.Temporary})
	}

	s := chain(4)
	require.Error(t, nest(s[0], s[0]))
	require.Empty(t, s[0].Children())
	for i := range 3 {
		require.NoError(t, nest(s[i], s[i+1]))
	}
	for outer := range s {
		for inner := range outer + 1 {
			require.Error(t, nest(s[outer], s[inner]), "%d into %d", inner, outer)
		}
	}
	require.NoError(t, s[1].Remove("inner"))
	require.NoError(t, nest(s[3], s[0]), "the way round is open now")
	require.Error(t, nest(s[1], s[2]))
	require.NoError(t, s[3].Remove("inner"))
	require.NoError(t, nest(s[1], s[2]))
	require.Error(t, nest(s[1], s[2]), "a duplicate")
	require.NoError(t, s[1].Remove("inner"))
	require.NoError(t, nest(s[3], s[1]), "a refused Add leaves no trace")

	_, err := dray.NewSupervisor(dray.OneForOne, dray.WithChildren(
		dray.Child{Name: "a", Service: s[0]}, dray.Child{Name: "b", Service: s[0]}))
	require.NoError(t, err, "twice is no circle")

	outer, inner := build(t, dray.OneForOne), build(t, dray.OneForOne)
	for _, name := range []string{"a", "b"} {
		require.NoError(t, outer.Add(dray.Child{Name: name, Service: inner}))
	}
	require.NoError(t, outer.Remove("a"))
	require.Error(t, nest(inner, outer), "it is still there once")
	require.NoError(t, outer.Remove("b"))
	require.NoError(t, nest(inner, outer))
}

func TestSupervisorWithinItselfWhileItRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		outer, inner := build(t, dray.OneForOne), build(t, dray.OneForOne)
		r := serve(t, outer)
		require.NoError(t, outer.Add(dray.Child{Name: "inner", Service: inner}))
		require.Error(t, inner.Add(dray.Child{Name: "outer", Service: outer}))
		require.Equal(t, "inner running", r.states())
		require.NoError(t, r.stop())
	})
}

// A circle that is closed by two at once is refused to one of them.
func TestSupervisorWithinItselfAtOnce(t *testing.T) {
	for range 200 {
		const n = 4
		var s [n]*dray.Supervisor
		for i := range s {
			s[i] = build(t, dray.OneForOne)
		}
		var wg sync.WaitGroup
		var errs [n]error
		for i := range n {
			wg.Go(func() { errs[i] = s[i].Add(dray.Child{Name: "x", Service: s[(i+1)%n]}) })
		}
		wg.Wait()
		refused := 0
		for _, err := range errs {
			if err != nil {
				refused++
			}
		}
		require.Equal(t, 1, refused)
	}
}

// A circle through types of the user's cannot be seen by Add. It ends all the same.
func TestSupervisorWithinItselfThroughAWrapper(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := build(t, dray.OneForOne)
		require.NoError(t, s.Add(dray.Child{Name: "it", Service: embeds{s}}))
		r := serve(t, s)
		err := r.end(time.Minute)
		require.ErrorIs(t, err, dray.ErrIntensity)
		require.ErrorIs(t, err, dray.ErrStarted)
		require.Len(t, s.Children(), 1)
		time.Sleep(time.Minute)
	})
}
