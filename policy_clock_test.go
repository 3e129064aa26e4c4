package dray

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// jumped returns t as it would have been read if the wall clock had been set back
// by d in the meantime: the monotonic reading is the same.
func jumped(t time.Time, d time.Duration) time.Time {
	wall := (*uint64)(unsafe.Pointer(&t)) // one bit, 33 bits of seconds, 30 of nanoseconds
	*wall += uint64(d/time.Second) << 30
	return t
}

func TestJumped(t *testing.T) {
	now := time.Now()
	then := jumped(now, time.Hour)
	require.Zero(t, then.Sub(now), "by the monotonic clock")
	require.Equal(t, time.Hour, then.Round(0).Sub(now.Round(0)), "by the wall clock")
}

// The wall clock has been set forward or back by an hour since the queue was made:
// what is enqueued now is as far away as it should be, and so is what a report
// says that was stored and read again. This is not in a bubble, whose time has no
// monotonic reading; that the test itself takes less than a minute is enough.
func TestJumpOfTheWallClock(t *testing.T) {
	for name, jump := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour, "none": 0} {
		q, err := New()
		require.NoError(t, err)
		q.epoch = jumped(q.epoch, -jump)
		q.clock.epoch, q.clock.zero = q.epoch, q.epoch.Round(0) // the clock is ahead of it by so much more than time has passed
		now := time.Now()
		for way, p := range map[string]policy{
			"delay":         {delay: 20 * time.Minute},
			"time":          {runAt: now.Add(20 * time.Minute)},
			"calendar time": {runAt: now.Add(20 * time.Minute).Round(0)},
		} {
			j := q.newJob(t.Context(), func(context.Context) error { return nil }, "", &p)
			require.InDelta(t, 20*time.Minute, j.RunAt-q.now(), float64(time.Minute), "%s, %s", name, way)
		}
		left := Leftover{Func: func(context.Context) error { return nil }}
		left.State, left.RunAt, left.EnqueuedAt = Delayed, now.Add(20*time.Minute).Round(0), now.Add(-20*time.Minute).Round(0)
		j, err := q.revive(left)
		require.NoError(t, err)
		require.InDelta(t, 20*time.Minute, j.RunAt-q.now(), float64(time.Minute), name)
		require.InDelta(t, 20*time.Minute, q.now()-j.EnqueuedAt, float64(time.Minute), name)
		require.NoError(t, q.Close())
	}
}

// The same end to end, where no clock jumps.
func TestDelayAndRunAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := New(WithWorkers(1))
		require.NoError(t, err)
		begin := time.Now()
		due := map[string]time.Duration{}
		enqueue := func(label string, opts ...JobOption) {
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { due[label] = time.Since(begin); return nil }, opts...))
		}
		enqueue("delay", WithDelay(10*time.Minute))
		enqueue("time", WithRunAt(begin.Add(20*time.Minute)))
		enqueue("calendar time", WithRunAt(begin.Add(30*time.Minute).Round(0)))
		enqueue("past", WithRunAt(begin.Add(-time.Minute).Round(0)))
		require.NoError(t, q.Start())
		time.Sleep(2 * time.Hour)
		require.NoError(t, q.Close())
		require.Equal(t, map[string]time.Duration{
			"delay": 10 * time.Minute, "time": 20 * time.Minute, "calendar time": 30 * time.Minute, "past": 0,
		}, due)
	})
}

// A nil queue is an error, not a panic.
func TestNilQueue(t *testing.T) {
	_, err := Handle[int](nil, "k", func(context.Context, int) error { return nil })
	require.ErrorIs(t, err, errNilQueue)
	one := func(context.Context) (int, error) { return 1, nil }
	_, err = Submit(t.Context(), nil, one)
	require.ErrorIs(t, err, errNilQueue)
	_, err = Run(t.Context(), nil, one)
	require.ErrorIs(t, err, errNilQueue)
}
