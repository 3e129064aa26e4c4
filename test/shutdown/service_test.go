package shutdown_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// A service of a database, a queue and a web server, in which the database fails ten
// times: what the server accepted is done, once, and no restart waits for a drain.
func TestQueueInAGroupThatIsRestarted(t *testing.T) {
	for _, strategy := range []dray.Strategy{dray.RestForOne, dray.OneForAll} {
		bubble(t, strategy.String(), func(t *testing.T) {
			fail := make(chan error)
			db := dray.ServiceFunc(func(ctx context.Context) error {
				select {
				case err := <-fail:
					return err
				case <-ctx.Done():
					return nil
				}
			})
			var done record[int]
			q := newQueue(t, dray.WithWorkers(2))
			n := 0
			enqueue := func() error {
				n++
				id := n
				return q.Enqueue(context.Background(), func(ctx context.Context) error {
					select {
					case <-time.After(700 * time.Millisecond):
						done.Add(id)
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}, dray.WithKey(fmt.Sprint(id%7)))
			}
			web := dray.ServiceFunc(func(ctx context.Context) error {
				tick := time.NewTicker(100 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
						if err := enqueue(); err != nil {
							return err
						}
					case <-ctx.Done():
						return nil
					}
				}
			})
			var restarts record[time.Time]
			sup, err := dray.NewSupervisor(strategy, dray.WithIntensity(3, 5*time.Second),
				dray.WithObserver(func(ev dray.Event) {
					if ev.Kind == dray.ChildStarted && ev.Name == "web" {
						restarts.Add(time.Now())
					}
				}), dray.WithChildren(
					dray.Child{Name: "db", Service: db}, dray.Child{Name: "queue", Service: q}, dray.Child{Name: "web", Service: web}))
			require.NoError(t, err)
			v := serve(sup)
			for i := range 10 {
				time.Sleep(2*time.Second + 33*time.Millisecond)
				failed := time.Now()
				fail <- kit.ErrBoom
				synctest.Wait()
				require.Len(t, restarts.All(), i+2)
				require.Equal(t, failed, restarts.All()[i+1], "a restart waits for nothing")
				balanced(t, q)
			}
			v.stop(errors.New("the end of the test"))
			v.wait(t)
			s := balanced(t, q)
			require.Zero(t, s.Failed+s.Cancelled+s.Rejected)
			require.NoError(t, q.Start())
			time.Sleep(time.Hour)
			s = balanced(t, q)
			require.Equal(t, uint64(n), s.Processed)
			seen := map[int]bool{}
			for _, id := range done.All() {
				require.False(t, seen[id], "job %d was done twice", id)
				seen[id] = true
			}
			require.Len(t, seen, n)
		})
	}
}
