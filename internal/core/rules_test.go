package core

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/internal/timerheap"
)

func one(t *testing.T) *world {
	return newWorld(t, Config{Workers: 1, Capacity: -1, FailuresKept: 3, Watched: WatchAll})
}

func (w *world) unique(name, key string, p UniquePolicy) (Verdict, *Job) {
	j := newJob(name)
	j.Unique, j.UniquePolicy, j.MaxAttempts = key, p, 2
	v, _, _ := w.offer(j)
	return v, j
}

// A job that waits for room has replaced nothing yet: the one that runs keeps its
// key, and its attempts, unless and until the other is accepted.
func TestReplaceWaitsForRoom(t *testing.T) {
	for _, c := range []struct {
		name string
		give func(w *world, b *Job)
	}{
		{"withdrawn", func(w *world, b *Job) { w.do(func(c *Core) { require.True(t, c.Withdraw(b)) }) }},
		{"refused", func(w *world, _ *Job) { w.do((*Core).Refuse) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, Config{Workers: 1, Capacity: 1, Overflow: Block, Watched: WatchAll})
			w.unique("a", "u", KeepExisting)
			require.True(t, w.claim("w"))
			w.post("x")
			v, b := w.unique("b", "u", ReplacePending)
			require.Equal(t, Waits, v)
			c.give(w, b)
			require.True(t, w.c.Holds("u", w.now), "a is still there")
			w.settle("w", failed())
			s := w.c.Snapshot()
			require.Equal(t, 1, s.Retrying, "a has another attempt: %+v", s)
			w.check()
		})
	}
}

// One that runs and fails while its successor waits for room is not lost either.
func TestReplacedWhenAdmitted(t *testing.T) {
	w := newWorld(t, Config{Workers: 1, Capacity: 1, Overflow: Block, Watched: WatchAll})
	w.unique("a", "u", KeepExisting)
	require.True(t, w.claim("w"))
	w.post("x")
	_, b := w.unique("b", "u", ReplacePending)
	require.False(t, w.claim("another"))
	w.settle("w", failed())
	w.check()
	require.True(t, w.claim("w")) // x starts and makes room for b
	w.check()
	require.Equal(t, Pending, b.State)
	require.True(t, w.c.Holds("u", w.now))
}

// The place of a job that was there is its place in line, also if its kind was
// resumed and it stands in front.
func TestPlaceOfResumedJob(t *testing.T) {
	w := one(t)
	j := newJob("a")
	j.Kind, j.Unique = "k", "u"
	w.offer(j)
	w.do(func(c *Core) { c.PauseKind("k") })
	require.False(t, w.claim("w"))
	w.post("x")
	w.post("y")
	w.do(func(c *Core) { c.ResumeKind("k") })
	again := newJob("b")
	again.Unique = "u"
	v, _, place := w.offer(again)
	require.Equal(t, Kept, v)
	require.Equal(t, 1, place)
}

// A low job gets its turn within two minutes of being first, whatever arrives.
func TestNoPriorityStarves(t *testing.T) {
	for _, p := range []Priority{Low, Normal} {
		w := one(t)
		poor := newJob("poor")
		poor.Priority = p
		w.offer(poor)
		begin := w.now
		for i := 0; poor.State == Pending; i++ {
			require.LessOrEqual(t, w.now-begin, 2*time.Minute+time.Second, "priority %d", p)
			rich := newJob(strconv.Itoa(i))
			rich.Priority = High
			w.offer(rich)
			require.True(t, w.claim("w"))
			w.settle("w", Result{})
			w.advance(time.Second)
		}
	}
}

func TestPlaces(t *testing.T) {
	w := newWorld(t, Config{Workers: 2, Capacity: -1})
	w.post("a")
	require.True(t, w.claim("w1"))
	require.True(t, w.c.Vacant(), "the only place is taken")
	w.run("w2")
	w.run("w3")
	require.False(t, w.c.Vacant())
	require.True(t, w.c.Surplus(), "three places, two workers")
	w.c.Leave(w.run("w2"))
	require.False(t, w.c.Surplus())
	require.Equal(t, 2, w.c.Places())
	w.c.Leave(w.run("w3"))
	require.Equal(t, []*Run{w.run("w1")}, w.c.Runs())
	require.Same(t, w.run("w1"), w.c.RunOf(1))
	require.Nil(t, w.c.RunOf(0))
	w.settle("w1", Result{})
	w.c.Leave(w.run("w1"))
	require.Zero(t, w.c.Places())
}

