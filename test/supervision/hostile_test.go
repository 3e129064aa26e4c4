package supervision_test

import (
	"context"
	"errors"
	"net/url"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// A hostile error does something in each of its methods.
type hostile struct{ do func() }

func (h *hostile) Error() string                { h.do(); return "hostile" }
func (h *hostile) Is(error) bool                { h.do(); return false }
func (h *hostile) As(any) bool                  { h.do(); return false }
func (h *hostile) Unwrap() error                { h.do(); return nil }
func (h *hostile) String() string               { h.do(); return "hostile" }
func (h *hostile) MarshalText() ([]byte, error) { h.do(); return nil, nil }

// A cast is two quiet workers around a hostile child.
type cast struct {
	*run
	a, z    *worker
	how     func() error // how x ends, by itself or when it is stopped
	end     chan struct{}
	start   error
	release chan struct{} // ends what blocks
}

// misbehaviours are errors that do in their methods what they should not. hangs says
// that a child whose error is asked does not end before it is abandoned.
var misbehaviours = map[string]struct {
	err   func(*cast) error
	hangs bool
}{
	"typed nil":  {func(*cast) error { var e *url.Error; return e }, false},
	"panics":     {func(*cast) error { return &hostile{func() { panic("thrown") }} }, false},
	"panics nil": {func(*cast) error { return &hostile{func() { panic(nil) }} }, false}, //nolint:gopanicnil // on purpose
	"exits":      {func(*cast) error { return &hostile{runtime.Goexit} }, false},
	"blocks":     {func(c *cast) error { return &hostile{func() { <-c.release }} }, true},
	"takes long": {func(*cast) error { return &hostile{func() { time.Sleep(time.Hour) }} }, true},
	"looks":      {func(c *cast) error { return &hostile{func() { c.Children() }} }, false},
	"terminates": {func(c *cast) error { return &hostile{func() { _ = c.Terminate("none") }} }, false},
	"restarts":   {func(c *cast) error { return &hostile{func() { _ = c.Restart("z") }} }, false},
	"adds":       {func(c *cast) error { return &hostile{func() { _ = c.Add(dray.Child{Name: "a", Service: c.a}) }} }, false},
}

// only is a service without the other methods of a cast.
type only struct{ phases }

type phases interface {
	dray.Initer
	dray.Service
}

// Init and Serve of x.
func (c *cast) Init(context.Context) error { return c.start }
func (c *cast) Serve(ctx context.Context) error {
	select {
	case <-c.end:
	case <-ctx.Done():
	}
	return c.how()
}

func newCast(t *testing.T, strategy dray.Strategy, opts ...dray.SupervisorOption) *cast {
	t.Helper()
	j := &journal{}
	c := &cast{
		a: newWorker(j, "a"), z: newWorker(j, "z"), how: normal,
		end: make(chan struct{}), release: make(chan struct{}),
	}
	c.run = supervise(t, strategy, append(opts, dray.WithIntensity(100, time.Hour),
		dray.WithChildren(child(c.a), dray.Child{Name: "x", Service: only{c}}, child(c.z)))...)
	return c
}

// finish lets everything go that still blocks.
func (c *cast) finish() {
	close(c.release)
	time.Sleep(100 * time.Hour)
}

func eachMisbehaviour(t *testing.T, strategy dray.Strategy, test func(t *testing.T, c *cast, err error, hangs bool)) {
	for name, m := range misbehaviours {
		for _, thrown := range []bool{false, true} {
			if thrown {
				name += ", thrown"
			}
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := newCast(t, strategy)
					defer c.finish()
					err := m.err(c)
					c.how = func() error {
						if thrown {
							panic(err)
						}
						return err
					}
					test(t, c, err, m.hangs && !thrown)
				})
			})
		}
	}
}

// requireAbandoned tells the two answers apart. It must not ask a foreign error.
func requireAbandoned(t *testing.T, hangs bool, err error) {
	t.Helper()
	if hangs {
		require.True(t, errors.Is(err, dray.ErrAbandoned)) //nolint:testifylint // which would ask the error for its text
	} else {
		require.True(t, err == nil) //nolint:testifylint // which would ask the error for its text
	}
}

func TestStopOfAChildWithAHostileError(t *testing.T) {
	eachMisbehaviour(t, dray.OneForOne, func(t *testing.T, c *cast, _ error, hangs bool) {
		began := time.Now()
		requireAbandoned(t, hangs, c.stop())
		require.LessOrEqual(t, time.Since(began), 5*time.Second)
		require.Equal(t, []error{dray.ErrShutdown}, c.a.takeCauses(), "the others were stopped as ever")
		require.Equal(t, []error{dray.ErrShutdown}, c.z.takeCauses())
	})
}

func TestTerminateOfAChildWithAHostileError(t *testing.T) {
	for name, call := range map[string]func(*cast) error{
		"Terminate": func(c *cast) error { return c.Terminate("x") },
		"Remove":    func(c *cast) error { return c.Remove("x") },
	} {
		t.Run(name, func(t *testing.T) {
			eachMisbehaviour(t, dray.OneForOne, func(t *testing.T, c *cast, _ error, hangs bool) {
				began := time.Now()
				requireAbandoned(t, hangs, call(c))
				require.LessOrEqual(t, time.Since(began), 5*time.Second)
				c.requireRunning()
				requireAbandoned(t, hangs, c.stop())
			})
		})
	}
}

