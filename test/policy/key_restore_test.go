package policy_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// keyed is one life after the other of a queue whose jobs have keys, and what ran of them.
type keyed struct {
	t    *testing.T
	rand *rand.Rand
	q    *dray.Queue
	kind [2]*dray.Kind[int]

	mu   sync.Mutex
	left []int          // attempts, that fail or snooze, of each job that was ever enqueued
	keys []string       // of each
	ran  map[string]int // the last that began of each key
	done int
}

func (k *keyed) handle(ctx context.Context, n int) error {
	k.mu.Lock()
	if key := k.keys[n]; k.ran[key] <= n {
		k.ran[key] = n
	} else {
		k.t.Errorf("job %d of key %s was overtaken by job %d", n, key, k.ran[key])
	}
	k.mu.Unlock()
	select {
	case <-time.After(time.Duration(n%7) * 10 * time.Millisecond):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.left[n] == 0 {
		k.done++
		return nil
	}
	if k.left[n]--; n%2 == 0 {
		return dray.Snooze(300 * time.Millisecond)
	}
	return kit.ErrBoom
}

func (k *keyed) start(r dray.Report) {
	q, err := dray.New(dray.WithWorkers(1+k.rand.IntN(3)), dray.WithShutdownTimeout(50*time.Millisecond))
	require.NoError(k.t, err)
	k.q = q
	for i, name := range []string{"one", "other"} {
		k.kind[i], err = dray.Handle(q, name, k.handle, dray.WithMaxAttempts(4), dray.WithBackoff(dray.Constant(200*time.Millisecond)))
		require.NoError(k.t, err)
	}
	require.NoError(k.t, q.Restore(r))
	require.NoError(k.t, q.Start())
}

func (k *keyed) enqueue() {
	key := string(rune('a' + k.rand.IntN(3)))
	k.mu.Lock()
	n := len(k.keys)
	k.keys, k.left = append(k.keys, key), append(k.left, max(k.rand.IntN(6)-3, 0))
	k.mu.Unlock()
	require.NoError(k.t, k.kind[k.rand.IntN(2)].Enqueue(context.Background(), n,
		dray.WithKey(key), dray.WithPriority(dray.Priority(k.rand.IntN(3)-1))))
}

// step does one thing of those that could change an order.
func (k *keyed) step() {
	name := []string{"one", "other"}[k.rand.IntN(2)]
	switch a := k.rand.IntN(20); {
	case a < 9:
		k.enqueue()
	case a < 15:
		time.Sleep(time.Duration(k.rand.IntN(150)) * time.Millisecond)
	case a < 16:
		require.NoError(k.t, k.q.PauseKind(name))
	case a < 17:
		require.NoError(k.t, k.q.ResumeKind(name))
	case a < 18:
		require.NoError(k.t, k.q.Resize(1+k.rand.IntN(3)))
	default:
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(k.rand.IntN(60))*time.Millisecond)
		r, _ := k.q.Shutdown(ctx)
		cancel()
		require.Empty(k.t, r.Abandoned)
		k.start(r)
	}
	synctest.Wait()
}

// Jobs of a key that has one at a time start in the order in which they were enqueued, and one that
// is tried again holds its place: whatever their kinds and priorities, what is paused meanwhile, and
// from which queue to which they are handed.
func TestOrderOfKeysOverRestores(t *testing.T) {
	for seed := range uint64(150) {
		kit.Bubble(t, "", func(t *testing.T) {
			k := &keyed{t: t, rand: rand.New(rand.NewPCG(seed, 0)), ran: map[string]int{}}
			k.start(dray.Report{})
			for range 60 {
				k.step()
			}
			require.NoError(t, k.q.ResumeKind("one"))
			require.NoError(t, k.q.ResumeKind("other"))
			time.Sleep(time.Hour)
			synctest.Wait()
			require.Equal(t, len(k.keys), k.done, "seed %d", seed)
			require.NoError(t, k.q.Close())
		})
	}
}
