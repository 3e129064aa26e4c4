package dray

import (
	"context"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestContextPageFillsItsSizeClass(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) < 8 {
		t.Skip("the sizes are chosen for 64 bits")
	}
	require.EqualValues(t, 256, unsafe.Sizeof(contextPage{}))
}

// Every context of a page finds its page, and is another one than its neighbours.
func TestContextsFindTheirPage(t *testing.T) {
	p := &contextPage{cells: numbered}
	seen := map[context.Context]bool{}
	for i := range p.cells {
		require.Same(t, p, p.cells[i].page())
		seen[&p.cells[i]] = true
	}
	require.Len(t, seen, pageLen)
}

// A context that was kept is that job's for ever, although thousands of others
// have been made since: cancelled, and not alive again with a later job.
func TestContextsThatAreKept(t *testing.T) {
	q, err := New(WithWorkers(1), WithCapacity(Unbounded))
	require.NoError(t, err)
	const n = 5 * pageLen
	var kept []context.Context
	for range n {
		require.NoError(t, q.Enqueue(t.Context(), func(ctx context.Context) error {
			for _, old := range kept[max(len(kept)-pageLen, 0):] {
				if old == ctx {
					t.Error("the same context twice")
				}
			}
			kept = append(kept, ctx)
			return nil
		}))
	}
	require.NoError(t, q.Start())
	_, err = q.Shutdown(t.Context())
	require.NoError(t, err)
	require.Len(t, kept, n)
	for _, ctx := range kept {
		require.ErrorIs(t, ctx.Err(), context.Canceled)
		_, running := JobFrom(ctx)
		require.False(t, running)
	}
}
