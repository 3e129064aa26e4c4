package core

import (
	"cmp"
	"slices"
	"time"
)

// A Limit is what a rate limiter is to the core: jobs under it start one for each
// token. The engine fetches the tokens, one at a time and only while a job wants
// one (effect NeedToken), and hands them in (Grant). A token is in one of three
// places: on its way, spare, or with the one job that is to start next. So no more
// than one is ever saved up here, however long the workers are busy.
type Limit struct {
	Key any // the limiter

	lines   [3]line // jobs whose turn came before their token, by priority
	holder  *Job    // has the token, and has not started
	spare   bool    // there is a token that nobody wants
	asking  bool    // one is on its way
	failing bool    // the limiter gave an error the last time
	users   int     // jobs under it that have not settled
	width   int     // how many limiters were named after it by the job that brought it in
	seq     uint64  // which limit of the core it is
}

// byWidth is the one order in which all jobs collect the tokens of their limits: the
// most specific first, as the first job with them named them. If two jobs went in
// opposite orders, each could wait for what the other has.
func byWidth(a, b *Limit) int {
	return cmp.Or(cmp.Compare(b.width, a.width), cmp.Compare(a.seq, b.seq))
}

// limitsOf returns the limits of a job, which are there while some job uses them.
func (c *Core) limitsOf(j *Job) []*Limit {
	if len(j.Limiters) == 0 {
		return nil
	}
	limits := make([]*Limit, len(j.Limiters))
	for i, key := range j.Limiters {
		l := c.limits.get(key)
		if l == nil {
			c.limitSeq++
			l = &Limit{Key: key, width: len(j.Limiters) - i, seq: c.limitSeq}
			c.limits.put(key, l)
		}
		l.users++
		limits[i] = l
	}
	slices.SortFunc(limits, byWidth)
	return limits
}

// unlimit ends j's use of its limits; it is settled.
func (c *Core) unlimit(j *Job) {
	for _, l := range j.limits {
		l.users--
		c.dismiss(l)
	}
	j.limits = nil
}

// dismiss forgets a limit that nobody uses, once no token is on its way to it.
func (c *Core) dismiss(l *Limit) {
	if l.users == 0 && !l.asking {
		c.limits.remove(l.Key)
	}
}

func (l *Limit) waiting() int { return l.lines[0].len() + l.lines[1].len() + l.lines[2].len() }

// limited puts a job aside that has to wait for a token. It collects them one after
// the other, and keeps what it has while it waits for the next.
func (c *Core) limited(j *Job) bool {
	for ; j.passed < len(j.limits); j.passed++ {
		l := j.limits[j.passed]
		if !l.spare || l.waiting() > 0 {
			l.lines[High-j.Priority].push(j)
			j.place = atLimit
			c.want(l)
			return true
		}
		l.spare, l.holder = false, j
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

// want sends for a token, if a job waits for one and none is there or on its way.
func (c *Core) want(l *Limit) {
	if !l.asking && !l.spare && l.holder == nil && l.waiting() > 0 {
		l.asking = true
		c.effect(Effect{Kind: NeedToken, Limit: l})
	}
}

// Grant hands in a token of the limiter: the job that has waited for it goes to
// the front of its lane.
func (c *Core) Grant(l *Limit, now time.Duration) {
	l.asking, l.failing, l.spare = false, false, true
	c.pass(l, now)
	c.dismiss(l)
}

// Fail notes that the limiter had no token but an error. It reports whether one is
// still wanted, so that it is to be asked again; until then the jobs that wait for
// it are no reason to go on with a drain.
func (c *Core) Fail(l *Limit) (again bool) {
	l.failing = true
	l.asking = l.waiting() > 0
	c.dismiss(l)
	return l.asking
}

// pass gives a spare token to the job that is to have it.
func (c *Core) pass(l *Limit, now time.Duration) {
	var since [3]time.Duration
	var there [3]bool
	for i := range l.lines {
		if j := l.lines[i].first(); j != nil {
			since[i], there[i] = j.readyAt, true
		}
	}
	i := urgent(since, there, now)
	if i < 0 || !l.spare {
		return
	}
	j := l.lines[i].pop()
	l.spare, l.holder = false, j
	j.passed++
	c.toFront(j)
}

// useTokens is called when j starts.
func (c *Core) useTokens(j *Job) {
	for _, l := range j.limits[:j.passed] {
		l.holder = nil
		c.want(l)
	}
	j.passed = 0
}

// returnTokens is called when j, which may have some, is not to start now.
func (c *Core) returnTokens(j *Job, now time.Duration) {
	n := j.passed
	j.passed = 0
	for _, l := range j.limits[:n] {
		l.holder, l.spare = nil, true
		c.pass(l, now)
	}
}

// Expected returns how many jobs wait for a token that is likely to come.
func (c *Core) Expected() (n int) {
	for _, l := range c.limits.m {
		if !l.failing {
			n += l.waiting()
		}
	}
	return n
}
