package policy_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
	"github.com/a622d8ee/dray/test/kit"
)

func TestOverflow(t *testing.T) {
	tests := map[string]struct {
		policy            dray.Overflow
		err               error
		ran               []int
		rejected, evicted uint64
	}{
		"Reject":     {dray.Reject, dray.ErrQueueFull, []int{0, 1}, 3, 0},
		"DropNewest": {dray.DropNewest, nil, []int{0, 1}, 0, 3},
		"DropOldest": {dray.DropOldest, nil, []int{3, 4}, 0, 3},
	}
	for name, tc := range tests {
		for way, opts := range map[string][]dray.JobOption{"plain": nil, "options": {dray.WithLabel("x")}} {
			kit.Bubble(t, name+"/"+way, func(t *testing.T) {
				q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(2), dray.WithOverflow(tc.policy))
				release := kit.Occupy(t, q)
				var got kit.Record[int]
				for i := range 5 {
					err := q.Enqueue(t.Context(), got.Job(i), opts...)
					if i < 2 {
						require.NoError(t, err)
					} else {
						require.ErrorIs(t, err, tc.err)
					}
					kit.Balanced(t, q)
				}
				require.Equal(t, 2, q.Stats().Pending)
				release()
				synctest.Wait()
				s := kit.Balanced(t, q)
				require.Equal(t, tc.ran, got.All())
				require.Equal(t, []uint64{tc.rejected, tc.evicted, 3}, []uint64{s.Rejected, s.Evicted, s.Processed})
			})
		}
	}
}

func TestDropNewestReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t, dray.WithCapacity(1), dray.WithOverflow(dray.DropNewest))
		kit.Add(t, q, kit.Nop)
		r, err := q.EnqueueSync(t.Context(), kit.Nop)
		require.NoError(t, err)
		require.Equal(t, dray.Receipt{ID: 2}, r)
		require.ErrorIs(t, q.Cancel(2), dray.ErrNotFound)
		kit.Balanced(t, q)
	})
}

func TestDropOldestTakesTheFirstAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t, dray.WithWorkers(1), dray.WithCapacity(3), dray.WithOverflow(dray.DropOldest))
		var got kit.Record[string]
		kit.Add(t, q, got.Job("high"), dray.WithPriority(dray.High))
		kit.Add(t, q, got.Job("low"), dray.WithPriority(dray.Low))
		kit.Add(t, q, got.Job("normal 1"))
		kit.Add(t, q, got.Job("normal 2"))
		kit.Add(t, q, got.Job("normal 3"))
		require.NoError(t, q.Start())
		synctest.Wait()
		require.Equal(t, []string{"normal 1", "normal 2", "normal 3"}, got.All(), "whatever its priority")
		require.Equal(t, uint64(2), kit.Balanced(t, q).Evicted)
	})
}

func TestDropOldestOfDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithCapacity(2), dray.WithOverflow(dray.DropOldest))
		for i := range 6 {
			kit.Add(t, q, kit.Nop, dray.WithDelay(time.Hour-time.Duration(i)*time.Minute))
			require.LessOrEqual(t, kit.Balanced(t, q).Delayed, 2)
		}
		require.Equal(t, uint64(4), q.Stats().Evicted)
		kit.Elapse(time.Hour)
		require.Equal(t, uint64(2), kit.Balanced(t, q).Processed)
	})
}

func TestBlockWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(1), dray.WithOverflow(dray.Block))
		release := kit.Occupy(t, q)
		var got, returned kit.Record[int]
		for i := range 10 {
			go func() {
				if err := q.Enqueue(context.Background(), got.Job(i)); err == nil {
					returned.Add(i)
				}
			}()
			synctest.Wait() // first come, first served
		}
		require.Equal(t, []int{0}, returned.All())
		s := kit.Balanced(t, q)
		require.Equal(t, []uint64{2, 0}, []uint64{s.Enqueued, s.Rejected})
		release()
		synctest.Wait()
		require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, got.All())
		require.Len(t, returned.All(), 10)
		require.Equal(t, uint64(11), kit.Balanced(t, q).Processed)
	})
}

