package protocol

// dispatch is what comes of the rest of a tick.
func (m *model) dispatch(s *state) (string, Speed) {
	o := &s.owner
	switch o.pc {
	case ownerClaims:
		if o.pc = ownerWants; m.claimSome(s) {
			o.pc = ownerAdmitsMore
		}
		return "claims jobs for workers", Prompt
	case ownerWants:
		if m.on(WantThenComing) {
			s.want = o.idle != 0 && !o.paused
		}
		o.pc = ownerClaimsAgain
		return "says whether it has other workers", Prompt
	case ownerClaimsAgain:
		if o.pc = ownerFlags; o.idle != 0 && m.canStart(s) && o.starting == 0 && !s.coming {
			o.pc = ownerClaims
		}
		return "looks whether one is on the way", Prompt
	case ownerFlags:
		if m.flag(s); m.on(BlockedBeforeOpen) {
			s.blocked = o.waiters != 0
		}
		o.pc = ownerOpens
		return "says who waits", Prompt
	case ownerOpens:
		m.open(s)
		o.pc = ownerSaysMore
		return "opens the gate", Prompt
	case ownerSaysMore:
		s.more = o.shared != 0 && o.end > m.partEnd(m.part(o.head))
		o.pc = ownerOffers
		return "says whether there is more", Prompt
	case ownerOffers:
		s.offered = o.shared
		if !m.on(BlockedBeforeOpen) {
			s.blocked = o.waiters != 0
		}
		o.pc = ownerSaysComing
		return "offers the chunk", Prompt
	}
	return m.leaseOut(s)
}

func (m *model) canStart(s *state) bool {
	o := &s.owner
	for o.head < o.end && o.line[o.head] == 0 {
		o.head++ // a hole
	}
	return o.head < o.end && !o.paused && m.runs(s) < o.target
}

// runs is how many jobs run, as far as the core knows.
func (m *model) runs(s *state) (n uint8) {
	for _, k := range s.owner.known {
		if k != 0 {
			n++
		}
	}
	return n
}

func (s *state) isLight(place uint8) bool {
	job := s.owner.line[place]
	return job != 0 && (s.jobs[job-1].kind == plain || s.jobs[job-1].kind == keyed)
}

// claimSome claims jobs for workers: of light ones no more than one while a worker is on the
// way, which sees whether another is needed.
func (m *model) claimSome(s *state) (some bool) {
	o := &s.owner
	for m.canStart(s) && o.idle != 0 {
		if s.isLight(o.head) && (o.starting != 0 || s.coming) {
			return some
		}
		i, job := o.idle.take(), o.line[o.head]
		o.head++
		o.started++
		o.known[i] = job
		o.starting.add(i)
		s.start(job - 1)
		some = true
	}
	return some
}

func (m *model) flag(s *state) {
	o := &s.owner
	if o.revoked && m.on(PinRevokes) {
		m.renew(s)
	}
	o.revoked = false
	s.crowded = o.behind != 0
}

// open lets workers claim the light jobs at the front of the line by themselves.
func (m *model) open(s *state) {
	o := &s.owner
	o.shared = 0
	if !m.canOpen(s) {
		return
	}
	part := m.part(o.head)
	i := m.chunkOf(s, part+1)
	limit := o.head
	for end := min(o.end, m.partEnd(part)); limit < end && (s.isLight(limit) || !m.on(LimitStops)); limit++ {
	}
	c := &s.chunks[i]
	c.next, c.limit, c.shut = o.head, limit, false
	o.shared, o.opened = i+1, true
}

func (m *model) canOpen(s *state) bool {
	o := &s.owner
	for o.head < o.end && o.line[o.head] == 0 {
		o.head++
	}
	return o.head < o.end && !o.paused && m.runs(s) <= o.target && s.isLight(o.head)
}

// renew moves what is in line to another chunk, if a worker may claim from the one at hand, so
// that no lease is worth anything any more.
func (m *model) renew(s *state) {
	part := m.part(s.owner.head) + 1
	for i := range s.chunks {
		if c := &s.chunks[i]; c.part == part && (c.leases > 0 || c.kept) {
			c.part, c.shut, c.next, c.limit = worthless, false, 0, 0
			m.chunkOf(s, part)
			return
		}
	}
}

const worthless = 0xff

// chunkOf returns the chunk that has a part of the line, or makes one of what is not used.
func (m *model) chunkOf(s *state, part uint8) uint8 {
	for i := range s.chunks {
		if s.chunks[i].part == part {
			return uint8(i)
		}
	}
	for i := range s.chunks {
		c := &s.chunks[i]
		if c.part > 0 && (c.leases > 0 && m.on(ReuseAfterLeases) || c.kept && m.on(ReuseNoneKept)) {
			continue
		}
		for _, w := range s.workers {
			looks := w.pc != workerAwaits && w.pc != workerReturns && w.chunk == uint8(i)+1
			if looks || w.pc == workerClaimsThere && w.other == uint8(i)+1 {
				s.is(reusedEarly)
			}
		}
		*c = chunk{part: part}
		return uint8(i)
	}
	panic("protocol: too few chunks")
}

