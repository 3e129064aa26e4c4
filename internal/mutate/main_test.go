package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Some mutations go stale when the code changes. Too many are not to.
func TestMostMutationsApply(t *testing.T) {
	applicable := 0
	for _, m := range table {
		source, err := os.ReadFile(filepath.Join("..", "..", m.file))
		require.NoError(t, err)
		if _, ok := m.apply(string(source)); ok {
			applicable++
		} else {
			t.Logf("stale: %s: %s", m.file, m)
		}
	}
	require.GreaterOrEqual(t, applicable, 110)
	t.Logf("%d of %d apply", applicable, len(table))
}
