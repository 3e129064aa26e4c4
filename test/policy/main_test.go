package policy_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble is a test in virtual time, on a clock that has run for a while.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(73*time.Hour + 11*time.Minute + 7*time.Millisecond)
			f(t)
		})
	})
}

// queue returns a queue that is not started, and older than its first job.
func queue(t *testing.T, opts ...dray.Option) *dray.Queue {
	t.Helper()
	q, err := dray.New(opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = q.Close() })
	time.Sleep(41*time.Hour + 3*time.Minute + 9*time.Second)
	return q
}

func start(t *testing.T, opts ...dray.Option) *dray.Queue {
	t.Helper()
	q := queue(t, opts...)
	require.NoError(t, q.Start())
	return q
}

// A record collects values from many goroutines.
type record[T any] struct{ kit.Record[T] }

// job returns a job that adds v, and takes d.
func (r *record[T]) job(v T, d time.Duration) dray.Func {
	return func(ctx context.Context) error { r.Add(v); return pass(ctx, d) }
}

// pass lets d pass, unless ctx ends before.
func pass(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func add(t *testing.T, q *dray.Queue, fn dray.Func, opts ...dray.JobOption) dray.Receipt {
	t.Helper()
	r, err := q.EnqueueSync(t.Context(), fn, opts...)
	require.NoError(t, err)
	return r
}

// untilCancelled returns the error of its context once that has ended.
func untilCancelled(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