// leaseOut gives workers what was claimed for them, replies, and ends the tick.
func (m *model) leaseOut(s *state) (string, Speed) {
	o, b := &s.owner, &s.mail
	switch o.pc {
	case ownerSaysComing, ownerLeases:
		if o.starting == 0 {
			o.pc = ownerReplies
			return "has given out all", Prompt
		}
		first := o.pc == ownerSaysComing
		if first == m.on(ComingBeforeLease) {
			s.coming = s.coming || m.through(s, o.starting.least()) != 0
		} else {
			m.lease(s, o.starting.least())
		}
		if o.pc = ownerLeases; !first {
			o.starting.take()
			o.pc = ownerSaysComing
		}
		return "sends a worker", Prompt
	case ownerReplies:
		if o.todo == 0 {
			o.pc = ownerEnds
			return "has replied to all", Prompt
		}
		i := o.todo.take()
		o.begun.remove(i)
		if i < maxCallers {
			s.callers[i].yes = true
		} else {
			s.producers[i-maxCallers].replied = true
		}
		return "replies", Prompt
	case ownerEnds:
		return m.end(s), Prompt
	case ownerLooksOnce:
		return m.lookOnce(s), Prompt
	case ownerWantsLate: // only without WantThenComing
		s.want = b.eager
		return m.sleep(s), Prompt
	}
	return "", Blocked // ownerIsDone: its server goes on
}

// through returns the chunk that a worker is to claim from, after the job that was claimed for it.
func (m *model) through(s *state, i uint8) uint8 {
	if job := s.owner.known[i]; s.jobs[job-1].kind == plain || s.jobs[job-1].kind == keyed {
		return s.owner.shared
	}
	return 0
}

func (m *model) lease(s *state, i uint8) {
	o := &s.owner
	w := &s.workers[i]
	w.cause, w.pinned = false, false
	c := m.through(s, i)
	if c != 0 {
		s.chunks[c-1].leases++
		o.leased[i] = c
	}
	m.give(s, i, o.known[i], c)
}

// end is the section in which the owner goes to sleep, up to its look at what is behind the gate.
func (m *model) end(s *state) string {
	b, o := &s.mail, &s.owner
	b.eager = s.want
	if !m.on(WantThenComing) {
		b.eager = o.idle != 0 && !o.paused
	}
	switch {
	case b.asked != 0 && m.on(SleepSeesRequests), b.returned != 0 && m.on(SleepSeesWorkers), b.crashed && m.on(SleepSeesCrash),
		b.pressing && m.on(SleepSeesPressing), b.poked && m.on(SleepSeesPoke):
		return m.again(s, "sees something in the mailbox")
	case s.coming && !m.on(WantThenComing):
		b.mu, o.pc = byOwner, ownerWantsLate
		return "sees a worker on the way"
	case s.coming || !b.eager:
		return m.sleep(s)
	case b.tail != b.taken && m.on(SleepSeesJobs):
		return m.again(s, "sees jobs in the mailbox")
	}
	b.mu, o.pc = byOwner, ownerLooksOnce
	return "sees no worker on the way"
}

func (m *model) lookOnce(s *state) string {
	if o := &s.owner; o.shared != 0 {
		c := &s.chunks[o.shared-1]
		if c.next < c.limit && m.on(SleepSeesGate) || o.end > c.limit && m.on(SleepSeesLine) {
			return m.again(s, "sees jobs that another worker could take")
		}
	}
	return m.sleep(s)
}

// again begins another tick, unless a caller has made this one.
func (m *model) again(s *state, why string) string {
	m.unlock(s)
	if s.owner.pc = ownerBegins; s.self.caller != 0 {
		s.owner.pc = ownerIsDone
	}
	return why
}

func (m *model) sleep(s *state) string {
	b, o := &s.mail, &s.owner
	b.napping = o.found || b.tail != b.taken
	b.awake = false
	waits := b.tail != b.taken || o.head < o.end
	if o.idle != 0 && b.attended && !b.closed && (!waits || !m.on(LendInOrder)) && (!o.paused || !m.on(PausedLendsNone)) &&
		m.runs(s) < o.target && b.lent == 0 {
		b.lent = o.idle.take() + 1
		s.workers[b.lent-1].cause, s.workers[b.lent-1].pinned = false, false
	}
	o.timer = o.delayed != 0
	m.unlock(s)
	if o.pc = ownerSleeps; s.self.caller != 0 {
		o.pc = ownerIsDone
	}
	return "goes to sleep"
}