func TestBlockIsFIFOWithLateComers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t, dray.WithWorkers(1), dray.WithCapacity(3), dray.WithOverflow(dray.Block))
		var got kit.Record[int]
		for i := range 200 {
			go func() { _ = q.Enqueue(context.Background(), got.Job(i)) }()
			synctest.Wait()
		}
		require.NoError(t, q.Start())
		synctest.Wait()
		require.Len(t, got.All(), 200)
		require.IsIncreasing(t, got.All())
	})
}

func TestBlockEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(1), dray.WithOverflow(dray.Block))
		release := kit.Occupy(t, q)
		kit.Add(t, q, kit.Nop)
		why := errors.New("why")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, q.Enqueue(ctx, kit.Nop), why)
		require.Equal(t, time.Second, time.Since(began))
		require.ErrorIs(t, q.Enqueue(ctx, kit.Nop), why)
		release()
		synctest.Wait()
		s := kit.Balanced(t, q)
		require.Equal(t, []uint64{2, 2}, []uint64{s.Enqueued, s.Processed})
	})
}

func TestBlockDeadlineAtTheMomentOfRoom(t *testing.T) {
	for d := -2 * time.Nanosecond; d <= 2*time.Nanosecond; d++ {
		kit.Bubble(t, d.String(), func(t *testing.T) {
			for range 50 {
				q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(1), dray.WithOverflow(dray.Block))
				kit.Add(t, q, draytest.Slow(time.Second))
				synctest.Wait()
				kit.Add(t, q, kit.Nop)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second+d)
				want := uint64(2)
				if err := q.Enqueue(ctx, kit.Nop); err == nil {
					want++
				} else {
					require.ErrorIs(t, err, context.DeadlineExceeded)
				}
				cancel()
				kit.Elapse(time.Second)
				require.Equal(t, want, kit.Balanced(t, q).Processed)
				require.NoError(t, q.Close())
			}
		})
	}
}

func TestBlockEndsWithTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t, dray.WithCapacity(1), dray.WithOverflow(dray.Block))
		kit.Add(t, q, kit.Nop)
		var errs kit.Record[error]
		for range 5 {
			go func() { errs.Add(q.Enqueue(context.Background(), kit.Nop)) }()
		}
		synctest.Wait()
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Len(t, report.Waiting, 1)
		synctest.Wait()
		require.Len(t, errs.All(), 5)
		for _, err := range errs.All() {
			require.ErrorIs(t, err, dray.ErrClosed)
		}
	})
}

func TestBlockPositionIsThatOfItsAcceptance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(2), dray.WithOverflow(dray.Block))
		require.NoError(t, q.Pause())
		a, b := kit.Add(t, q, kit.Nop), kit.Add(t, q, kit.Nop)
		got := make(chan dray.Receipt, 1)
		go func() {
			r, _ := q.EnqueueSync(context.Background(), kit.Nop)
			got <- r
		}()
		synctest.Wait()
		require.NoError(t, q.Cancel(a))
		r := <-got
		require.Equal(t, 2, r.Position)
		require.Greater(t, r.ID, b)
	})
}

// A job that enqueues into its own full queue gets an error, whatever context it uses.
func TestSelfEnqueue(t *testing.T) {
	tests := map[string]struct {
		policy   dray.Overflow
		errs     int
		rejected uint64
	}{
		"Reject": {dray.Reject, 4, 4}, "Block": {dray.Block, 4, 4},
		"DropNewest": {dray.DropNewest, 0, 0}, "DropOldest": {dray.DropOldest, 0, 0},
	}
	for name, tc := range tests {
		for _, own := range []bool{true, false} {
			kit.Bubble(t, name+map[bool]string{true: "/job's context", false: "/other context"}[own], func(t *testing.T) {
				other, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(1), dray.WithOverflow(tc.policy))
				began := time.Now()
				var took time.Duration
				var errs kit.Record[error]
				kit.Add(t, q, func(ctx context.Context) error {
					if !own {
						ctx = other
					}
					for range 5 {
						if err := q.Enqueue(ctx, kit.Nop); err != nil {
							errs.Add(err)
						}
					}
					took = time.Since(began)
					return nil
				})
				kit.Elapse(2 * time.Hour)
				require.Zero(t, took)
				require.Len(t, errs.All(), tc.errs)
				for _, err := range errs.All() {
					require.ErrorIs(t, err, dray.ErrQueueFull)
				}
				require.Equal(t, tc.rejected, kit.Balanced(t, q).Rejected)
			})
		}
	}
}

