package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// inMemory is a Locker for the instances of one process, written as one for a
// database would be.
type inMemory struct {
	mu   sync.Mutex
	held map[string]bool
	last map[string]time.Time
}

func (l *inMemory) Lock(ctx context.Context, name string, due time.Time) (context.Context, func(), error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[name] || !due.After(l.last[name]) {
		return nil, nil, fmt.Errorf("%s: %w", name, dray.ErrLocked)
	}
	l.held[name], l.last[name] = true, due
	return ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.held, name)
	}, nil
}

// TestLock: of three instances, one runs each tick, and never two at a time; a
// panic and a Goexit give the lock back.
func TestLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lock := &inMemory{held: map[string]bool{}, last: map[string]time.Time{}}
		var running, runs atomic.Int64
		var skipped atomic.Int64
		fn := func(context.Context) error {
			if !running.CompareAndSwap(0, 1) {
				return errors.New("two at a time")
			}
			defer running.Store(0)
			switch n := runs.Add(1); n {
			case 3:
				panic("oops")
			case 4:
				runtime.Goexit()
			case 5:
				time.Sleep(90 * time.Second)
			}
			return nil
		}
		var qs []*dray.Queue
		for range 3 {
			qs = append(qs, kit.Start(t, dray.WithObserver(func(e dray.Event) {
				if e.Kind == dray.TaskSkipped && errors.Is(e.Err, dray.ErrLocked) {
					skipped.Add(1)
				}
			}), dray.WithPeriodic("x", scheduleFunc(func(after time.Time) time.Time { return after.Truncate(time.Minute).Add(time.Minute) }), fn, dray.WithLock(lock))))
			pass(time.Second) // they do not start together
		}
		pass(10 * time.Minute)
		require.Equal(t, int64(9), runs.Load(), "the sixth minute fell into the fifth run")
		var due, locked, enqueued, overlapped uint64
		for _, q := range qs {
			i := task(t, q)
			due, locked, enqueued, overlapped = due+i.Due, locked+i.Locked, enqueued+i.Runs, overlapped+i.Overlapped
			kit.Balanced(t, q)
		}
		require.Equal(t, uint64(30), due)
		require.Equal(t, uint64(30), enqueued+overlapped)
		require.Equal(t, uint64(9), enqueued-locked)
		require.Equal(t, int64(locked), skipped.Load())
	})
}

// brokenLock is a Locker that fails, and one that returns nothing.
type brokenLock struct{ err error }

func (l brokenLock) Lock(context.Context, string, time.Time) (context.Context, func(), error) {
	return nil, nil, l.err
}

func TestLockerThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fn, at := ticks()
		q := kit.Start(t)
		down := errors.New("database is down")
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Minute), fn, dray.WithLock(brokenLock{down}), dray.WithMaxAttempts(2)))
		pass(90 * time.Second)
		require.ErrorIs(t, task(t, q).LastError, down)
		require.Equal(t, uint64(1), q.Stats().Retried)
		require.Empty(t, at())
		require.NoError(t, q.Scheduler().Schedule("x", dray.Every(time.Minute), fn, dray.WithLock(brokenLock{})))
		pass(time.Minute)
		require.Len(t, at(), 1, "nil stands for ctx, and for nothing to do")
		require.Error(t, q.Scheduler().Schedule("x", dray.Every(time.Minute), fn, dray.WithLock(nil)))
		require.ErrorContains(t, q.Scheduler().Schedule("x", dray.Every(time.Minute), fn, dray.WithLock((*inMemory)(nil))), "nil locker")
	})
}
