package policy_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// tosses is how often a coin would have to fall the same way.
const tosses = 100

// A result that is there is given, whatever has become of the context meanwhile.
func TestResultWinsOverTheContext(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	bubble(t, "Task.Wait", func(t *testing.T) {
		q := start(t)
		task, err := dray.Submit(t.Context(), q, func(context.Context) (int, error) { return 7, kit.ErrBoom })
		require.NoError(t, err)
		synctest.Wait()
		for range tosses {
			v, err := task.Wait(ended)
			require.Equal(t, 7, v)
			require.Equal(t, kit.ErrBoom, err)
		}
	})
	bubble(t, "Group.Wait", func(t *testing.T) {
		q := start(t)
		g, err := dray.NewGroup(q)
		require.NoError(t, err)
		require.NoError(t, g.Enqueue(t.Context(), kit.Fail))
		synctest.Wait()
		g.Close()
		for range tosses {
			require.ErrorIs(t, g.Wait(ended), kit.ErrBoom)
		}
	})
	for name, opts := range map[string][]dray.JobOption{"Run": nil, "Run with options": {dray.WithLabel("l")}} {
		bubble(t, name, func(t *testing.T) {
			q := start(t)
			for range tosses {
				ctx, cancel := context.WithCancel(t.Context())
				v, err := dray.Run(ctx, q, func(context.Context) (int, error) { cancel(); return 7, nil }, opts...)
				if err != nil { // it saw the context's end before the job had returned
					require.ErrorIs(t, err, context.Canceled)
					require.Zero(t, v)
				} else {
					require.Equal(t, 7, v)
				}
			}
		})
	}
	// A call that was let in while its context ended was let in.
	bubble(t, "EnqueueSync", func(t *testing.T) {
		for range tosses {
			q := start(t, dray.WithWorkers(1), dray.WithCapacity(1), dray.WithOverflow(dray.Block))
			gate := make(chan struct{})
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { <-gate; return nil }))
			synctest.Wait()
			require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
			ctx, cancel := context.WithCancel(t.Context())
			var err error
			returned := make(chan struct{})
			go func() {
				defer close(returned)
				_, err = q.EnqueueSync(ctx, kit.Nop)
			}()
			synctest.Wait()
			close(gate)
			cancel()
			<-returned
			synctest.Wait()
			s := q.Stats()
			if err == nil {
				require.Equal(t, uint64(3), s.Processed)
			} else {
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, uint64(2), s.Enqueued)
			}
			require.NoError(t, q.Close())
		}
	})
	bubble(t, "Shutdown", func(t *testing.T) {
		q := start(t)
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop, dray.WithDelay(time.Hour)))
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Len(t, report.Waiting, 1)
		for range tosses {
			again, err := q.Shutdown(ended)
			require.NoError(t, err)
			require.Len(t, again.Waiting, 1)
		}
	})
}
