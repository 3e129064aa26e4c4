package schedule_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// oddStart lets a bubble's clocks show something that is not whole.
func oddStart() { time.Sleep(73*time.Hour + 11*time.Minute + 17*time.Second + 300*time.Millisecond) }

func started(t *testing.T, opts ...dray.Option) *dray.Queue {
	t.Helper()
	q, err := dray.New(opts...)
	require.NoError(t, err)
	require.NoError(t, q.Start())
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// info returns the task of that name, and checks that all books balance.
func info(t *testing.T, q *dray.Queue, name string) (found dray.PeriodicInfo) {
	t.Helper()
	for _, i := range q.Scheduler().Tasks() {
		require.Equal(t, i.Due, i.Runs+i.Skipped+uint64(i.Waiting), "%+v", i)
		require.Equal(t, i.Skipped, i.Overlapped+i.Missed+i.Refused, "%+v", i)
		if i.Name == name {
			found = i
		}
	}
	s := q.Stats()
	require.Equal(t, s.Enqueued, s.Processed+s.Failed+s.Cancelled+s.Evicted+uint64(s.Pending+s.Delayed+s.Retrying+s.Running), "%+v", s)
	return found
}

// A ledger is a Locker that remembers the due time of each task's last run, as the
// documentation asks for, so that the same run gets the lock once.
type ledger struct {
	mu             sync.Mutex
	last           map[string]time.Time
	locks, unlocks int
	held           bool
	lost           context.CancelFunc
	unlock         func()
}

type key struct{}

func (l *ledger) Lock(ctx context.Context, name string, due time.Time) (context.Context, func(), error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.locks++
	if l.held || !due.After(l.last[name]) {
		return nil, nil, dray.ErrLocked
	}
	if l.last == nil {
		l.last = map[string]time.Time{}
	}
	l.last[name], l.held = due, true
	ctx, l.lost = context.WithCancel(context.WithValue(ctx, key{}, "held"))
	return ctx, func() {
		l.mu.Lock()
		l.unlocks++
		l.held = false
		l.mu.Unlock()
		if l.unlock != nil {
			l.unlock()
		}
	}, nil
}

func (l *ledger) state() (locks, unlocks int, held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.locks, l.unlocks, l.held
}

// A run asks for its lock once, and keeps it over its attempts and snoozes.
func TestLockOncePerRun(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		ends  []error // of the attempts
		fail  uint64
		tries int
	}{
		"first":   {[]error{nil}, 0, 1},
		"retry":   {[]error{boom, boom, nil}, 0, 3},
		"fails":   {[]error{boom, boom, boom}, 1, 3},
		"snooze":  {[]error{dray.Snooze(time.Minute), dray.Snooze(time.Minute), nil}, 0, 3},
		"discard": {[]error{boom, dray.Discard(boom)}, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				oddStart()
				l := &ledger{}
				q := started(t)
				tries := 0
				require.NoError(t, q.Scheduler().Schedule("x", dray.At(time.Now().Add(time.Hour)), func(ctx context.Context) error {
					_, _, held := l.state()
					require.True(t, held)
					require.Equal(t, "held", ctx.Value(key{}))
					task, _, ok := dray.TaskFrom(ctx)
					require.True(t, ok)
					require.Equal(t, "x", task)
					end := c.ends[tries]
					tries++
					return end
				}, dray.WithLock(l), dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(time.Minute))))
				pass(2 * time.Hour)
				require.Equal(t, c.tries, tries)
				locks, unlocks, held := l.state()
				require.Equal(t, 1, locks)
				require.Equal(t, 1, unlocks)
				require.False(t, held)
				i := info(t, q, "x")
				require.Zero(t, i.Locked)
				require.Equal(t, c.fail, q.Stats().Failed)
			})
		})
	}
}
