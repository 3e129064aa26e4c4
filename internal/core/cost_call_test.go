package core

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/internal/sorted"
)

// What a call must not look at is poisoned here: to go on from there is a panic, or leads
// to nothing that is there.

const many = 20_000

// offerMany accepts so many jobs like that, from the next ID on.
func offerMany(t *testing.T, c *Core, from uint64, n int, job func(j *Job)) (jobs []*Job) {
	t.Helper()
	for id := from; id < from+uint64(n); id++ {
		j := newJob("")
		job(j)
		_, _ = c.Accept(j, id, 0)
		jobs = append(jobs, j)
	}
	return jobs
}

// cutChain keeps a walk along a chain from going on behind job i.
func cutChain(jobs []*Job, i int, w which) { jobs[i].links[w].next = nil }

func TestPlaceLooksAtFew(t *testing.T) {
	t.Run("behind a key", func(t *testing.T) {
		c, _ := quiet()
		jobs := offerMany(t, c, 1, many, func(j *Job) { j.Key = "k" })
		cutChain(jobs, maxExact+1, standing)
		require.InDelta(t, many/2, c.Place(jobs[many/2], 0), maxExact)
		require.Equal(t, 100, c.Place(jobs[99], 0))
	})
	t.Run("in line", func(t *testing.T) {
		c, _ := quiet()
		jobs := offerMany(t, c, 1, many, func(*Job) {})
		require.Equal(t, many/2, c.Place(jobs[many/2-1], 0))
		require.True(t, c.Cancel(many, 0)) // it stood behind: an estimate does not know
		require.Equal(t, many/2-1, c.Place(jobs[many/2-1], 0), "it was not counted through")
		require.True(t, c.Cancel(1, 0))
		require.Equal(t, many/2-2, c.Place(jobs[many/2-1], 0))
		require.Equal(t, 99, c.Place(jobs[99], 0), "near the front it is exact")
	})
	t.Run("in front", func(t *testing.T) {
		c, r := quiet()
		jobs := offerMany(t, c, 1, many, func(j *Job) { j.Kind = "k" })
		c.PauseKind("k")
		require.False(t, c.Claim(r, 0))
		require.Equal(t, 1, c.Place(jobs[many/2], 0), "of a paused kind: behind what is there")
		c.ResumeKind("k")
		require.InDelta(t, many/2, c.Place(jobs[many/2], 0), 300)
		require.Less(t, testing.AllocsPerRun(10, func() { c.Place(jobs[many/2], 0) }), 3.0)
	})
}

func TestWaitingForRoomLooksAtFew(t *testing.T) {
	c := New(Config{Workers: 1, Capacity: 1, Overflow: Block})
	offerMany(t, c, 1, 1, func(*Job) {})
	g, other := &Group{}, &Group{}
	jobs := offerMany(t, c, 2, many, func(j *Job) { j.Group = other })
	mine := offerMany(t, c, 2, 2, func(j *Job) { j.Group = g })
	require.Equal(t, many+2, c.blocked.len())
	for i := 0; i < many-1; i += 100 {
		cutChain(jobs, i, standing)
		cutChain(jobs, i, alike)
	}
	require.True(t, c.Withdraw(jobs[many/2+50]))
	require.False(t, c.Withdraw(jobs[many/2+50]))
	c.CancelGroup(g, whole(), 0)
	require.Equal(t, Offered, mine[1].State)
	require.Equal(t, many-1, c.blocked.len())
	require.True(t, c.Cancel(1, 0))
	require.Equal(t, uint64(1), c.Admit(2, 0), "the first has it")
	require.Equal(t, uint64(2), jobs[0].ID)
}

func TestCancelLooksAtThoseThatMatch(t *testing.T) {
	for name, a := range map[string]struct {
		job    func(j *Job, g *Group)
		cancel func(c *Core, g *Group, s *Span) int
	}{
		"key":   {func(j *Job, _ *Group) { j.Key = "k" }, func(c *Core, _ *Group, s *Span) int { return c.CancelKey("k", s, 0) }},
		"kind":  {func(j *Job, _ *Group) { j.Kind = "k" }, func(c *Core, _ *Group, s *Span) int { return c.CancelKind("k", s, 0) }},
		"group": {func(j *Job, g *Group) { j.Group = g }, func(c *Core, g *Group, s *Span) int { return c.CancelGroup(g, s, 0) }},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := quiet()
			g := &Group{}
			offerMany(t, c, 1, many, func(j *Job) { j.Key = "other" })
			offerMany(t, c, many+1, 100, func(j *Job) { a.job(j, g) })
			c.live = sorted.List[*Job]{} // a look through all finds none
			s := &Span{UpTo: many + 90, Limit: 40}
			for _, want := range []int{40, 40, 10} {
				require.Equal(t, want, a.cancel(c, g, s))
				require.Equal(t, want == 40, s.More)
				require.EqualValues(t, many+100, c.Snapshot().Accepted())
			}
			require.EqualValues(t, 90, c.Snapshot().Cancelled)
			require.Equal(t, many+10, c.pending, "what came later is left alone")
		})
	}
}

