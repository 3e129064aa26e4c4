package core

import (
	"cmp"
	"math"
	"slices"
	"time"
)

func (m *model) limit() int {
	stuck := m.those(in(Running), func(j *mjob) bool { return j.cause != NotCancelled })
	return m.cfg.Workers + min(len(stuck), m.cfg.StuckAllowance)
}

// claim starts the next job, or returns nil.
func (m *model) claim() *mjob {
	if m.paused || m.closed || len(m.those(in(Running))) >= m.limit() {
		return nil
	}
	for {
		j := m.next()
		switch {
		case j == nil:
			return nil
		case m.late(j, m.now):
			m.end(j, Failed)
			continue
		case m.kinds[j.Kind] && !j.plain:
			j.aside, j.front, j.parked = true, false, 0
			continue
		case !m.collect(j):
			continue
		}
		m.started[j.Priority] = m.now
		j.state, j.front, j.begun, j.cut = Running, false, true, false
		j.attempt, j.started = j.attempt+1, m.now
		if j.Timeout > 0 {
			j.deadline = m.now + j.Timeout
		}
		return j
	}
}

// next is the job whose turn it is.
func (m *model) next() *mjob {
	var firsts []*mjob
	for p := High; p >= m.lowest(); p-- {
		parked := m.those(of(p), func(j *mjob) bool {
			return j.parked > 0 && m.missing(j) == nil && j == m.parkedOf(j, p)[0]
		})
		parked = append(parked, m.those(inLine, of(p), func(j *mjob) bool { return j.front })...)
		if len(parked) > 0 {
			firsts = append(firsts, slices.MinFunc(parked, byTurnOf))
		} else if lane := m.lane(p); len(lane) > 0 {
			firsts = append(firsts, lane[0])
		}
	}
	j := m.first(firsts, m.started)
	if j == nil || j.parked == 0 {
		return j
	}
	var alike []*mjob // who could have the same tokens
	for p := j.Priority; p >= Low; p-- {
		if same := m.parkedOf(j, p); len(same) > 0 {
			alike = append(alike, same[0])
		}
	}
	for p := j.Priority + 1; p <= High; p++ { // as one of a higher priority that has them, too, is not passed for these
		if same := m.parkedOf(j, p); len(same) > 0 {
			alike = append([]*mjob{same[0]}, alike...)
		}
	}
	if o := m.first(alike, m.among[setOf(j)]); o.Priority < j.Priority {
		return o
	}
	return j
}

// parkedOf returns the jobs of a priority that wait with j.
func (m *model) parkedOf(j *mjob, p Priority) []*mjob {
	return slices.DeleteFunc(m.parkedLike(j), func(o *mjob) bool { return o.Priority != p })
}

// starts is when a job of each priority was last started.
type starts map[Priority]time.Duration

// first says which of the first jobs of each priority, the highest first, is to start,
// in the words of the contract: one that has been the first for a minute counts one
// higher, and again. Of equals the lower one has it, as it has waited for that, but
// one job is passed by no more than one of each lower priority.
func (m *model) first(firsts []*mjob, last starts) (best *mjob) {
	since := func(j *mjob) time.Duration {
		if j.state != Pending { // in order: it has just come due
			return m.now
		}
		return max(j.pending, last[j.Priority])
	}
	rank := func(j *mjob) int { return min(int(j.Priority)+int((m.now-since(j))/time.Minute), int(High)) }
	for n, j := range firsts {
		passed := slices.ContainsFunc(firsts[:n], func(o *mjob) bool { return rank(o) == rank(j) && last[j.Priority] > since(o) })
		if best == nil || rank(j) > rank(best) || rank(j) == rank(best) && !passed {
			best = j
		}
	}
	return best
}

func byStarted(a, b *mjob) int {
	return cmp.Or(cmp.Compare(a.started, b.started), cmp.Compare(a.id, b.id))
}

// settle is the table of the contract.
func (m *model) settle(j *mjob, res Result) {
	if j.cause == NotCancelled && j.Timeout > 0 && m.now >= j.started+j.Timeout {
		j.cause = TimedOut // its context has told it so, whether or not the core has noticed
	}
	if m.late(j, m.now) {
		j.cause = max(j.cause, Expired)
	}
	snoozes := res.Kind == Snooze && j.cause == NotCancelled
	again := snoozes || !res.Final && j.attempt < j.MaxAttempts
	delay := res.Delay
	if snoozes {
		delay = res.Snooze
	}
	if res.Kind == Panic {
		m.counts.Panicked++
	}
	switch {
	case res.Kind == OK:
		m.end(j, Processed)
	case j.cause == UserCancel:
		m.end(j, Cancelled)
	case j.replaced && (again || j.cause == Shutdown):
		m.end(j, Evicted)
	case j.cause == Shutdown:
		j.attempt--
		j.state, j.pending, j.turn, j.front, j.cut = Pending, m.now, j.cutTurn, true, true
		j.cause, j.deadline, j.told = NotCancelled, 0, false
	case again && m.late(j, m.now+delay):
		m.end(j, Failed)
	case snoozes:
		j.attempt--
		m.wait(j, Delayed, m.now+delay)
	case again:
		m.counts.Retried++
		m.wait(j, Retrying, m.now+delay)
	default:
		m.end(j, Failed)
	}
}

