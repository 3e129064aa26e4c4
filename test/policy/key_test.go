package policy_test

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
	"github.com/a622d8ee/dray/test/kit"
)

func TestKeysRunInOrderOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(8))
		got := map[string]*kit.Record[int]{"a": {}, "b": {}, "c": {}}
		running := map[string]*kit.Record[int]{"a": {}, "b": {}, "c": {}}
		for i := range 30 {
			key := string(rune('a' + i%3))
			kit.Add(t, q, func(context.Context) error {
				running[key].Add(1)
				time.Sleep(time.Second)
				got[key].Add(i)
				running[key].Add(-1)
				return nil
			}, dray.WithKey(key))
		}
		synctest.Wait()
		s := kit.Balanced(t, q)
		require.Equal(t, []int{3, 27}, []int{s.Running, s.Pending})
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop), "others are not held up")
		synctest.Wait()
		require.Equal(t, uint64(1), q.Stats().Processed)
		kit.Elapse(10*time.Second + 1)
		for key, r := range got {
			require.Len(t, r.All(), 10, key)
			require.IsIncreasing(t, r.All())
			sum := 0
			for _, n := range running[key].All() {
				sum += n
				require.LessOrEqual(t, sum, 1)
			}
		}
		require.Equal(t, uint64(31), kit.Balanced(t, q).Processed)
	})
}

func TestKeyLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(8))
		for range 10 {
			kit.Add(t, q, draytest.Slow(time.Second), dray.WithKey("k"), dray.WithKeyLimit(3))
		}
		synctest.Wait()
		require.Equal(t, 3, kit.Balanced(t, q).Running)
		kit.Elapse(4*time.Second + 1)
		require.Equal(t, uint64(10), kit.Balanced(t, q).Processed)
	})
}

func TestKeyIsPassedOnHoweverAJobEnds(t *testing.T) {
	ends := map[string]dray.Func{
		"return": kit.Nop, "error": kit.Fail,
		"panic":   func(context.Context) error { panic("boom") },
		"Goexit":  func(context.Context) error { runtime.Goexit(); return nil },
		"discard": func(context.Context) error { return dray.Discard(nil) },
	}
	for name, end := range ends {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(4), dray.WithKey("k"))
			var got kit.Record[int]
			for range 100 {
				kit.Add(t, q, end)
			}
			kit.Add(t, q, got.Job(1))
			synctest.Wait()
			require.Equal(t, []int{1}, got.All())
			require.Zero(t, kit.Balanced(t, q).Pending)
		})
	}
}

func TestKeyIsPassedOnByCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t, dray.WithWorkers(4), dray.WithKey("k"))
		var got kit.Record[int]
		first := kit.Add(t, q, draytest.Slow(time.Hour))
		second, third := kit.Add(t, q, got.Job(2)), kit.Add(t, q, got.Job(3))
		_ = kit.Add(t, q, got.Job(4))
		synctest.Wait()
		require.NoError(t, q.Cancel(third))
		require.NoError(t, q.Cancel(second))
		kit.Balanced(t, q)
		require.NoError(t, q.Cancel(first))
		synctest.Wait()
		require.Equal(t, []int{4}, got.All())
		require.Equal(t, uint64(3), kit.Balanced(t, q).Cancelled)
	})
}

func TestRetryAndSnoozeKeepTheKey(t *testing.T) {
	for name, again := range map[string]error{"retry": kit.ErrBoom, "snooze": dray.Snooze(time.Minute)} {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(4), dray.WithKey("k"), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Minute)))
			var got kit.Record[string]
			n := 0
			id := kit.Add(t, q, func(context.Context) error {
				if n++; n == 1 {
					return again
				}
				got.Add("first")
				return nil
			})
			kit.Add(t, q, got.Job("second"))
			kit.Elapse(time.Minute - 1)
			require.Empty(t, got.All())
			kit.Elapse(time.Second)
			require.Equal(t, []string{"first", "second"}, got.All())
			require.ErrorIs(t, q.Cancel(id), dray.ErrNotFound)
		})
	}
}

