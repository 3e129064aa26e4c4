package core

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// delayMany accepts so many jobs of a low priority and one of a high, all due at one time, the low
// ones first.
func (w *world) delayMany(n int, at time.Duration) (high *Job) {
	for i := range n + 1 {
		high = newJob("low")
		high.Priority, high.RunAt = Low, at
		if i == n {
			high.Label, high.Priority = "high", High
		}
		w.offer(high)
	}
	return high
}

// What is due at one moment is in line before any of it starts, however many calls that takes: else
// a job of a low priority would go before one of a high.
func TestDueAtOneMomentAreInLineFirst(t *testing.T) {
	for _, n := range []int{9, 10, 11, 100} {
		w := one(t)
		high := w.delayMany(n, w.now+time.Minute)
		w.now += time.Minute
		for more := true; more; {
			w.do(func(c *Core) { more = c.AdvanceSome(w.now, 10) })
			w.check()
			require.Equal(t, more, !w.c.CanStart())
			require.False(t, w.c.Idle(w.now))
		}
		require.True(t, w.claim("w"))
		require.Same(t, high, w.run("w").Job)
	}
}

// Jobs that come due all the time do not keep the others from starting: what was due when the first of
// them were found starts before those that have come due since are in line.
func TestWhatComesDueAllTheTimeHoldsNothingUp(t *testing.T) {
	const n, some = 35, 10
	w := one(t)
	for i := range 10 * n {
		w.delayMany(0, w.now+time.Minute+time.Duration(i)*time.Second)
	}
	w.now += time.Minute + n*time.Second
	for calls := 1; !w.c.CanStart(); calls++ {
		require.LessOrEqual(t, calls, (n+some)/some)
		w.do(func(c *Core) { require.True(t, c.AdvanceSome(w.now, some)) })
		w.now += some * time.Second // and so many have come due meanwhile
	}
	require.Equal(t, n+1, w.c.Ready())
}

// What is not there any more is not waited for.
func TestDueOnesThatAreCancelled(t *testing.T) {
	w := one(t)
	high := w.delayMany(1, w.now+time.Minute)
	w.now += time.Minute
	w.do(func(c *Core) { require.True(t, c.AdvanceSome(w.now, 1)) })
	require.False(t, w.c.CanStart())
	w.do(func(c *Core) { require.True(t, c.CancelJob(high, w.now)) })
	require.True(t, w.c.CanStart())
	require.True(t, w.claim("w"))
}
