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
