package hostile_test

import (
	"errors"
	"net/url"
	"runtime"
	"testing"
	"testing/synctest"

	"context"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// methods is an error each of whose methods does what it is told to.
type methods struct {
	error, unwrap, as, is func()
}

func call(f func()) {
	if f != nil {
		f()
	}
}

func (m *methods) Error() string   { call(m.error); return "hostile" }
func (m *methods) Unwrap() error   { call(m.unwrap); return nil }
func (m *methods) As(any) bool     { call(m.as); return false }
func (m *methods) Is(e error) bool { call(m.is); return e == errMine }

var errMine = errors.New("mine")

// endless is an error whose chain has no end, and branches.
type endless struct{}

func (endless) Error() string     { return "endless" }
func (e endless) Unwrap() []error { return []error{e, e} }

func returning(err error) dray.Func { return func(context.Context) error { return err } }

// An error may do what it likes when it is looked at: its job fails by it, each
// attempt counts, and neighbours, owner and group go on.
func TestErrorOfAJobThatThrows(t *testing.T) {
	boom := func() { panic("boom") }
	for name, err := range map[string]error{
		"typed nil":      (*url.Error)(nil),
		"Error panics":   &methods{error: boom},
		"Unwrap panics":  &methods{unwrap: boom},
		"As panics":      &methods{as: boom},
		"Is panics":      &methods{is: boom},
		"Error exits":    &methods{error: runtime.Goexit},
		"Unwrap exits":   &methods{unwrap: runtime.Goexit},
		"As exits":       &methods{as: runtime.Goexit},
		"Is exits":       &methods{is: runtime.Goexit},
		"without an end": endless{},
		"panics in turn": &methods{is: func() { panic(&methods{error: boom}) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, e := dray.New(dray.WithWorkers(1), dray.WithMaxAttempts(6), dray.WithBackoff(dray.Constant(0)))
				require.NoError(t, e)
				require.NoError(t, q.Start())
				g, e := dray.NewGroup(q)
				require.NoError(t, e)
				require.NoError(t, g.Enqueue(t.Context(), returning(err)))
				innocent := 0
				require.NoError(t, g.Enqueue(t.Context(), func(context.Context) error { innocent++; return nil }))
				got := g.Wait(t.Context())
				require.Error(t, got)
				require.NotEmpty(t, got.Error())
				require.NotErrorIs(t, got, context.Canceled)
				require.Equal(t, 1, innocent)
				s := q.Stats()
				require.EqualValues(t, 1, s.Failed)
				require.EqualValues(t, 5, s.Retried)
				require.EqualValues(t, 1, s.Processed)
				require.Zero(t, s.Restarts)
				report, e := q.Shutdown(t.Context())
				require.NoError(t, e)
				require.Empty(t, report)
			})
		})
	}
}
