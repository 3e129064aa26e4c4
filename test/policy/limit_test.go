package policy_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
	"github.com/a622d8ee/dray/test/kit"
)

// A tokenBucket gives one token each interval, and saves up none.
type tokenBucket struct {
	interval time.Duration
	given    atomic.Int32

	mu   sync.Mutex
	next time.Time
}

func (b *tokenBucket) Wait(ctx context.Context) error {
	b.mu.Lock()
	now := time.Now()
	if b.next.Before(now) {
		b.next = now
	}
	wait := time.NewTimer(b.next.Sub(now))
	b.next = b.next.Add(b.interval)
	b.mu.Unlock()
	defer wait.Stop()
	select {
	case <-wait.C:
		b.given.Add(1)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A job that waits for one limiter keeps no other one's token from those that could
// use it, in whatever order the two were given, and at whatever level.
func TestWaitingForOneLimiterKeepsNoOthersToken(t *testing.T) {
	for name, levels := range map[string]func(own, shared dray.Limiter) (queue []dray.Option, call []dray.JobOption){
		"shared by the queue": func(own, shared dray.Limiter) ([]dray.Option, []dray.JobOption) {
			return []dray.Option{dray.WithRateLimit(shared)}, []dray.JobOption{dray.WithRateLimit(own)}
		},
		"shared first": func(own, shared dray.Limiter) ([]dray.Option, []dray.JobOption) {
			return nil, []dray.JobOption{dray.WithRateLimit(shared), dray.WithRateLimit(own)}
		},
		"shared last": func(own, shared dray.Limiter) ([]dray.Option, []dray.JobOption) {
			return nil, []dray.JobOption{dray.WithRateLimit(own), dray.WithRateLimit(shared)}
		},
	} {
		bubble(t, name, func(t *testing.T) {
			shared := &tokenBucket{interval: 100 * time.Millisecond}
			users := []dray.Limiter{&tokenBucket{interval: time.Minute}, &tokenBucket{interval: time.Millisecond}}
			opts, _ := levels(nil, shared)
			q := start(t, append(opts, dray.WithWorkers(2))...)
			var done [2]record[time.Duration]
			begin := time.Now()
			for range 5 {
				for i, own := range users {
					_, call := levels(own, shared)
					add(t, q, func(context.Context) error { done[i].Add(time.Since(begin)); return nil }, call...)
				}
			}
			kit.Elapse(time.Second)
			require.Len(t, done[0].All(), 1, "one a minute")
			require.Len(t, done[1].All(), 5, "they wait for nobody else: %v", done[1].All())
			kit.Elapse(5 * time.Minute)
			require.Len(t, done[0].All(), 5)
		})
	}
}

// A token that a Low job has waited for goes to the High one that comes before there
// is a worker.
func TestLowJobsTokenDoesNotHoldUpAHighOne(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		q := start(t, dray.WithWorkers(1))
		l := &tokenBucket{interval: 40 * time.Second}
		gate := make(chan struct{})
		t.Cleanup(sync.OnceFunc(func() { close(gate) }))
		add(t, q, kit.Nop, dray.WithRateLimit(l)) // it has the first token
		synctest.Wait()
		var got record[string]
		add(t, q, got.job("low", 0), dray.WithPriority(dray.Low), dray.WithRateLimit(l))
		kit.Elapse(10 * time.Second)
		require.NoError(t, q.Enqueue(t.Context(), func(context.Context) error { <-gate; return nil }))
		kit.Elapse(40 * time.Second) // the second token is there, and no worker
		r := add(t, q, got.job("high", 0), dray.WithPriority(dray.High), dray.WithRateLimit(l))
		require.Equal(t, 1, r.Position)
		gate <- struct{}{}
		synctest.Wait()
		require.Equal(t, []string{"high"}, got.All())
		kit.Elapse(time.Minute)
		require.Equal(t, []string{"high", "low"}, got.All())
	})
}

// Two limiters given in opposite orders do not wait for each other, and none of them
// gives more than one token ahead of the jobs.
func TestLimitersInOppositeOrders(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		x, y := &tokenBucket{interval: 10 * time.Millisecond}, &tokenBucket{interval: 15 * time.Millisecond}
		q := start(t, dray.WithWorkers(3))
		var got record[int]
		for i := range 100 {
			opts := []dray.JobOption{dray.WithRateLimit(x), dray.WithRateLimit(y)}
			if i%2 == 0 {
				opts[0], opts[1] = opts[1], opts[0]
			}
			if i%5 == 0 {
				opts = opts[:1]
			}
			add(t, q, func(context.Context) error {
				got.Add(i)
				require.LessOrEqual(t, int(x.given.Load()), len(got.All())+1)
				require.LessOrEqual(t, int(y.given.Load()), len(got.All())+1)
				return nil
			}, opts...)
		}
		kit.Elapse(100 * 20 * time.Millisecond)
		require.Len(t, got.All(), 100)
	})
}

// asked takes down when a limiter is asked, and gives its token later.
type asked struct {
	name string
	log  *record[string]
	gate chan struct{}
}

func (a *asked) Wait(ctx context.Context) error {
	a.log.Add(a.name)
	select {
	case <-a.gate:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The limiters of the call are asked first, then the kind's, then the queue's; each
// only when all before have a token.
func TestOrderInWhichLimitersAreAsked(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var log record[string]
		limiter := func(name string) *asked { return &asked{name, &log, make(chan struct{})} }
		ofQueue, ofKind, ofCall := limiter("queue"), limiter("kind"), limiter("call")
		q := start(t, dray.WithRateLimit(ofQueue))
		k, err := dray.Handle(q, "k", func(context.Context, int) error { log.Add("job"); return nil }, dray.WithRateLimit(ofKind))
		require.NoError(t, err)
		require.NoError(t, k.Enqueue(t.Context(), 1, dray.WithRateLimit(ofCall)))
		want := []string{"call"}
		for _, l := range []*asked{ofCall, ofKind, ofQueue} {
			kit.Elapse(time.Hour)
			require.Equal(t, want, log.All())
			l.gate <- struct{}{}
			want = append(want, map[*asked]string{ofCall: "kind", ofKind: "queue", ofQueue: "job"}[l])
		}
		synctest.Wait()
		require.Equal(t, want, log.All())
	})
}

// Under a limiter a Low job is not kept out for ever by High ones either, also while
// other Low jobs run that need no token.
func TestLowJobsAgeUnderALimiter(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		q := start(t, dray.WithWorkers(4))
		limit := dray.WithRateLimit(&tokenBucket{interval: time.Second})
		var low record[time.Duration]
		begin := time.Now()
		for range 400 {
			add(t, q, kit.Nop, dray.WithPriority(dray.High), limit)
		}
		add(t, q, func(context.Context) error { low.Add(time.Since(begin)); return nil }, dray.WithPriority(dray.Low), limit)
		for range 25 {
			add(t, q, kit.Nop, dray.WithPriority(dray.Low))
			kit.Elapse(5 * time.Second)
		}
		require.Len(t, low.All(), 1)
		require.Greater(t, low.All()[0], 119*time.Second)
	})
}
