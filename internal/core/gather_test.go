package core

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/internal/sorted"
)

// delay accepts a job of a priority that is due at a time.
func (w *world) delay(p Priority, at time.Duration) *Job {
	j := newJob("j")
	j.Priority, j.RunAt = p, at
	w.offer(j)
	return j
}

// Of what is due at one moment the higher priority starts first, however many calls it takes until all
// is in line, and whatever the order in which it was accepted; and a worker never waits for that.
func TestManyDueAtOneMoment(t *testing.T) {
	for _, n := range []int{2, 3, 4, 33} {
		w := one(t)
		at := w.now + time.Minute
		var want [3][]*Job
		for range n {
			for p := Low; p <= High; p++ {
				want[High-p] = append(want[High-p], w.delay(p, at))
			}
		}
		w.now = at
		var got []*Job
		for more := true; more || w.c.CanStart(); {
			w.do(func(c *Core) { more = c.AdvanceSome(w.now, 10) })
			w.check()
			require.False(t, w.c.Idle(w.now))
			require.True(t, w.claim("w"))
			got = append(got, w.run("w").Job)
			w.settle("w", Result{})
		}
		require.True(t, slices.Equal(slices.Concat(want[:]...), got))
		require.True(t, w.c.Idle(w.now))
	}
}

// What was in line of a lower priority starts when all of the higher ones that were due are: before that
// no worker is told that it may.
func TestLowerPrioritiesWaitForWhatIsDue(t *testing.T) {
	for _, p := range [][2]Priority{{Low, Normal}, {Low, High}, {Normal, High}} {
		w := one(t)
		w.delay(p[0], 0)
		require.True(t, w.c.CanStart())
		cancel := w.someDue(p[1])
		require.False(t, w.c.CanStart())
		require.False(t, w.claim("w"))
		cancel()
		require.True(t, w.claim("w"), "what is not there any more is not waited for")
		require.Equal(t, p[0], w.run("w").Job.Priority)
	}
}

// So do those of a lower one that have waited for their tokens, and those of a higher one do not.
func TestTokensWhileOthersComeDue(t *testing.T) {
	for p := Low; p <= High; p++ {
		w := one(t)
		j := newJob("j")
		j.Priority, j.Limiters = p, []any{"l"}
		w.offer(j)
		require.False(t, w.claim("w"))
		cancel := w.someDue(Normal)
		require.True(t, w.grant("l"))
		require.Equal(t, p >= Normal, w.c.CanStart())
		require.Equal(t, p >= Normal, w.claim("w"))
		cancel()
		require.Equal(t, p < Normal, w.claim("w2"))
	}
}

// someDue lets two jobs come due, one of which comes into line; that is cancelled at once, the other by
// the function.
func (w *world) someDue(p Priority) (cancel func()) {
	first, second := w.delay(p, w.now+time.Minute), w.delay(p, w.now+time.Minute)
	w.now += time.Minute
	w.do(func(c *Core) { require.True(w.t, c.AdvanceSome(w.now, 1)) })
	require.True(w.t, w.c.CanStart())
	w.do(func(c *Core) { require.True(w.t, c.CancelJob(first, w.now)) })
	return func() { w.do(func(c *Core) { require.True(w.t, c.CancelJob(second, w.now)) }) }
}

// Jobs that come due all the time do not keep the others from starting: what was due when the first of
// them were found has a turn before those that have come due since are in line.
func TestWhatComesDueAllTheTimeHoldsNothingUp(t *testing.T) {
	const n, some = 35, 10
	w := one(t)
	w.delay(Low, 0)
	for i := range 10 * n {
		w.delay(High, w.now+time.Minute+time.Duration(i)*time.Second).Kind = "k"
	}
	w.do(func(c *Core) { c.PauseKind("k") })
	w.now += time.Minute + n*time.Second
	for calls := 1; !w.claim("w"); calls++ {
		require.LessOrEqual(t, calls, (n+some)/some)
		w.do(func(c *Core) { require.True(t, c.AdvanceSome(w.now, some)) })
		w.now += some * time.Second // and so many have come due meanwhile
	}
	require.Equal(t, Low, w.run("w").Job.Priority)
}

// Those that wait for their time can be read from any of them on, in their order.
func TestSleepersInOrder(t *testing.T) {
	var s sleepers
	var want []sorted.Key
	require.Nil(t, s.due(time.Hour))
	for i := range 600 {
		j := newJob("j")
		j.Priority, j.RunAt, j.spot = Priority(i*7%3)-1, time.Duration(i*31%50/(1+i/300)), uint64(i)
		s.add(j)
		want = append(want, j.due())
	}
	slices.SortFunc(want, func(a, b sorted.Key) int {
		if a.Less(b) {
			return -1
		}
		return 1
	})
	var got []sorted.Key
	for k, j := range s.all() {
		require.Equal(t, j.due(), k)
		got = append(got, k)
	}
	require.Equal(t, want, got)
	for i := range want {
		for k := range s.after(want[i]) {
			require.Equal(t, want[i+1], k)
			break
		}
	}
}

// What is due stands in line, whether or not the core has come to it yet: Jobs and positions say so.
func TestWhatIsDueIsToldInLine(t *testing.T) {
	w := one(t)
	low := w.delay(Low, 0)
	var want []*Job
	for range 30 {
		want = append(want, w.delay(High, w.now+time.Minute))
	}
	w.now += time.Minute
	require.True(t, slices.Equal(append(want, low), w.c.WaitingJobs(w.now)))
	w.do(func(c *Core) { require.True(t, c.AdvanceSome(w.now, 10)) })
	require.True(t, slices.Equal(append(want, low), w.c.WaitingJobs(w.now)))
	last := newJob("last")
	last.Priority = Low
	_, _, position := w.offer(last)
	require.Equal(t, 32, position)
}

// One of a key is told behind those that have the key's places.
func TestWhatIsDueIsToldBehindItsKey(t *testing.T) {
	w := one(t)
	first, second := newJob("first"), newJob("second")
	first.Key, first.Priority = "key", Low
	second.Key, second.Priority, second.RunAt = "key", High, w.now+time.Minute
	w.offer(first)
	w.offer(second)
	w.now += time.Minute
	require.Equal(t, []*Job{first, second}, w.c.WaitingJobs(w.now))
	w.do(func(c *Core) { c.Advance(w.now) })
	require.Equal(t, []*Job{first, second}, w.c.WaitingJobs(w.now))
}

// And behind what was put aside before, if its kind is paused.
func TestWhatIsDueIsToldBehindWhatIsAside(t *testing.T) {
	w := one(t)
	w.do(func(c *Core) { c.PauseKind("k") })
	first, second := newJob("first"), newJob("second")
	first.Kind, second.Kind, second.RunAt = "k", "k", w.now+time.Minute
	w.offer(first)
	require.False(t, w.claim("w"))
	w.offer(second)
	w.now += time.Minute
	require.Equal(t, []*Job{first, second}, w.c.WaitingJobs(w.now))
}
