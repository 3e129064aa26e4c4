package queue_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// A context that was kept is that job's for ever, although thousands of others
// have been made since: cancelled, and not alive again with a later job.
func TestContextsThatAreKept(t *testing.T) {
	for name, opts := range map[string][]dray.JobOption{
		"plain": nil, "labelled": {dray.WithLabel("x")}, "values": {dray.WithContextValues()},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := dray.New(dray.WithWorkers(1), dray.WithCapacity(dray.Unbounded))
			require.NoError(t, err)
			const n = 1000
			kept := map[context.Context]bool{}
			for i := range n {
				require.NoError(t, q.Enqueue(t.Context(), func(ctx context.Context) error {
					if kept[ctx] {
						t.Error("the same context twice")
					}
					kept[ctx] = i%3 == 0
					if i%3 == 0 && ctx.Err() != nil {
						t.Error("it has ended before its job")
					}
					return nil
				}, opts...))
			}
			require.NoError(t, q.Start())
			_, err = q.Shutdown(t.Context())
			require.NoError(t, err)
			require.Len(t, kept, n)
			for ctx := range kept {
				require.ErrorIs(t, ctx.Err(), context.Canceled)
				<-ctx.Done()
				_, running := dray.JobFrom(ctx)
				require.False(t, running)
			}
		})
	}
}
