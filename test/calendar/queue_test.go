package calendar_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// TestQueueOverTheEndOfALeapYear: what a queue really runs, with the zone data in
// which the end of 2028 is the first of rules.
func TestQueueOverTheEndOfALeapYear(t *testing.T) {
	newYork := zoneNamed(t, "America/New_York", "go")
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2028, 12, 28, 1, 11, 13, 7, newYork)))
		q, err := dray.New()
		require.NoError(t, err)
		require.NoError(t, q.Start())
		defer q.Close()
		ran := map[string][]time.Time{}
		for name, when := range map[string]dray.Schedule{
			"daily":  dray.Daily(19, 30, newYork), // which is the next day in UTC
			"weekly": dray.Weekly(time.Sunday, 23, 0, newYork),
			"grid":   dray.InZone(dray.Every(11*time.Hour), newYork, dray.RepeatFold),
		} {
			require.NoError(t, q.Scheduler().Schedule(name, when, func(ctx context.Context) error {
				_, due, _ := dray.TaskFrom(ctx)
				ran[name] = append(ran[name], due)
				return nil
			}, dray.WithKey("one at a time")))
		}
		time.Sleep(5 * 24 * time.Hour)
		synctest.Wait()
		var daily []time.Time
		for i := range 5 {
			daily = append(daily, time.Date(2028, 12, 28+i, 19, 30, 0, 0, newYork))
		}
		require.Equal(t, daily, ran["daily"])
		require.Equal(t, []time.Time{time.Date(2028, 12, 31, 23, 0, 0, 0, newYork)}, ran["weekly"])
		require.Len(t, ran["grid"], 10)
	})
}
