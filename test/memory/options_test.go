package memory_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// options has for each exported function that returns a JobOption what a job is given to
// try it. Whatever such an option captures is a probe.
var options = map[string]func(sc *scene) []dray.JobOption{
	"": func(*scene) []dray.JobOption { return nil },
	"WithBackoff": func(sc *scene) []dray.JobOption {
		p := sc.watch("backoff")
		return []dray.JobOption{dray.WithBackoff(func(int) time.Duration { runtime.KeepAlive(p); return time.Second })}
	},
	"WithContextValues": func(*scene) []dray.JobOption { return []dray.JobOption{dray.WithContextValues()} },
	"WithDeadline":      func(*scene) []dray.JobOption { return []dray.JobOption{dray.WithDeadline(300 * time.Hour)} },
	"WithDelay":         func(*scene) []dray.JobOption { return []dray.JobOption{dray.WithDelay(time.Minute)} },
	"WithGroup":         func(sc *scene) []dray.JobOption { return []dray.JobOption{dray.WithGroup(sc.group())} },
	"WithKey":           func(*scene) []dray.JobOption { return []dray.JobOption{dray.WithKey("key")} },
	"WithKeyLimit":      func(*scene) []dray.JobOption { return []dray.JobOption{dray.WithKey("key"), dray.WithKeyLimit(2)} },
	"WithLabel":         func(*scene) []dray.JobOption { return []dray.JobOption{dray.WithLabel("label")} },
	"WithMaxAttempts":   func(*scene) []dray.JobOption { return []dray.JobOption{dray.WithMaxAttempts(3)} },
	"WithMiddleware": func(sc *scene) []dray.JobOption {
		p := sc.watch("middleware")
		return []dray.JobOption{dray.WithMiddleware(func(next dray.Handler) dray.Handler {
			return func(ctx context.Context, j *dray.Job) error { runtime.KeepAlive(p); return next(ctx, j) }
		})}
	},
	"WithPriority": func(*scene) []dray.JobOption { return []dray.JobOption{dray.WithPriority(dray.High)} },
	"WithRateLimit": func(sc *scene) []dray.JobOption {
		return []dray.JobOption{dray.WithRateLimit(&limiter{sc.watch("limiter")})}
	},
	"WithRunAt":   func(*scene) []dray.JobOption { return []dray.JobOption{dray.WithRunAt(time.Now().Add(time.Minute))} },
	"WithTimeout": func(*scene) []dray.JobOption { return []dray.JobOption{dray.WithTimeout(200 * time.Hour)} },
	"WithUnique": func(*scene) []dray.JobOption {
		return []dray.JobOption{dray.WithUnique("unique", dray.RejectDuplicate)}
	},
	"WithUniquePeriod": func(*scene) []dray.JobOption {
		return []dray.JobOption{dray.WithUnique("unique", dray.RejectDuplicate), dray.WithUniquePeriod(5000 * time.Hour)}
	},
}

// A limiter gives a token a second.
type limiter struct{ *probe }

func (*limiter) Wait(ctx context.Context) error {
	select {
	case <-time.After(time.Second):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A job option without a row here is not tried.
func TestEachJobOptionHasARow(t *testing.T) {
	exported := functionsThatReturn(t, "JobOption")
	require.NotEmpty(t, exported)
	for _, name := range exported {
		require.Contains(t, options, name, "what does %s let a job capture, and is it let go of?", name)
	}
	require.Len(t, options, len(exported)+1, "rows of options that are no more")
}

// functionsThatReturn returns the exported functions of the package that do.
func functionsThatReturn(t *testing.T, result string) (names []string) {
	t.Helper()
	files, err := filepath.Glob("../../*.go")
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		require.NoError(t, err)
		file, err := parser.ParseFile(token.NewFileSet(), name, src, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.IsExported() && returns(f, result) {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}

func returns(f *ast.FuncDecl, result string) bool {
	if f.Type.Results == nil || len(f.Type.Results.List) != 1 {
		return false
	}
	id, ok := f.Type.Results.List[0].Type.(*ast.Ident)
	return ok && id.Name == result
}
