package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
)

// A timeout counts from when the worker has its job, also where that takes longer than the timeout. A
// deadline that falls before its end by then is what ends the context.
func TestTimeoutCountsFromTheStart(t *testing.T) {
	nop := func(context.Context) error { return nil }
	for name, c := range map[string]struct {
		within time.Duration
		begun  bool
		want   error
		ends   time.Duration
	}{
		"timeout":                        {0, true, core.ErrTimeout, time.Hour + time.Minute},
		"timeout, deadline after it":     {2 * time.Hour, true, core.ErrTimeout, time.Hour + time.Minute},
		"deadline before it by then":     {time.Hour + time.Second, true, core.ErrDeadline, time.Hour + time.Second},
		"that has not begun":             {0, false, nil, time.Hour + time.Minute},
		"that has not begun at its time": {30 * time.Minute, false, core.ErrDeadline, 30 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := New(nil, Config{Core: core.Config{Workers: 1, Capacity: -1, Latency: true}, Clock: clock.New()})
				w := e.newWorker(1)
				e.core.Join(&w.run)
				j := &core.Job{Spec: &core.Spec{Timeout: time.Minute, Within: c.within}, Fn: nop}
				e.core.SetStopped(false)
				e.core.Open()
				e.core.Accept(j, 1, 0)
				require.True(t, e.core.Claim(&w.run, 0))
				e.start(w)
				time.Sleep(time.Hour)
				if c.begun {
					require.True(t, w.await())
					b := w.Bounds()
					require.Equal(t, c.want, b.Cause)
					require.Equal(t, c.ends, b.Deadline.Sub(e.origin))
				}
				e.core.Advance(time.Hour)
				require.Equal(t, c.within > 0 && c.within < time.Hour, w.run.Cause == core.Expired)
				require.NotEqual(t, core.TimedOut, w.run.Cause)
				if w.run.Cause != core.Expired && c.within != time.Hour+time.Second {
					e.core.Advance(time.Hour + time.Minute - 1)
					require.Equal(t, core.NotCancelled, w.run.Cause)
					e.core.Advance(time.Hour + time.Minute)
					require.Equal(t, c.begun, w.run.Cause == core.TimedOut)
				}
				if c.begun {
					w.end, w.ended = well, time.Hour+time.Second
					w.settle(w.ended)
					var books Books
					e.Read(e.core, w.ended, &books)
					require.Equal(t, []time.Duration{time.Hour, time.Second}, []time.Duration{books.Wait.Max, books.Run.Max})
				}
			})
		})
	}
}
