// Package kit has what the tests of several subjects need.
package kit

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/internal/testhook"
	"github.com/a622d8ee/dray/internal/yield"
)

// ErrBoom is what jobs fail with.
var ErrBoom = errors.New("boom")

// Fail is a job that fails with ErrBoom.
func Fail(context.Context) error { return ErrBoom }

// A Record collects values from many goroutines.
type Record[T any] struct {
	mu   sync.Mutex
	list []T
}

// Add adds v.
func (r *Record[T]) Add(v T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, v)
}

// All returns a copy of all.
func (r *Record[T]) All() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]T(nil), r.list...)
}

// Job returns a job that adds v.
func (r *Record[T]) Job(v T) dray.Func {
	return func(context.Context) error { r.Add(v); return nil }
}

// Occupy keeps one worker busy until the function it returns is called.
func Occupy(t testing.TB, q *dray.Queue, opts ...dray.JobOption) (release func()) {
	t.Helper()
	gate := make(chan struct{})
	require.NoError(t, q.Enqueue(context.Background(), Until(gate), opts...))
	synctest.Wait()
	return sync.OnceFunc(func() { close(gate) })
}

// Until returns a job that waits for gate, or for the end of its context.
func Until(gate <-chan struct{}) dray.Func {
	return func(ctx context.Context) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Add enqueues a job, which must be accepted, and returns its ID.
func Add(t testing.TB, q *dray.Queue, fn dray.Func, opts ...dray.JobOption) dray.ID {
	t.Helper()
	r, err := q.EnqueueSync(context.Background(), fn, opts...)
	require.NoError(t, err)
	return r.ID
}

// Elapse lets d pass, and everything happen that is due by then.
func Elapse(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Bubble is a test in virtual time.
func Bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// NewPool returns a pool that is closed at the end of the test.
func NewPool(t testing.TB, workers int, opts ...dray.PoolOption) *dray.Pool {
	t.Helper()
	p, err := dray.NewPool(workers, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// Start returns a running queue that is closed at the end of the test.
func Start(t testing.TB, opts ...dray.Option) *dray.Queue {
	q := Paused(t, opts...)
	require.NoError(t, q.Start())
	return q
}

// Paused returns a queue that was not started; it is closed at the end of the test.
func Paused(t testing.TB, opts ...dray.Option) *dray.Queue {
	t.Helper()
	q, err := dray.New(opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// Balanced asserts that the books balance, and returns them.
func Balanced(t testing.TB, q *dray.Queue) dray.Stats {
	t.Helper()
	s := q.Stats()
	require.Equal(t, s.Enqueued, s.Processed+s.Failed+s.Cancelled+s.Evicted+
		uint64(s.Pending+s.Delayed+s.Retrying+s.Running), "%+v", s)
	return s
}

// Nop is a job that does nothing.
func Nop(context.Context) error { return nil }

// One is a function with a result.
func One(context.Context) (int, error) { return 1, nil }

// CutShort ends q without a drain and returns what was left.
func CutShort(t testing.TB, q *dray.Queue) dray.Report {
	t.Helper()
	require.NoError(t, q.Close())
	report, err := q.Shutdown(context.Background())
	require.NoError(t, err)
	return report
}

// Within returns a context that ends after d, for a reason of its own.
func Within(t testing.TB, d time.Duration) (context.Context, error) {
	why := errors.New("deadline of " + d.String())
	ctx, cancel := context.WithTimeoutCause(context.Background(), d, why)
	t.Cleanup(cancel)
	return ctx, why
}

// CountsAllocations skips the test under the tag stress, where chunks are short and
// goroutines are shuffled.
func CountsAllocations(t *testing.T) {
	t.Helper()
	if yield.Stress {
		t.Skip("what is allocated under the tag stress is not what users get")
	}
}

// DuringATick has f called by the owner of q when that has nothing more to do but to go to sleep.
func DuringATick(t testing.TB, q *dray.Queue, f func()) {
	t.Helper()
	once := false
	testhook.Inside(q).Fault(func(at string) {
		if at == "alarm" && !once {
			once = true
			f()
		}
	})
	defer testhook.Inside(q).Fault(nil)
	_ = q.Stats()
	require.True(t, once)
}

// A Grid is a calendar schedule: multiples of a duration, in UTC.
type Grid time.Duration

// Next returns the multiple after that.
func (g Grid) Next(after time.Time) time.Time {
	return after.Truncate(time.Duration(g)).Add(time.Duration(g))
}
