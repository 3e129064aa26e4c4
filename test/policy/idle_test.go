package policy_test

import (
	"context"
	"errors"
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
			workers, keys, keyed, heavy, kinds := 1+rnd.IntN(9), 1+rnd.IntN(5), rnd.IntN(5), rnd.IntN(3), rnd.IntN(3)
			q := kit.Start(t, dray.WithWorkers(workers))
			paused := false
			kind, err := dray.Handle(q, "kind", func(ctx context.Context, d time.Duration) error { return draytest.Slow(d)(ctx) })
			require.NoError(t, err)
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
				if rnd.IntN(10) == 0 {
					opts = append(opts, dray.WithMaxAttempts(3), dray.WithBackoff(dray.Constant(0)))
				}
				if rnd.IntN(10) == 0 {
					opts = append(opts, dray.WithDelay(time.Duration(rnd.IntN(3000))*time.Millisecond))
				}
				if rnd.IntN(4) < kinds {
					require.NoError(t, kind.Enqueue(t.Context(), length, opts...))
					return
				}
				fails := rnd.IntN(20) == 0
				require.NoError(t, q.Enqueue(t.Context(), func(ctx context.Context) error {
					if err := draytest.Slow(length)(ctx); err != nil || !fails {
						return err
					}
					return errors.New("fails")
				}, opts...))
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
				case 3:
					paused = true
					require.NoError(t, q.PauseKind("kind"))
				case 4:
					paused = false
					require.NoError(t, q.ResumeKind("kind"))
				}
				synctest.Wait()
				requireBusy(t, q, workers, paused)
				time.Sleep([...]time.Duration{0, 1, time.Microsecond, time.Millisecond, time.Second}[rnd.IntN(5)])
			}
		})
	}
}

func requireBusy(t *testing.T, q *dray.Queue, workers int, paused bool) {
	t.Helper()
	running, taken := 0, map[string]bool{}
	var line []dray.JobInfo
	for j := range q.Jobs() {
		switch {
		case j.State == dray.Running || j.State == dray.Stuck:
			running++
			taken[j.Key] = true
		case j.State == dray.Retrying || paused && j.Kind != "":
			taken[j.Key] = true // these keep their place
		case j.State == dray.Delayed:
			require.True(t, j.RunAt.After(time.Now()), "it is time: %+v", j)
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