func TestAllWorkersSelfEnqueue(t *testing.T) {
	for _, policy := range []dray.Overflow{dray.Reject, dray.Block, dray.DropNewest, dray.DropOldest} {
		synctest.Test(t, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(4), dray.WithCapacity(1), dray.WithOverflow(policy))
			for range 4 {
				kit.Add(t, q, func(ctx context.Context) error {
					time.Sleep(time.Second)
					for range 5 {
						if err := q.Enqueue(ctx, kit.Nop); err != nil && !errors.Is(err, dray.ErrQueueFull) {
							return err
						}
					}
					return nil
				})
				synctest.Wait()
			}
			kit.Elapse(time.Hour)
			s := kit.Balanced(t, q)
			require.Zero(t, s.Pending+s.Running)
			require.Zero(t, s.Failed)
			require.GreaterOrEqual(t, s.Processed, uint64(5))
		})
	}
}

func TestEnqueueBatch(t *testing.T) {
	fns := func(r *kit.Record[int], n int) (fns []dray.Func) {
		for i := range n {
			fns = append(fns, r.Job(i))
		}
		return fns
	}
	kit.Bubble(t, "all, in order", func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(1))
		var got kit.Record[int]
		n, err := q.EnqueueBatch(t.Context(), fns(&got, 500))
		require.NoError(t, err)
		require.Equal(t, 500, n)
		synctest.Wait()
		require.Len(t, got.All(), 500)
		require.IsIncreasing(t, got.All())
	})
	kit.Bubble(t, "until full", func(t *testing.T) {
		q := kit.Paused(t, dray.WithCapacity(3))
		n, err := q.EnqueueBatch(t.Context(), fns(new(kit.Record[int]), 5))
		require.ErrorIs(t, err, dray.ErrQueueFull)
		require.Equal(t, 3, n)
		require.Equal(t, 3, kit.Balanced(t, q).Pending)
	})
	kit.Bubble(t, "none", func(t *testing.T) {
		q := kit.Paused(t)
		n, err := q.EnqueueBatch(t.Context(), nil)
		require.NoError(t, err)
		require.Zero(t, n)
	})
	kit.Bubble(t, "nil func", func(t *testing.T) {
		q := kit.Paused(t)
		n, err := q.EnqueueBatch(t.Context(), []dray.Func{kit.Nop, nil})
		require.ErrorIs(t, err, dray.ErrNilFunc)
		require.Equal(t, n, kit.Balanced(t, q).Pending)
	})
	kit.Bubble(t, "blocked until ctx ends", func(t *testing.T) {
		q := kit.Paused(t, dray.WithCapacity(3), dray.WithOverflow(dray.Block))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n, err := q.EnqueueBatch(ctx, fns(new(kit.Record[int]), 5), dray.WithLabel("x"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3, n)
	})
	kit.Bubble(t, "closed", func(t *testing.T) {
		q := kit.Paused(t)
		require.NoError(t, q.Close())
		n, err := q.EnqueueBatch(t.Context(), []dray.Func{kit.Nop})
		require.ErrorIs(t, err, dray.ErrClosed)
		require.Zero(t, n)
		_, err = q.EnqueueBatch(t.Context(), nil)
		require.NoError(t, err, "that asks nothing of the queue")
	})
}
