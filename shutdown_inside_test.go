package dray_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
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
			bubble(t, name+"/"+behind, func(t *testing.T) {
				q := start(t, dray.WithWorkers(1))
				ctx, _ := within(t, time.Hour)
				var took record[time.Duration]
				var reports record[dray.Report]
				began := time.Now()
				gate := make(chan struct{})
				add(t, q, func(context.Context) error {
					<-gate
					report, _ := end(ctx, q)
					took.add(time.Since(began))
					reports.add(report)
					return nil
				})
				for range n {
					add(t, q, nop)
				}
				close(gate)
				elapse(2 * time.Hour)
				require.Len(t, took.all(), 1)
				require.Less(t, took.all()[0], time.Hour, "it hung until its deadline")
				require.Len(t, reports.all()[0].Abandoned, 1)
				s := balanced(t, q)
				require.Zero(t, s.Running)
				require.Equal(t, uint64(n+1), s.Processed+uint64(len(reports.all()[0].Waiting)))
			})
		}
	}
}

func TestTwoJobsEndTheirQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(2))
		ctx, _ := within(t, time.Hour)
		began := time.Now()
		var took record[time.Duration]
		for range 2 {
			add(t, q, func(context.Context) error {
				time.Sleep(time.Second)
				_, _ = q.Shutdown(ctx)
				took.add(time.Since(began))
				return nil
			})
		}
		elapse(2 * time.Hour)
		require.Equal(t, []time.Duration{time.Second, time.Second}, took.all())
		require.Equal(t, uint64(2), balanced(t, q).Processed)
	})
}
