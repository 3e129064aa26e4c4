package policy_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// Whatever waits in line: while a worker is idle, none of it may start. Jobs of all lengths have
// keys, priorities, timeouts and deadlines by chance, and come at any time.
func TestNoWorkerIsIdleBesideWork(t *testing.T) {
	runs := 150
	if testing.Short() {
		runs = 40
	}
	for run := range runs {
		rnd := rand.New(rand.NewPCG(uint64(run), 5))
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Duration(rnd.Int64N(int64(100 * time.Hour))))
			workers, keys, keyed, heavy := 1+rnd.IntN(9), 1+rnd.IntN(5), rnd.IntN(5), rnd.IntN(3)
			q := kit.Start(t, dray.WithWorkers(workers))
			add := func() {
				length := [...]time.Duration{0, 0, 1, time.Microsecond, time.Millisecond, time.Second, time.Hour}[rnd.IntN(7)]
				var opts []dray.JobOption
				if rnd.IntN(5) < keyed {
					opts = append(opts, dray.WithKey(string(rune('a'+rnd.IntN(keys)))))
				}
				if rnd.IntN(20) == 0 {
					opts = append(opts, dray.WithPriority(dray.Priority(rnd.IntN(3)-1)))
				}
				if rnd.IntN(10) == 0 {
					opts = append(opts, dray.WithTimeout(time.Minute))
				}
				if rnd.IntN(6) < heavy { // which the owner starts by itself
					opts = append(opts, dray.WithDeadline(100*time.Hour))
				}
				require.NoError(t, q.Enqueue(t.Context(), draytest.Slow(length), opts...))
			}
			for range 50 {
				for range rnd.IntN(1 + rnd.IntN(20)) {
					add()
				}
				switch rnd.IntN(25) {
				case 0:
					workers = 1 + rnd.IntN(9)
					require.NoError(t, q.Resize(workers))
				case 1:
					require.NoError(t, q.Pause())
					synctest.Wait()
					require.NoError(t, q.Resume())
				case 2:
					q.CancelKey("a")
				}
				synctest.Wait()
				requireBusy(t, q, workers)
				time.Sleep([...]time.Duration{0, 1, time.Microsecond, time.Millisecond, time.Second}[rnd.IntN(5)])
			}
		})
	}
}

func requireBusy(t *testing.T, q *dray.Queue, workers int) {
	t.Helper()
	running, taken := 0, map[string]bool{}
	var line []dray.JobInfo
	for j := range q.Jobs() {
		switch j.State {
		case dray.Running, dray.Stuck:
			running++
			taken[j.Key] = true
		default:
			line = append(line, j)
		}
	}
	if running >= workers {
		return
	}
	for _, j := range line {
		require.True(t, j.Key != "" && taken[j.Key], "%d of %d workers run; in line: %+v", running, workers, j)
	}
}
