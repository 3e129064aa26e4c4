package core

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A sharer is a core whose workers claim plain jobs by themselves where they may.
type sharer struct {
	c       *Core
	stretch *Chunk
	places  []*sharing
	claimed time.Duration // when the last was

	identified bool
}

// A sharing is the place of such a worker.
type sharing struct {
	Run
	stretch *Chunk // that it claims from
	slot    uint32 // of the job that it has claimed itself, from 1
	fn      Func
	fresh   bool // it has claimed something since the last Unshare
	began   time.Duration
}

func newSharer(workers int) *sharer {
	s := &sharer{}
	s.c = New(Config{
		Workers: workers, Capacity: 1 << 20, LastStart: func() time.Duration { return s.claimed },
		UpdateRuns: s.update,
	})
	for range workers {
		p := &sharing{}
		s.places = append(s.places, p)
		s.c.Join(&p.Run)
	}
	return s
}

// change is a tick: while it does something nothing is shared.
func (s *sharer) change(now time.Duration, do func(c *Core)) {
	s.unshare()
	do(s.c)
	s.stretch = s.c.Share(s.identified, now)
}

func (s *sharer) unshare() {
	n, records := s.c.Unshare()
	at := map[uint32]*sharing{}
	for _, p := range s.places {
		if p.fresh {
			p.fresh = false
			s.c.EndedWell(&p.Run)
			at[p.slot-1] = p
		}
	}
	if n > 0 && records {
		s.c.Claimed(func(slot uint32) (*Run, time.Duration) {
			if p := at[slot]; p != nil {
				return &p.Run, p.began
			}
			return nil, 0
		})
	}
}

// alone has everything go through the core from here on.
func (s *sharer) alone() {
	s.unshare()
	s.stretch = nil
}

func (s *sharer) update() {
	for _, p := range s.places {
		if p.slot > 0 && p.Job == nil {
			e := p.stretch.Identify(p.slot - 1)
			s.c.GoesOn(&p.Run, p.fn, e.ID, e.At, p.began)
		}
	}
}

// goOn ends the job at a place well, and has the next one started there.
func (s *sharer) goOn(i int, now time.Duration) {
	p := s.places[i]
	if due, ok := s.c.Next(); ok && due <= now {
		s.change(now, func(*Core) {})
	}
	if p.ID != 0 && p.stretch != nil {
		fn, j, slot := p.stretch.Claim()
		if j != nil {
			j.Attempt++
		}
		if fn != nil && s.identified {
			id, at := p.stretch.RunOf(slot)
			e := p.stretch.Identify(slot)
			if id != e.ID || at != e.At {
				panic("not its ID")
			}
		}
		if fn != nil || j != nil {
			p.slot, p.fn, p.fresh, p.began, s.claimed = slot+1, fn, true, now, now
			return
		}
	}
	s.change(now, func(c *Core) {
		if p.ID != 0 {
			s.update()
			p.slot = 0
			c.Settle(&p.Run, Result{}, now)
		}
		c.Claim(&p.Run, now)
	})
	if p.stretch != nil {
		s.c.Release(p.stretch)
		p.stretch = nil
	}
	if p.ID != 0 && s.stretch != nil && s.c.Light(&p.Run) {
		p.stretch = s.stretch
		s.c.Lease(p.stretch)
	}
}

func (s *sharer) state(t *testing.T, now time.Duration) (snap Snapshot, room int, waiting []uint64, running []Info, timeout time.Duration) {
	s.change(now, func(c *Core) {
		snap, room = c.Snapshot(), c.Room()
		for _, j := range c.WaitingJobs(now) {
			waiting = append(waiting, j.ID)
		}
		running = c.RunningJobs()
		timeout, _ = c.Next()
	})
	require.Equal(t, len(running), snap.Running)
	return snap, room, waiting, running, timeout
}

// Whether workers claim plain jobs by themselves or one by one through the core, the same
// jobs start in the same order, at the same time, and the books are the same.
func TestSharedStretchesAreTheSameJobs(t *testing.T) {
	shared, other := 0, 0
	for seed := range uint64(80) {
		r := rand.New(rand.NewPCG(seed, 2))
		a, b := newSharer(3), newSharer(3)
		a.identified = seed%2 == 1
		now, id := time.Second, uint64(0)
		both := func(do func(c *Core)) { a.change(now, do); b.change(now, do); b.alone() }
		for range 300 {
			now += time.Duration(r.IntN(2)*r.IntN(90)) * time.Second / time.Duration(1+seed%8/6*50)
			switch k := r.IntN(12); {
			case k < 3 && seed%8 > 5:
				for range 1 + r.IntN(9) {
					id++
					p, label := Priority(r.IntN(3)-1), []string{"", "key"}[r.IntN(20)/19]
					both(func(c *Core) {
						j := newJob("")
						j.Priority, j.Key = p, label
						c.Accept(j, id, now)
					})
				}
			case k < 3:
				n := 1 + r.IntN(30)
				both(func(c *Core) {
					for i := range uint64(n) {
						c.Post(noop, id+i+1, now)
					}
				})
				id += uint64(n)
			case k == 3:
				id++
				timeout := time.Duration(r.IntN(2)) * 1000 * time.Hour
				p, kind, key := Priority(r.IntN(9)/7*(r.IntN(3)-1)), []string{"", "kind"}[r.IntN(2)], []string{"", "", "", "key"}[r.IntN(4)]
				both(func(c *Core) {
					j := newJob("")
					j.Priority, j.Kind, j.Key, j.Timeout = p, kind, key, timeout
					c.Accept(j, id, now)
				})
			case k == 7 && r.IntN(3) == 0:
				both(func(c *Core) {
					if !c.PauseKind("kind") {
						c.ResumeKind("kind")
					}
				})
			case k == 4 && id > 0:
				gone := 1 + r.Uint64N(id)
				both(func(c *Core) { c.Cancel(gone, now); c.RenewLeases() })
			case k == 5 && r.IntN(4) == 0:
				both(func(c *Core) { c.Pause() })
			case k == 6:
				both(func(c *Core) { c.Resume() })
			default:
				i := r.IntN(len(a.places))
				if p := a.places[i]; p.Cause != NotCancelled {
					continue // Cancel got it: a worker comes back then
				}
				a.goOn(i, now)
				b.goOn(i, now)
				b.alone()
				if p := b.places[i]; p.stretch != nil {
					b.c.Release(p.stretch)
					p.stretch = nil
				}
				if p := a.places[i]; p.slot > 0 {
					shared++
					if a.c.Sharing() != Normal {
						other++
					}
				}
			}
			if r.IntN(5) == 0 {
				s1, room1, w1, r1, t1 := a.state(t, now)
				s2, room2, w2, r2, t2 := b.state(t, now)
				b.alone()
				require.Equal(t, s2, s1, "seed %d", seed)
				require.Equal(t, room2, room1, "seed %d", seed)
				require.Equal(t, w2, w1, "seed %d", seed)
				require.Equal(t, r2, r1, "seed %d", seed)
				require.Equal(t, t2, t1, "seed %d", seed)
			}
		}
	}
	require.Greater(t, shared, 500)
	require.Greater(t, other, 50)
}