// Where there is no job left of what was told, no index has one either.
func TestIndexesForget(t *testing.T) {
	c, r := quiet()
	g := &Group{}
	offerMany(t, c, 1, 1000, func(j *Job) { j.Key, j.Kind, j.Group, j.KeyLimit = "k", "k", g, 1000 })
	for id := uint64(1); id <= 1000; id++ {
		if id%2 == 0 {
			require.True(t, c.Cancel(id, 0))
			continue
		}
		require.True(t, c.Claim(r, 0))
		c.Settle(r, Result{}, 0)
	}
	require.Zero(t, c.live.Len()+c.keys.len()+c.kinds["k"].Len()+g.jobs.Len()+c.lanes[1].list.Len())
}

func TestDropOldestLooksAtFew(t *testing.T) {
	c := New(Config{Workers: 1, Capacity: 10, Overflow: DropOldest})
	r := new(Run)
	c.Join(r)
	id := uint64(0)
	for range many { // they hold no room any more, and stand before all others
		id++
		j := newJob("")
		j.MaxAttempts = 2
		c.Accept(j, id, 0)
		require.True(t, c.Claim(r, 0))
		c.Settle(r, Result{Kind: Error, Err: errJob, Delay: time.Second}, 0)
	}
	c.Advance(time.Second)
	require.Equal(t, many, c.lanes[1].list.Len())
	for range 10 {
		id++
		c.Post(noop, id, time.Second)
	}
	e, ok := c.lanes[1].list.FirstBare()
	require.True(t, ok)
	require.Equal(t, id-9, e.ID)
	for range 5 {
		id++
		j := newJob("")
		v, _ := c.Accept(j, id, time.Second)
		require.Equal(t, Accepted, v)
	}
	require.EqualValues(t, 5, c.Snapshot().Evicted)
	e, _ = c.lanes[1].list.FirstBare()
	require.Equal(t, id-9, e.ID)
	require.Equal(t, id-4, c.roomed.head.ID)
}

func TestFailuresAreFoundByID(t *testing.T) {
	c := New(Config{Workers: 1, Capacity: -1, FailuresKept: many})
	r := new(Run)
	c.Join(r)
	for id := uint64(1); id <= many+10; id++ {
		c.Post(noop, id, 0)
		require.True(t, c.Claim(r, 0))
		c.Settle(r, failed(), 0)
	}
	require.Equal(t, many, c.failures.all.Len())
	for id := uint64(11); id <= many+10; id++ {
		if id%100 != 0 {
			c.failures.all.Put(sorted.Key{Minor: id}, Failure{Number: id}) // to look at it is a panic
		}
	}
	v, found := c.Requeue(many/2, many+11, 0)
	require.True(t, found)
	require.Equal(t, Accepted, v)
	require.True(t, c.DropFailure(100))
	require.False(t, c.DropFailure(100))
	require.False(t, c.DropFailure(5), "it made room for a newer one")
	require.Len(t, c.FailuresBefore(many, 7), 7)
	f, ok := c.FailureAfter(c.LastFailure() - 11)
	require.True(t, ok)
	require.Equal(t, c.LastFailure()-10, f.Number)
}

// To resume a kind costs the same whatever was put aside.
func TestResumeLooksAtNone(t *testing.T) {
	c, r := quiet()
	offerMany(t, c, 1, many, func(j *Job) { j.Kind = "k" })
	c.PauseKind("k")
	require.False(t, c.Claim(r, 0))
	var before, after runtime.MemStats
	runtime.GC() // or one begins meanwhile
	runtime.ReadMemStats(&before)
	c.ResumeKind("k")
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(many), "a byte a job; the rest of the process allocates some kB")
	require.True(t, c.Claim(r, 0))
	require.Equal(t, uint64(1), r.ID)
}

// What was put aside twice, in between and by two kinds, comes in the order of its turns.
func TestFrontsOfManyParts(t *testing.T) {
	c, r := quiet()
	kinds := []string{"a", "b", "c"}
	offerMany(t, c, 1, 3000, func(j *Job) { j.Kind = kinds[c.seq%3] })
	for _, k := range kinds {
		c.PauseKind(k)
	}
	require.False(t, c.Claim(r, 0))
	c.ResumeKind("a")
	c.PauseKind("a")
	c.ResumeKind("b")
	c.ResumeKind("c")
	require.Len(t, c.lanes[1].front.parts, 3)
	require.True(t, c.Cancel(7, 0))
	require.False(t, c.Claim(r, 0) && r.Job.Kind == "a", "it is paused again")
	c.Settle(r, Result{}, 0)
	c.ResumeKind("a")
	last := int64(0)
	for range 3000 - 2 {
		require.True(t, c.Claim(r, 0))
		require.True(t, r.Job.Kind != "b" && r.Job.Kind != "c" || r.Job.seq > last)
		if r.Job.Kind != "a" {
			last = r.Job.seq
		}
		c.Settle(r, Result{}, 0)
	}
	require.Zero(t, c.lanes[1].len())
	require.Empty(t, c.lanes[1].front.parts)
}

