package core

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/a622d8ee/dray/internal/timerheap"
)

// A Limit is what a rate limiter is to the core: jobs under it start one for each
// token. The engine fetches the tokens, one at a time and only while a job wants
// one (effect NeedToken), and hands them in (Grant). A token is on its way or spare,
// and no job's before that job starts: so no more than one is ever saved up here,
// however long the workers are busy, and none is kept from a job that could use it.
type Limit struct {
	Key any // the limiter

	spare   bool   // there is a token
	asking  bool   // one is on its way
	failing bool   // the limiter gave an error the last time
	seq     uint64 // which limit of the core it is
	waiting int    // jobs of the sets that are at it

	inner []seat // of the sets that it is one of, but not the last
	outer int    // sets that it is the last of

	// Of the sets that it is the last of those that lack no other token, by the turn of
	// their first job of each priority.
	fit              [3]timerheap.Heap[*limitSet]
	granted, leading [3]timerheap.Item[*Limit] // its places in the core's
}

// A seat is a set of which a limit is the ith, but not the last. i is what the set has to be told
// if the seat moves: see unlink.
type seat struct {
	set *limitSet
	i   int
}

// A limitSet is the limits of jobs that need a token of each, in the order in which
// they are asked: the next only when all before have a token, so that jobs which wait
// for their kind use up nothing of the queue's. The jobs wait here, since for tokens
// they are all alike. None has what another one waits for, so the order need not be
// the same in all sets.
//
// Very many limits and sets are common: one for each customer, with the queue's limit
// behind it, or none. So nothing that happens often looks at more sets than one and
// those with one of its limits that is not the last of theirs.
type limitSet struct {
	limits    []*Limit
	key       string                       // its name in Core.sets: the seqs of limits, in order
	users     int                          // jobs under it that have not settled
	waitLists [3]waitList                  // those whose turn came before their tokens, by priority
	started   [3]time.Duration             // when one of each last started
	seats     []int                        // where it is in inner of each of its limits but the last
	at        *Limit                       // the first without a token or, if only the last can be, that
	counted   int                          // of the jobs in lines, in at.waiting
	fit       [3]timerheap.Item[*limitSet] // its places in the last limit's
}

// waiting returns how many jobs of the set wait for tokens.
func (s *limitSet) waiting() int {
	return s.waitLists[0].len() + s.waitLists[1].len() + s.waitLists[2].len()
}

// last returns the limit that is asked last, under which the set is found. A set has one limit at
// least.
func (s *limitSet) last() *Limit { return s.limits[len(s.limits)-1] }

// missing returns the first limit that has no token, or nil. It is the one to be asked now: limits
// behind it are not asked before it has a token.
func (s *limitSet) missing() *Limit {
	for _, l := range s.limits {
		if !l.spare {
			return l
		}
	}
	return nil
}

// first returns the first job of the highest priority, or nil.
func (s *limitSet) first() *Job {
	for i := range s.waitLists {
		if j := s.waitLists[i].first(); j != nil {
			return j
		}
	}
	return nil
}

// popSet takes the first job of priority i, or of a lower one that has aged here: its
// lane may not have, if others of it start that need no such token.
func (c *Core) popSet(s *limitSet, i int, now time.Duration) *Job {
	h := heads{started: s.started}
	for k := range s.waitLists {
		if j := s.waitLists[k].first(); j != nil {
			h.head(k, j.readyAt)
		}
	}
	j := s.waitLists[max(i, h.next(now))].pop()
	c.review(s)
	return j
}

// setOf returns the limits of a job, which are there while some job uses them; nil if it has none.
// Jobs with the same limiters in the same order get the same set. Each call counts one user more,
// for unlimit.
func (c *Core) setOf(j *Job) *limitSet {
	if len(j.Limiters) == 0 {
		return nil
	}
	limits := make([]*Limit, len(j.Limiters))
	var key []byte
	for i, k := range j.Limiters {
		l := c.limits.get(k)
		if l == nil {
			c.limitSeq++
			l = &Limit{Key: k, seq: c.limitSeq}
			c.limits.put(k, l)
		}
		limits[i] = l
		key = binary.AppendUvarint(key, l.seq)
	}
	s := c.sets.get(string(key))
	if s == nil {
		s = &limitSet{limits: limits, key: string(key)}
		c.sets.put(s.key, s)
		s.at = s.last()
		link(s)
	}
	s.users++
	return s
}

