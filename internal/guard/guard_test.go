package guard

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Go is how goroutines are started, everywhere: else one would have the pprof labels of
// some call for ever. What is no part of a user's program may do as it likes.
func TestNothingElseStartsGoroutines(t *testing.T) {
	apart := []string{"bench", "examples", "test", "draytest", "internal/soak", "internal/mutate", "internal/zonetest", ".git"}
	here, found := 0, []string{}
	require.NoError(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		name := filepath.ToSlash(strings.TrimPrefix(path, filepath.FromSlash("../../")))
		if d.IsDir() && slices.Contains(apart, name) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.GoStmt); ok {
				if name == "internal/guard/guard.go" {
					here++
				} else {
					found = append(found, fset.Position(s.Pos()).String())
				}
			}
			return true
		})
		return nil
	}))
	require.Empty(t, found, "use guard.Go")
	require.Equal(t, 1, here)
}
