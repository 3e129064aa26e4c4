package supervision_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
)

// edges are how far beyond the end of a period the failure is that may be one too many:
// one that is exactly as old as the period still counts.
var edges = []struct {
	off   time.Duration
	fails bool
}{{-1, true}, {0, true}, {1, false}}

// A supervisor gives up at the failure after as many as its intensity within the period.
func TestIntensityAtItsLimit(t *testing.T) {
	for _, period := range []time.Duration{time.Nanosecond, time.Millisecond, 5 * time.Second, time.Hour} {
		for _, failures := range []int{0, 1, 3} {
			for _, edge := range edges {
				bubble(t, func(t *testing.T) {
					die := make(chan struct{})
					s, err := dray.NewSupervisor(dray.OneForOne, dray.WithIntensity(failures, period), dray.WithRestartBackoff(func(int) time.Duration { return 0 }),
						dray.WithChildren(dray.Child{Name: "x", Service: dray.ServiceFunc(func(ctx context.Context) error {
							select {
							case <-die:
								return errFailed
							case <-ctx.Done():
								return nil
							}
						})}))
					require.NoError(t, err)
					ctx, stop := context.WithCancel(t.Context())
					served := make(chan error, 1)
					go func() { served <- s.Serve(ctx) }()
					synctest.Wait()
					for range failures {
						die <- struct{}{}
						synctest.Wait()
						require.Empty(t, served, "it takes as many")
					}
					time.Sleep(period + edge.off)
					die <- struct{}{}
					synctest.Wait()
					gaveUp := edge.fails || failures == 0
					require.Len(t, served, map[bool]int{true: 1}[gaveUp], "%d in %v %+d", failures, period, edge.off)
					stop()
					err = <-served
					if gaveUp {
						require.ErrorIs(t, err, dray.ErrIntensity)
						require.ErrorIs(t, err, errFailed)
					} else {
						require.NoError(t, err)
					}
				})
			}
		}
	}
}

// A queue's own tree survives three crashes in 5 s, and no fourth.
func TestIntensityOfAQueueAtItsLimit(t *testing.T) {
	for _, edge := range edges {
		bubble(t, func(t *testing.T) {
			q, err := dray.New()
			require.NoError(t, err)
			require.NoError(t, q.Start())
			at := time.Now()
			for range 3 {
				draytest.CrashOwner(t, q)
			}
			require.True(t, time.Now().Equal(at), "crashes and restarts take no time")
			time.Sleep(5*time.Second + edge.off)
			draytest.CrashOwner(t, q)
			err = q.Enqueue(t.Context(), func(context.Context) error { return nil })
			if edge.fails {
				require.ErrorIs(t, err, dray.ErrClosed)
				require.ErrorIs(t, q.Close(), dray.ErrIntensity)
			} else {
				require.NoError(t, err)
				require.NoError(t, q.Close())
			}
		})
	}
}
