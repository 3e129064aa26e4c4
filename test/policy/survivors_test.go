package policy_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// A backoff function that does not return counts as a second.
func TestBackoffThatDoesNotReturn(t *testing.T) {
	for name, throw := range map[string]func(){"panic": func() { panic(errBoom) }, "goexit": runtime.Goexit} {
		bubble(t, name, func(t *testing.T) {
			q := start(t)
			var began record[time.Time]
			add(t, q, func(context.Context) error {
				began.add(time.Now())
				return errBoom
			}, dray.WithMaxAttempts(3), dray.WithBackoff(func(int) time.Duration { throw(); return time.Hour }))
			elapse(time.Minute)
			at := began.all()
			require.Len(t, at, 3)
			require.Equal(t, []time.Duration{time.Second, time.Second}, []time.Duration{at[1].Sub(at[0]), at[2].Sub(at[1])})
			require.Equal(t, uint64(1), q.Stats().Failed)
		})
	}
}

// What is discarded is told by its reason: of an error that Discard made by the one that
// it was given, of one that wraps that by the whole.
func TestLogOfWhatIsDiscarded(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		text string
	}{
		"bare":      {dray.Discard(errBoom), "boom"},
		"wrapped":   {fmt.Errorf("step 3: %w", dray.Discard(errBoom)), fmt.Errorf("step 3: %w", dray.Discard(errBoom)).Error()},
		"no reason": {dray.Discard(nil), "dray: discarded without a reason"},
	} {
		bubble(t, name, func(t *testing.T) {
			var buf bytes.Buffer
			q := start(t, dray.WithLogger(slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{
				ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
					if a.Key == "error" {
						return a
					}
					return slog.Attr{}
				},
			}))))
			add(t, q, func(context.Context) error { return c.err }, dray.WithMaxAttempts(3))
			synctest.Wait()
			require.Contains(t, strings.ReplaceAll(buf.String(), `"`, ""), "error="+c.text+"\n")
		})
	}
}
