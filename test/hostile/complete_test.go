package hostile_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A surface is where package dray lets user code in.
type surface struct {
	types map[string]ast.Expr // declared by the package
	entry []string            // function or method, parameter or field, type
}

// entries reads the source of package dray and returns every exported parameter and
// field through which a function or a value with methods comes in, those of exported
// interfaces included, as they are what dray calls.
func entries(t *testing.T) []string {
	t.Helper()
	s := surface{types: map[string]ast.Expr{}}
	var files []*ast.File
	paths, err := filepath.Glob("../../*.go")
	require.NoError(t, err)
	fset := token.NewFileSet()
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		src, err := os.ReadFile(path)
		require.NoError(t, err)
		f, err := parser.ParseFile(fset, path, src, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, f)
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				for _, spec := range g.Specs {
					if ts, ok := spec.(*ast.TypeSpec); ok {
						s.types[ts.Name.Name] = ts.Type
					}
				}
			}
		}
	}
	for _, f := range files {
		for _, d := range f.Decls {
			s.declaration(d)
		}
	}
	return s.entry
}

func (s *surface) declaration(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		name, receiver := d.Name.Name, ""
		if d.Recv != nil {
			receiver = base(d.Recv.List[0].Type)
			name = receiver + "." + name
		}
		if d.Name.IsExported() && (receiver == "" || ast.IsExported(receiver)) {
			s.fields(name, generics(d), d.Type.Params, false)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if ts, ok := spec.(*ast.TypeSpec); ok && ts.Name.IsExported() {
				s.declared(ts)
			}
		}
	}
}

func (s *surface) declared(ts *ast.TypeSpec) {
	name := ts.Name.Name
	switch typ := ts.Type.(type) {
	case *ast.StructType:
		s.fields(name, nil, typ.Fields, true)
	case *ast.InterfaceType:
		for _, m := range typ.Methods.List {
			for _, method := range m.Names {
				if method.IsExported() {
					s.entry = append(s.entry, name+"."+method.Name)
				}
			}
		}
	case *ast.FuncType:
		s.entry = append(s.entry, name)
	}
}

func (s *surface) fields(of string, generic map[string]bool, list *ast.FieldList, exportedOnly bool) {
	for _, f := range list.List {
		typ := f.Type
		if e, ok := typ.(*ast.Ellipsis); ok {
			typ = e.Elt
		}
		if a, ok := typ.(*ast.ArrayType); ok {
			typ = a.Elt
		}
		for _, n := range f.Names {
			if (!exportedOnly || n.IsExported()) && s.isUserCode(typ, generic) {
				s.entry = append(s.entry, of+"("+n.Name+")")
			}
		}
	}
}

// isUserCode reports whether values of a type have code of a user in them.
func (s *surface) isUserCode(typ ast.Expr, generic map[string]bool) bool {
	switch typ := typ.(type) {
	case *ast.FuncType, *ast.InterfaceType:
		return true
	case *ast.SelectorExpr:
		return typ.Sel.Name == "Context"
	case *ast.StarExpr:
		sel, ok := typ.X.(*ast.SelectorExpr)
		return ok && sel.Sel.Name == "Logger"
	case *ast.Ident:
		if generic[typ.Name] || typ.Name == "error" || typ.Name == "any" {
			return true
		}
		def, ok := s.types[typ.Name]
		return ok && s.isUserCode(def, nil)
	}
	return false
}

// generics are the type parameters of a function, or of a method's receiver.
func generics(d *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	if d.Type.TypeParams != nil {
		for _, p := range d.Type.TypeParams.List {
			for _, n := range p.Names {
				names[n.Name] = true
			}
		}
	}
	if d.Recv == nil {
		return names
	}
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IndexExpr:
			names[base(n.Index)] = true
		case *ast.IndexListExpr:
			for _, i := range n.Indices {
				names[base(i)] = true
			}
		}
		return true
	})
	return names
}

// base is the name of a receiver's type.
func base(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return base(e.X)
	case *ast.IndexExpr:
		return base(e.X)
	case *ast.IndexListExpr:
		return base(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// givenOut are the entries through which nothing comes in: dray fills them.
var givenOut = []string{
	"Failure(Err)", "Failure(Errs)", "JobInfo(LastError)", "PeriodicInfo(LastError)", "ChildInfo(LastError)",
	"Event(Err)",
}

// elsewhere are the entries whose row has another name: types, by the option or call
// that takes one.
var elsewhere = map[string]string{
	"Backoff":                "WithBackoff(b)",
	"Handler":                "WithMiddleware(ms)",
	"Observer":               "WithObserver(o)",
	"Limiter.Wait":           "WithRateLimit(l)",
	"Locker.Lock":            "WithLock(l)/Lock",
	"Service.Serve":          "Child(Service)/Serve",
	"Initer.Init":            "Child(Service)/Init",
	"ServiceFunc":            "Child(Service)/Serve",
	"ServiceFunc.Serve(ctx)": "Child(Service)/Serve", // it is the supervisor's
	"NewGroup(opts)":         "GroupOption",
	"Kind.Enqueue(v)":        "Handle(fn)", // nothing calls a payload
	"Kind.EnqueueSync(v)":    "Handle(fn)",
	"Kind.EnqueueBatch(vs)":  "Handle(fn)",
}

// Whatever the package takes in that may be user code has a row. A new option, field
// or parameter does not pass without one.
func TestEveryEntryHasARow(t *testing.T) {
	names := allRows()
	used := map[string]bool{}
	for _, e := range entries(t) {
		if to, ok := elsewhere[e]; ok {
			used[e] = true
			e = to
		}
		found := slices.Contains(givenOut, e)
		used[e] = used[e] || found
		for name := range names {
			place, _, _ := strings.Cut(name, "/")
			found = found || name == e || place == e
		}
		require.True(t, found, "%s has no row in the table of hostile code", e)
	}
	for _, e := range slices.AppendSeq(slices.Clone(givenOut), maps.Keys(elsewhere)) {
		require.True(t, used[e], "%s is no entry any more", e)
	}
}
