package simulation_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// free is a limiter that always has a token, but for an error now and then.
type free struct{ calls atomic.Uint64 }

func (f *free) Wait(ctx context.Context) error {
	if f.calls.Add(1)%5000 == 4999 {
		return kit.ErrBoom
	}
	return ctx.Err()
}

// TestStormOfPolicies: many goroutines enqueue jobs with all sorts of options, one
// by one and in batches, into groups, cancel some of what they find, and in the end
// shut the queue down. What was accepted is settled or handed back, and all groups
// are complete.
func TestStormOfPolicies(t *testing.T) {
	for name, overflow := range map[string]dray.Overflow{
		"Reject": dray.Reject, "Block": dray.Block, "DropNewest": dray.DropNewest, "DropOldest": dray.DropOldest,
	} {
		t.Run(name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(4), dray.WithCapacity(50), dray.WithOverflow(overflow), dray.WithStuckAllowance(2))
			s := &policyStorm{q: q, limits: []*free{{}, {}}}
			var producers sync.WaitGroup
			for i := range 8 {
				rng := rand.New(rand.NewPCG(uint64(i), uint64(overflow)))
				producers.Go(func() { s.produce(t, rng) })
			}
			producers.Wait()
			require.Zero(t, q.Stats().Restarts, "a rule is broken")
			report, err := q.Shutdown(t.Context())
			require.NoError(t, err)
			for _, g := range s.groups {
				if err := g.Wait(t.Context()); err != nil && len(report.Waiting) == 0 {
					require.NotErrorIs(t, err, dray.ErrShutdown)
				}
			}
			st := kit.Balanced(t, q)
			completions := st.Enqueued - s.accepted.Load() // some were cancelled or evicted before they ran
			require.GreaterOrEqual(t, completions, s.completions.Load())
			require.LessOrEqual(t, completions, uint64(len(s.groups)))
			require.Len(t, report.Waiting, st.Pending+st.Delayed+st.Retrying)
			require.Zero(t, st.Running)
		})
	}
}

type policyStorm struct {
	q                     *dray.Queue
	limits                []*free
	accepted, completions atomic.Uint64

	mu     sync.Mutex
	groups []*dray.Group
}

func (s *policyStorm) group(t *testing.T) *dray.Group {
	g, err := dray.NewGroup(s.q, dray.WithCompletion(func(context.Context, error) error { s.completions.Add(1); return nil }))
	if err != nil {
		t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups = append(s.groups, g)
	return g
}

func (s *policyStorm) produce(t *testing.T, rng *rand.Rand) {
	var g *dray.Group
	for i := range 400 {
		if i%20 == 0 {
			if g != nil && rng.IntN(4) == 0 {
				g.Cancel()
			} else if g != nil {
				g.Close()
			}
			g = s.group(t)
		}
		s.enqueue(t, rng, g)
		switch rng.IntN(100) {
		case 0:
			s.q.CancelKey(strconv.Itoa(rng.IntN(4)))
		case 1:
			_ = s.q.Cancel(dray.ID(rng.Uint64N(s.accepted.Load() + 1)))
		case 2:
			s.q.Stats()
		}
	}
	g.Close()
}

func (s *policyStorm) enqueue(t *testing.T, rng *rand.Rand, g *dray.Group) {
	opts := []dray.JobOption{dray.WithGroup(g), dray.WithMaxAttempts(1 + rng.IntN(2)), dray.WithBackoff(dray.Constant(0))}
	for bit, o := range map[int]dray.JobOption{
		1: dray.WithKey(strconv.Itoa(rng.IntN(4))), 2: dray.WithRateLimit(s.limits[0]), 4: dray.WithRateLimit(s.limits[1]),
		8: dray.WithDeadline(time.Hour), 16: dray.WithPriority(dray.Priority(rng.IntN(3) - 1)), 32: dray.WithContextValues(),
	} {
		if rng.IntN(64)&bit != 0 {
			opts = append(opts, o)
		}
	}
	job := []dray.Func{kit.Nop, kit.Fail, func(context.Context) error { panic("storm") }}[rng.IntN(3)]
	n, err := s.q.EnqueueBatch(t.Context(), []dray.Func{job, job, job}[:1+rng.IntN(3)], opts...)
	s.accepted.Add(uint64(n))
	if err != nil && !errors.Is(err, dray.ErrQueueFull) {
		t.Error(err)
	}
}
