package draytest

import (
	"testing"
	"time"

	"github.com/a622d8ee/dray"
)

// SetClock sets the wall clock forward by so much, or back if that is negative, as
// far as the periodic tasks of q go by it: the clocks of a bubble cannot be set.
// As on a real machine, it is noticed within a minute. q has to be a queue made by
// this package.
func SetClock(t testing.TB, q *dray.Queue, by time.Duration) {
	t.Helper()
	k, ok := kits.Load(q)
	if !ok {
		t.Fatalf("draytest: SetClock: the queue was not made by draytest")
	}
	k.(*kit).skew.Add(int64(by)) //nolint:forcetypeassert // newKit's
}
