package shutdown_test

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

// bubble runs f in virtual time, at a moment at which neither clock is whole.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(73*time.Hour + 11*time.Minute + 13*time.Nanosecond)
			f(t)
		})
	})
}

// newQueue returns a queue that is not started; it is closed at the end of the test.
func newQueue(t testing.TB, opts ...dray.Option) *dray.Queue {
	t.Helper()
	q, err := dray.New(opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = q.Close() })
	return q
}

func add(t testing.TB, q *dray.Queue, fn dray.Func, opts ...dray.JobOption) dray.ID {
	t.Helper()
	r, err := q.EnqueueSync(context.Background(), fn, opts...)
	require.NoError(t, err)
	return r.ID
}

// balanced asserts that the books balance, and that they are those of the jobs listed.
func balanced(t testing.TB, q *dray.Queue) dray.Stats {
	t.Helper()
	synctest.Wait()
	s := q.Stats()
	require.Equal(t, s.Enqueued, s.Processed+s.Failed+s.Cancelled+s.Evicted+
		uint64(s.Pending+s.Delayed+s.Retrying+s.Running), "%+v", s)
	listed := map[dray.State]int{}
	for j := range q.Jobs() {
		listed[j.State]++
	}
	require.Equal(t, []int{s.Pending, s.Delayed, s.Retrying, s.Running, s.Stuck},
		[]int{listed[dray.Pending], listed[dray.Delayed], listed[dray.Retrying], listed[dray.Running] + listed[dray.Stuck], listed[dray.Stuck]})
	return s
}

// A service is something that is served, again and again.
type service interface {
	Serve(ctx context.Context) error
}

// A serving is one call of Serve.
type serving struct {
	cancel context.CancelCauseFunc
	ended  chan error
	began  time.Time // when it was told to end
}

func serve(s service) *serving {
	ctx, cancel := context.WithCancelCause(context.Background())
	v := &serving{cancel: cancel, ended: make(chan error, 1)}
	go func() { v.ended <- s.Serve(ctx) }()
	synctest.Wait()
	return v
}

// end ends the context with the given cause, and returns how long Serve took after that.
func (v *serving) end(t testing.TB, cause error) time.Duration {
	t.Helper()
	v.stop(cause)
	return v.wait(t)
}

func (v *serving) stop(cause error) {
	v.began = time.Now()
	v.cancel(cause)
}

func (v *serving) wait(t testing.TB) time.Duration {
	t.Helper()
	require.NoError(t, <-v.ended)
	return time.Since(v.began)
}

// A record is a list that jobs add to.
type record[T any] struct{ kit.Record[T] }

// sleeper returns a job that takes d, and is cut off when its context ends.
func (r *record[T]) sleeper(v T, d time.Duration) dray.Func {
	return func(ctx context.Context) error {
		r.Add(v)
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// deaf returns a job that takes d whatever becomes of its context.
func (r *record[T]) deaf(v T, d time.Duration, err error) dray.Func {
	return func(context.Context) error { r.Add(v); time.Sleep(d); return err }
}

// once lets the first attempt take d, and be cut off; later ones take no time.
func (r *record[T]) once(v T, d time.Duration) dray.Func {
	first, long := true, r.sleeper(v, d)
	return func(ctx context.Context) error {
		if first {
			first = false
			return long(ctx)
		}
		r.Add(v)
		return nil
	}
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