// Very many that are due at one moment come in parts, and the books balance after each.
func TestAdvanceInParts(t *testing.T) {
	c, _ := quiet()
	c.cfg.FailuresKept = 0
	offerMany(t, c, 1, 100, func(j *Job) { j.RunAt = time.Second })
	offerMany(t, c, 101, 100, func(j *Job) { j.Within = time.Second })
	offerMany(t, c, 201, 100, func(j *Job) { j.Unique, j.UniqueFor = string(rune('!'+c.seq)), time.Second })
	for id := uint64(201); id <= 300; id++ {
		require.True(t, c.Cancel(id, 0))
	}
	require.Equal(t, 100, c.uniqueHolds.len())
	for part := 1; part <= 10; part++ {
		require.Equal(t, part < 10, c.AdvanceSome(time.Second, 10))
		s := c.Snapshot()
		require.EqualValues(t, 300, s.Accepted())
		require.EqualValues(t, 10*part, s.Failed)
		require.Equal(t, 100-10*part, s.Delayed)
		require.Equal(t, 100-10*part, c.uniqueHolds.len())
	}
}

// Very many limits of which each job has one, asked after that of all: the end of a job,
// or of the queue, does not look for its set among them.
func TestSealWithManyLimits(t *testing.T) {
	const n = 16_000
	c, _ := quiet()
	jobs := offerMany(t, c, 1, n, func(j *Job) { j.Limiters = []any{"all", c.seq} })
	all := c.limits.get("all")
	require.Len(t, all.inner, n)
	require.True(t, c.Cancel(n/2, 0))
	require.Len(t, all.inner, n-1)
	require.Same(t, jobs[n-1].set, all.inner[n/2-1].set, "the last has its place")
	require.Equal(t, n/2-1, jobs[n-1].set.seats[0])
	for i, s := range all.inner {
		require.Equal(t, i, s.set.seats[s.i])
	}
	require.Len(t, c.Seal(0), n-1)
	require.Zero(t, c.limits.len()+c.sets.len())
}

// Of many kinds with few jobs each the front is one list: it is looked at for each start.
func TestSmallFrontsAreJoined(t *testing.T) {
	c, r := quiet()
	kind := func(i int64) string { return "k" + string(rune('a'+i%50)) }
	offerMany(t, c, 1, 500, func(j *Job) { j.Kind = kind(c.seq) })
	for i := range int64(50) {
		c.PauseKind(kind(i))
	}
	require.False(t, c.Claim(r, 0))
	for i := range int64(50) {
		c.ResumeKind(kind(49 - i))
	}
	require.LessOrEqual(t, len(c.lanes[1].front.parts), 2)
	require.Equal(t, 500, c.lanes[1].front.len())
	require.Len(t, c.lanes[1].front.all(), c.live.Len())
	requirePages(t, c, 500)
}

// requirePages reads so many jobs, in the order of their IDs, and returns in how many pages.
func requirePages(t *testing.T, c *Core, n int) (pages int) {
	t.Helper()
	reader := Reader{stage: readRuns}
	last, came := uint64(0), 0
	for more := true; more; pages++ {
		var page []Info
		page, more = c.Read(&reader, make([]Info, 0, 100), 0)
		require.LessOrEqual(t, len(page), 100)
		for _, i := range page {
			require.Greater(t, i.ID, last)
			last = i.ID
			came++
		}
	}
	require.Equal(t, n, came)
	return pages
}

// A page costs the same however many jobs there are, and wherever it is.
func TestPagesAreShort(t *testing.T) {
	c, r := quiet()
	offerMany(t, c, 1, many, func(*Job) {})
	offerMany(t, c, many+1, many, func(j *Job) { j.Key = "k" })
	offerMany(t, c, 2*many+1, many, func(j *Job) { j.RunAt = time.Hour })
	require.True(t, c.Claim(r, 0))
	// Of those in line and in time 100 each; those aside have among them 200 others at most.
	require.GreaterOrEqual(t, requirePages(t, c, 3*many), 3*many/100+2*many/200)
	room := make([]Info, 0, 100)
	for _, s := range []stage{readList, readHeldBack, readTimers} {
		require.LessOrEqual(t, testing.AllocsPerRun(10, func() {
			reader := Reader{stage: s}
			c.Read(&reader, room, 0)
		}), 5.0, "of stage %d", s)
	}
	require.LessOrEqual(t, testing.AllocsPerRun(10, func() {
		require.Equal(t, 64, c.CancelKey("k", &Span{UpTo: 3 * many, Limit: 64}, 0))
	}), 5.0)
}
