package engine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Owners that end without a tick break no rule: a caller goes on until one makes its change, or
// until it can make that itself.
func TestOwnersThatComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(nil, Config{Core: core.Config{Workers: 1}, Clock: clock.New()})
		made, answered := 0, false
		r := e.newRequest()
		<-e.state
		go func() { answered = e.submit(r, func(*core.Core, time.Duration) { made++ }) }()
		for range 5 {
			synctest.Wait()
			r.reply <- false // as resign says it; and the next owner is there before the caller
		}
		synctest.Wait()
		require.Zero(t, made)
		require.False(t, answered)
		e.state <- struct{}{}
		synctest.Wait()
		require.True(t, answered)
		require.Equal(t, 1, made)
	})
}

// A caller whose own ticks crash gives up, and nothing of its request is left. What it wanted counts
// as made if that was begun, and in any case if somebody made it.
func TestTicksOfACallerThatCrash(t *testing.T) {
	for name, c := range map[string]struct {
		before, last bool
		want         bool
		changes      int
	}{
		"before it":                          {before: true},
		"after it":                           {want: true, changes: 1},
		"before it, which another made then": {before: true, last: true, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &request{reply: make(chan bool, 2)}
				ticks, changes := 0, 0
				e := New(catching{crashed: func() {
					if ticks++; ticks == maxTries && c.last { // an owner had ended, and another has been there
						r.reply <- false
						r.reply <- true
					}
				}}, Config{Core: core.Config{Workers: 1}, Clock: clock.New()})
				e.SetFault(func(string) { panic("a rule is broken") })
				if c.before {
					e.returned.put(nil) // no worker
				}
				require.Equal(t, c.want, e.submit(r, func(*core.Core, time.Duration) { changes++ }))
				require.Equal(t, maxTries, ticks)
				require.Equal(t, c.changes, changes)
				require.Len(t, e.state, 1)
				if !c.last {
					require.NotContains(t, e.mail.asked, r)
					require.NotContains(t, e.todo.rest(), r)
				}
			})
		})
	}
}

// catching is a host that hears of panics, and of nothing else.
type catching struct {
	Host
	crashed func()
}

func (c catching) Caught(any) error { c.crashed(); return errors.New("caught") }

// Tell is of what observers are told.
func (catching) Tell(*core.Effect, *clock.Moment) {}

func (catching) WorkerStarted(int)        {}
func (catching) WorkerStopped(int, error) {}

// An owner is left few jobs that take it some time each, whoever enqueues how many: all who want
// something of it wait for these.
func TestFewAreLeftToTheOwner(t *testing.T) {
	nop := func(context.Context) error { return nil }
	t.Run("records", func(t *testing.T) {
		e := New(nil, Config{Core: core.Config{Workers: 1, Capacity: -1}, Clock: clock.New()})
		e.attend()
		e.mail.closed = false
		for n := range 10 * maxUncollected {
			_, posted := e.PostJob(&core.Job{Spec: &core.Spec{Key: "key"}})
			require.Equal(t, n < maxUncollected, posted)
		}
	})
	t.Run("of which observers are told", func(t *testing.T) {
		e := New(catching{}, Config{Core: core.Config{Workers: 1, Capacity: -1, Watched: core.DidEnqueue.Watch()}, Clock: clock.New()})
		e.mail.closed = false
		for range 10 * maxUncollected {
			posted, _ := e.Post(nop)
			require.True(t, posted)
			require.LessOrEqual(t, e.mail.list.Len(), maxUncollected)
		}
		fns := slices.Repeat([]func(context.Context) error{nop}, 10*slicedPlain)
		require.Equal(t, len(fns), PostAll(e, fns))
		require.LessOrEqual(t, e.mail.list.Len(), maxUncollected)
		require.EqualValues(t, 10*maxUncollected+len(fns), e.mail.lastID)
	})
}

// A short batch for which there is not room is added whole by the offer that evicts for it, or not at
// all: what is added before that would be an update of its own.
func TestShortBatchIsNotTorn(t *testing.T) {
	fns := slices.Repeat([]func(context.Context) error{func(context.Context) error { return nil }}, SlicedJobs)
	for _, watched := range []core.Watch{0, core.DidEnqueue.Watch()} {
		for room := range SlicedJobs {
			cfg := core.Config{Workers: 1, Capacity: room, Overflow: core.DropOldest, Watched: watched}
			e := New(catching{}, Config{Core: cfg, Clock: clock.New()})
			e.mail.closed = false
			require.Zero(t, PostAll(e, fns))
			require.Equal(t, room, PostAll(e, fns[:room]), "these have room")
		}
	}
}

// However many of those in line may not start, a tick puts few of them aside, and says that there is
// more to do: so all others have their turn.
func TestTickPutsFewAside(t *testing.T) {
	const n = 10 * SlicedJobs
	e := New(catching{}, Config{Core: core.Config{Workers: 2, Capacity: -1}, Clock: clock.New()})
	e.Update(func(c *core.Core, now time.Duration) {
		c.SetStopped(false)
		c.PauseKind("paused")
		for range n {
			c.Accept(&core.Job{Spec: &core.Spec{Kind: "paused", MaxAttempts: 1}}, e.TakeID(), now)
		}
	})
	e.Update(func(c *core.Core, _ time.Duration) {
		require.Equal(t, n, c.Snapshot().Pending)
		c.Open()
	})
	for left := n - SlicedJobs; left > 0; left -= SlicedJobs {
		require.Equal(t, left, e.core.Ready())
		require.False(t, e.tick(false))
		require.LessOrEqual(t, e.armed, e.ticked)
	}
	require.False(t, e.core.CanStart())
	require.False(t, e.tick(false))
	require.Greater(t, e.armed, e.ticked)
	e.Close()
}
