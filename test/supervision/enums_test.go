package supervision_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/internal/calendar"
	"github.com/a622d8ee/dray/internal/restart"
)

// TestEnumsAreTheRules: what is declared twice, for users and for the rules, has the same
// numbers.
func TestEnumsAreTheRules(t *testing.T) {
	for is, want := range map[any]any{
		dray.OneForOne: restart.OneForOne, dray.RestForOne: restart.RestForOne, dray.OneForAll: restart.OneForAll,
		dray.Permanent: restart.Permanent, dray.Transient: restart.Transient, dray.Temporary: restart.Temporary,
		dray.NeverShutdown: restart.NeverShutdown, dray.AnySignificant: restart.AnySignificant, dray.AllSignificant: restart.AllSignificant,
		dray.ChildDown: restart.Down, dray.ChildStarting: restart.Starting, dray.ChildRunning: restart.Running,
		dray.SkipGap: calendar.SkipGap, dray.RepeatFold: calendar.RepeatFold,
		dray.ChildStopping: restart.Stopping, dray.ChildRestarting: restart.Restarting, dray.ChildStuck: restart.Stuck,
	} {
		require.EqualValues(t, want, is)
	}
	for _, beyond := range []fmt.Stringer{dray.OneForAll + 1, dray.Temporary + 1, dray.AllSignificant + 1, dray.ChildStuck + 1} {
		require.Contains(t, beyond.String(), "(", "there is no further one")
	}
}