// A place is left as it was found: nothing of one job shows in the next.
func TestSettleEmptiesThePlace(t *testing.T) {
	w := one(t)
	j := newJob("a")
	j.Timeout = time.Second
	w.offer(j)
	w.claim("w")
	r := w.run("w")
	r.Done, r.Total = 1, 2
	w.do(func(c *Core) { c.Exempt(r); c.Exempt(r) })
	w.advance(time.Second)
	w.settle("w", Result{})
	left := *r
	left.Enqueued, left.StartedAt, left.deadline = 0, 0, timerheap.Item[*Run]{} // written before they are read
	require.Equal(t, Run{Owner: "w", pos: r.pos}, left)
	_, due := w.c.Next()
	require.False(t, due)
	require.Zero(t, w.c.exempt)
}

func TestDrainIsOver(t *testing.T) {
	w := newWorld(t, Config{Workers: 2, Capacity: -1})
	require.True(t, w.c.Idle(w.now))
	w.post("a")
	w.post("b")
	require.False(t, w.c.Idle(w.now), "a job can start")
	w.c.Pause()
	require.True(t, w.c.Idle(w.now), "none can")
	w.c.Resume()
	w.claim("w1")
	w.claim("w2")
	require.False(t, w.c.Idle(w.now), "they run")
	w.c.Exempt(w.run("w1"))
	w.settle("w2", Result{})
	require.True(t, w.c.Idle(w.now), "the one that runs is who waits")
}

// After the report is written nothing more is handed back.
func TestSealed(t *testing.T) {
	w := one(t)
	w.post("a")
	w.claim("w")
	w.do(func(c *Core) { c.InterruptAll(w.now); c.Seal(w.now) })
	w.settle("w", failed())
	require.Empty(t, w.c.WaitingJobs(w.now))
	require.Equal(t, 1, w.ended[1])
	w.check()
}

func TestErrorsAreBounded(t *testing.T) {
	w := one(t)
	j := newJob("a")
	j.MaxAttempts = 3 * maxErrs
	w.offer(j)
	errs := make([]error, j.MaxAttempts)
	for i := range errs {
		errs[i] = errors.New(strconv.Itoa(i))
		require.True(t, w.claim("w"))
		w.settle("w", Result{Kind: Error, Err: errs[i]})
		w.advance(0)
	}
	kept := w.c.Failures()[0].Job
	require.Equal(t, errs[len(errs)-maxErrs:], kept.Errs())
	require.Equal(t, errs[len(errs)-1], kept.LastErr())
	require.Empty(t, j.Errs(), "the record that has settled keeps nothing")
	require.Equal(t, Failed, j.State)
	require.NoError(t, newJob("b").LastErr())
}

func TestFailuresAreBounded(t *testing.T) {
	for _, kept := range []int{0, 1, 3} {
		w := newWorld(t, Config{Workers: 1, Capacity: -1, FailuresKept: kept})
		for i := range 5 {
			w.post(strconv.Itoa(i))
			w.claim("w")
			w.settle("w", failed())
		}
		fails := w.c.Failures()
		require.Len(t, fails, kept)
		for i, f := range fails {
			require.EqualValues(t, 5-i, f.Job.ID, "newest first")
		}
	}
}

// Without observers only those are told who asked.
func TestEffectsAreForThoseWhoAsk(t *testing.T) {
	w := newWorld(t, Config{Workers: 1, Capacity: 1})
	j := newJob("a")
	j.Ref = "somebody"
	w.offer(j)
	require.Empty(t, w.seen)
	w.offer(newJob("full"))
	require.Empty(t, w.seen)
	w.claim("w")
	require.Empty(t, w.seen)
	w.settle("w", Result{})
	require.Len(t, w.seen, 1)
	require.Equal(t, HasSettled, w.seen[0].Kind)
	w.post("b")
	w.claim("w")
	w.settle("w", failed())
	require.Empty(t, w.seen)
	require.True(t, w.c.Sharable())
}

