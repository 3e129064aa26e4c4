package dray_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
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
			bubble(t, name+"/"+way, func(t *testing.T) {
				q := start(t, dray.WithWorkers(1), dray.WithCapacity(2), dray.WithOverflow(tc.policy))
				release := occupy(t, q)
				var got record[int]
				for i := range 5 {
					err := q.Enqueue(t.Context(), got.job(i), opts...)
					if i < 2 {
						require.NoError(t, err)
					} else {
						require.ErrorIs(t, err, tc.err)
					}
					balanced(t, q)
				}
				require.Equal(t, 2, q.Stats().Pending)
				release()
				synctest.Wait()
				s := balanced(t, q)
				require.Equal(t, tc.ran, got.all())
				require.Equal(t, []uint64{tc.rejected, tc.evicted, 3}, []uint64{s.Rejected, s.Evicted, s.Processed})
			})
		}
	}
}

func TestDropNewestReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := paused(t, dray.WithCapacity(1), dray.WithOverflow(dray.DropNewest))
		add(t, q, nop)
		r, err := q.EnqueueSync(t.Context(), nop)
		require.NoError(t, err)
		require.Equal(t, dray.Receipt{ID: 2}, r)
		require.ErrorIs(t, q.Cancel(2), dray.ErrNotFound)
		balanced(t, q)
	})
}

func TestDropOldestTakesTheFirstAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := paused(t, dray.WithWorkers(1), dray.WithCapacity(3), dray.WithOverflow(dray.DropOldest))
		var got record[string]
		add(t, q, got.job("high"), dray.WithPriority(dray.High))
		add(t, q, got.job("low"), dray.WithPriority(dray.Low))
		add(t, q, got.job("normal 1"))
		add(t, q, got.job("normal 2"))
		add(t, q, got.job("normal 3"))
		require.NoError(t, q.Start())
		synctest.Wait()
		require.Equal(t, []string{"normal 1", "normal 2", "normal 3"}, got.all(), "whatever its priority")
		require.Equal(t, uint64(2), balanced(t, q).Evicted)
	})
}

func TestDropOldestOfDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithCapacity(2), dray.WithOverflow(dray.DropOldest))
		for i := range 6 {
			add(t, q, nop, dray.WithDelay(time.Hour-time.Duration(i)*time.Minute))
			require.LessOrEqual(t, balanced(t, q).Delayed, 2)
		}
		require.Equal(t, uint64(4), q.Stats().Evicted)
		elapse(time.Hour)
		require.Equal(t, uint64(2), balanced(t, q).Processed)
	})
}

func TestBlockWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(1), dray.WithCapacity(1), dray.WithOverflow(dray.Block))
		release := occupy(t, q)
		var got, returned record[int]
		for i := range 10 {
			go func() {
				if err := q.Enqueue(context.Background(), got.job(i)); err == nil {
					returned.add(i)
				}
			}()
			synctest.Wait() // first come, first served
		}
		require.Equal(t, []int{0}, returned.all())
		s := balanced(t, q)
		require.Equal(t, []uint64{2, 0}, []uint64{s.Enqueued, s.Rejected})
		release()
		synctest.Wait()
		require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, got.all())
		require.Len(t, returned.all(), 10)
		require.Equal(t, uint64(11), balanced(t, q).Processed)
	})
}

func TestBlockIsFIFOWithLateComers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := paused(t, dray.WithWorkers(1), dray.WithCapacity(3), dray.WithOverflow(dray.Block))
		var got record[int]
		for i := range 200 {
			go func() { _ = q.Enqueue(context.Background(), got.job(i)) }()
			synctest.Wait()
		}
		require.NoError(t, q.Start())
		synctest.Wait()
		require.Len(t, got.all(), 200)
		require.IsIncreasing(t, got.all())
	})
}

func TestBlockEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(1), dray.WithCapacity(1), dray.WithOverflow(dray.Block))
		release := occupy(t, q)
		add(t, q, nop)
		why := errors.New("why")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, q.Enqueue(ctx, nop), why)
		require.Equal(t, time.Second, time.Since(began))
		require.ErrorIs(t, q.Enqueue(ctx, nop), why)
		release()
		synctest.Wait()
		s := balanced(t, q)
		require.Equal(t, []uint64{2, 2}, []uint64{s.Enqueued, s.Processed})
	})
}

func TestBlockDeadlineAtTheMomentOfRoom(t *testing.T) {
	for d := -2 * time.Nanosecond; d <= 2*time.Nanosecond; d++ {
		bubble(t, d.String(), func(t *testing.T) {
			for range 50 {
				q := start(t, dray.WithWorkers(1), dray.WithCapacity(1), dray.WithOverflow(dray.Block))
				add(t, q, draytest.Slow(time.Second))
				synctest.Wait()
				add(t, q, nop)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second+d)
				want := uint64(2)
				if err := q.Enqueue(ctx, nop); err == nil {
					want++
				} else {
					require.ErrorIs(t, err, context.DeadlineExceeded)
				}
				cancel()
				elapse(time.Second)
				require.Equal(t, want, balanced(t, q).Processed)
				require.NoError(t, q.Close())
			}
		})
	}
}

func TestBlockEndsWithTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := paused(t, dray.WithCapacity(1), dray.WithOverflow(dray.Block))
		add(t, q, nop)
		var errs record[error]
		for range 5 {
			go func() { errs.add(q.Enqueue(context.Background(), nop)) }()
		}
		synctest.Wait()
		report, err := q.Shutdown(t.Context())
		require.NoError(t, err)
		require.Len(t, report.Waiting, 1)
		synctest.Wait()
		require.Len(t, errs.all(), 5)
		for _, err := range errs.all() {
			require.ErrorIs(t, err, dray.ErrClosed)
		}
	})
}

func TestBlockPositionIsThatOfItsAcceptance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(1), dray.WithCapacity(2), dray.WithOverflow(dray.Block))
		require.NoError(t, q.Pause())
		a, b := add(t, q, nop), add(t, q, nop)
		got := make(chan dray.Receipt, 1)
		go func() {
			r, _ := q.EnqueueSync(context.Background(), nop)
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
			bubble(t, name+map[bool]string{true: "/job's context", false: "/other context"}[own], func(t *testing.T) {
				other, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				q := start(t, dray.WithWorkers(1), dray.WithCapacity(1), dray.WithOverflow(tc.policy))
				began := time.Now()
				var took time.Duration
				var errs record[error]
				add(t, q, func(ctx context.Context) error {
					if !own {
						ctx = other
					}
					for range 5 {
						if err := q.Enqueue(ctx, nop); err != nil {
							errs.add(err)
						}
					}
					took = time.Since(began)
					return nil
				})
				elapse(2 * time.Hour)
				require.Zero(t, took)
				require.Len(t, errs.all(), tc.errs)
				for _, err := range errs.all() {
					require.ErrorIs(t, err, dray.ErrQueueFull)
				}
				require.Equal(t, tc.rejected, balanced(t, q).Rejected)
			})
		}
	}
}

func TestAllWorkersSelfEnqueue(t *testing.T) {
	for _, policy := range []dray.Overflow{dray.Reject, dray.Block, dray.DropNewest, dray.DropOldest} {
		synctest.Test(t, func(t *testing.T) {
			q := start(t, dray.WithWorkers(4), dray.WithCapacity(1), dray.WithOverflow(policy))
			for range 4 {
				add(t, q, func(ctx context.Context) error {
					time.Sleep(time.Second)
					for range 5 {
						if err := q.Enqueue(ctx, nop); err != nil && !errors.Is(err, dray.ErrQueueFull) {
							return err
						}
					}
					return nil
				})
				synctest.Wait()
			}
			elapse(time.Hour)
			s := balanced(t, q)
			require.Zero(t, s.Pending+s.Running)
			require.Zero(t, s.Failed)
			require.GreaterOrEqual(t, s.Processed, uint64(5))
		})
	}
}

func TestEnqueueBatch(t *testing.T) {
	fns := func(r *record[int], n int) (fns []dray.Func) {
		for i := range n {
			fns = append(fns, r.job(i))
		}
		return fns
	}
	bubble(t, "all, in order", func(t *testing.T) {
		q := start(t, dray.WithWorkers(1))
		var got record[int]
		n, err := q.EnqueueBatch(t.Context(), fns(&got, 500))
		require.NoError(t, err)
		require.Equal(t, 500, n)
		synctest.Wait()
		require.Len(t, got.all(), 500)
		require.IsIncreasing(t, got.all())
	})
	bubble(t, "until full", func(t *testing.T) {
		q := paused(t, dray.WithCapacity(3))
		n, err := q.EnqueueBatch(t.Context(), fns(new(record[int]), 5))
		require.ErrorIs(t, err, dray.ErrQueueFull)
		require.Equal(t, 3, n)
		require.Equal(t, 3, balanced(t, q).Pending)
	})
	bubble(t, "none", func(t *testing.T) {
		q := paused(t)
		n, err := q.EnqueueBatch(t.Context(), nil)
		require.NoError(t, err)
		require.Zero(t, n)
	})
	bubble(t, "nil func", func(t *testing.T) {
		q := paused(t)
		n, err := q.EnqueueBatch(t.Context(), []dray.Func{nop, nil})
		require.ErrorIs(t, err, dray.ErrNilFunc)
		require.Equal(t, n, balanced(t, q).Pending)
	})
	bubble(t, "blocked until ctx ends", func(t *testing.T) {
		q := paused(t, dray.WithCapacity(3), dray.WithOverflow(dray.Block))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n, err := q.EnqueueBatch(ctx, fns(new(record[int]), 5), dray.WithLabel("x"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3, n)
	})
	bubble(t, "closed", func(t *testing.T) {
		q := paused(t)
		require.NoError(t, q.Close())
		n, err := q.EnqueueBatch(t.Context(), []dray.Func{nop})
		require.ErrorIs(t, err, dray.ErrClosed)
		require.Zero(t, n)
	})
}
