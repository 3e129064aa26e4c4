package dray_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/draytest"
)

func TestKeysRunInOrderOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(8))
		got := map[string]*record[int]{"a": {}, "b": {}, "c": {}}
		running := map[string]*record[int]{"a": {}, "b": {}, "c": {}}
		for i := range 30 {
			key := string(rune('a' + i%3))
			add(t, q, func(context.Context) error {
				running[key].add(1)
				time.Sleep(time.Second)
				got[key].add(i)
				running[key].add(-1)
				return nil
			}, dray.WithKey(key))
		}
		synctest.Wait()
		s := balanced(t, q)
		require.Equal(t, []int{3, 27}, []int{s.Running, s.Pending})
		require.NoError(t, q.Enqueue(t.Context(), nop), "others are not held up")
		synctest.Wait()
		require.Equal(t, uint64(1), q.Stats().Processed)
		elapse(10*time.Second + 1)
		for key, r := range got {
			require.Len(t, r.all(), 10, key)
			require.IsIncreasing(t, r.all())
			sum := 0
			for _, n := range running[key].all() {
				sum += n
				require.LessOrEqual(t, sum, 1)
			}
		}
		require.Equal(t, uint64(31), balanced(t, q).Processed)
	})
}

func TestKeyLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(8))
		for range 10 {
			add(t, q, draytest.Slow(time.Second), dray.WithKey("k"), dray.WithKeyLimit(3))
		}
		synctest.Wait()
		require.Equal(t, 3, balanced(t, q).Running)
		elapse(4*time.Second + 1)
		require.Equal(t, uint64(10), balanced(t, q).Processed)
	})
}

func TestKeyIsPassedOnHoweverAJobEnds(t *testing.T) {
	ends := map[string]dray.Func{
		"return": nop, "error": fail,
		"panic":   func(context.Context) error { panic("boom") },
		"Goexit":  func(context.Context) error { runtime.Goexit(); return nil },
		"discard": func(context.Context) error { return dray.Discard(nil) },
	}
	for name, end := range ends {
		bubble(t, name, func(t *testing.T) {
			q := start(t, dray.WithWorkers(4), dray.WithKey("k"))
			var got record[int]
			for range 100 {
				add(t, q, end)
			}
			add(t, q, got.job(1))
			synctest.Wait()
			require.Equal(t, []int{1}, got.all())
			require.Zero(t, balanced(t, q).Pending)
		})
	}
}

func TestKeyIsPassedOnByCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(4), dray.WithKey("k"))
		var got record[int]
		first := add(t, q, draytest.Slow(time.Hour))
		second, third := add(t, q, got.job(2)), add(t, q, got.job(3))
		_ = add(t, q, got.job(4))
		synctest.Wait()
		require.NoError(t, q.Cancel(third))
		require.NoError(t, q.Cancel(second))
		balanced(t, q)
		require.NoError(t, q.Cancel(first))
		synctest.Wait()
		require.Equal(t, []int{4}, got.all())
		require.Equal(t, uint64(3), balanced(t, q).Cancelled)
	})
}

func TestRetryAndSnoozeKeepTheKey(t *testing.T) {
	for name, again := range map[string]error{"retry": errBoom, "snooze": dray.Snooze(time.Minute)} {
		bubble(t, name, func(t *testing.T) {
			q := start(t, dray.WithWorkers(4), dray.WithKey("k"), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Minute)))
			var got record[string]
			n := 0
			id := add(t, q, func(context.Context) error {
				if n++; n == 1 {
					return again
				}
				got.add("first")
				return nil
			})
			add(t, q, got.job("second"))
			elapse(time.Minute - 1)
			require.Empty(t, got.all())
			elapse(time.Second)
			require.Equal(t, []string{"first", "second"}, got.all())
			require.ErrorIs(t, q.Cancel(id), dray.ErrNotFound)
		})
	}
}

