package dray

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/internal/calendar"
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
