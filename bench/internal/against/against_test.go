package against

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted is a binary that returns what the test says, one run after the other.
type scripted struct {
	name  string
	works []string
	runs  map[string][]map[string]float64
	calls *[]string
}

func (s scripted) Works() ([]string, error) {
	if s.works == nil {
		return nil, errors.New("no works")
	}
	return s.works, nil
}

func (s scripted) Measure(work string) (Measured, error) {
	*s.calls = append(*s.calls, s.name+" "+work)
	if len(s.runs[work]) == 0 {
		return Measured{}, errors.New("broken")
	}
	values := s.runs[work][0]
	s.runs[work] = s.runs[work][1:]
	return Measured{Work: work, Values: values, Units: map[string]string{"bytes": "B"}}, nil
}

func all(string) bool { return true }

func TestCompareTakesTheMedianOfTheRatiosWithinTheRounds(t *testing.T) {
	var calls []string
	this := scripted{"this", []string{"noop", "new", "other"}, map[string][]map[string]float64{
		"noop": {{"noop 1x2": 10, "bytes": 9}, {"noop 1x2": 80, "bytes": 9}, {"noop 1x2": 30, "bytes": 9}},
	}, &calls}
	that := scripted{"that", []string{"noop", "old"}, map[string][]map[string]float64{
		"noop": {{"noop 1x2": 20, "gone": 1}, {"noop 1x2": 100, "gone": 1}, {"noop 1x2": 10, "gone": 1}},
	}, &calls}
	table, err := Compare(this, that, func(w string) bool { return w != "other" }, 3, io.Discard)
	require.NoError(t, err)
	require.Equal(t, []string{"this noop", "that noop", "that noop", "this noop", "this noop", "that noop"}, calls, "in turns")
	require.Equal(t, [][]string{
		{"bytes", "9 B", "", "that does not know it", "", ""},
		{"gone", "", "1 ns", "this does not know it", "", ""},
		{"noop 1x2", "30 ns", "20 ns", "0.80", "0.50", "3.00"},
		{"new", "", "", "that does not know it", "", ""},
	}, table.Rows)
}

func TestCompareNamesWhoFailed(t *testing.T) {
	var calls []string
	good := scripted{"good", []string{"noop"}, map[string][]map[string]float64{"noop": {{"a": 1}, {"a": 1}}}, &calls}
	broken := scripted{"broken", []string{"noop"}, nil, &calls}
	_, err := Compare(good, broken, all, 1, io.Discard)
	require.ErrorContains(t, err, "that, noop: broken")
	_, err = Compare(scripted{}, good, all, 1, io.Discard)
	require.ErrorContains(t, err, "this: no works")
	_, err = Compare(good, scripted{}, all, 1, io.Discard)
	require.ErrorContains(t, err, "that: no works")
}

// write makes a checkout out of files by their paths.
func write(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

const (
	library = "module " + Module + "\n\ngo 1.26\n"
	nested  = "module " + Module + "/bench\n\ngo 1.26\n\nrequire " + Module + " v0.1.0\n"
	// prints is a bench program that prints the library's version as a measurement.
	prints = `package main

import (
	"fmt"
	"os"

	dray "` + Module + `"
)

func main() {
	if os.Args[1] == "-works" {
		fmt.Println("[\"noop\"]")
		return
	}
	fmt.Printf("{\"work\": %q, \"values\": {\"noop\": %d}}\n", os.Args[2], dray.Version)
}
`
)

func checkout(t *testing.T, version string) string {
	t.Helper()
	return write(t, map[string]string{"go.mod": library, "dray.go": "package dray\n\nconst " + version + "\n"})
}

func sources(t *testing.T) string {
	t.Helper()
	return write(t, map[string]string{"go.mod": nested, "go.sum": "", "main.go": prints})
}

func TestBuildUsesTheseSourcesWithThatLibrary(t *testing.T) {
	b, how, err := Build(checkout(t, "Version = 7"), sources(t), t.TempDir())
	require.NoError(t, err)
	require.Contains(t, how, "this checkout's bench program, built with that library")
	works, err := b.Works()
	require.NoError(t, err)
	require.Equal(t, []string{"noop"}, works)
	m, err := b.Measure("noop")
	require.NoError(t, err)
	require.Equal(t, Measured{Work: "noop", Values: map[string]float64{"noop": 7}}, m)
}

// What the tag leaves out is not needed.
func TestBuildLeavesOutWhatTheLibraryHasNot(t *testing.T) {
	these := write(t, map[string]string{
		"go.mod": nested, "go.sum": "", "main.go": strings.NewReplacer("dray.Version", "version()", `dray "`, `_ "`).Replace(prints),
		"newer.go": "//go:build !older\n\npackage main\n\nimport dray \"" + Module + "\"\n\nfunc version() int { return dray.Version }\n",
		"older.go": "//go:build older\n\npackage main\n\nfunc version() int { return 1 }\n",
	})
	b, how, err := Build(checkout(t, "Old = 3"), these, t.TempDir())
	require.NoError(t, err)
	require.Contains(t, how, "without what that has not got")
	m, err := b.Measure("noop")
	require.NoError(t, err)
	require.InDelta(t, 1, m.Values["noop"], 0)
}

// Of a library without what these sources need the checkout's own program is taken.
func TestBuildFallsBackToTheProgramOfTheCheckout(t *testing.T) {
	that := checkout(t, "Old = 3")
	own := filepath.Join(that, "bench")
	require.NoError(t, os.Mkdir(own, 0o755))
	for name, text := range map[string]string{
		"go.mod": nested + "\nreplace " + Module + " => ../\n", "main.go": strings.ReplaceAll(prints, "dray.Version", "dray.Old"),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(own, name), []byte(text), 0o600))
	}
	t.Setenv("GOWORK", "off")
	b, how, err := Build(that, sources(t), t.TempDir())
	require.NoError(t, err)
	require.Contains(t, how, "that checkout's own bench program")
	require.Contains(t, how, "undefined: dray.Version", "why")
	m, err := b.Measure("noop")
	require.NoError(t, err)
	require.InDelta(t, 3, m.Values["noop"], 0)
}

func TestBuildSaysWhatStandsInTheWayOfBoth(t *testing.T) {
	t.Setenv("GOWORK", "off")
	_, _, err := Build(checkout(t, "Old = 3"), sources(t), t.TempDir())
	require.ErrorContains(t, err, "undefined: dray.Version")
	require.ErrorContains(t, err, "that one's own")
	_, _, err = Build(t.TempDir(), sources(t), t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
}