// A larger limit of a later job lets it run besides, but not overtake.
func TestMixedKeyLimitsKeepTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t, dray.WithWorkers(4))
		var got record[int]
		gate := make(chan struct{})
		add(t, q, until(gate), dray.WithKey("k"))
		add(t, q, got.job(1), dray.WithKey("k"))
		add(t, q, got.job(2), dray.WithKey("k"), dray.WithKeyLimit(2))
		synctest.Wait()
		close(gate)
		synctest.Wait()
		require.Equal(t, []int{1, 2}, got.all())
	})
}

func TestUniquePolicies(t *testing.T) {
	tests := map[string]struct {
		policy            dray.UniquePolicy
		err               error
		id                dray.ID
		ran               []string
		rejected, evicted uint64
	}{
		"KeepExisting":    {dray.KeepExisting, nil, 2, []string{"old"}, 0, 0},
		"ReplacePending":  {dray.ReplacePending, nil, 3, []string{"new"}, 0, 1},
		"RejectDuplicate": {dray.RejectDuplicate, dray.ErrDuplicate, 0, []string{"old"}, 1, 0},
	}
	states := map[string][]dray.JobOption{
		"pending": nil, "delayed": {dray.WithDelay(time.Second)}, "keyed": {dray.WithKey("k")}, "high": {dray.WithPriority(dray.High)},
	}
	for name, tc := range tests {
		for state, opts := range states {
			bubble(t, name+"/"+state, func(t *testing.T) {
				q := start(t, dray.WithWorkers(1))
				release := occupy(t, q, dray.WithKey("k"))
				var got record[string]
				opts := append([]dray.JobOption{dray.WithUnique("u", tc.policy)}, opts...)
				require.Equal(t, dray.ID(2), add(t, q, got.job("old"), opts...))
				r, err := q.EnqueueSync(t.Context(), got.job("new"), opts...)
				require.ErrorIs(t, err, tc.err)
				require.Equal(t, tc.id, r.ID)
				balanced(t, q)
				release()
				elapse(2 * time.Second)
				s := balanced(t, q)
				require.Equal(t, tc.ran, got.all())
				require.Equal(t, []uint64{tc.rejected, tc.evicted}, []uint64{s.Rejected, s.Evicted})
				require.NotZero(t, add(t, q, nop, opts...), "the key is free again")
			})
		}
	}
}

func TestUniqueWhileRunning(t *testing.T) {
	tests := map[string]struct {
		policy dray.UniquePolicy
		err    error
		ran    []string
	}{
		"KeepExisting":    {dray.KeepExisting, nil, nil},
		"ReplacePending":  {dray.ReplacePending, nil, []string{"third"}},
		"RejectDuplicate": {dray.RejectDuplicate, dray.ErrDuplicate, nil},
	}
	for name, tc := range tests {
		bubble(t, name, func(t *testing.T) {
			q := start(t, dray.WithWorkers(1))
			unique := dray.WithUnique("u", tc.policy)
			release := occupy(t, q, unique)
			var got record[string]
			for _, s := range []string{"second", "third"} {
				require.ErrorIs(t, q.Enqueue(t.Context(), got.job(s), unique), tc.err)
			}
			release()
			synctest.Wait()
			require.Equal(t, tc.ran, got.all())
			balanced(t, q)
		})
	}
}

func TestKeepExistingGivesTheOthersReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := paused(t)
		add(t, q, nop)
		want, err := q.EnqueueSync(t.Context(), nop, dray.WithUnique("u", dray.KeepExisting))
		require.NoError(t, err)
		for range 5 {
			add(t, q, nop)
		}
		got, err := q.EnqueueSync(t.Context(), nop, dray.WithUnique("u", dray.KeepExisting))
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestUniqueIsFreedHoweverTheJobEnds(t *testing.T) {
	unique := dray.WithUnique("u", dray.RejectDuplicate)
	ends := map[string]func(t *testing.T, q *dray.Queue){
		"processed": func(t *testing.T, q *dray.Queue) { add(t, q, nop, unique) },
		"failed":    func(t *testing.T, q *dray.Queue) { add(t, q, fail, unique) },
		"cancelled": func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Cancel(add(t, q, nop, unique, dray.WithDelay(time.Hour))))
		},
		"cancelled running": func(t *testing.T, q *dray.Queue) {
			id := add(t, q, draytest.Slow(time.Hour), unique)
			synctest.Wait()
			require.NoError(t, q.Cancel(id))
		},
	}
	for name, end := range ends {
		bubble(t, name, func(t *testing.T) {
			q := start(t)
			for range 10 {
				end(t, q)
				synctest.Wait()
			}
			require.Equal(t, uint64(10), balanced(t, q).Enqueued)
		})
	}
}

func TestUniqueIsHeldByARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := start(t)
		unique := dray.WithUnique("u", dray.RejectDuplicate)
		add(t, q, fail, unique, dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Minute)))
		synctest.Wait()
		require.ErrorIs(t, q.Enqueue(t.Context(), nop, unique), dray.ErrDuplicate)
		elapse(time.Minute)
		require.NoError(t, q.Enqueue(t.Context(), nop, unique))
	})
}

// A replacement takes the place of the other one, or both keep what they have.
func TestReplaceInAFullQueue(t *testing.T) {
	for name, fn := range map[string]dray.Func{"pending": nop, "retrying": fail} {
		bubble(t, name, func(t *testing.T) {
			q := start(t, dray.WithWorkers(1), dray.WithCapacity(1))
			opts := []dray.JobOption{dray.WithUnique("u", dray.ReplacePending), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Hour))}
			if name == "retrying" {
				add(t, q, fn, opts...)
				synctest.Wait()
				require.NoError(t, q.Pause())
				add(t, q, nop)
			} else {
				require.NoError(t, q.Pause())
				add(t, q, fn, opts...)
			}
			err := q.Enqueue(t.Context(), nop, opts...)
			s := balanced(t, q)
			if err == nil {
				require.Equal(t, uint64(1), s.Evicted)
			} else {
				require.ErrorIs(t, err, dray.ErrQueueFull)
				require.Zero(t, s.Evicted, "refused, yet the other job was evicted")
			}
		})
	}
}

// twins counts how many jobs of the label there are.
func twins(q *dray.Queue, label string) (n int) {
	for j := range q.Jobs() {
		if j.Label == label {
			n++
		}
	}
	return n
}

func TestUniqueOfBlockedCallers(t *testing.T) {
	for name, policy := range map[string]dray.UniquePolicy{"keep": dray.KeepExisting, "replace": dray.ReplacePending, "reject": dray.RejectDuplicate} {
		bubble(t, name, func(t *testing.T) {
			q := start(t, dray.WithWorkers(1), dray.WithCapacity(3), dray.WithOverflow(dray.Block))
			require.NoError(t, q.Pause())
			fillers := []dray.ID{add(t, q, nop), add(t, q, nop), add(t, q, nop)}
			for range 3 {
				go func() { _ = q.Enqueue(t.Context(), nop, dray.WithUnique("u", policy), dray.WithLabel("u")) }()
			}
			synctest.Wait()
			for _, id := range fillers {
				require.NoError(t, q.Cancel(id))
				synctest.Wait()
				require.LessOrEqual(t, twins(q, "u"), 1)
				balanced(t, q)
			}
			require.NoError(t, q.Resume())
			synctest.Wait()
		})
	}
}

func TestUniqueOfRequeue(t *testing.T) {
	for name, policy := range map[string]dray.UniquePolicy{"keep": dray.KeepExisting, "replace": dray.ReplacePending, "reject": dray.RejectDuplicate} {
		bubble(t, name, func(t *testing.T) {
			q := start(t, dray.WithWorkers(1))
			opts := []dray.JobOption{dray.WithUnique("u", policy), dray.WithLabel("u")}
			id := add(t, q, fail, opts...)
			synctest.Wait()
			require.NoError(t, q.Pause())
			add(t, q, nop, opts...)
			err := q.Requeue(id)
			require.Equal(t, 1, twins(q, "u"), fmt.Sprint(err))
			balanced(t, q)
		})
	}
}
