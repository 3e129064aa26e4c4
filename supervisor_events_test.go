package dray

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A listener keeps events as short lines.
type listener struct {
	mu    sync.Mutex
	lines []string
}

func (l *listener) observe(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, tellEvent(e))
}

func (l *listener) take() string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := strings.Join(l.lines, ", ")
	l.lines = nil
	return lines
}

func tellEvent(e Event) string {
	switch e := e.(type) {
	case ChildStarted:
		return fmt.Sprintf("%s/%s started %d", e.Supervisor, e.Child, e.Restarts)
	case ChildStopped:
		return fmt.Sprintf("%s/%s stopped", e.Supervisor, e.Child)
	case ChildFailed:
		return fmt.Sprintf("%s/%s failed (%v)", e.Supervisor, e.Child, e.Err)
	case ChildAbandoned:
		return fmt.Sprintf("%s/%s abandoned %v", e.Supervisor, e.Child, e.Waited)
	case SupervisorFailed:
		return fmt.Sprintf("%s failed (%v)", e.Supervisor, e.Err)
	default:
		return fmt.Sprintf("%T", e)
	}
}

func TestSupervisorEvents(t *testing.T) {
	var l listener
	perform(t, RestForOne, "a b/t c", func(t *testing.T, s *stage) {
		require.Equal(t, "s/a started 0, s/b started 0, s/c started 0", l.take())
		s.kill("b", "")
		require.Equal(t, "s/b failed (boom), s/c stopped, s/b started 1, s/c started 0", l.take())
		s.kill("b", "nil")
		require.Equal(t, "s/b stopped", l.take())
		s.direct("b", func(a *actor) { a.init = failing(1) })
		require.Error(t, s.sup.Restart("b"))
		require.Equal(t, "s/b failed (boom)", l.take())
		s.direct("c", hanging(time.Hour))
		require.Error(t, s.sup.Terminate("c"))
		require.Equal(t, "s/c abandoned 5s", l.take())
		s.direct("a", func(a *actor) { a.stop = ends["panic"] })
		require.NoError(t, s.sup.Terminate("a"))
		require.Equal(t, "s/a failed (dray: panic: boom)", l.take())
		require.NoError(t, s.sup.Restart("a"))
		l.take()
		s.kill("a", "Goexit")
		require.Equal(t, "s/a failed (dray: runtime.Goexit called), "+
			`s failed (dray: supervisor "s": restart intensity exceeded: child "a": runtime.Goexit called)`, l.take())
	}, WithName("s"), WithIntensity(1, time.Minute), WithObserver(l.observe))
}

// A child that fails while it waits to be stopped is reported as failed, though
// nothing else follows from it.
func TestSupervisorEventOfUnaskedEnd(t *testing.T) {
	var l listener
	perform(t, OneForAll, "a b c", func(t *testing.T, s *stage) {
		s.direct("c", hanging(time.Second))
		s.kill("a", "")
		s.kill("b", "")
		time.Sleep(time.Second)
		require.Contains(t, l.take(), "supervisor/a failed (boom), supervisor/b failed (boom), supervisor/c stopped, ")
	}, WithObserver(l.observe))
}

// The stack is there when the event is, and the event comes before what the
// successor does.
func TestSupervisorEventOfPanic(t *testing.T) {
	var stack []byte
	perform(t, OneForOne, "a", func(t *testing.T, s *stage) {
		s.kill("a", "panic")
		require.Contains(t, string(stack), "supervisor_kit_test.go")
	}, WithObserver(func(e Event) {
		if e, ok := e.(ChildFailed); ok {
			if p, ok := errors.AsType[*PanicError](e.Err); ok {
				stack = p.Stack
			}
		}
	}))
}

// The queue's own tree tells its events through the queue's herald.
func TestSupervisorBorrowsHerald(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var own, borrowed listener
		cfg := newSupervisorConfig(OneForOne)
		cfg.observers = []Observer{own.observe}
		cfg.herald = newHerald(common{clock: newClock(), observers: []Observer{borrowed.observe}})
		cfg.children = []Child{{Name: "a", Service: serving(ends["nil"])}}
		s, err := newSupervisor(cfg)
		require.NoError(t, err)
		require.ErrorIs(t, s.Serve(t.Context()), ErrIntensity)
		require.EqualValues(t, 3, s.restarts())
		require.Contains(t, borrowed.take(), "supervisor/a started 3")
		require.Empty(t, own.take())
	})
}
