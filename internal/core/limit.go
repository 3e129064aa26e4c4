package core

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"
)

// A Limit is what a rate limiter is to the core: jobs under it start one for each
// token. The engine fetches the tokens, one at a time and only while a job wants
// one (effect NeedToken), and hands them in (Grant). A token is on its way or spare,
// and no job's before that job starts: so no more than one is ever saved up here,
// however long the workers are busy, and none is kept from a job that could use it.
type Limit struct {
	Key any // the limiter

	spare   bool        // there is a token
	asking  bool        // one is on its way
	failing bool        // the limiter gave an error the last time
	seq     uint64      // which limit of the core it is
	sets    []*limitSet // that it is one of
}

// A limitSet is the limits of jobs that need a token of each, in the order in which
// they are asked: the next only when all before have a token, so that jobs which wait
// for their kind use up nothing of the queue's. The jobs wait here, since for tokens
// they are all alike. None has what another one waits for, so the order need not be
// the same in all sets.
type limitSet struct {
	limits []*Limit
	key    string
	users  int              // jobs under it that have not settled
	lines  [3]line          // those whose turn came before their tokens, by priority
	turned [3]time.Duration // when one of each last started
	ready  bool             // one of Core.granted
}

func (s *limitSet) waiting() int { return s.lines[0].len() + s.lines[1].len() + s.lines[2].len() }

// missing returns the first limit that has no token, or nil.
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
	for i := range s.lines {
		if j := s.lines[i].first(); j != nil {
			return j
		}
	}
	return nil
}

// popSet takes the first job of priority i, or of a lower one that has aged here: its
// lane may not have, if others of it start that need no such token.
func (c *Core) popSet(s *limitSet, i int, now time.Duration) *Job {
	h := heads{turned: s.turned}
	for k := range s.lines {
		if j := s.lines[k].first(); j != nil {
			h.head(k, j.readyAt)
		}
	}
	j := s.lines[max(i, h.next(now))].pop()
	c.review(s)
	return j
}

// setOf returns the limits of a job, which are there while some job uses them.
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
		for _, l := range limits {
			l.sets = append(l.sets, s)
		}
	}
	s.users++
	return s
}

// unlimit ends j's use of its limits; it is settled.
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
	for _, l := range s.limits {
		i := slices.Index(l.sets, s)
		l.sets = slices.Delete(l.sets, i, i+1)
		c.dismiss(l)
	}
}

// dismiss forgets a limit that nobody uses, once no token is on its way to it.
func (c *Core) dismiss(l *Limit) {
	if len(l.sets) == 0 && !l.asking {
		c.limits.remove(l.Key)
	}
}

// limited puts a job aside that has to wait for a token, and else takes what it
// needs. One from a lane goes behind those that wait already.
func (c *Core) limited(j *Job, fromLane bool, now time.Duration) bool {
	s := j.set
	if s == nil {
		return false
	}
	if fromLane && (s.waiting() > 0 || s.missing() != nil) {
		s.lines[High-j.Priority].push(j)
		j.place = atLimit
		c.review(s)
		return true
	}
	s.turned[High-j.Priority] = now
	for _, l := range s.limits {
		l.spare = false
	}
	for _, l := range s.limits {
		c.reviewAll(l)
	}
	return false
}

// Asking reports whether a token is on its way.
func (l *Limit) Asking() bool { return l.asking }

// Asking returns the limits for which a token is on its way, in an order of their own.
func (c *Core) Asking() (asking []*Limit) {
	for _, l := range c.limits.m {
		if l.asking {
			asking = append(asking, l)
		}
	}
	slices.SortFunc(asking, func(a, b *Limit) int { return cmp.Compare(a.seq, b.seq) })
	return asking
}

// review finds out whether the first job of s can start or, if it cannot, sends for
// the token that it wants first.
func (c *Core) review(s *limitSet) {
	missing, waiting := s.missing(), s.waiting() > 0
	if ready := waiting && missing == nil; ready != s.ready {
		s.ready = ready
		if ready {
			c.granted = append(c.granted, s)
		} else {
			i := slices.Index(c.granted, s)
			c.granted = slices.Delete(c.granted, i, i+1)
		}
	}
	if waiting && missing != nil && !missing.asking {
		missing.asking = true
		c.effect(Effect{Kind: NeedToken, Limit: missing})
	}
}

func (c *Core) reviewAll(l *Limit) {
	for _, s := range l.sets {
		c.review(s)
	}
}

// tokened returns the first job of each priority, by turn, that has waited for tokens
// which are there by now.
func (c *Core) tokened() (firsts [3]*Job) {
	for _, s := range c.granted {
		for i := range s.lines {
			j := s.lines[i].first()
			if j != nil && (firsts[i] == nil || j.seq < firsts[i].seq) {
				firsts[i] = j
			}
		}
	}
	return firsts
}

// Grant hands in a token of the limiter.
func (c *Core) Grant(l *Limit) {
	l.asking, l.failing, l.spare = false, false, true
	c.reviewAll(l)
	c.dismiss(l)
}

// Fail notes that the limiter had no token but an error. It reports whether one is
// still wanted, so that it is to be asked again; until then the jobs that wait for
// it are no reason to go on with a drain.
func (c *Core) Fail(l *Limit) (again bool) {
	l.failing = true
	l.asking = slices.ContainsFunc(l.sets, func(s *limitSet) bool { return s.waiting() > 0 && s.missing() == l })
	c.dismiss(l)
	return l.asking
}

// Expected returns how many jobs wait for a token that is there or likely to come.
func (c *Core) Expected() (n int) {
	for _, s := range c.sets.m {
		if l := s.missing(); l == nil || !l.failing {
			n += s.waiting()
		}
	}
	return n
}
