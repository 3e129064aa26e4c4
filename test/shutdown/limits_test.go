package shutdown_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// hanging is user code that blocks until release is closed.
type hanging struct{ release chan struct{} }

func (h hanging) Next(after time.Time) time.Time {
	select {
	case <-h.release:
	default:
		if after.Second() == 0 && after.Nanosecond() == 0 {
			<-h.release
		}
	}
	return after.Truncate(time.Minute).Add(time.Minute)
}

func (h hanging) Handle(context.Context, slog.Record) error { <-h.release; return nil }
func (hanging) Enabled(context.Context, slog.Level) bool    { return true }
func (h hanging) WithAttrs([]slog.Attr) slog.Handler        { return h }
func (h hanging) WithGroup(string) slog.Handler             { return h }

func (h hanging) Lock(ctx context.Context, _ string, _ time.Time) (context.Context, func(), error) {
	return ctx, func() { <-h.release }, nil
}

// What hangs holds a shutdown up for as long as is documented, to the nanosecond, and is
// then named.
func TestShutdownAtItsLimit(t *testing.T) {
	const timeout = 7 * time.Second
	for name, tc := range map[string]struct {
		limit time.Duration
		opts  func(h hanging) []dray.Option
		do    func(t *testing.T, q *dray.Queue, h hanging)
	}{
		"a job": {limit: timeout, do: func(t *testing.T, q *dray.Queue, h hanging) {
			add(t, q, func(context.Context) error { <-h.release; return nil })
		}},
		"an observer": {limit: timeout, opts: func(h hanging) []dray.Option {
			return []dray.Option{dray.WithObserver(func(dray.Event) { <-h.release })}
		}},
		"a log handler": {limit: timeout, opts: func(h hanging) []dray.Option { return []dray.Option{dray.WithLogger(slog.New(h))} }},
		"a schedule": {limit: time.Second, do: func(t *testing.T, q *dray.Queue, h hanging) {
			require.NoError(t, q.Scheduler().Schedule("x", h, kit.Nop))
			time.Sleep(2 * time.Minute)
		}},
		"an unlock": {limit: time.Second, do: func(t *testing.T, q *dray.Queue, h hanging) {
			require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Hour), func(context.Context) error { return kit.ErrBoom },
				dray.WithLock(h), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Hour))))
			require.NoError(t, q.Scheduler().RunNow("x"))
			synctest.Wait()
		}},
	} {
		for _, off := range []time.Duration{-1, 0} {
			bubble(t, fmt.Sprintf("%s/%+d", name, off), func(t *testing.T) {
				h := hanging{make(chan struct{})}
				opts := []dray.Option{dray.WithShutdownTimeout(timeout)}
				if tc.opts != nil {
					opts = append(opts, tc.opts(h)...)
				}
				q := newQueue(t, opts...)
				require.NoError(t, q.Start())
				if tc.do != nil {
					tc.do(t, q, h)
				}
				synctest.Wait()
				closed := make(chan error, 1)
				go func() { closed <- q.Close() }()
				time.Sleep(tc.limit + off)
				synctest.Wait()
				require.Len(t, closed, map[time.Duration]int{0: 1}[off])
				close(h.release)
				if err := <-closed; off < 0 {
					require.NoError(t, err, "it has returned in time")
				} else if name == "a job" {
					require.ErrorIs(t, err, dray.ErrStillRunning)
				} else {
					require.ErrorIs(t, err, dray.ErrAbandoned)
				}
				synctest.Wait()
			})
		}
	}
}
