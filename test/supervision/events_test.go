package supervision_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// A listener keeps events as short lines.
type listener struct {
	mu    sync.Mutex
	lines []string
}

func (l *listener) observe(e dray.Event) {
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

func tellEvent(e dray.Event) string {
	switch e.Kind {
	case dray.ChildStarted:
		return fmt.Sprintf("%s/%s started %d", e.Supervisor, e.Name, e.Restarts)
	case dray.ChildStopped:
		return fmt.Sprintf("%s/%s stopped", e.Supervisor, e.Name)
	case dray.ChildFailed:
		return fmt.Sprintf("%s/%s failed (%v)", e.Supervisor, e.Name, e.Err)
	case dray.ChildAbandoned:
		return fmt.Sprintf("%s/%s abandoned %v", e.Supervisor, e.Name, e.By)
	case dray.SupervisorFailed:
		return fmt.Sprintf("%s failed (%v)", e.Supervisor, e.Err)
	default:
		return e.Kind.String()
	}
}

func TestSupervisorEvents(t *testing.T) {
	var l listener
	perform(t, dray.RestForOne, "a b/t c", func(t *testing.T, s *stage) {
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
	}, dray.WithName("s"), dray.WithIntensity(1, time.Minute), dray.WithObserver(l.observe))
}

// A child that fails while it waits to be stopped is reported as failed, though
// nothing else follows from it.
func TestSupervisorEventOfUnaskedEnd(t *testing.T) {
	var l listener
	perform(t, dray.OneForAll, "a b c", func(t *testing.T, s *stage) {
		s.direct("c", hanging(time.Second))
		s.kill("a", "")
		s.kill("b", "")
		time.Sleep(time.Second)
		require.Contains(t, l.take(), "supervisor/a failed (boom), supervisor/b failed (boom), supervisor/c stopped, ")
	}, dray.WithObserver(l.observe))
}

// The stack is there when the event is, and the event comes before what the
// successor does.
func TestSupervisorEventOfPanic(t *testing.T) {
	var stack []byte
	perform(t, dray.OneForOne, "a", func(t *testing.T, s *stage) {
		s.kill("a", "panic")
		require.Contains(t, string(stack), "supervisor_kit_test.go")
	}, dray.WithObserver(func(e dray.Event) {
		if e.Kind == dray.ChildFailed {
			if p, ok := errors.AsType[*dray.PanicError](e.Err); ok {
				stack = p.Stack
			}
		}
	}))
}
