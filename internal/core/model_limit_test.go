package core

import (
	"cmp"
	"fmt"
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

// The jobs with the same limiters, asked in the same order, are alike for these.
func setOf(j *mjob) string { return fmt.Sprint(j.Limiters) }

// parkedLike returns the jobs with the limiters of j that wait for tokens, in that order.
func (m *model) parkedLike(j *mjob) []*mjob {
	jobs := m.those(func(o *mjob) bool { return o.parked > 0 && setOf(o) == setOf(j) })
	return slices.SortedFunc(slices.Values(jobs), func(a, b *mjob) int { return a.parked - b.parked })
}

// missing returns the first limiter of j of which there is no token, nil if there
// are all that it needs.
func (m *model) missing(j *mjob) any {
	for _, key := range j.Limiters {
		if !m.limits[key].spare {
			return key
		}
	}
	return nil
}

// collect takes the tokens that j needs to start now. Its turn in the lane it has but
// once, and then not before those who wait already.
func (m *model) collect(j *mjob) bool {
	if j.parked == 0 && len(j.Limiters) > 0 && (m.missing(j) != nil || len(m.parkedLike(j)) > 0) {
		j.parked, j.front = m.tick(), false
		m.ask()
		return false
	}
	for _, key := range j.Limiters {
		m.limits[key].spare = false
	}
	if j.parked = 0; len(j.Limiters) > 0 {
		if m.among[setOf(j)] == nil {
			m.among[setOf(j)] = starts{}
		}
		m.among[setOf(j)][j.Priority] = m.now
	}
	return true
}

// ask sends for what is wanted: of each job the first token that it is missing.
func (m *model) ask() {
	for _, j := range m.those(func(j *mjob) bool { return j.parked > 0 }) {
		if key := m.missing(j); key != nil {
			m.limits[key].asking = true
		}
	}
}

// granted returns the jobs of a priority that wait for tokens which are there: of those
// with the same limiters the first of the highest priority, by turn, as far as the
// tokens suffice.
func (m *model) granted(p Priority) (jobs []*mjob) {
	var firsts []*mjob
	for _, j := range m.those(func(j *mjob) bool { return j.parked > 0 && m.missing(j) == nil }) {
		better := func(o *mjob) bool {
			return setOf(o) == setOf(j) && (o.Priority > j.Priority || o.Priority == j.Priority && o.parked < j.parked)
		}
		if !slices.ContainsFunc(m.parkedLike(j), better) {
			firsts = append(firsts, j)
		}
	}
	slices.SortFunc(firsts, func(a, b *mjob) int {
		return cmp.Or(int(b.Priority)-int(a.Priority), a.turn-b.turn)
	})
	used := map[any]bool{}
	for _, j := range firsts {
		if slices.ContainsFunc(j.Limiters, func(key any) bool { return used[key] }) {
			continue
		}
		for _, key := range j.Limiters {
			used[key] = true
		}
		if j.Priority == p {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// grant is the arrival of a token.
func (m *model) grant(key any) {
	l := m.limits[key]
	l.asking, l.failing, l.spare = false, false, true
	m.ask()
	m.dismiss()
}

func (m *model) failLimiter(key any) bool {
	l := m.limits[key]
	l.failing, l.asking = true, false
	m.ask()
	again := l.asking
	m.dismiss()
	return again
}

// dismiss forgets the limits that nobody uses.
func (m *model) dismiss() {
	maps.DeleteFunc(m.limits, func(key any, l *mlimit) bool { return len(m.under(key)) == 0 && !l.asking })
	maps.DeleteFunc(m.among, func(set string, _ starts) bool {
		return len(m.those(in(Pending, Delayed, Retrying, Running), func(j *mjob) bool { return setOf(j) == set })) == 0
	})
}

// expected counts the jobs that a drain waits for because of a token.
func (m *model) expected() int {
	return len(m.those(func(j *mjob) bool {
		return j.parked > 0 && (m.missing(j) == nil || !m.limits[m.missing(j)].failing)
	}))
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
		m.admit(&mjob{Job: newJob(name), roomless: true})
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

func (m *model) cancelAll(match func(*mjob) bool, s *Span) (n int) {
	found := m.those(in(Pending, Delayed, Retrying, Running), match, func(j *mjob) bool { return j.id > s.After && j.id <= s.UpTo })
	slices.SortFunc(found, func(a, b *mjob) int { return int(a.id) - int(b.id) })
	s.More = len(found) > s.Limit
	for _, j := range found[:min(s.Limit, len(found))] {
		m.cancel(j.id)
		m.lookAtGroups()
		s.After = j.id
		n++
	}
	return n
}

func (m *model) cancelGroup(name string, s *Span) (n int) {
	m.groups[name].cancelled = true
	left := s.Limit
	m.blocked = slices.DeleteFunc(m.blocked, func(j *mjob) bool {
		if j.group != name || left == 0 {
			return false
		}
		left--
		m.counts.Rejected++
		return true
	})
	if s.More = slices.ContainsFunc(m.blocked, func(j *mjob) bool { return j.group == name }); s.More {
		return 0
	}
	n = m.cancelAll(func(j *mjob) bool { return j.group == name }, s)
	m.groups[name].closed = m.groups[name].closed || !s.More
	return n
}

func (m *model) dropFailure(id uint64) bool {
	n := len(m.fails)
	m.fails = slices.DeleteFunc(m.fails, func(j *mjob) bool { return j.id == id })
	return len(m.fails) < n
}
