package core

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// spoil makes it a panic to look at a limit set whose job has a higher ID than that, or
// at what is only its own.
func spoil(c *Core, above uint64) {
	for _, s := range c.sets.all() {
		j := s.first()
		if j.ID <= above {
			continue
		}
		own := c.limits.get(j.ID)
		for i := range own.granted {
			own.granted[i].Value, own.leading[i].Value = nil, nil
		}
		s.limits, s.at = nil, nil
		for i := range s.fit {
			s.fit[i].Value = nil
		}
	}
}

// A limit for each customer is common. So a step looks at none but those of the first
// job and of its own, however many there are.
func TestStepsLookAtFewLimits(t *testing.T) {
	const n, untouched = 1000, 20
	for _, a := range []struct {
		name   string
		limits func(id uint64) []any
		there  int // jobs for which the tokens suffice
	}{
		{"one each", func(id uint64) []any { return []any{id} }, n},
		{"one each, then that of all", func(id uint64) []any { return []any{id, "all"} }, 1},
	} {
		t.Run(a.name, func(t *testing.T) {
			c, r := quiet()
			offer := func(id uint64) int {
				j := newJob("")
				j.Limiters = a.limits(id)
				v, _ := c.Accept(j, id, 0)
				require.Equal(t, Accepted, v)
				return c.Position(j, 0)
			}
			grant := func() {
				for asking := c.Asking(); len(asking) > 0; asking = c.Asking() {
					for _, l := range asking {
						c.Grant(l)
					}
				}
			}
			for id := uint64(1); id <= n; id++ {
				offer(id)
			}
			require.False(t, c.Claim(r, 0), "no token is there")
			grant()
			spoil(c, untouched)
			last := uint64(n)
			for id := uint64(1); id+2 < untouched; id += 2 {
				left := n + 1 - int(id)
				require.Equal(t, left, c.Expected()) //nolint:testifylint // the core's, not what is expected of it
				last++
				c.Post(noop, last, 0)
				require.Equal(t, min(a.there, left)+int(last)-n, c.PlainPosition(last, 0))
				last++
				require.Equal(t, min(a.there, left)+int(last)-n, offer(last))
				require.True(t, c.Claim(r, 0))
				require.Equal(t, id, r.ID)
				require.False(t, c.Fail(c.limits.get(id)), "nobody wants another")
				c.Settle(r, Result{}, 0)
				grant()
				require.True(t, c.Cancel(id+1, 0))
				require.False(t, c.Idle(0))
			}
		})
	}
}

// A step looks at no more than it is told of those whose turn has come and that may not start, and goes
// on with the others in the next: each of them is looked at once.
func TestClaimLooksAtFew(t *testing.T) {
	const n, some = 1000, 64
	for name, rule := range map[string]func(j *Job){
		"of a paused kind":  func(j *Job) { j.Kind = "paused" },
		"without a token":   func(j *Job) { j.Limiters = []any{"limiter"} },
		"past its deadline": func(j *Job) { j.Within = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			c, r := quiet()
			c.PauseKind("paused")
			offerMany(t, c, 1, n, rule)
			c.Post(noop, n+1, 0)
			for inLine := n; inLine >= some; inLine -= some {
				require.Equal(t, inLine+1, c.Ready())
				left := some
				require.False(t, c.ClaimSome(r, 1, &left))
				require.Zero(t, left)
				require.False(t, c.Idle(1))
				require.True(t, c.CanStart())
			}
			left := some
			require.True(t, c.ClaimSome(r, 1, &left))
			require.EqualValues(t, n+1, r.ID)
			require.Equal(t, some-n%some, left)
			require.Zero(t, c.Ready())
		})
	}
}

// Many jobs with their tokens are listed before the others, in their order.
func TestManyWithTokensAreListed(t *testing.T) {
	const n = maxExact // with more, a place among them is an estimate
	c, r := quiet()
	for id := uint64(1); id <= n; id++ {
		j := newJob("")
		j.Limiters = []any{id}
		c.Accept(j, id, 0)
	}
	require.False(t, c.Claim(r, 0))
	for i, l := range c.Asking() {
		if i%2 == 1 {
			c.Grant(l)
		}
	}
	for i, j := range c.WaitingJobs(0) {
		want := 2 * (i + 1)
		if i >= n/2 {
			want = 2*(i-n/2) + 1
		}
		require.Equal(t, uint64(want), j.ID)
		if i%50 == 0 {
			require.Equal(t, min(i, n/2)+1, c.Place(j, 0), "those without a token stand behind all")
		}
	}
}

// A position is exact while there is little to look through, and costs no more with more.
func TestPositionsOfVeryMany(t *testing.T) {
	for _, a := range []struct{ n, want int }{
		{maxExact - 2, maxExact - 2}, // beside the place and the key
		{maxExact - 1, 2},            // an estimate: the one in its lane, and its key
	} {
		c, _ := quiet()
		for id := range uint64(a.n - 1) {
			j := newJob("")
			j.Priority, j.Key, j.KeyLimit = High, "k", 1
			c.Accept(j, id+1, 0)
		}
		c.Post(noop, uint64(a.n), 0)
		require.Equal(t, a.want, c.PlainPosition(uint64(a.n), 0))
		allocs := testing.AllocsPerRun(10, func() { c.PlainPosition(uint64(a.n), 0) })
		require.Equal(t, a.want == 2, allocs == 0, "%v allocations", allocs)
	}
}
