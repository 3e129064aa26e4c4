package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTableApplies: a row that has gone stale as the code changed is written anew.
func TestTableApplies(t *testing.T) {
	t.Chdir("../..")
	mutants, err := fromTable("")
	require.NoError(t, err)
	require.Len(t, mutants, len(table))
}

// TestNothingMatches: a name that no file has is told from a file that has no row.
func TestNothingMatches(t *testing.T) {
	t.Chdir("../..")
	for _, n := range []int{0, 20} {
		mutants, _, err := choose("no such file", 1, n)
		require.NoError(t, err)
		require.Empty(t, mutants)
	}
	mutants, _, err := choose("latency", 1, 0)
	require.NoError(t, err)
	require.Empty(t, mutants, "no row of the table")
	mutants, _, err = choose("latency", 1, 20)
	require.NoError(t, err)
	require.NotEmpty(t, mutants, "which is why it says that -generate has more")
	require.Contains(t, nothing("latency", false), "-generate")
	require.NotContains(t, nothing("latency", true), "-generate")
}
