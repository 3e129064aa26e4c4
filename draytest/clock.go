package draytest

import (
	"testing"
	"time"

	"github.com/a622d8ee/dray"
)

// SetClock sets the wall clock of q forward by so much, or back if that is negative: the
// clocks of a bubble cannot be set. As on a real machine, periodic tasks notice it within
// a minute, and all times that q tells are those of the clock as it then is. q has to be a
// queue made by this package.
//
// The clock of the test itself, time.Now, goes on as before. So a time that q is given,
// [dray.WithRunAt] for example, counts by q's clock, and contexts that a job with a timeout
// or a deadline derives from its own with another deadline compare the two.
func SetClock(t testing.TB, q *dray.Queue, by time.Duration) {
	t.Helper()
	kitOf(t, q).skew.Add(int64(by))
}

// skewOf returns by how much the clock of q was set: 0 if q was not made by this package, or its
// test has ended.
func skewOf(q *dray.Queue) time.Duration {
	k, ok := kits.Load(q)
	if !ok {
		return 0
	}
	return time.Duration(k.(*kit).skew.Load()) //nolint:forcetypeassert // newKit's
}
