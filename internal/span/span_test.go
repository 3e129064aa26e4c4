package span

import (
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTimesSaturate(t *testing.T) {
	limit := func(x *big.Int) time.Duration {
		switch {
		case x.IsInt64():
			return time.Duration(x.Int64())
		case x.Sign() > 0:
			return math.MaxInt64
		default:
			return math.MinInt64
		}
	}
	extremes := []time.Duration{math.MinInt64, math.MinInt64 + 1, math.MinInt64 / 2, -1, 0, 1, math.MaxInt64 / 2, math.MaxInt64 - 1, math.MaxInt64}
	for _, a := range extremes {
		for _, b := range extremes {
			x, y := big.NewInt(int64(a)), big.NewInt(int64(b))
			require.Equal(t, limit(new(big.Int).Add(x, y)), Sum(a, b), "%d + %d", a, b)
			require.Equal(t, limit(new(big.Int).Sub(x, y)), Difference(a, b), "%d - %d", a, b)
		}
	}
}
