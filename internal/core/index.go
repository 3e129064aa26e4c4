package core

import (
	"iter"
	"time"

	"github.com/a622d8ee/dray/internal/sorted"
)

// A key holds the places of one key, and the jobs behind them. No more of them have a place than
// KeyLimit says; the others wait in the order in which they became pending.
type key struct {
	taken     int      // by jobs in a lane, aside though it was their turn, running, or waiting for a retry
	asleep    int      // of them, by those that wait for their time
	queue     waitList // jobs without a place, by turn
	jobs      chain    // all that have not settled, by ID
	promoting bool     // in Core.promoting: the first of queue may have a place
}

// keyOf returns the key of j, which has one; it is made if there is none yet. unindex removes it
// again, so j is to be indexed.
func (c *Core) keyOf(j *Job) *key {
	k := c.keys.get(j.Key)
	if k == nil {
		k = new(key)
		c.keys.put(j.Key, k)
	}
	return k
}

// index makes j, which is accepted, known to its key, its kind and its group: so what concerns all
// jobs of one of these looks at no others. As IDs ascend, each goes to the end. A plain job that
// gets a record only when it has run is not indexed: it has no key, kind or group.
func (c *Core) index(j *Job) {
	j.indexed = true
	if j.Key != "" {
		c.keyOf(j).jobs.push(j, alike)
	}
	if j.Kind != "" {
		kind := c.kinds[j.Kind]
		if kind == nil {
			kind = new(sorted.List[*Job])
			c.kinds[j.Kind] = kind
		}
		kind.Put(byID(j.ID), j)
	}
	if j.Group != nil {
		j.Group.jobs.Put(byID(j.ID), j)
	}
}

// unindex undoes index. Kinds are few, and stay; a key goes with its last job, as there may be one
// for each customer. A job that is not indexed, as it was evicted at once, is left alone.
func (c *Core) unindex(j *Job) {
	if !j.indexed {
		return
	}
	j.indexed = false
	if j.Key != "" {
		k := c.keys.get(j.Key)
		// What stands behind the key, or has a place in it, is one of its jobs: so nothing is lost
		// with it.
		if k.jobs.remove(j, alike); k.jobs.n == 0 {
			c.keys.remove(j.Key)
		}
	}
	if j.Kind != "" {
		c.kinds[j.Kind].Delete(byID(j.ID))
	}
	if j.Group != nil {
		j.Group.jobs.Delete(byID(j.ID))
	}
}

// A Span is a part of an operation on many jobs, which is done in several so that no other call has
// to wait for all: of the jobs that it concerns, in the order of their IDs, some behind one. It
// begins with the zero value, but for Limit and UpTo. As it goes on from an ID, it does not matter
// what happens between two parts. UpTo keeps jobs out that come meanwhile: else it might never end.
type Span struct {
	After uint64 // it begins behind this one; moved on to the last that was looked at
	UpTo  uint64 // the last that the whole concerns
	Limit int    // of jobs in this part, at least 1
	More  bool   // set: there are more behind After
}

// of appends the next jobs of the span to some, which is empty, and moves it on. It looks at one
// job more than it takes, to find out whether there is more.
func (s *Span) of(jobs iter.Seq[*Job], some []*Job) []*Job {
	s.More = false
	for j := range jobs {
		// No job behind this one has a lower ID.
		if j.ID > s.UpTo {
			break
		}
		if s.More = len(some) == s.Limit; s.More {
			break
		}
		some = append(some, j)
	}
	if len(some) > 0 {
		s.After = some[len(some)-1].ID
	}
	return some
}

// cancel is Cancel for those of the jobs that are in the span. It returns how many there were. They
// are gathered before the first is cancelled, as that changes the lists which are read.
func (c *Core) cancel(jobs iter.Seq[*Job], s *Span, now time.Duration) (n int) {
	some := s.of(jobs, c.some)
	for _, j := range some {
		if c.CancelJob(j, now) {
			n++
		}
	}
	// The room is kept for the next span, but must not keep the jobs.
	clear(some)
	if cap(some) <= maxSome {
		c.some = some[:0]
	}
	return n
}

// maxSome bounds the room that is kept for the jobs of a span.
const maxSome = 256

// CancelKey is Cancel for the jobs of a key that are in the span. It returns how many it cancelled.
func (c *Core) CancelKey(key string, s *Span, now time.Duration) int {
	return c.cancel(c.ofKey(key, s.After), s, now)
}

// CancelKind is Cancel for the jobs of a kind that are in the span. It returns how many it
// cancelled.
func (c *Core) CancelKind(kind string, s *Span, now time.Duration) int {
	return c.cancel(after(c.kinds[kind], s.After), s, now)
}

// ofKey yields the jobs of a key behind that ID. It steps over those up to it, which are no more
// than those that run, where it goes on with what cancels them. The jobs of a key are a chain in
// the order of their IDs, which costs no room of its own: there are very many keys, and most have
// few jobs.
func (c *Core) ofKey(name string, id uint64) iter.Seq[*Job] {
	return func(yield func(*Job) bool) {
		k := c.keys.get(name)
		if k == nil {
			return
		}
		for j := k.jobs.head; j != nil; j = j.links[alike].next {
			if j.ID > id && !yield(j) {
				return
			}
		}
	}
}

// after yields the jobs of an index behind that ID, none if there is no index. To begin is O(log
// n).
func after(jobs *sorted.List[*Job], id uint64) iter.Seq[*Job] {
	return func(yield func(*Job) bool) {
		if jobs == nil {
			return
		}
		for _, j := range jobs.After(byID(id)) {
			if !yield(j) {
				return
			}
		}
	}
}