// A larger limit of a later job lets it run besides, but not overtake.
func TestMixedKeyLimitsKeepTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got kit.Starts
		q := kit.Start(t, dray.WithWorkers(4), got.Option())
		gate := make(chan struct{})
		want := []dray.ID{
			kit.Add(t, q, kit.Until(gate), dray.WithKey("k")),
			kit.Add(t, q, kit.Nop, dray.WithKey("k")),
			kit.Add(t, q, kit.Nop, dray.WithKey("k"), dray.WithKeyLimit(2)),
		}
		synctest.Wait()
		close(gate)
		synctest.Wait()
		require.Equal(t, want, got.All())
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
			kit.Bubble(t, name+"/"+state, func(t *testing.T) {
				q := kit.Start(t, dray.WithWorkers(1))
				release := kit.Occupy(t, q, dray.WithKey("k"))
				var got kit.Record[string]
				opts := append([]dray.JobOption{dray.WithUnique("u", tc.policy)}, opts...)
				require.Equal(t, dray.ID(2), kit.Add(t, q, got.Job("old"), opts...))
				r, err := q.EnqueueSync(t.Context(), got.Job("new"), opts...)
				require.ErrorIs(t, err, tc.err)
				require.Equal(t, tc.id, r.ID)
				kit.Balanced(t, q)
				release()
				kit.Elapse(2 * time.Second)
				s := kit.Balanced(t, q)
				require.Equal(t, tc.ran, got.All())
				require.Equal(t, []uint64{tc.rejected, tc.evicted}, []uint64{s.Rejected, s.Evicted})
				require.NotZero(t, kit.Add(t, q, kit.Nop, opts...), "the key is free again")
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
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1))
			unique := dray.WithUnique("u", tc.policy)
			release := kit.Occupy(t, q, unique)
			var got kit.Record[string]
			for _, s := range []string{"second", "third"} {
				require.ErrorIs(t, q.Enqueue(t.Context(), got.Job(s), unique), tc.err)
			}
			release()
			synctest.Wait()
			require.Equal(t, tc.ran, got.All())
			kit.Balanced(t, q)
		})
	}
}

func TestKeepExistingGivesTheOthersReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Paused(t)
		kit.Add(t, q, kit.Nop)
		want, err := q.EnqueueSync(t.Context(), kit.Nop, dray.WithUnique("u", dray.KeepExisting))
		require.NoError(t, err)
		for range 5 {
			kit.Add(t, q, kit.Nop)
		}
		got, err := q.EnqueueSync(t.Context(), kit.Nop, dray.WithUnique("u", dray.KeepExisting))
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestUniqueIsFreedHoweverTheJobEnds(t *testing.T) {
	unique := dray.WithUnique("u", dray.RejectDuplicate)
	ends := map[string]func(t *testing.T, q *dray.Queue){
		"processed": func(t *testing.T, q *dray.Queue) { kit.Add(t, q, kit.Nop, unique) },
		"failed":    func(t *testing.T, q *dray.Queue) { kit.Add(t, q, kit.Fail, unique) },
		"cancelled": func(t *testing.T, q *dray.Queue) {
			require.NoError(t, q.Cancel(kit.Add(t, q, kit.Nop, unique, dray.WithDelay(time.Hour))))
		},
		"cancelled running": func(t *testing.T, q *dray.Queue) {
			id := kit.Add(t, q, draytest.Slow(time.Hour), unique)
			synctest.Wait()
			require.NoError(t, q.Cancel(id))
		},
	}
	for name, end := range ends {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t)
			for range 10 {
				end(t, q)
				synctest.Wait()
			}
			require.Equal(t, uint64(10), kit.Balanced(t, q).Enqueued)
		})
	}
}

func TestUniqueIsHeldByARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := kit.Start(t)
		unique := dray.WithUnique("u", dray.RejectDuplicate)
		kit.Add(t, q, kit.Fail, unique, dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Minute)))
		synctest.Wait()
		require.ErrorIs(t, q.Enqueue(t.Context(), kit.Nop, unique), dray.ErrDuplicate)
		kit.Elapse(time.Minute)
		require.NoError(t, q.Enqueue(t.Context(), kit.Nop, unique))
	})
}

// A replacement takes the place of the other one, or both keep what they have.
func TestReplaceInAFullQueue(t *testing.T) {
	for name, fn := range map[string]dray.Func{"pending": kit.Nop, "retrying": kit.Fail} {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(1))
			opts := []dray.JobOption{dray.WithUnique("u", dray.ReplacePending), dray.WithMaxAttempts(2), dray.WithBackoff(dray.Constant(time.Hour))}
			if name == "retrying" {
				kit.Add(t, q, fn, opts...)
				synctest.Wait()
				require.NoError(t, q.Pause())
				kit.Add(t, q, kit.Nop)
			} else {
				require.NoError(t, q.Pause())
				kit.Add(t, q, fn, opts...)
			}
			err := q.Enqueue(t.Context(), kit.Nop, opts...)
			s := kit.Balanced(t, q)
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
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1), dray.WithCapacity(3), dray.WithOverflow(dray.Block))
			require.NoError(t, q.Pause())
			fillers := []dray.ID{kit.Add(t, q, kit.Nop), kit.Add(t, q, kit.Nop), kit.Add(t, q, kit.Nop)}
			for range 3 {
				go func() { _ = q.Enqueue(t.Context(), kit.Nop, dray.WithUnique("u", policy), dray.WithLabel("u")) }()
			}
			synctest.Wait()
			for _, id := range fillers {
				require.NoError(t, q.Cancel(id))
				synctest.Wait()
				require.LessOrEqual(t, twins(q, "u"), 1)
				kit.Balanced(t, q)
			}
			require.NoError(t, q.Resume())
			synctest.Wait()
		})
	}
}

func TestUniqueOfRequeue(t *testing.T) {
	for name, policy := range map[string]dray.UniquePolicy{"keep": dray.KeepExisting, "replace": dray.ReplacePending, "reject": dray.RejectDuplicate} {
		kit.Bubble(t, name, func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(1))
			opts := []dray.JobOption{dray.WithUnique("u", policy), dray.WithLabel("u")}
			id := kit.Add(t, q, kit.Fail, opts...)
			synctest.Wait()
			require.NoError(t, q.Pause())
			kit.Add(t, q, kit.Nop, opts...)
			err := q.Requeue(id)
			require.Equal(t, 1, twins(q, "u"), fmt.Sprint(err))
			kit.Balanced(t, q)
		})
	}
}

// When very many jobs of a key may start at a time all of them do, whatever made way for them.
func TestVeryManyOfAKeyAtATime(t *testing.T) {
	for _, n := range []int{63, 64, 65, 200, 1000} {
		kit.Bubble(t, fmt.Sprint(n), func(t *testing.T) {
			q := kit.Start(t, dray.WithWorkers(n))
			var ran kit.Record[int]
			for range 2 { // of which the second stands before the others
				kit.Add(t, q, draytest.Slow(time.Minute), dray.WithKey("key"))
			}
			for i := range n {
				kit.Add(t, q, func(ctx context.Context) error {
					ran.Add(i)
					return draytest.Slow(time.Hour)(ctx)
				}, dray.WithKey("key"), dray.WithKeyLimit(n))
			}
			kit.Elapse(time.Second)
			require.Empty(t, ran.All())
			kit.Elapse(time.Minute)
			require.Equal(t, n, q.Stats().Running)
			_, err := q.Shutdown(t.Context())
			require.NoError(t, err)
			require.Equal(t, n, len(ran.All())) //nolint:testifylint // Len prints them all
		})
	}
}
