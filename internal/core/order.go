package core

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// ageing is how long a job is first of its priority before it counts as one higher.
// Long against a burst, short against an outage.
const ageing = time.Minute

// heads is what decides which priority goes first, High first. The zero value has none.
type heads struct {
	there   [3]bool          // whether it has a job
	since   [3]time.Duration // when that became the first
	started [3]time.Duration // when a job of the priority last started
}

// head says that the first job of a priority has been ready since then. It became
// the first when the one before it started.
func (h *heads) head(i int, ready time.Duration) {
	h.there[i], h.since[i] = true, max(ready, h.started[i])
}

func (h *heads) rank(i int, now time.Duration) time.Duration {
	return min(time.Duration(2-i)+(now-h.since[i])/ageing, 2)
}

// next returns which priority goes first, -1 if none has a job. The highest does,
// each counting one more for each time that its first job has been that for ageing:
// so an aged priority gets one job through, and counts as before. Of equals the lower
// one goes first, as it has to be aged, unless it has already gone before the other's
// first job: no job is passed by two of one lower priority, however long these take.
func (h *heads) next(now time.Duration) int {
	top := time.Duration(-1)
	for i := range h.there {
		if h.there[i] {
			top = max(top, h.rank(i, now))
		}
	}
	for i := 2; i >= 0; i-- {
		if h.there[i] && h.rank(i, now) == top && !h.passed(i, top, now) {
			return i
		}
	}
	return -1
}

// passed reports whether priority i has had a job started while the first of a higher
// one that ranks the same has been waiting.
func (h *heads) passed(i int, rank, now time.Duration) bool {
	for k := range i {
		if h.there[k] && h.rank(k, now) == rank && h.started[i] > h.since[k] {
			return true
		}
	}
	return false
}

// start takes a job of priority i, after which others of it are left or not.
func (h *heads) start(i int, more bool, now time.Duration) {
	h.there[i], h.since[i], h.started[i] = more, now, now
}

// order yields in which order as many jobs of each priority as in counts would start
// if all did now: runs of one priority, and how long they are.
func (h *heads) order(counts [3]int, now time.Duration) iter.Seq2[int, int] {
	return func(yield func(i, n int) bool) {
		h := *h
		for i := h.next(now); i >= 0; i = h.next(now) {
			counts[i]--
			h.start(i, counts[i] > 0, now)
			n := 1
			if h.alone(i, now) {
				n += counts[i]
				counts[i], h.there[i] = 0, false
			}
			if !yield(i, n) {
				return
			}
		}
	}
}

// alone reports whether no other priority comes between the jobs of i.
func (h *heads) alone(i int, now time.Duration) bool {
	for k := range h.there {
		if k != i && h.there[k] && h.rank(k, now) >= time.Duration(2-i) {
			return false
		}
	}
	return true
}

// heads looks at the first job of each lane: one that goes before its list, if that
// is given, or else the first of that.
func (c *Core) heads(ahead [3]*Job) (h heads) {
	c.noteStart()
	for i := range c.lanes {
		l := &c.lanes[i]
		h.started[i] = l.started
		if j := ahead[i]; j != nil {
			h.head(i, j.readyAt)
		} else if ready, ok := l.listSince(); ok {
			h.head(i, ready)
		}
	}
	return h
}

// firstOf returns the first of each.
func firstOf(jobs [3][]*Job) (firsts [3]*Job) {
	for i := range jobs {
		if len(jobs[i]) > 0 {
			firsts[i] = jobs[i][0]
		}
	}
	return firsts
}

// earlier returns that of two jobs whose turn comes first; either may be nil.
func earlier(a, b *Job) *Job {
	if a == nil || b != nil && b.seq < a.seq {
		return b
	}
	return a
}

// An ahead is what goes before the lists of the lanes: how many jobs, and the first.
type ahead struct {
	counts [3]int
	firsts [3]*Job
}

// ahead counts what allAhead returns; of jobs with tokens it takes it that these suffice
// for one of each last limit.
func (c *Core) ahead() (a ahead) {
	if c.grants > 0 {
		a.firsts = firstAmong(&c.leading)
		for i := range c.leading {
			a.counts[i] = c.leading[i].Len()
		}
	}
	for i := range c.lanes {
		front := &c.lanes[i].front
		a.counts[i] += front.len()
		a.firsts[i] = earlier(a.firsts[i], front.first())
	}
	return a
}

// allAhead returns what goes before the lists of the lanes, by turn: what was put in
// front of them, and what has waited for its tokens.
func (c *Core) allAhead() [3][]*Job {
	jobs := c.withTokens()
	for i := range c.lanes {
		if front := &c.lanes[i].front; front.len() > 0 {
			jobs[i] = append(jobs[i], front.all()...)
			slices.SortStableFunc(jobs[i], bySeq)
		}
	}
	return jobs
}

// withTokens returns the jobs that have waited for tokens which are there by now, as
// far as these suffice for all, by priority: they go before the others.
func (c *Core) withTokens() (jobs [3][]*Job) {
	if c.grants == 0 {
		return jobs
	}
	var firsts []*Job
	for i := range c.granted {
		for l := range c.granted[i].All() {
			for s := range l.Value.fit[i].All() {
				if j := s.Value.first(); j.Priority == High-Priority(i) {
					firsts = append(firsts, j)
				}
			}
		}
	}
	slices.SortFunc(firsts, func(a, b *Job) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), bySeq(a, b))
	})
	used := map[*Limit]bool{}
	for _, j := range firsts {
		if slices.ContainsFunc(j.set.limits, func(l *Limit) bool { return used[l] }) {
			continue
		}
		for _, l := range j.set.limits {
			used[l] = true
		}
		jobs[High-j.Priority] = append(jobs[High-j.Priority], j)
	}
	return jobs
}

// startsAs returns as which job from now on the nth of a lane would start, given what
// goes before the lists. What is not in the lane stands behind it.
func (c *Core) startsAs(p Priority, nth int, a ahead, now time.Duration) int {
	lane := int(High - p)
	if c.inLanes() == c.lanes[lane].len() && c.grants == 0 {
		return nth // as nearly always
	}
	h, counts := c.heads(a.firsts), a.counts
	for i := range c.lanes {
		counts[i] += c.lanes[i].list.Len()
	}
	if !h.there[lane] {
		h.there[lane], h.since[lane] = true, now
	}
	counts[lane] = max(counts[lane], nth)
	before := 0
	for i, n := range h.order(counts, now) {
		if i == lane && nth <= n {
			break
		}
		if i == lane {
			nth -= n
		}
		before += n
	}
	return before + nth
}
