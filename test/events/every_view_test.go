package events_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryView compares every field of what dray tells its users with what has
// happened. A struct or a field that no row has a value for fails it.
func TestEveryView(t *testing.T) {
	seen := map[string]map[string]bool{}
	for _, v := range views {
		t.Run(v.when, func(t *testing.T) {
			play(t, func(s *scene) {
				want, got := v.look(s)
				require.Empty(s, compare(want, flat(got)))
				name := reflect.TypeOf(got).Name()
				if seen[name] == nil {
					seen[name] = map[string]bool{}
				}
				for field, value := range flat(got) {
					if value != nil && !reflect.ValueOf(value).IsZero() {
						seen[name][field] = true
					}
				}
			}, func(*scene) {})
		})
	}
	if t.Failed() {
		return
	}
	for name, names := range viewTypes(t) {
		for _, field := range names {
			require.True(t, seen[name][field], "no row has a value for %s.%s", name, field)
		}
	}
}

// viewTypes returns the exported structs of package dray, but for events and what its
// users fill in themselves, with their exported fields.
func viewTypes(t *testing.T) map[string][]string {
	t.Helper()
	views := map[string][]string{}
	files, err := filepath.Glob("../../*.go")
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !spec.Name.IsExported() || spec.Name.Name == "Child" || spec.Name.Name == "Event" {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				views[spec.Name.Name] = exportedFields(s)
			}
			return true
		})
	}
	return views
}

func exportedFields(s *ast.StructType) (names []string) {
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			if name.IsExported() {
				names = append(names, name.Name)
			}
		}
	}
	return names
}
