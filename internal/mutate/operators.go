package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strconv"
)

// A mutant is one small change of a source file: the bytes from begin to end become
// text.
type mutant struct {
	file       string
	operator   string
	begin, end int
	text       string
	race       bool // only the race detector can be counted on to find it
}

// A file is a source file with its syntax tree, and the mutants found so far.
type file struct {
	name    string
	source  []byte
	set     *token.FileSet
	results [][]ast.Expr // types of what the functions around return
	mutants []mutant
}

func (f *file) offset(p token.Pos) int { return f.set.Position(p).Offset }
func (f *file) text(n ast.Node) string { return string(f.source[f.offset(n.Pos()):f.offset(n.End())]) }
func (f *file) replace(op string, n ast.Node, format string, args ...any) {
	f.replaceRange(op, n.Pos(), n.End(), fmt.Sprintf(format, args...))
}

func (f *file) replaceRange(op string, from, to token.Pos, text string) {
	f.mutants = append(f.mutants, mutant{f.name, op, f.offset(from), f.offset(to), text, false})
}

// walk collects the mutants of n and what is below it.
func (f *file) walk(n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Body != nil {
				f.function(n.Type, n.Body)
			}
			return false
		case *ast.FuncLit:
			f.function(n.Type, n.Body)
			return false
		case *ast.ImportSpec, *ast.StructType, *ast.InterfaceType, *ast.ArrayType:
			return false
		}
		f.mutate(n)
		return true
	})
}

// function goes through a body whose return statements have the results of t.
func (f *file) function(t *ast.FuncType, body *ast.BlockStmt) {
	var results []ast.Expr
	if t.Results != nil {
		for _, field := range t.Results.List {
			for range max(len(field.Names), 1) {
				results = append(results, field.Type)
			}
		}
	}
	f.results = append(f.results, results)
	f.walk(body)
	f.results = f.results[:len(f.results)-1]
}

// mutate collects the mutants of one node.
func (f *file) mutate(n ast.Node) {
	switch n := n.(type) {
	case *ast.IfStmt:
		f.condition(n.Cond)
		if block, ok := n.Else.(*ast.BlockStmt); ok && len(block.List) > 0 {
			f.replace("else dropped", block, "{}")
		}
	case *ast.ForStmt:
		if n.Cond != nil {
			f.replace("condition negated", n.Cond, "!(%s)", f.text(n.Cond))
		}
	case *ast.BinaryExpr:
		f.binary(n)
	case *ast.BasicLit:
		f.literal(n)
	case *ast.Ident:
		if other, ok := map[string]string{"true": "false", "false": "true"}[n.Name]; ok {
			f.replace("constant changed", n, "%s", other)
		}
	case *ast.CallExpr:
		f.arguments(n)
	case *ast.IncDecStmt:
		other := map[token.Token]string{token.INC: "--", token.DEC: "++"}[n.Tok]
		f.replaceRange("arithmetic", n.TokPos, n.End(), other)
	case *ast.ReturnStmt:
		f.returned(n)
	case *ast.BlockStmt:
		f.statements(n.List)
	case *ast.CaseClause:
		f.statements(n.Body)
		f.emptied(n.Body)
	case *ast.CommClause:
		f.statements(n.Body)
		f.emptied(n.Body)
	}
}

func (f *file) condition(c ast.Expr) {
	text := f.text(c)
	f.replace("condition negated", c, "!(%s)", text)
	f.replace("condition always", c, "(%s) || true", text)
	f.replace("condition never", c, "(%s) && false", text)
}

// shifted and opposite are what becomes of operators.
var (
	shifted = map[token.Token]string{
		token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">", token.EQL: "!=", token.NEQ: "==",
	}
	opposite = map[token.Token]string{
		token.ADD: "-", token.SUB: "+", token.MUL: "/", token.QUO: "*", token.REM: "*",
		token.SHL: ">>", token.SHR: "<<", token.AND: "|", token.OR: "&",
	}
	connective = map[token.Token]string{token.LAND: "||", token.LOR: "&&"}
)

func (f *file) binary(n *ast.BinaryExpr) {
	for op, table := range map[string]map[token.Token]string{
		"comparison shifted": shifted, "arithmetic": opposite, "and for or": connective,
	} {
		if other, ok := table[n.Op]; ok {
			f.replaceRange(op, n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), other)
		}
	}
}

func (f *file) literal(n *ast.BasicLit) {
	if n.Kind != token.INT {
		return
	}
	v, err := strconv.ParseInt(n.Value, 0, 64)
	if err != nil {
		return
	}
	f.replace("constant changed", n, "%d", v+1)
	if v > 1 {
		f.replace("constant changed", n, "%d", v-1)
	}
}

// arguments swaps those that stand side by side.
func (f *file) arguments(n *ast.CallExpr) {
	for i := range len(n.Args) - 1 {
		a, b := n.Args[i], n.Args[i+1]
		if f.text(a) == f.text(b) {
			continue
		}
		between := string(f.source[f.offset(a.End()):f.offset(b.Pos())])
		f.replaceRange("arguments swapped", a.Pos(), b.End(), f.text(b)+between+f.text(a))
	}
}

// returned has a function return zero values.
func (f *file) returned(n *ast.ReturnStmt) {
	types := f.results[len(f.results)-1]
	if len(n.Results) != len(types) {
		return // it returns what another function does
	}
	for i, r := range n.Results {
		zero := fmt.Sprintf("*new(%s)", f.text(types[i]))
		if !slices.Contains([]string{"nil", "0", "false", `""`, zero}, f.text(r)) {
			f.replace("zero returned", r, "%s", zero)
		}
	}
}

// statements drops each that may be missing.
func (f *file) statements(list []ast.Stmt) {
	for _, s := range list {
		op := ""
		switch s := s.(type) {
		case *ast.ExprStmt:
			op = "call dropped"
		case *ast.DeferStmt:
			op = "defer dropped"
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE {
				op = "statement dropped"
			}
		case *ast.IncDecStmt, *ast.SendStmt, *ast.GoStmt, *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			op = "statement dropped"
		case *ast.BranchStmt:
			op = "jump dropped"
		case *ast.ReturnStmt:
			if len(s.Results) == 0 {
				op = "jump dropped"
			}
		}
		if op != "" {
			f.replace(op, s, "")
		}
	}
}

// emptied drops all that a case does.
func (f *file) emptied(body []ast.Stmt) {
	if len(body) > 1 {
		f.replaceRange("case emptied", body[0].Pos(), body[len(body)-1].End(), "")
	}
}
