package queue_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

func TestEnqueueRunsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		var got []int
		for i := range 1000 {
			require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error {
				got = append(got, i)
				return nil
			}))
		}
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Empty(t, report.Waiting)
		require.Len(t, got, 1000)
		require.IsIncreasing(t, got)
		s := kit.Balanced(t, q)
		require.Equal(t, uint64(1000), s.Processed)
	})
}

func TestEveryEndSettlesOnce(t *testing.T) {
	boom := errors.New("boom")
	ends := map[string]struct {
		fn  dray.Func
		err error
	}{
		"return":     {kit.Nop, nil},
		"error":      {func(context.Context) error { return boom }, boom},
		"panic":      {func(context.Context) error { panic(boom) }, boom},
		"panic(nil)": {func(context.Context) error { panic(nil) }, new(runtime.PanicNilError)},
		"Goexit":     {func(context.Context) error { runtime.Goexit(); return nil }, dray.ErrGoexit},
		"nested panic": {func(context.Context) error {
			defer func() { panic(boom) }()
			panic("first")
		}, boom},
		"panic in Goexit": {func(context.Context) error {
			defer func() { panic(boom) }()
			runtime.Goexit()
			return nil
		}, boom},
		"Goexit in panic": {func(context.Context) error {
			defer runtime.Goexit()
			panic("first")
		}, dray.ErrGoexit},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := kit.Start(t, dray.WithWorkers(1))
				const n = 1000
				for range n {
					require.NoError(t, q.Enqueue(t.Context(), end.fn))
				}
				synctest.Wait()
				s := kit.Balanced(t, q)
				if end.err == nil {
					require.Equal(t, uint64(n), s.Processed)
					return
				}
				require.Equal(t, uint64(n), s.Failed)
				f := q.Failures()
				require.Len(t, f, 100)
				require.Equal(t, dray.ID(n), f[0].ID)
				if name == "panic(nil)" {
					var nilPanic *runtime.PanicNilError
					require.ErrorAs(t, f[0].Err, &nilPanic)
				} else {
					require.ErrorIs(t, f[0].Err, end.err)
				}
				require.NoError(t, q.Enqueue(t.Context(), kit.Nop))
				synctest.Wait()
				require.Equal(t, uint64(1), q.Stats().Processed)
				require.Equal(t, 1, q.Stats().Idle)
			})
		})
	}
}

func TestPositionIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t)
		seen := make(chan dray.Receipt, 400)
		for range 4 {
			go func() {
				for range 100 {
					r, err := q.EnqueueSync(t.Context(), kit.Nop)
					if err != nil {
						t.Error(err)
					}
					seen <- r
				}
			}()
		}
		synctest.Wait()
		close(seen)
		n := 0
		for r := range seen {
			require.Equal(t, int(r.ID), r.Position)
			n++
		}
		require.Equal(t, 400, n)
		require.Equal(t, 400, kit.Balanced(t, q).Pending)
	})
}

func TestTimeoutMakesStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		release := make(chan struct{})
		var cause error
		require.NoError(t, q.Enqueue(t.Context(), func(ctx context.Context) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			<-release
			return ctx.Err()
		}, dray.WithTimeout(time.Second)))
		time.Sleep(time.Second + 20*time.Millisecond)
		synctest.Wait()
		require.ErrorIs(t, cause, dray.ErrTimeout)
		require.Equal(t, 1, kit.Balanced(t, q).Stuck)
		close(release)
		synctest.Wait()
		s := kit.Balanced(t, q)
		require.Equal(t, 0, s.Stuck)
		require.Equal(t, uint64(1), s.Failed)
	})
}

// The context of a job is cut from a slab, an 85th of an allocation for each.
func TestPlainEnqueueAllocatesNothing(t *testing.T) {
	q := kit.Start(t, dray.WithCapacity(dray.Unbounded))
	ctx := context.Background()
	require.Zero(t, testing.AllocsPerRun(10_000, func() { _ = q.Enqueue(ctx, kit.Nop) }))
}

func TestMiddlewareMustReturnAHandler(t *testing.T) {
	_, err := dray.New(dray.WithMiddleware(func(dray.Handler) dray.Handler { return nil }))
	require.ErrorIs(t, err, dray.ErrNilFunc)
}

func TestChildrenAreOwnerPoolAndScheduler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		synctest.Wait()
		var names []string
		for _, c := range q.Children() {
			names = append(names, c.Name)
			require.Zero(t, c.Restarts)
			require.NoError(t, c.LastError)
		}
		require.Equal(t, []string{"owner", "pool", "scheduler"}, names)
	})
}
