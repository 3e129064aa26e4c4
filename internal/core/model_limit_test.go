package core

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// late reports whether the time for all attempts is over at that time.
func (*model) late(j *mjob, t time.Duration) bool { return j.Within > 0 && t >= j.accepted+j.Within }

// under returns the jobs that use a limiter.
func (m *model) under(key any) []*mjob {
	return m.those(in(Pending, Delayed, Retrying, Running), func(j *mjob) bool { return slices.Contains(j.Limiters, key) })
}

// waitingFor returns the jobs that wait for a token of the limiter, in that order.
func (m *model) waitingFor(key any) []*mjob {
	jobs := m.those(func(j *mjob) bool { return j.parked > 0 && j.order[j.tokens] == key })
	return slices.SortedFunc(slices.Values(jobs), func(a, b *mjob) int { return a.parked - b.parked })
}

// arrange puts the limiters of an accepted job into the order that all jobs keep to.
func (m *model) arrange(j *mjob) {
	j.order = slices.Clone(j.Limiters)
	for i, key := range j.Limiters {
		if m.limits[key] == nil {
			m.limits[key] = &mlimit{width: len(j.Limiters) - i, since: m.tick()}
		}
	}
	slices.SortFunc(j.order, func(a, b any) int {
		x, y := m.limits[a], m.limits[b]
		return cmp.Or(y.width-x.width, x.since-y.since)
	})
}

// collect takes the tokens that j needs, as far as there are some: at its turn, and
// not before those who wait already.
func (m *model) collect(j *mjob) bool {
	for j.tokens < len(j.order) {
		key := j.order[j.tokens]
		if l := m.limits[key]; !l.spare {
			j.parked, j.front = m.tick(), false
			m.want(key)
			return false
		}
		m.limits[key].spare, m.limits[key].holder = false, j
		j.tokens++
	}
	return true
}

func (m *model) want(key any) {
	if l := m.limits[key]; !l.asking && !l.spare && l.holder == nil && len(m.waitingFor(key)) > 0 {
		l.asking = true
	}
}

// grant is the arrival of a token.
func (m *model) grant(key any) {
	l := m.limits[key]
	l.asking, l.failing, l.spare = false, false, true
	m.pass(key)
	m.dismiss()
}

func (m *model) failLimiter(key any) bool {
	l := m.limits[key]
	l.failing, l.asking = true, len(m.waitingFor(key)) > 0
	again := l.asking
	m.dismiss()
	return again
}

// pass gives the spare token to the first of those who wait for it.
func (m *model) pass(key any) {
	var firsts []*mjob
	for p := High; p >= Low; p-- {
		i := slices.IndexFunc(m.waitingFor(key), func(j *mjob) bool { return j.Priority == p })
		if i >= 0 {
			firsts = append(firsts, m.waitingFor(key)[i])
		}
	}
	if j := m.first(firsts); j != nil {
		m.limits[key].spare, m.limits[key].holder = false, j
		j.parked, j.tokens, j.front = 0, j.tokens+1, true
	}
}

func (m *model) useTokens(j *mjob) {
	had := j.order[:j.tokens]
	j.tokens = 0
	for _, key := range had {
		m.limits[key].holder = nil
		m.want(key)
	}
}

// giveBack is when a job that has tokens is not to start.
func (m *model) giveBack(j *mjob) {
	had := j.order[:min(j.tokens, len(j.order))]
	j.tokens, j.parked = 0, 0
	for _, key := range had {
		m.limits[key].holder, m.limits[key].spare = nil, true
		m.pass(key)
	}
}

// dismiss forgets the limits that nobody uses.
func (m *model) dismiss() {
	maps.DeleteFunc(m.limits, func(key any, l *mlimit) bool { return len(m.under(key)) == 0 && !l.asking })
}

// expected counts the jobs that a drain waits for because of a token.
func (m *model) expected() (n int) {
	for key, l := range m.limits {
		if !l.failing {
			n += len(m.waitingFor(key))
		}
	}
	return n
}

func (m *model) group(g *Group) *mgroup {
	name := g.Ref.(string) //nolint:forcetypeassert // a name
	if m.groups[name] == nil {
		m.groups[name] = &mgroup{}
	}
	return m.groups[name]
}

// members counts the jobs of a group that have not settled.
func (m *model) members(name string) (n int) {
	for _, j := range append(slices.Clone(m.jobs), m.blocked...) {
		if j.group == name {
			n++
		}
	}
	return n
}

// completeGroups accepts the completion jobs of the groups that are complete, in
// the order in which they became so.
func (m *model) completeGroups() {
	m.lookAtGroups()
	for _, name := range m.over {
		m.admit(&mjob{Job: newJob(name)})
	}
	m.over = nil
}

// lookAtGroups is called after everything by which a group can be complete.
func (m *model) lookAtGroups() {
	for _, name := range slices.Sorted(maps.Keys(m.groups)) {
		if g := m.groups[name]; g.closed && !g.done && m.members(name) == 0 {
			g.done = true
			m.over = append(m.over, name)
		}
	}
}

func (m *model) cancelAll(match func(*mjob) bool) (n int) {
	found := m.those(in(Pending, Delayed, Retrying, Running), match)
	for _, j := range slices.SortedFunc(slices.Values(found), func(a, b *mjob) int { return int(a.id) - int(b.id) }) {
		m.cancel(j.id)
		m.lookAtGroups()
		n++
	}
	return n
}

func (m *model) cancelGroup(name string) int {
	m.groups[name].cancelled = true
	waiting := len(m.blocked)
	m.blocked = slices.DeleteFunc(m.blocked, func(j *mjob) bool { return j.group == name })
	m.counts.Rejected += uint64(waiting - len(m.blocked))
	n := m.cancelAll(func(j *mjob) bool { return j.group == name })
	m.groups[name].closed = true
	return n
}

func (m *model) dropFailure(id uint64) bool {
	n := len(m.fails)
	m.fails = slices.DeleteFunc(m.fails, func(j *mjob) bool { return j.id == id })
	return len(m.fails) < n
}
