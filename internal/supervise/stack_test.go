package supervise

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTextOfAStack(t *testing.T) {
	stack := callers()
	text := textOf(stack, 16<<10)
	require.Contains(t, string(text), "tRunner(...)\n\t")
	long := textOf(slices.Repeat(stack, 1000), 16<<10)
	require.Len(t, long, 16<<10)
	require.Less(t, cap(long), 32<<10, "and no more than that was made")
}
