package core

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// ageing is how long a job is first of its priority before it counts as one higher. Long against a
// burst, short against an outage.
const ageing = time.Minute

// heads is what decides which priority goes first, High first. The zero value has none. It is a
// copy of what the lanes say, so that a forecast can play it on without changing them.
type heads struct {
	there   [3]bool          // whether it has a job
	since   [3]time.Duration // when that became the first
	started [3]time.Duration // when a job of the priority last started
}

// head says that the first job of a priority has been ready since then. It became the first when
// the one before it started, or when it became ready if that was later. Only since then it ages: of
// a long line each job begins anew when it comes to the front.
func (h *heads) head(i int, ready time.Duration) {
	h.there[i], h.since[i] = true, max(ready, h.started[i])
}

// rank is how high priority i counts at now: 2 for High, 0 for Low, one more for each whole ageing
// that its first job has been that, and never more than High. It is a Duration only to be computed
// with.
func (h *heads) rank(i int, now time.Duration) time.Duration {
	return min(time.Duration(2-i)+(now-h.since[i])/ageing, 2)
}

// next returns which priority goes first, -1 if none has a job. The highest does, each counting one
// more for each time that its first job has been that for ageing: so an aged priority gets one job
// through, and counts as before. Of equals the lower one goes first, as it has to be aged, unless
// it has already gone before the other's first job: no job is passed by two of one lower priority,
// however long these take.
//
// It changes nothing: what is started is told by start, or in the lanes. Time alone can change its
// result.
func (h *heads) next(now time.Duration) int {
	top := time.Duration(-1)
	for i := range h.there {
		if h.there[i] {
			top = max(top, h.rank(i, now))
		}
	}
	// The highest of those with the top rank is never passed, so one is found.
	for i := 2; i >= 0; i-- {
		if h.there[i] && h.rank(i, now) == top && !h.passed(i, top, now) {
			return i
		}
	}
	return -1
}

// passed reports whether priority i has had a job started while the first of a higher one that
// ranks the same has been waiting. Then it is the higher one's turn: without this a lower priority
// whose jobs take minutes would be aged again each time, and go first for ever.
func (h *heads) passed(i int, rank, now time.Duration) bool {
	for k := range i {
		if h.there[k] && h.rank(k, now) == rank && h.started[i] > h.since[k] {
			return true
		}
	}
	return false
}

// start takes a job of priority i, after which others of it are left or not. The next one becomes
// the first at now.
func (h *heads) start(i int, more bool, now time.Duration) {
	h.there[i], h.since[i], h.started[i] = more, now, now
}

// order yields in which order as many jobs of each priority as in counts would start if all did
// now: runs of one priority, and how long they are. It costs by the number of runs, not of jobs: as
// no time passes here, a priority that has started one ages no more, and the rest of the highest is
// one run.
func (h *heads) order(counts [3]int, now time.Duration) iter.Seq2[int, int] {
	return func(yield func(i, n int) bool) {
		// A copy: the sequence can be read again.
		h := *h
		for i := h.next(now); i >= 0; i = h.next(now) {
			counts[i]--
			h.start(i, counts[i] > 0, now)
			n := 1
			// From here on it starts one after the other until it has none left, so these are one
			// run.
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

// alone reports whether no other priority comes between the jobs of i, if time stood still: none
// ranks as high as i does without having aged.
func (h *heads) alone(i int, now time.Duration) bool {
	for k := range h.there {
		if k != i && h.there[k] && h.rank(k, now) >= time.Duration(2-i) {
			return false
		}
	}
	return true
}

// heads looks at the first job of each lane: one that goes before its list, if that is given, or
// else the first of that. It may have to ask the engine when the last shared job started.
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

// firstOf returns the first of each, nil where there is none.
func firstOf(jobs [3][]*Job) (firsts [3]*Job) {
	for i := range jobs {
		if len(jobs[i]) > 0 {
			firsts[i] = jobs[i][0]
		}
	}
	return firsts
}

// earlier returns that of two jobs whose turn comes first; either may be nil. No two have the same
// turn.
func earlier(a, b *Job) *Job {
	if a == nil || b != nil && b.seq < a.seq {
		return b
	}
	return a
}

// An ahead is what goes before the lists of the lanes: how many jobs, and the first; High first. It
// is what a position in a long queue needs of allAhead.
type ahead struct {
	counts [3]int
	firsts [3]*Job
}

// ahead counts what allAhead returns, in O(1) but for the parts of fronts; of jobs with tokens it
// takes it that these suffice for one of each last limit.
func (c *Core) ahead() (a ahead) {
	if c.grants > 0 {
		// Each limit counts once, for the priority of the job that would get its token.
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

// allAhead returns what goes before the lists of the lanes, by turn: what was put in front of them,
// and what has waited for its tokens. It copies and sorts all of it, so it is for what is short, or
// reads everything.
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

// withTokens returns the jobs that have waited for tokens which are there by now, as far as these
// suffice for all, by priority: they go before the others. A token is no job's yet; here each goes
// to the first that would take it, in the order in which they would start.
func (c *Core) withTokens() (jobs [3][]*Job) {
	if c.grants == 0 {
		return jobs
	}
	var firsts []*Job
	for i := range c.granted {
		// A set is found under its last limit. It may be in the heaps of several priorities, and
		// counts in that of its first job.
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
	// A limit has one token, so the sets that share one exclude each other.
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

// startsAs returns as which job from now on the nth of a lane would start, given what goes before
// the lists. What is not in the lane stands behind it. It is an estimate: jobs that stand aside may
// come in between.
func (c *Core) startsAs(p Priority, nth int, a ahead, now time.Duration) int {
	lane := int(High - p)
	if c.inLanes() == c.lanes[lane].len() && c.grants == 0 {
		return nth // as nearly always
	}
	// The lanes are played on from now until the nth of this one starts.
	h, counts := c.heads(a.firsts), a.counts
	for i := range c.lanes {
		counts[i] += c.lanes[i].list.Len()
	}
	// The lane may have no job at all, as the one asked for stands aside: it is counted as the last
	// of it.
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
