package clock

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// movedBy returns a clock as if the wall clock had been set by so much since it was made. Its
// reference tells all moments by so much too late. (One that was set would be right by the
// monotonic clock: but no function makes a time whose two readings disagree.)
func movedBy(by time.Duration) *Clock {
	c := New()
	c.zero = c.zero.Add(-by)
	c.last.Store(&Reference{moment: c.origin.Add(by)})
	return c
}

// What is told has a reading of the monotonic clock, by which it is right for ever, and
// is what the wall clock shows. Not in a bubble, whose times have no such reading.
func TestToldByBothClocks(t *testing.T) {
	for _, by := range []time.Duration{0, time.Hour, -time.Hour, 72 * time.Hour, -72 * time.Hour} {
		c := movedBy(by)
		for _, moment := range []time.Duration{-time.Minute, 0, time.Minute} {
			told := c.Tell(moment)
			require.Equal(t, moment, told.Sub(c.origin), "by the monotonic clock")
			require.NotEqual(t, told.Round(0), told, "it has a reading of that")
			require.InDelta(t, time.Now().Round(0).Add(moment-time.Since(c.origin)).UnixNano(), told.UnixNano(), float64(time.Second))
			require.Equal(t, told, c.TellTime(told))
			require.Equal(t, told, c.Tell(moment), "told twice, told the same")
		}
	}
}

// A clock that is slewed, or read while the goroutine is held up, changes nothing that
// was told, up to a millisecond, and not for longer than that.
func TestUnsteadyClock(t *testing.T) {
	for by, steady := range map[time.Duration]bool{
		unsteady: true, -unsteady: true, unsteady + 1: false, -unsteady - 1: false,
	} {
		r := New().last.Load()
		require.Equal(t, steady, r.agrees(Reading{Mono: time.Hour, Wall: time.Hour + by}), "%v", by)
	}
}

// What is further away than a Duration can say is as far away as can be.
func TestTellTheEndsOfTime(t *testing.T) {
	const never = time.Duration(1 << 62)
	c := movedBy(time.Hour)
	require.True(t, c.Tell(1<<63-1).After(c.Tell(never)))
	require.True(t, c.Tell(-1<<63).Before(c.Tell(-never)))
}
