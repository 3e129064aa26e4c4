// Package span adds durations and takes them apart. Times and durations come from users, who say
// "never" with the largest there is: what would overflow becomes the most, or least, that there
// is, 292 years away.
package span

import (
	"math"
	"time"
)

// Sum returns a + b, saturated.
func Sum(a, b time.Duration) time.Duration {
	switch s := a + b; {
	case b > 0 && s < a:
		return math.MaxInt64
	case b < 0 && s > a:
		return math.MinInt64
	default:
		return s
	}
}

// Difference returns a - b, saturated.
func Difference(a, b time.Duration) time.Duration {
	switch d := a - b; {
	case b < 0 && d < a:
		return math.MaxInt64
	case b > 0 && d > a:
		return math.MinInt64
	default:
		return d
	}
}

// Never is later than any timer: 146 years.
const Never = time.Duration(1 << 62)
