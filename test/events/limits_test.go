package events_test

import (
	"context"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// deepInAFunctionWithANameSoLongThatAHundredFramesOfItAreMoreThanSixteenKibibytesOfStack calls
// do so many frames down; a stack has a hundred of them at most.
func deepInAFunctionWithANameSoLongThatAHundredFramesOfItAreMoreThanSixteenKibibytesOfStack(frames int, do func()) {
	if frames == 0 {
		do()
		return
	}
	deepInAFunctionWithANameSoLongThatAHundredFramesOfItAreMoreThanSixteenKibibytesOfStack(frames-1, do)
}

// Of a stack there are 16 KiB, where there is so much of it: in the error of a panic, its
// failure, and the event of a job that is stuck.
func TestStacksAtTheirLimit(t *testing.T) {
	const limit = 16 << 10
	for _, tc := range []struct {
		frames int
		full   bool
	}{{3, false}, {1000, true}} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(73*time.Hour + 11*time.Minute)
			var stuck []byte
			q, err := dray.New(dray.WithObserver(func(ev dray.Event) {
				if ev.Kind == dray.JobStuck {
					stuck = ev.Stack
				}
			}))
			require.NoError(t, err)
			require.NoError(t, q.Start())
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error {
				deepInAFunctionWithANameSoLongThatAHundredFramesOfItAreMoreThanSixteenKibibytesOfStack(tc.frames, func() { panic("boom") })
				return nil
			}))
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error {
				deepInAFunctionWithANameSoLongThatAHundredFramesOfItAreMoreThanSixteenKibibytesOfStack(tc.frames, func() { time.Sleep(time.Minute) })
				return nil
			}, dray.WithTimeout(time.Second)))
			time.Sleep(time.Hour)
			synctest.Wait()
			var thrown *dray.PanicError
			require.ErrorAs(t, q.Failures()[0].Errs[0], &thrown)
			for _, stack := range [][]byte{thrown.Stack, stuck} {
				require.Contains(t, string(stack), "events_test.deepIn")
				require.Equal(t, tc.full, len(stack) == limit, len(stack))
				require.LessOrEqual(t, len(stack), limit)
			}
			require.NoError(t, q.Close())
		})
	}
}

// After a run has ended, and while it is to begin again, what is many is still told as
// a number; and workers that begin and end are told in pairs.
func TestNumbersAfterARestart(t *testing.T) {
	for name, cause := range map[string]error{"restart": dray.ErrRestart, "end": context.Canceled} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				q := s.made(dray.WithCapacity(1), dray.WithWorkers(1))
				require.NoError(s, q.Pause())
				for range 3 {
					ctx, cancel := context.WithCancelCause(s.Context())
					ended := make(chan error, 1)
					go func() { ended <- q.Serve(ctx) }()
					synctest.Wait()
					for range 1000 {
						_ = q.Enqueue(context.Background(), kit.Nop)
						s.wait(time.Millisecond)
					}
					cancel(cause)
					require.NoError(s, <-ended)
					if cause == dray.ErrRestart { //nolint:errorlint // of the table
						for range 1000 {
							_ = q.Enqueue(context.Background(), kit.Nop)
							s.wait(time.Millisecond)
						}
					}
				}
				_, err := q.Shutdown(context.Background())
				require.NoError(s, err)
				sum, lines := s.counts("jobs rejected")
				require.Equal(s, q.Stats().Rejected, sum)
				require.LessOrEqual(s, lines, 16)
			}, func(*scene) {})
		})
	}
}

func TestWorkersAreToldInPairs(t *testing.T) {
	play(t, func(s *scene) {
		q := s.made(dray.WithWorkers(1))
		require.NoError(s, q.Start())
		for range 5 {
			require.NoError(s, q.Enqueue(context.Background(), func(context.Context) error { runtime.Goexit(); return nil }))
		}
		_, err := q.Shutdown(context.Background())
		require.NoError(s, err)
	}, func(s *scene) {
		require.Len(s, s.of("WorkerStopped"), 6)
		require.Len(s, s.of("WorkerStarted"), 6)
	})
}

// A job that alone is left over at the end is reason enough to warn, of a pool as well,
// which has no restarts.
func TestStopThatLeavesOneJobRunning(t *testing.T) {
	play(t, func(s *scene) {
		q := s.made(dray.WithWorkers(1), dray.WithShutdownTimeout(time.Second))
		require.NoError(s, q.Start())
		require.NoError(s, q.Enqueue(context.Background(), draytest.Stubborn(time.Hour, nil)))
		s.wait(time.Second)
		require.ErrorIs(s, q.Close(), dray.ErrStillRunning)
		s.wait(time.Hour)
	}, func(s *scene) {
		last := s.logged(true)
		require.Equal(s, slog.LevelWarn, last[len(last)-1].level)
		require.Equal(s, "queue stopped", last[len(last)-1].message)
	})
	synctest.Test(t, func(t *testing.T) {
		var stops []dray.Event
		p, err := dray.NewPool(1, dray.WithObserver(func(ev dray.Event) {
			if ev.Kind == dray.QueueStopped {
				stops = append(stops, ev)
			}
		}))
		require.NoError(t, err)
		require.NoError(t, p.RunAsync(kit.Nop))
		require.NoError(t, p.Close())
		synctest.Wait()
		require.Len(t, stops, 1)
		require.Zero(t, stops[0].Stats.Restarts)
		require.EqualValues(t, 1, stops[0].Stats.Processed)
	})
}