// unlimit ends j's use of its limits; it is settled, or in a report. With its last user a set goes,
// and with its last set a limit, so that nothing is kept of customers that are gone. Nothing waits
// in the set by then, as what waits is a user.
func (c *Core) unlimit(j *Job) {
	s := j.set
	if s == nil {
		return
	}
	j.set = nil
	if s.users--; s.users > 0 {
		return
	}
	c.sets.remove(s.key)
	unlink(s)
	for _, l := range s.limits {
		c.dismiss(l)
	}
}

// link makes s known to its limits, and unlink forgets it. The last limit needs only their number,
// as it finds its sets by fit.
func link(s *limitSet) {
	s.last().outer++
	for i, l := range s.limits[:len(s.limits)-1] {
		s.seats = append(s.seats, len(l.inner))
		l.inner = append(l.inner, seat{s, i})
	}
}

// unlink undoes link. In each limit's inner the last seat takes the place of the one that goes, and
// its set is told where it is now: so it is O(1) for each limit, however many sets that has.
func unlink(s *limitSet) {
	s.last().outer--
	for i, l := range s.limits[:len(s.limits)-1] {
		last := len(l.inner) - 1
		moved := l.inner[last]
		l.inner[s.seats[i]], l.inner[last] = moved, seat{}
		moved.set.seats[moved.i] = s.seats[i]
		l.inner = l.inner[:last]
	}
}

func (l *Limit) used() bool { return len(l.inner) > 0 || l.outer > 0 }

// dismiss forgets a limit that no job uses, once no token is on its way to it: the fetcher has the
// limit, and hands the token in to it; a new limit of the same limiter would ask for a second one
// meanwhile. A token that is spare then is lost.
func (c *Core) dismiss(l *Limit) {
	if !l.used() && !l.asking {
		c.limits.remove(l.Key)
	}
}

// limited puts a job aside that has to wait for a token, and else takes what it needs. One from a
// lane goes behind those that wait already, even if there are tokens: these are for the others,
// whose turn came before. One that has waited has been chosen because its tokens are there.
func (c *Core) limited(j *Job, fromLane bool, now time.Duration) bool {
	s := j.set
	if s == nil {
		return false
	}
	if fromLane && (s.waiting() > 0 || s.missing() != nil) {
		s.waitLists[High-j.Priority].push(j)
		j.place = atLimit
		c.review(s)
		return true
	}
	s.started[High-j.Priority] = now
	c.consume(s)
	return false
}

// Asking reports whether a token is on its way.
func (l *Limit) Asking() bool { return l.asking }

// Asking returns the limits for which a token is on its way, in an order of their own.
func (c *Core) Asking() (asking []*Limit) {
	for _, l := range c.limits.all() {
		if l.asking {
			asking = append(asking, l)
		}
	}
	slices.SortFunc(asking, func(a, b *Limit) int { return cmp.Compare(a.seq, b.seq) })
	return asking
}

// consume takes a token of each limit of s, all of which are there. Other sets may lose by it what
// they could have started with: those that have one of the limits not last are looked at one by
// one, those that have it last as one, by the limit.
func (c *Core) consume(s *limitSet) {
	// First all tokens go, so that no set is looked at while some are still there.
	for _, l := range s.limits {
		l.spare = false
	}
	for _, l := range s.limits {
		c.reviewInner(l)
	}
	for _, l := range s.limits { // whose sets know by now what else they lack
		c.seatLimit(l)
		c.want(l)
	}
}

// review is called after each change to the lines of s, or to a token other than its last: it finds
// out where s is, and sends for the token that its jobs lack first. It costs the logarithm of the
// number of sets of the last limit. It may be called again, without a change.
func (c *Core) review(s *limitSet) {
	last, at := s.last(), s.last()
	if l := s.missing(); l != nil {
		at = l
	}
	// What was counted last is taken back, where it was counted: so nothing need be known of what
	// has changed.
	c.expect(s.at, -s.counted)
	s.at, s.counted = at, s.waiting()
	c.expect(s.at, s.counted)
	for i := range s.waitLists {
		var first *Job
		// It fits if it lacks no token but that of the last limit at the most.
		if at == last {
			first = s.waitLists[i].first()
		}
		putSeat(&last.fit[i], &s.fit[i], s, first)
	}
	c.seatLimit(last)
	if s.counted > 0 {
		c.want(at)
	}
}