// advance lets happen what is due. A cancelled job has a grace before it is
// reported, which is not cut short by another cause.
func (m *model) advance() {
	for m.advanceSome(math.MaxInt) {
	}
}

// advanceSome is advance for so many at most whose deadline is over, and so many that are
// due. It reports whether there are more.
func (m *model) advanceSome(limit int) (more bool) {
	byDeadline := func(a, b *mjob) int {
		return cmp.Or(cmp.Compare(a.accepted+a.Within, b.accepted+b.Within), cmp.Compare(a.id, b.id))
	}
	late := m.those(in(Pending, Delayed, Retrying, Running), func(j *mjob) bool { return m.late(j, m.now) && !j.told })
	slices.SortFunc(late, byDeadline)
	for _, j := range late[:min(limit, len(late))] {
		if j.told = j.state == Running; j.told {
			m.interrupt(j, Expired)
		} else {
			m.end(j, Failed)
		}
	}
	if len(m.dueNow()) == 0 {
		m.due = m.now
	}
	due := m.dueNow()
	slices.SortFunc(due, byPriority)
	for _, j := range due[:min(limit, len(due))] {
		m.ready(j)
	}
	if len(m.dueNow()) == 0 {
		m.due = 0
	}
	for _, j := range m.those(in(Running)) {
		if j.deadline > 0 && j.deadline <= m.now && j.cause == NotCancelled {
			m.interrupt(j, TimedOut)
		}
	}
	later := m.those(in(Delayed, Retrying), func(j *mjob) bool { return j.runAt <= m.now })
	return len(late) > limit || len(later) > 0
}

func (m *model) interrupt(j *mjob, cause Cause) {
	j.cause = max(j.cause, cause)
	j.deadline = 0
}

// shutdown cancels all that runs.
func (m *model) shutdown() {
	m.closed = true
	running := m.those(in(Running), func(j *mjob) bool { return j.cause < Shutdown })
	slices.SortFunc(running, byStarted)
	for i, j := range slices.Backward(running) {
		m.cuts++
		j.cutTurn = -m.cuts
		m.interrupt(running[i], Shutdown)
	}
}

func (m *model) find(id uint64) *mjob {
	if found := m.those(func(j *mjob) bool { return j.id == id }); len(found) > 0 {
		return found[0]
	}
	return nil
}

func (m *model) cancel(id uint64) bool {
	j := m.find(id)
	switch {
	case j == nil:
		return false
	case j.state == Running:
		m.interrupt(j, UserCancel)
	default:
		m.end(j, Cancelled)
	}
	return true
}

func (m *model) resumeKind(kind string) {
	delete(m.kinds, kind)
	for _, j := range m.jobs {
		if j.aside && j.Kind == kind {
			j.aside, j.front = false, true
		}
	}
}

func (m *model) withdraw(name string) {
	m.blocked = slices.DeleteFunc(m.blocked, func(j *mjob) bool { return j.Label == name })
}

// requeue takes a kept failure for a new job.
func (m *model) requeue(id uint64) (Verdict, bool) {
	i := slices.IndexFunc(m.fails, func(j *mjob) bool { return j.id == id })
	if i < 0 {
		return 0, false
	}
	if old := m.holder(m.fails[i].Unique); old != nil {
		if !waits(old) || m.fails[i].UniquePolicy != ReplacePending {
			m.counts.Rejected++
			return Duplicate, true
		}
	} else if p, taken := m.period(m.fails[i].Unique); taken && p.id != id {
		m.counts.Rejected++
		return Duplicate, true
	}
	j := &mjob{Job: m.fails[i].Job}
	m.fails = slices.Delete(m.fails, i, i+1)
	m.admit(j)
	return Accepted, true
}

// handOver is what Report and Restore do: new IDs, in the order of the lists.
func (m *model) handOver() *model {
	n := newModel(m.cfg, m.now)
	first := func(a, b *mjob) int {
		switch {
		case a.cut && !b.cut:
			return -1
		case b.cut && !a.cut:
			return 1
		}
		return 0
	}
	for _, j := range slices.SortedStableFunc(slices.Values(m.order()), first) {
		f := &mjob{Job: j.Job, attempt: j.attempt, accepted: j.accepted, retries: j.state == Retrying, begun: !takesRoom(j)}
		f.keyed = j.keyed && n.taken(j.Key) < j.KeyLimit
		if j.state == Delayed || j.state == Retrying {
			f.runAt = j.runAt
		}
		n.admit(f)
	}
	return n
}

func (m *model) snapshot() Snapshot {
	s := Snapshot{Counts: m.counts, Workers: m.cfg.Workers, Capacity: m.cfg.Capacity, Paused: m.paused}
	for _, j := range m.jobs {
		switch j.state {
		case Delayed:
			s.Delayed++
		case Retrying:
			s.Retrying++
		case Running:
			s.Running++
			if j.cause != NotCancelled {
				s.Stuck++
			}
		default:
			s.Pending++
		}
	}
	s.Idle = max(s.Workers-s.Running, 0)
	return s
}
