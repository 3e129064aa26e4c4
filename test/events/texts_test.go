package events_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// nested is a supervisor in a supervisor whose one child fails with err.
func nested(t *testing.T, err error) error {
	t.Helper()
	inner, ierr := dray.NewSupervisor(dray.OneForOne, dray.WithName("inner"), dray.WithIntensity(0, time.Second),
		dray.WithChildren(dray.Child{Name: "child", Service: dray.ServiceFunc(func(context.Context) error { return err })}))
	require.NoError(t, ierr)
	outer, oerr := dray.NewSupervisor(dray.OneForOne, dray.WithName("outer"), dray.WithIntensity(0, time.Second),
		dray.WithChildren(dray.Child{Name: "inner", Service: inner}))
	require.NoError(t, oerr)
	return outer.Serve(t.Context())
}

// What failed, where, and why: each once, behind one prefix.
func TestOnePrefixPerChain(t *testing.T) {
	rows := map[string]struct {
		make func(t *testing.T) error
		want string
		is   []error
	}{
		"nested supervisors": {
			func(t *testing.T) error { return nested(t, kit.ErrBoom) },
			`dray: supervisor "outer": restart intensity exceeded: child "inner": supervisor "inner": ` +
				`restart intensity exceeded: child "child": boom`,
			[]error{dray.ErrIntensity, kit.ErrBoom},
		},
		"an error of dray from a child": {
			func(t *testing.T) error { return nested(t, dray.ErrQueueFull) },
			`dray: supervisor "outer": restart intensity exceeded: child "inner": supervisor "inner": ` +
				`restart intensity exceeded: child "child": queue full`,
			[]error{dray.ErrIntensity, dray.ErrQueueFull},
		},
		"a panic with an error of dray": {
			func(t *testing.T) error {
				return runOne(t, func(context.Context) error { panic(dray.ErrNotFound) })
			},
			"dray: panic: not found", []error{dray.ErrNotFound},
		},
		"an option of a task": {
			func(t *testing.T) error {
				q := draytest.New(t)
				return q.Scheduler().Schedule("report", dray.Every(time.Second), kit.Nop, dray.WithKeyLimit(0))
			},
			`dray: Schedule("report"): WithKeyLimit(0): must be at least 1`, nil,
		},
		"a task given to New": {
			func(*testing.T) error {
				_, err := dray.New(dray.WithPeriodic("report", dray.Every(0), kit.Nop))
				return err
			},
			`dray: WithPeriodic("report"): Every(0s): must be at least 1 ns`, nil,
		},
		"a task without a function given to New": {
			func(*testing.T) error {
				_, err := dray.New(dray.WithPeriodic("report", dray.Every(time.Second), nil))
				return err
			},
			`dray: WithPeriodic("report"): nil func`, []error{dray.ErrNilFunc},
		},
		"a unique key that is empty": {
			func(*testing.T) error { _, err := dray.New(dray.WithUnique("", dray.KeepExisting)); return err },
			`dray: WithUnique: empty key`, nil,
		},
		"a policy that does not exist": {
			func(*testing.T) error { _, err := dray.New(dray.WithUnique("mail", 3)); return err },
			`dray: WithUnique("mail", 3): no such policy`, nil,
		},
		"a number of restarts below 0": {
			func(*testing.T) error {
				_, err := dray.NewSupervisor(dray.OneForOne, dray.WithIntensity(-1, time.Second))
				return err
			},
			`dray: WithIntensity(-1, 1s): the restarts must not be negative`, nil,
		},
		"restarts in no time": {
			func(*testing.T) error {
				_, err := dray.NewSupervisor(dray.OneForOne, dray.WithIntensity(1, 0))
				return err
			},
			`dray: WithIntensity(1, 0s): the period must be longer than 0`, nil,
		},
		"a leftover made by hand": {
			func(t *testing.T) error {
				return draytest.New(t).Restore(dray.Report{Waiting: []dray.Leftover{{Func: kit.Nop}, {}}})
			},
			"dray: Restore: Waiting[1]: nil func", []error{dray.ErrNilFunc},
		},
		"a day that does not exist": {
			func(t *testing.T) error {
				q := draytest.New(t)
				return q.Scheduler().Schedule("report", dray.Weekly(7, 12, 0, time.UTC), kit.Nop)
			},
			`dray: Schedule("report"): no such day of the week`, nil,
		},
		"a time that does not exist": {
			func(t *testing.T) error {
				q := draytest.New(t)
				return q.Scheduler().Schedule("report", dray.Daily(24, 5, time.UTC), kit.Nop)
			},
			`dray: Schedule("report"): no such time of day: 24:05`, nil,
		},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := row.make(t)
				require.EqualError(t, err, row.want)
				for _, is := range row.is {
					require.ErrorIs(t, err, is)
				}
			})
		})
	}
}

// The tree of a queue that gives up has four levels to tell of.
func TestOnePrefixInAFailedQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := draytest.New(t, dray.WithName("mail"))
		for range 4 {
			draytest.CrashOwner(t, q)
		}
		_, err := q.Shutdown(t.Context())
		require.ErrorIs(t, err, dray.ErrIntensity)
		require.Equal(t, 1, strings.Count(err.Error(), "dray: "), "%v", err)
	})
}

// runOne is the error of one job of a queue.
func runOne(t *testing.T, fn dray.Func) error {
	t.Helper()
	q := draytest.New(t)
	_, err := dray.Run(t.Context(), q, func(ctx context.Context) (int, error) { return 0, fn(ctx) })
	return err
}

// Every error that goes into another one has to lose its prefix on the way, so
// none is wrapped by fmt.Errorf.
func TestNoErrorIsWrappedWithItsPrefix(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		require.NoError(t, err)
		f, err := parser.ParseFile(token.NewFileSet(), name, src, 0)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			require.NoError(t, err)
			require.False(t, strings.HasPrefix(text, "dray: ") && strings.Contains(text, "%w"), "%s: %q", name, text)
			return true
		})
	}
}
