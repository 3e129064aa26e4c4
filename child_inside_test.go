package dray

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/internal/calendar"
	"github.com/a622d8ee/dray/internal/clock"
	"github.com/a622d8ee/dray/internal/restart"
)

// TestEnumsAreTheRules: what is declared twice, for users and for the rules, has the same
// numbers.
func TestEnumsAreTheRules(t *testing.T) {
	for is, want := range map[any]any{
		OneForOne: restart.OneForOne, RestForOne: restart.RestForOne, OneForAll: restart.OneForAll,
		Permanent: restart.Permanent, Transient: restart.Transient, Temporary: restart.Temporary,
		NeverShutdown: restart.NeverShutdown, AnySignificant: restart.AnySignificant, AllSignificant: restart.AllSignificant,
		ChildDown: restart.Down, ChildStarting: restart.Starting, ChildRunning: restart.Running,
		SkipGap: calendar.SkipGap, RepeatFold: calendar.RepeatFold,
		ChildStopping: restart.Stopping, ChildRestarting: restart.Restarting, ChildStuck: restart.Stuck,
	} {
		require.EqualValues(t, want, is)
	}
	for _, beyond := range []fmt.Stringer{OneForAll + 1, Temporary + 1, AllSignificant + 1, ChildStuck + 1} {
		require.Contains(t, beyond.String(), "(", "there is no further one")
	}
}

// The events of the queue's own tree go through the queue's bus.
func TestSupervisorBorrowsBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own, borrowed := 0, 0
		cfg := newSupervisorConfig(OneForOne)
		cfg.observers = []observer{{func(Event) { own++ }, kindsOf()}}
		cfg.bus = newBus(common{clock: clock.New(), observers: []observer{{func(Event) { borrowed++ }, kindsOf()}}}, "mail")
		cfg.children = []Child{{Name: "a", Service: ServiceFunc(func(context.Context) error { return nil })}}
		s, err := newSupervisor(cfg)
		require.NoError(t, err)
		require.ErrorIs(t, s.Serve(t.Context()), ErrIntensity)
		synctest.Wait()
		require.EqualValues(t, 3, s.sup.Restarts())
		require.Positive(t, borrowed)
		require.Zero(t, own)
	})
}
