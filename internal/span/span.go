// Package span adds durations and takes them apart. Times and durations come from users, and
// "never" may be said with the largest there is: what would overflow becomes the most, or least,
// that there is, 292 years away. Else a sum of two times that are far ahead would be far back, and
// due at once.
package span

import (
	"math"
	"time"
)

// Sum returns a + b, saturated. Overflow in Go wraps and is no error: it has happened if the sum
// lies on the wrong side of a.
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

// Difference returns a - b, saturated. It is not Sum of -b, as the least duration has no negative.
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

// Never is later than any timer: 146 years. It is half of the most that there is, so that the age
// of a process can be added to it without overflow.
const Never = time.Duration(1 << 62)