// An error that stops its own child waits for itself, like a child that does so.
func TestHostileErrorThatTerminatesItsChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCast(t, dray.OneForOne)
		defer c.finish()
		c.how = func() error { return &hostile{func() { _ = c.Remove("x") }} }
		began := time.Now()
		require.True(t, errors.Is(c.Terminate("x"), dray.ErrAbandoned)) //nolint:testifylint // which would ask the error for its text
		require.Equal(t, 5*time.Second, time.Since(began))
		require.Equal(t, "a running, z running", c.states())
		require.NoError(t, c.stop())
	})
}

func TestRestartOfAChildWithAHostileError(t *testing.T) {
	eachMisbehaviour(t, dray.OneForOne, func(t *testing.T, c *cast, _ error, _ bool) {
		require.NoError(t, c.Restart("x"))
		require.Equal(t, "a running, x running, z running", c.states())
		c.how = normal
		c.stop() //nolint:errcheck // the earlier one may still hang
	})
}

func TestGroupRestartWithAHostileError(t *testing.T) {
	for _, strategy := range []dray.Strategy{dray.RestForOne, dray.OneForAll} {
		t.Run(strategy.String(), func(t *testing.T) {
			eachMisbehaviour(t, strategy, func(t *testing.T, c *cast, _ error, _ bool) {
				c.a.kill(fail)
				time.Sleep(5 * time.Second)
				require.Equal(t, "a running, x running, z running", c.states())
				c.how = normal
				c.stop() //nolint:errcheck // the earlier one may still hang
			})
		})
	}
}

// A failure needs no look at its error: the restart is at once.
func TestFailureWithAHostileError(t *testing.T) {
	eachMisbehaviour(t, dray.OneForAll, func(t *testing.T, c *cast, err error, _ bool) {
		for range 3 {
			c.end <- struct{}{}
			require.Equal(t, "a running, x running, z running", c.states())
		}
		last := c.Children()[1].LastError
		if p, ok := last.(*dray.PanicError); ok { //nolint:errorlint // the error would be asked
			last, _ = p.Value.(error)
		}
		require.True(t, last == err, "as it was returned") //nolint:errorlint,testifylint // as above
		c.how = normal
		require.NoError(t, c.stop())
	})
}

func TestFailedStartWithAHostileError(t *testing.T) {
	for name, m := range misbehaviours {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCast(t, dray.OneForOne)
				defer c.finish()
				bad := &cast{start: m.err(c)}
				require.True(t, c.Add(dray.Child{Name: "bad", Service: only{bad}}) != nil) //nolint:testifylint // which would ask the error for its text
				require.Equal(t, "a running, x running, z running", c.states())
				require.NoError(t, c.stop())
			})
		})
	}
}

// What a nested supervisor passes on goes through its parent as well.
func TestNestedSupervisorFailsWithAHostileError(t *testing.T) {
	for name, m := range misbehaviours {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCast(t, dray.OneForOne)
				defer c.finish()
				bad := &cast{how: func() error { return m.err(c) }, end: make(chan struct{})}
				inner, err := dray.NewSupervisor(dray.OneForOne, dray.WithIntensity(0, time.Second),
					dray.WithChildren(dray.Child{Name: "bad", Service: only{bad}}))
				require.NoError(t, err)
				require.NoError(t, c.Add(dray.Child{Name: "inner", Service: inner}))
				bad.end <- struct{}{}
				synctest.Wait()
				info := c.Children()[3]
				require.Equal(t, dray.ChildRunning, info.State)
				require.EqualValues(t, 1, info.Restarts)
				bad.how = normal
				require.NoError(t, c.stop())
			})
		})
	}
}

// A nested supervisor gives up while its parent stops.
func TestNestedSupervisorGivesUpDuringTheStop(t *testing.T) {
	for name, m := range misbehaviours {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCast(t, dray.OneForOne)
				defer c.finish()
				slow := newWorker(&journal{}, "slow")
				slow.onStop = func() error { time.Sleep(4 * time.Second); return nil }
				bad := &cast{how: func() error { return m.err(c) }, end: make(chan struct{})}
				inner, err := dray.NewSupervisor(dray.OneForOne, dray.WithIntensity(0, time.Second),
					dray.WithChildren(child(slow), dray.Child{Name: "bad", Service: only{bad}}))
				require.NoError(t, err)
				require.NoError(t, c.Add(dray.Child{Name: "inner", Service: inner}))
				bad.end <- struct{}{}
				synctest.Wait()
				require.True(t, c.stop() == nil) //nolint:testifylint // which would ask the error for its text
			})
		})
	}
}

// Panic values may be as hostile as errors.
func TestPanicValueWithHostileMethods(t *testing.T) {
	for name, do := range map[string]func(){
		"panics": func() { panic("thrown") },
		"exits":  runtime.Goexit,
		"blocks": func() { select {} },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCast(t, dray.OneForAll)
				defer c.finish()
				type value struct{ *hostile }
				c.how = func() error { panic(value{&hostile{do}}) }
				c.end <- struct{}{}
				require.Equal(t, "a running, x running, z running", c.states())
				require.NoError(t, c.Terminate("x"))
				require.NoError(t, c.Restart("x"))
				require.NoError(t, c.stop())
			})
		})
	}
}
