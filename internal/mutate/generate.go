package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// generate returns the mutants of the files that users of the module link, with only
// in their name, in an order that the seed makes.
func generate(only string, seed uint64) ([]mutant, error) {
	names, err := linked()
	if err != nil {
		return nil, err
	}
	var all []mutant
	for _, name := range names {
		if !strings.Contains(name, only) {
			continue
		}
		source, err := os.ReadFile(name) //nolint:gosec // of this repository
		if err != nil {
			return nil, err
		}
		found, err := mutantsOf(name, source)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // to be repeated, not to be secret
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all, nil
}

// linked lists the source files of what a program that imports dray links of it.
func linked() ([]string, error) {
	list := exec.CommandContext(context.Background(), "go", "list", "-deps",
		"-f", `{{if not .Standard}}{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}{{end}}`, ".")
	out, err := list.Output()
	if err != nil {
		return nil, err
	}
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	names := strings.Fields(string(out))
	for i, name := range names {
		if names[i], err = filepath.Rel(here, name); err != nil {
			return nil, err
		}
	}
	slices.Sort(names)
	return names, nil
}

// mutantsOf returns the mutants of one file, by place and operator.
func mutantsOf(name string, source []byte) ([]mutant, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f := &file{name: name, source: source, set: set}
	for _, d := range tree.Decls {
		if g, ok := d.(*ast.GenDecl); !ok || g.Tok != token.IMPORT {
			f.walk(d)
		}
	}
	slices.SortFunc(f.mutants, func(a, b mutant) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end),
			cmp.Compare(a.operator, b.operator), cmp.Compare(a.text, b.text))
	})
	return f.mutants, nil
}

// apply returns the source with the mutation.
func (m mutant) apply(source []byte) []byte {
	return slices.Concat(source[:m.begin], []byte(m.text), source[m.end:])
}

// place is the file and line.
func (m mutant) place(source []byte) string {
	return fmt.Sprintf("%s:%d", m.file, 1+bytes.Count(source[:m.begin], []byte("\n")))
}

// diff shows the lines that the mutation changes, before and after.
func (m mutant) diff(source []byte) string {
	begin := bytes.LastIndexByte(source[:m.begin], '\n') + 1
	rest := len(source)
	if i := bytes.IndexByte(source[m.end:], '\n'); i >= 0 {
		rest = m.end + i
	}
	changed := string(source[begin:m.begin]) + m.text + string(source[m.end:rest])
	var b strings.Builder
	lines(&b, "-", string(source[begin:rest]))
	lines(&b, "+", changed)
	return b.String()
}

func lines(b *strings.Builder, sign, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.TrimSpace(line) != "" {
			fmt.Fprintf(b, "    %s %s\n", sign, line)
		}
	}
}
