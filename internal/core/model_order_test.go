package core

import (
	"maps"
	"slices"
	"time"
)

// order is in which order the jobs would start if what runs ended now, in the order in
// which it was started, and then each ended before the next started: first what nothing holds
// back, then what would start if nothing were paused and all tokens were there, then, as its time
// comes, what waits for that. One behind others of its key comes after them in any case.
func (m *model) order() (jobs []*mjob) {
	lanes, last := map[Priority][]*mjob{}, maps.Clone(m.started)
	behind := slices.SortedFunc(slices.Values(m.those(behindKey)), byTurnOf)
	taken := map[string]int{}
	for _, j := range m.jobs {
		taken[j.Key] = m.taken(j.Key)
	}
	follow := func(key string) {
		for {
			i := slices.IndexFunc(behind, func(o *mjob) bool { return o.Key == key })
			if i < 0 || taken[key] >= behind[i].KeyLimit {
				return
			}
			o := behind[i]
			taken[key]++
			behind, lanes[o.Priority] = slices.Delete(behind, i, i+1), append(lanes[o.Priority], o)
		}
	}
	ends := func(j *mjob) {
		if j.Key != "" && (j.keyed || j.state != Running) {
			taken[j.Key]--
			follow(j.Key)
		}
	}
	freed := false
	play := func() {
		for {
			var firsts []*mjob
			for p := High; p >= Low; p-- {
				if len(lanes[p]) > 0 {
					firsts = append(firsts, lanes[p][0])
				}
			}
			j := m.first(firsts, last)
			if j == nil {
				return
			}
			lanes[j.Priority] = lanes[j.Priority][1:]
			if !freed && m.kinds[j.Kind] && !j.plain {
				continue // its turn has come, so it stands aside
			}
			jobs, last[j.Priority] = append(jobs, j), m.now
			ends(j)
		}
	}
	for p := High; p >= Low; p-- {
		ahead := append(m.granted(p), m.those(inLine, of(p), func(j *mjob) bool { return j.front })...)
		slices.SortStableFunc(ahead, byTurnOf)
		lanes[p] = append(ahead, slices.DeleteFunc(m.lane(p), func(j *mjob) bool { return j.front })...)
	}
	wake := func(j *mjob) {
		if j.Key != "" && !j.keyed {
			behind = append(behind, j)
			follow(j.Key)
		} else {
			lanes[j.Priority] = append(lanes[j.Priority], j)
		}
	}
	later, due := m.those(in(Delayed, Retrying)), []*mjob(nil)
	for _, by := range []time.Duration{m.due, m.now} { // what is due is in line, first what was when it was looked at
		for _, j := range slices.SortedFunc(slices.Values(later), byPriority) {
			if j.runAt <= by && !slices.Contains(due, j) {
				wake(j)
				due = append(due, j)
			}
		}
	}
	for _, j := range slices.SortedFunc(slices.Values(m.those(in(Running))), byStarted) {
		ends(j)
	}
	play()
	freed = true
	left := slices.Concat(slices.SortedFunc(slices.Values(m.those(in(Pending))), byTurnOf), due)
	for _, j := range left {
		if !slices.Contains(jobs, j) && !slices.Contains(behind, j) {
			lanes[j.Priority] = append(lanes[j.Priority], j)
		}
	}
	play()
	var moment time.Duration // what is due at one comes into line together
	for _, j := range slices.SortedFunc(slices.Values(later), byTime) {
		if slices.Contains(due, j) {
			continue
		}
		if j.runAt != moment {
			play()
		}
		moment = j.runAt
		wake(j)
	}
	play()
	return jobs
}

// position is the place of a pending job among those in their order.
func (m *model) position(j *mjob) int {
	if j.state != Pending {
		return 0
	}
	pending := slices.DeleteFunc(m.order(), func(o *mjob) bool { return o.state != Pending && o.runAt > m.now })
	return slices.Index(pending, j) + 1
}