// reviewInner reviews the sets that l is one of, but not the last. This is what a step may cost
// more than a logarithm for: see limitSet.
func (c *Core) reviewInner(l *Limit) {
	for _, s := range l.inner {
		c.review(s.set)
	}
}

// expect counts n jobs more that wait at l, or fewer. Those at a limit that is failing are not
// expected, so that a drain does not wait for a limiter which may never work again.
func (c *Core) expect(l *Limit, n int) {
	l.waiting += n
	if !l.failing {
		c.expected += n
	}
}

// fail notes whether a token of l is likely to come.
func (c *Core) fail(l *Limit, failing bool) {
	n := l.waiting
	c.expect(l, -n)
	l.failing = failing
	c.expect(l, n)
}

// want sends for a token of l, if jobs lack just that and it is not on its way. So there is never
// more than one that is spare or on its way, and none is sent for that no job waits for.
func (c *Core) want(l *Limit) {
	if l.waiting > 0 && !l.spare && !l.asking {
		l.asking = true
		c.effect(Effect{Kind: NeedToken, Limit: l})
	}
}

// seatLimit puts l where it belongs among those whose token a job could start with, for each
// priority. It is called after each change to its token or to the first of its sets.
func (c *Core) seatLimit(l *Limit) {
	higher := false
	for i := range l.fit {
		first := l.first(i)
		putSeat(&c.granted[i], &l.granted[i], l, first)
		// One token starts one job: of the highest priority first, so l leads in that alone.
		if higher {
			first = nil
		}
		putSeat(&c.leading[i], &l.leading[i], l, first)
		higher = higher || first != nil
	}
	c.grants = c.leading[0].Len() + c.leading[1].Len() + c.leading[2].Len()
}

// first returns the job of a priority that is the first to start with the token of l,
// nil if there is none or no token.
func (l *Limit) first(i int) *Job {
	if it := l.fit[i].First(); it != nil && l.spare {
		return it.Value.waitLists[i].first()
	}
	return nil
}

// putSeat puts v into the heap, or moves it, by the turn of its first job. Without one it
// takes v out.
func putSeat[T any](h *timerheap.Heap[T], it *timerheap.Item[T], v T, first *Job) {
	if first == nil {
		h.Remove(it)
		return
	}
	seq := time.Duration(first.seq) // for a time
	if !it.Queued() || it.Due != seq {
		it.Value = v
		h.Add(it, seq)
	}
}

// tokened returns the first job of each priority, by turn, that has waited for tokens
// which are there by now.
func (c *Core) tokened() (firsts [3]*Job) { return firstAmong(&c.granted) }

// firstAmong returns of each priority the first job of the limit that comes first.
func firstAmong(limits *[3]timerheap.Heap[*Limit]) (firsts [3]*Job) {
	for i := range limits {
		if it := limits[i].First(); it != nil {
			firsts[i] = it.Value.first(i)
		}
	}
	return firsts
}

// Grant hands in a token of the limiter, for which the effect NeedToken has asked. The jobs that
// wanted it may be gone: then it is kept for the next ones, as long as the limit is used.
func (c *Core) Grant(l *Limit) {
	c.fail(l, false)
	l.asking, l.spare = false, true
	c.reviewInner(l)
	c.seatLimit(l)
	c.dismiss(l)
}

// Fail notes that the limiter had no token but an error. It reports whether one is
// still wanted, so that it is to be asked again; until then the jobs that wait for
// it are no reason to go on with a drain.
func (c *Core) Fail(l *Limit) (again bool) {
	c.fail(l, true)
	l.asking = l.waiting > 0
	c.dismiss(l)
	return l.asking
}

// Expected returns how many jobs wait for a token that is there or likely to come. A drain goes on
// for these.
func (c *Core) Expected() int { return c.expected }
