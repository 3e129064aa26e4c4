package main

import (
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const example = `package example

import "sync"

var limit = 2

func f(mu *sync.Mutex, a, b int) (n int, err error) {
	mu.Lock()
	defer mu.Unlock()
	if a < b && a != 0 {
		n++
	} else {
		n = g(a, b)
	}
	for n > 5 {
		if b == n {
			break
		}
	}
	switch {
	case a > 1:
		n = a
		err = nil
	}
	return n + 1, err
}

func h(c chan bool) {
	if len(c) > 0 {
		return
	}
	c <- true
}
`

// TestOperators: each operator finds its places in an example, and what it makes of
// them parses.
func TestOperators(t *testing.T) {
	mutants, err := mutantsOf("example.go", []byte(example))
	require.NoError(t, err)
	shown := map[string]string{}
	for _, m := range mutants {
		mutated := m.apply([]byte(example))
		require.NotEqual(t, example, string(mutated))
		_, err := parser.ParseFile(token.NewFileSet(), "", mutated, 0)
		require.NoError(t, err, m.diff([]byte(example)))
		shown[m.operator] += m.diff([]byte(example))
	}
	for operator, wants := range map[string][]string{
		"condition negated":  {"+ \tif !(a < b && a != 0) {", "+ \tfor !(n > 5) {"},
		"condition always":   {"+ \t\tif (b == n) || true {"},
		"condition never":    {"+ \tif (a < b && a != 0) && false {"},
		"comparison shifted": {"+ \tif a <= b && a != 0 {", "+ \tif a < b && a == 0 {", "+ \tfor n >= 5 {"},
		"and for or":         {"+ \tif a < b || a != 0 {"},
		"arithmetic":         {"+ \treturn n - 1, err", "+ \t\tn--"},
		"constant changed":   {"+ var limit = 3", "+ var limit = 1", "+ \tc <- false", "+ \tfor n > 6 {"},
		"arguments swapped":  {"+ \t\tn = g(b, a)"},
		"zero returned":      {"+ \treturn *new(int), err", "+ \treturn n + 1, *new(error)"},
		"statement dropped":  {"- \t\tn = g(a, b)", "- \tc <- true", "- \t\tn++"},
		"call dropped":       {"- \tmu.Lock()"},
		"defer dropped":      {"- \tdefer mu.Unlock()"},
		"jump dropped":       {"- \t\t\tbreak", "- \t\treturn"},
		"else dropped":       {"+ \t} else {}"},
		"case emptied":       {"- \t\terr = nil"},
	} {
		for _, want := range wants {
			require.Contains(t, shown[operator], want, operator)
		}
		delete(shown, operator)
	}
	require.Empty(t, shown)
}

// TestSampleIsOfTheSeed: and there is enough to draw from.
func TestSampleIsOfTheSeed(t *testing.T) {
	t.Chdir("../..")
	once, err := generate("", 7)
	require.NoError(t, err)
	again, err := generate("", 7)
	require.NoError(t, err)
	other, err := generate("", 8)
	require.NoError(t, err)
	require.Equal(t, once, again)
	require.ElementsMatch(t, once, other)
	require.NotEqual(t, once[:20], other[:20])
	for _, m := range once {
		require.False(t, strings.HasSuffix(m.file, "_test.go") || strings.Contains(m.file, "mutate/"), m.file)
	}
	source, err := os.ReadFile(once[0].file)
	require.NoError(t, err)
	require.Contains(t, once[0].place(source), ".go:")
	require.Greater(t, len(once), 5000)
}