func TestWaitIsFromBeingReady(t *testing.T) {
	w := newWorld(t, Config{Workers: 1, Capacity: -1, Watched: WatchAll, Latency: true})
	j := newJob("a")
	j.RunAt, j.MaxAttempts = w.now+time.Hour, 2
	w.offer(j)
	for range 2 {
		w.advance(time.Hour)
		w.advance(time.Second)
		w.claim("w")
		require.Equal(t, DidStart, w.seen[0].Kind)
		require.Equal(t, time.Second, w.seen[0].Wait)
		w.settle("w", Result{Kind: Error, Err: errJob, Delay: time.Hour})
	}
	wait, run := w.c.Latencies()
	require.EqualValues(t, 2, wait.Count())
	require.Equal(t, time.Second, wait.Max())
	require.Zero(t, run.Max())
}

func TestOldestIsTheFirstOfAnyLane(t *testing.T) {
	w := one(t)
	_, ok := w.c.Oldest()
	require.False(t, ok)
	begin := w.now
	j := newJob("low")
	j.Priority = Low
	w.offer(j)
	w.advance(time.Second)
	w.post("a")
	since, ok := w.c.Oldest()
	require.True(t, ok)
	require.Equal(t, begin, since)
}

func TestOpenAndClose(t *testing.T) {
	w := one(t)
	w.post("a")
	w.c.Close()
	require.True(t, w.c.Closed() && w.c.Barred())
	require.False(t, w.claim("w"))
	w.c.Open()
	require.False(t, w.c.Closed() || w.c.Barred())
	require.True(t, w.claim("w"))
	w.c.SetStopped(true)
	w.c.Open()
	require.True(t, w.c.Closed(), "a halt is not undone by the next start of the pool")
}

func TestFailureTellsWhatHappened(t *testing.T) {
	w := one(t)
	w.post("a")
	require.True(t, w.claim("w"))
	r := w.run("w")
	r.Done, r.Total = 3, 7
	info := InfoOfRun(r)
	require.Equal(t, Info{ID: 1, State: Running, Attempt: 1, EnqueuedAt: w.now, StartedAt: w.now, Done: 3, Total: 7}, info)
	w.advance(time.Second)
	w.settle("w", Result{Kind: Panic, Err: errJob, Stack: []byte("stack")})
	f := w.c.Failures()[0]
	require.Equal(t, w.now, f.At)
	require.Equal(t, "stack", string(f.Job.Stack()))
	require.ErrorIs(t, f.Job.LastErr(), errJob)
}

// A job that must not wait for room, as it would wait for itself, is turned away.
func TestRejectOfOneThatWaits(t *testing.T) {
	w := newWorld(t, Config{Workers: 1, Capacity: 1, Overflow: Block, Watched: WatchAll})
	w.post("a")
	v, j := w.unique("b", "u", RejectDuplicate)
	require.Equal(t, Waits, v)
	w.do(func(c *Core) { c.Reject(j, w.now) })
	require.Equal(t, DidReject, w.seen[0].Kind)
	require.False(t, w.c.Blocked())
	require.False(t, w.c.Holds("u", w.now))
	require.EqualValues(t, 1, w.c.Snapshot().Rejected)
	w.check()
}

// Whatever is due first, a key, a timeout, a delay or a deadline, is what is next.
func TestNextIsTheEarliestOfAll(t *testing.T) {
	for first := range 4 {
		due := [4]time.Duration{time.Hour, time.Hour, time.Hour, time.Hour}
		due[first] = time.Minute
		c, r := quiet()
		c.Accept(&Job{Fn: noop, Spec: &Spec{MaxAttempts: 1, Unique: "u", UniqueFor: due[0]}}, 1, 0)
		require.True(t, c.Claim(r, 0))
		c.Settle(r, Result{}, 0)
		c.Accept(&Job{Fn: noop, Spec: &Spec{MaxAttempts: 1, Timeout: due[1]}}, 2, 0)
		require.True(t, c.Claim(r, 0))
		c.Accept(&Job{Fn: noop, Spec: PlainSpec, RunAt: due[2]}, 3, 0)
		c.Accept(&Job{Fn: noop, Spec: &Spec{MaxAttempts: 1, Within: due[3]}}, 4, 0)
		at, ok := c.Next()
		require.True(t, ok)
		require.Equal(t, time.Minute, at, "case %d", first)
	}
}
