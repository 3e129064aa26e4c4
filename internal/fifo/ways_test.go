package fifo

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whatever is done to a list, all ways of looking at it show the same entries.
func TestAllWaysToLookAgree(t *testing.T) {
	for seed := range uint64(300) {
		s := &shop{rng: rand.New(rand.NewPCG(seed, 1))}
		for i := range 100 {
			s.act()
			var all, from []Entry[int]
			records := 0
			for e := range s.lane.All() {
				all = append(all, e)
				if e.Job != nil {
					records++
				}
			}
			for _, e := range s.lane.From(0) {
				from = append(from, Entry[int]{Job: e.Job, ID: e.ID, At: e.At})
			}
			require.Len(t, all, s.lane.Len(), "seed %d, %d", seed, i)
			for _, e := range all {
				if e.Job == nil && identified(e.ID) != e.Fn(nil) { //nolint:errorlint // as it is made here
					require.Fail(t, "not its ID", "%d: seed %d, %d", e.ID, seed, i)
				}
			}
			for k := range all {
				all[k].Fn = nil // which cannot be compared
			}
			require.Equal(t, all, from, "seed %d, %d", seed, i)
			require.Equal(t, records, s.lane.Records(), "seed %d, %d", seed, i)
		}
	}
}

// A shop has a list in which entries arrive, and one from which they go.
type shop struct {
	rng        *rand.Rand
	mail, lane List[int]
	id         uint64
	at         time.Duration
	leased     []*Chunk[int]
}

func (s *shop) act() {
	switch s.rng.IntN(31) / 3 {
	case 0, 1:
		for range 1 + s.rng.IntN(1<<s.rng.IntN(8)) {
			s.id++
			id := s.id
			if s.rng.IntN(3) == 0 {
				s.at += time.Duration(s.rng.IntN(3000)) * time.Nanosecond
			}
			s.mail.PushBare(func(context.Context) error { return identified(id) }, id, s.at)
		}
	case 2:
		s.id++
		s.mail.Push(Entry[int]{Job: new(int), ID: s.id})
	case 3:
		s.lane.Append(&s.mail)
	case 4:
		for range s.rng.IntN(20) {
			s.lane.Pop()
		}
	case 5:
		if c := s.lane.Open(none); c != nil {
			s.lane.Lease(c)
			s.leased = append(s.leased, c)
			for range s.rng.IntN(1 << s.rng.IntN(10)) {
				c.Claim()
			}
			s.lane.Shut()
		}
	case 6:
		if len(s.leased) > 0 {
			s.lane.Release(s.leased[0])
			s.leased = s.leased[1:]
		}
	case 7:
		s.lane.Renew()
	case 8:
		s.remove()
	case 10: // seldom, as it is much
		var filled List[int]
		first := s.id + 1
		for i := range s.rng.IntN(2 * chunkLen) {
			s.id++
			id := s.id
			filled.PushBare(func(context.Context) error { return identified(id) }, uint64(i)+1, 0)
		}
		filled.Rebase(first, s.at)
		s.mail.Append(&filled)
	case 9:
		for range s.rng.IntN(50) {
			if e, ok := s.mail.Pop(); ok {
				s.lane.Push(e)
			}
		}
	}
}

func (s *shop) remove() {
	some := s.rng.IntN(1 + s.lane.Len())
	for number, e := range s.lane.From(0) {
		if some--; some > 0 {
			continue
		}
		if e.Job != nil {
			s.lane.RemoveJob(number)
		} else {
			s.lane.Remove(e.ID)
		}
		return
	}
}
