package shutdown_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

// A job that ends its own queue is not waited for, and the jobs behind it do not hang.
func TestEndInsideAJob(t *testing.T) {
	ends := map[string]func(ctx context.Context, q *dray.Queue) (dray.Report, error){
		"Shutdown": func(ctx context.Context, q *dray.Queue) (dray.Report, error) { return q.Shutdown(ctx) },
		"Close": func(ctx context.Context, q *dray.Queue) (dray.Report, error) {
			err := q.Close()
			report, _ := q.Shutdown(ctx)
			return report, err
		},
	}
	for name, end := range ends {
		for behind, n := range map[string]int{"alone": 0, "jobs behind it": 3} {
			kit.Bubble(t, name+"/"+behind, func(t *testing.T) {
				q := kit.Start(t, dray.WithWorkers(1))
				ctx, _ := kit.Within(t, time.Hour)
				var took kit.Record[time.Duration]
				var reports kit.Record[dray.Report]
				began := time.Now()
				gate := make(chan struct{})
				kit.Add(t, q, func(context.Context) error {
					<-gate
					report, _ := end(ctx, q)
					took.Add(time.Since(began))
					reports.Add(report)
					return nil
				})
				for range n {
					kit.Add(t, q, kit.Nop)
				}
				close(gate)
				kit.Elapse(2 * time.Hour)
				require.Len(t, took.All(), 1)
				require.Less(t, took.All()[0], time.Hour, "it hung until its deadline")
				require.Len(t, reports.All()[0].Abandoned, 1)
				s := kit.Balanced(t, q)
				require.Zero(t, s.Running)
				require.Equal(t, uint64(n+1), s.Processed+uint64(len(reports.All()[0].Waiting)))
			})
		}
	}
}

// Nor is it if it leaves the call to another goroutine, and gives that its context. A job
// of another queue is none of this one's business.
func TestShutdownWithTheContextOfAJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, other := kit.Start(t, dray.WithWorkers(2)), kit.Start(t)
		var took kit.Record[time.Duration]
		var reports kit.Record[dray.Report]
		began := time.Now()
		shutdown := func(ctx context.Context) error {
			done := make(chan struct{})
			go func() {
				defer close(done)
				report, _ := q.Shutdown(ctx)
				reports.Add(report)
				took.Add(time.Since(began))
			}()
			<-done
			return nil
		}
		kit.Add(t, q, draytest.Slow(time.Minute))
		kit.Add(t, q, shutdown, dray.WithTimeout(time.Hour), dray.WithLabel("caller"))
		kit.Add(t, other, shutdown, dray.WithTimeout(2*time.Hour))
		kit.Elapse(3 * time.Hour)
		require.Equal(t, []time.Duration{time.Minute, time.Minute}, took.All())
		for _, r := range reports.All() {
			require.Len(t, r.Abandoned, 1)
			require.Equal(t, "caller", r.Abandoned[0].Label)
		}
		require.EqualValues(t, 2, kit.Balanced(t, q).Processed)
		require.EqualValues(t, 1, kit.Balanced(t, other).Processed)
	})
}

func TestTwoJobsEndTheirQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(2))
		ctx, _ := kit.Within(t, time.Hour)
		began := time.Now()
		var took kit.Record[time.Duration]
		for range 2 {
			kit.Add(t, q, func(context.Context) error {
				time.Sleep(time.Second)
				_, _ = q.Shutdown(ctx)
				took.Add(time.Since(began))
				return nil
			})
		}
		kit.Elapse(2 * time.Hour)
		require.Equal(t, []time.Duration{time.Second, time.Second}, took.All())
		require.Equal(t, uint64(2), kit.Balanced(t, q).Processed)
	})
}
