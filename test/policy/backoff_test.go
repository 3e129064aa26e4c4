package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// TestExponentialIsSpread: from nothing up to what doubles with each attempt, all over
// that range, so that jobs that failed together do not come back together.
func TestExponentialIsSpread(t *testing.T) {
	const base, maximum, draws = time.Second, 10 * time.Second, 2000
	backoff := dray.Exponential(base, maximum)
	for attempt, ceiling := range map[int]time.Duration{
		-1: base, 0: base, 1: base, 2: 2 * base, 3: 4 * base, 4: 8 * base, 5: maximum, 6: maximum, 1000: maximum,
	} {
		var tenths [10]int
		for range draws {
			d := backoff(attempt)
			require.GreaterOrEqual(t, d, time.Duration(0))
			require.LessOrEqual(t, d, ceiling)
			tenths[min(int(10*d/ceiling), 9)]++
		}
		for i, n := range tenths { // 200 expected; below 100 once in 10^15 runs
			require.Greater(t, n, draws/20, "attempt %d: the %d. tenth of %v", attempt, i+1, ceiling)
		}
	}
}
