package protocol

import "slices"

// A tick is all there is to do for the one that has the owner's state: an owner, which then
// sleeps, or a caller while no owner runs.

// tick is what the server of the state does next: one step that others can see, with those
// behind it that they cannot.
func (m *model) tick(s *state) (what string, speed Speed) {
	if what, speed = m.step(s); speed != Blocked {
		for m.hidden(s) {
			m.step(s)
		}
	}
	return what, speed
}

// hidden reports whether the next step neither changes nor reads what others may change or
// read meanwhile. While the owner may crash, the parts of a tick between which it may are steps
// by themselves.
func (m *model) hidden(s *state) bool {
	o := &s.owner
	if s.self.pc != selfTicks && s.self.caller == 0 {
		return false
	}
	switch o.pc {
	case ownerSettles, ownerServes:
		return s.crashes == 0
	case ownerAdmits, ownerAdmitsMore:
		return o.waiters == 0
	case ownerAdvances:
		return true
	case ownerClaims:
		return !m.canStart(s) || o.idle == 0
	case ownerWants:
		return m.on(WantThenComing) && s.want == (o.idle != 0 && !o.paused)
	case ownerClaimsAgain:
		return m.on(WantThenComing) && (o.idle == 0 || !m.canStart(s) || o.starting != 0)
	case ownerFlags:
		return s.crowded == (o.behind != 0) && s.blocked == (o.waiters != 0) && !o.revoked
	case ownerOpens:
		return !m.canOpen(s)
	case ownerSaysMore:
		return !m.Long
	case ownerOffers:
		return !m.Long && s.blocked == (o.waiters != 0)
	case ownerSaysComing:
		return o.starting == 0 || m.through(s, o.starting.least()) == 0 && m.on(ComingBeforeLease)
	case ownerReplies:
		return o.todo == 0
	}
	return false
}

func (m *model) step(s *state) (string, Speed) {
	o := &s.owner
	if s.self.pc != selfTicks && s.self.caller == 0 || s.mail.mu != free && m.locks(s) {
		return "", Blocked
	}
	switch o.pc {
	case ownerBegins:
		if o.pc = ownerCollects; s.self.stop {
			s.self.pc = selfResigns
			return "sees that it is to stop", Prompt
		}
		return "begins a tick", Prompt
	case ownerCollects:
		return m.collect(s), Prompt
	case ownerShuts:
		m.unshare(s)
		return "shuts the gate, and empties the mailbox", Prompt
	case ownerLearns:
		for _, w := range s.workers {
			if w.unshown && m.on(LearnAwaitsShown) {
				return "", Blocked
			}
		}
		m.learn(s)
		return "learns what runs", Prompt
	case ownerSettles:
		m.settleOne(s)
		return "settles a worker", Prompt
	case ownerServes:
		return m.serveOne(s), Prompt
	case ownerAdmits, ownerAdmitsMore:
		m.admit(s)
		if o.pc == ownerAdmits {
			o.pc = ownerAdvances
		} else {
			o.pc = ownerClaims
		}
		return "admits those that wait for room", Prompt
	case ownerAdvances:
		for o.due != 0 && s.self.caller == 0 {
			m.enter(s, o.due.take()+1)
		}
		o.pc = ownerClaims
		return "looks at the clock", Prompt
	case ownerSleeps:
		if !s.token {
			return "", Blocked
		}
		s.token, o.pc = false, ownerBegins
		return "is woken", Prompt
	}
	return m.dispatch(s)
}

// locks reports whether the next step takes the mailbox's lock, or has it.
func (m *model) locks(s *state) bool {
	switch s.owner.pc {
	case ownerCollects, ownerEnds:
		return true
	case ownerAdmits, ownerAdmitsMore:
		return s.owner.waiters != 0
	}
	return false
}

// collect is the beginning of a tick, in which the lock is held.
func (m *model) collect(s *state) string {
	b, o := &s.mail, &s.owner
	if b.crashed && s.self.caller == 0 {
		b.crashed, s.self.pc = false, selfResigns
		return "dies of a caller's panic"
	}
	b.mu, b.awake, b.poked = byOwner, true, false
	o.pc = ownerShuts
	return "locks the mailbox"
}

