package shutdown_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// Where nothing is to be cut short a Shutdown returns nil, though its time was over before.
func TestShutdownWithNothingToCutShort(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for name, begin := range map[string]func(t *testing.T, q *dray.Queue){
		"not started": func(*testing.T, *dray.Queue) {},
		"not started, one waits": func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Enqueue(context.Background(), kit.Nop))
		},
		"started": func(t *testing.T, q *dray.Queue) { require.NoError(t, q.Start()) },
		"delayed": func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Start())
			require.NoError(t, q.Enqueue(context.Background(), kit.Nop, dray.WithDelay(time.Hour)))
		},
		"paused": func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Start())
			require.NoError(t, q.Pause())
			require.NoError(t, q.Enqueue(context.Background(), kit.Nop))
		},
		"served, and ended": func(t *testing.T, q *dray.Queue) {
			ctx, stop := context.WithTimeout(context.Background(), time.Second)
			defer stop()
			require.NoError(t, q.Enqueue(context.Background(), kit.Nop, dray.WithDelay(time.Hour)))
			require.NoError(t, q.Serve(ctx))
		},
		"served with an ended context": func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Enqueue(context.Background(), kit.Nop))
			require.NoError(t, q.Serve(ended))
		},
	} {
		bubble(t, name, func(t *testing.T) {
			for range 100 {
				q := newQueue(t)
				begin(t, q)
				_, err := q.Shutdown(ended)
				require.NoError(t, err)
			}
		})
	}
}

// The drain at the end of a Serve, too, is not cut short where there is nothing.
func TestServeWithNothingToCutShort(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	bubble(t, "", func(t *testing.T) {
		for range 100 {
			q := newQueue(t)
			ctx, stop := context.WithCancel(context.Background())
			served := make(chan error, 1)
			go func() { served <- q.Serve(ctx) }()
			synctest.Wait()
			stop()
			_, err := q.Shutdown(ended)
			require.NoError(t, err)
			require.NoError(t, <-served)
		}
	})
}
