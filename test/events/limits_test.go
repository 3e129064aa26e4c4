package events_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// deepInAFunctionWithANameSoLongThatAHundredFramesOfItAreMoreThanSixteenKibibytesOfStack calls do so
// many frames down; a stack has a hundred of them at most.
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
				if e, ok := ev.(dray.JobStuck); ok {
					stuck = e.Stack
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