// unshare takes in what was claimed, lent and left.
func (m *model) unshare(s *state) {
	b, o := &s.mail, &s.owner
	if o.opened {
		c := &s.chunks[o.shared-1]
		c.shut, o.opened = m.on(TickShuts), false
		o.started += c.next - o.head
		o.ended += c.next - o.head
		o.head = c.next
	}
	if b.lent != 0 && m.on(TakeLent) {
		o.idle.add(b.lent - 1)
		b.lent = 0
	}
	if b.direct != 0 {
		o.started++
		if m.on(TakeDirect) {
			o.known[b.direct-1] = b.job
		}
		b.direct, b.job = 0, 0
	}
	o.back |= b.returned
	o.todo |= b.asked
	b.returned, b.asked = 0, 0
	o.found = b.tail != b.taken
	o.pc = ownerLearns
}

// learn has the core know which jobs run, and what was in the list.
func (m *model) learn(s *state) {
	o := &s.owner
	for i := range s.workers {
		w := &s.workers[i]
		given := w.lease != 0 || o.starting.has(uint8(i)) // it does not have it yet
		if o.known[i] != 0 && w.job != 0 && !given && !w.unshown && (w.pc != workerAwaits || o.back.has(uint8(i))) {
			o.known[i] = w.job
		}
	}
	if o.holder != 0 && !m.holds(s) {
		m.release(s, o.holder)
	}
	m.takeList(s)
	if o.pc = ownerSettles; o.todo == 0 {
		m.unlock(s)
	}
	if o.back == 0 {
		o.pc = ownerServes
	}
}

// holds reports whether, as far as the core knows, the holder of the key is in line or runs.
func (m *model) holds(s *state) bool {
	o := &s.owner
	if slices.Contains(o.known[:], o.holder) {
		return true
	}
	return slices.Contains(o.line[o.head:o.end], o.holder)
}

func (m *model) takeList(s *state) {
	b := &s.mail
	for ; b.taken < b.tail; b.taken++ {
		m.enter(s, b.list[b.taken])
	}
	b.pressing = false
}

// enter puts a job into line, or behind its key, or among those that wait for their time.
func (m *model) enter(s *state, job uint8) {
	o := &s.owner
	switch j := &s.jobs[job-1]; {
	case j.kind == delayed:
		o.delayed.add(job - 1)
		j.kind = late // when it comes again
		return
	case j.kind == keyed && o.holder != 0:
		o.behind.add(job - 1)
		return
	case j.kind == keyed:
		o.holder = job
	}
	o.line[o.end] = job
	o.end++
}

// release lets the next one of a key into line.
func (m *model) release(s *state, job uint8) {
	o := &s.owner
	if o.holder != job || job == 0 {
		return
	}
	if o.holder = 0; o.behind != 0 {
		m.enter(s, o.behind.take()+1)
	}
}

// pending is how many jobs wait, as far as the core knows.
func (s *state) pending() uint8 { return s.accepted - s.owner.started - s.owner.gone }

// unlock says how much room there is.
func (m *model) unlock(s *state) {
	s.mail.mu, s.mail.room = free, 0
	if n := s.pending() + s.owner.waiters.len(); n < m.Capacity {
		s.mail.room = m.Capacity - n
	}
}

// settleOne is told how the last job of a worker has ended.
func (m *model) settleOne(s *state) {
	o := &s.owner
	i := o.back.take()
	w := &s.workers[i]
	if w.bad {
		o.failed++
		s.settle(w.job, failed)
	} else {
		o.ended++
		s.settle(w.job, processed)
	}
	m.release(s, w.job)
	o.known[i], w.job, w.chunk, w.other, w.bad, w.keyed, w.tries = 0, 0, 0, 0, false, false, 0
	if l := o.leased[i]; l != 0 {
		s.chunks[l-1].leases--
		o.leased[i] = 0
	}
	if o.workers.len() > o.target {
		m.dismiss(s, i)
	} else {
		o.idle.add(i)
	}
	if o.back == 0 {
		o.pc = ownerServes
	}
}

func (m *model) dismiss(s *state, i uint8) {
	s.owner.workers.remove(i)
	s.owner.idle.remove(i)
	s.workers[i].dismissed = true
}

// admit accepts the jobs of producers that wait, as far as there is room.
func (m *model) admit(s *state) {
	o := &s.owner
	if o.waiters == 0 || !m.on(AdmitEachTick) {
		return
	}
	m.takeList(s)
	for o.waiters != 0 && s.pending() < m.Capacity {
		p := o.waiters.take()
		m.enter(s, s.accept(plain))
		s.producers[p].admitted = true
	}
	m.unlock(s)
}
