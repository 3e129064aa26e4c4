package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	main()
	// Unordered output:
	// mail to ada@example.com
	// counted 3 <nil>
	// 3 processed, 0 left
}

// TestREADME makes sure that what the README shows is this program.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	program, err := os.ReadFile("main.go")
	require.NoError(t, err)

	_, block, found := strings.Cut(string(readme), "```go\n")
	require.True(t, found)
	block, rest, _ := strings.Cut(block, "```\n")
	require.Contains(t, string(program), block)
	require.NotContains(t, rest, "```go", "a second program needs a test, too")
}

// TestLinks makes sure that documents point to files that are there.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^):#]+)\)`)
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	for _, page := range append(pages, "../../README.md", "../README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			_, err := os.Stat(filepath.Join(filepath.Dir(page), m[1]))
			require.NoError(t, err, "in %s", page)
		}
	}
}
