package fifo

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whatever the owner of the list does between a Shut and an Open, each entry is taken
// once, by those who claim or by the owner, and what one goroutine claims is in order. No
// chunk is used again while one may claim from it.
func TestGate(t *testing.T) {
	const claimers, n = 3, 20_000
	var (
		l       List[int]
		leases  = make(chan *Chunk[int], claimers)
		back    = make(chan *Chunk[int], 2*claimers)
		taken   [n + 1]atomic.Int32
		claimed atomic.Int64
		wait    sync.WaitGroup
	)
	fn := func(id uint64) func(context.Context) error {
		return func(context.Context) error { taken[id].Add(1); return identified(id) }
	}
	for range claimers {
		wait.Go(func() {
			for c := range leases {
				before := uint64(0)
				for fn, j, _ := c.Claim(); fn != nil || j != nil; fn, j, _ = c.Claim() {
					if fn == nil {
						if uint64(*j) <= before {
							t.Errorf("%d after %d", *j, before)
						}
						before = uint64(*j)
						claimed.Add(1)
						continue
					}
					id := uint64(fn(context.Background()).(identified)) //nolint:errorlint,forcetypeassert // as it is made here
					if id <= before {
						t.Errorf("%d after %d", id, before)
					}
					before = id
					claimed.Add(1)
				}
				back <- c
			}
		})
	}
	id, claims, records := uint64(0), 0, 0
	shut := func() int {
		n, some := l.Shut()
		if some {
			for claimed.Load() != int64(claims+n) { // as the engine waits
				runtime.Gosched()
			}
			l.Claimed(func(_ uint32, j *int) { taken[*j].Add(1); records-- })
		}
		return n
	}
	for id < n || l.Len() > 0 {
		for len(back) > 0 {
			l.Release(<-back)
		}
		claims += shut()
		for range min(200, n-id) {
			id++
			if id%97 == 0 {
				l.Push(Entry[int]{Job: new(int(id))})
				records++
			} else {
				l.Push(Entry[int]{Fn: fn(id), ID: id, At: time.Duration(id/7) * time.Microsecond})
			}
		}
		if id%5 == 0 {
			if e, ok := l.Remove(id - 3); ok {
				_ = e.Fn(context.Background())
			}
		}
		if id%3 == 0 {
			l.Renew()
		}
		c := l.Open(easy)
		if c == nil {
			if e, ok := l.Pop(); ok {
				require.NotNil(t, e.Job)
				taken[*e.Job].Add(1)
				records--
			}
			c = l.Open(easy)
		}
		if c != nil && len(leases) < claimers {
			l.Lease(c)
			leases <- c
		}
		runtime.Gosched() // the claimers may have no other processor
	}
	claims += shut()
	close(leases)
	wait.Wait()
	for id := range taken[1:] {
		require.EqualValues(t, 1, taken[id+1].Load(), "%d", id+1)
	}
	require.Positive(t, claims)
	require.EqualValues(t, claimed.Load(), claims)
	require.Zero(t, records)
	require.Zero(t, l.Len())
}

// identified is how an entry says which it is.
type identified uint64

func (identified) Error() string { return "" }

// What is taken out between an Open and the next ends the run of those that may be claimed.
func TestGateStopsAtAHole(t *testing.T) {
	var l List[int]
	for id := uint64(1); id <= 9; id++ {
		l.PushBare(func(context.Context) error { return nil }, id, 0)
	}
	claim := func() (n int) {
		c := l.Open(none)
		for fn, _, i := c.Claim(); fn != nil; fn, _, i = c.Claim() {
			n++
			require.NotEqualValues(t, 5, c.Identify(i).ID)
		}
		require.Equal(t, n, claimed(&l))
		return n
	}
	require.NotNil(t, l.Open(none))
	require.Zero(t, claimed(&l))
	_, ok := l.Remove(5)
	require.True(t, ok)
	require.Equal(t, 4, claim())
	require.Equal(t, 4, claim())
	require.Zero(t, l.Len())
}

// A lease of a chunk that was renewed is worth nothing, and the chunk is used again when
// nobody has it any more.
func TestRenew(t *testing.T) {
	var l List[int]
	for id := uint64(1); id <= 9; id++ {
		l.PushBare(func(context.Context) error { return nil }, id, 0)
	}
	old := l.Open(none)
	l.Lease(old)
	_, _, first := old.Claim()
	require.Equal(t, 1, claimed(&l))
	require.True(t, old.Shut())
	l.Renew()
	c := l.Open(none)
	require.NotSame(t, old, c)
	fn, _, _ := old.Claim()
	require.Nil(t, fn)
	require.False(t, old.Shut())
	require.EqualValues(t, 1, old.Identify(first).ID)
	require.Zero(t, l.spares)
	for id := uint64(2); id <= 9; id++ {
		fn, _, i := c.Claim()
		require.NotNil(t, fn)
		require.Equal(t, id, c.Identify(i).ID)
	}
	require.Equal(t, 8, claimed(&l))
	l.Release(old)
	require.Equal(t, 1, l.spares)
	l.Renew() // which nobody has
	require.Same(t, c, l.first)
}

// A chunk that all of its entries were claimed from is used again.
func TestClaimedChunksAreUsedAgain(t *testing.T) {
	var box, l List[int]
	id := uint64(0)
	round := func() {
		for range chunkLen {
			id++
			box.PushBare(func(context.Context) error { return nil }, id, 0)
		}
		l.Append(&box)
		for l.Len() > 0 {
			c := l.Open(none)
			l.Lease(c)
			for fn, _, _ := c.Claim(); fn != nil; fn, _, _ = c.Claim() {
				continue
			}
			l.Shut()
			l.Release(c)
		}
	}
	round()
	round()
	require.Zero(t, testing.AllocsPerRun(100, round))
}

func easy(id *int) bool { return *id%2 == 0 }

func none(*int) bool { return false }

func claimed(l *List[int]) int {
	n, _ := l.Shut()
	return n
}
