package protocol

// What is done under the inbox's lock, by producers and workers.

// accept is Enqueue: one section under the lock, in which it is decided, too, whether
// the owner is to be woken: so that nothing of the job is read when it may have run.
func (m *model) accept(s *state, p *producer, by uint8, k kind) string {
	switch {
	case s.closed:
		p.refused = true
		return "is refused: closed"
	case k == delayed:
		s.arrived++
		p.sends = s.wake(s.asleep && m.on(RulesWake))
		return "leaves a delayed job"
	case m.Capacity > 0 && s.room == 0:
		if p.sends = m.countClaims(s); s.room == 0 {
			p.pc, s.mu = producerBlocks, byProducer+by
			return "finds no room, and keeps the lock"
		}
	}
	if m.Capacity > 0 {
		s.room--
	}
	if s.waiters[0] != 0 {
		s.is(waiterOvertaken)
	}
	if k == plain && s.lent != 0 && !s.out && m.mayHandOver(s) {
		m.handOver(s, p)
		return "claims its job for the lent worker"
	}
	p.slot = s.tail + 1
	sends := s.wake(m.post(s, k))
	p.sends = p.sends || sends
	if m.without(DecideUnderLock) {
		p.pc = producerReads
	}
	return "posts its job"
}

// post fills the next slot, and reports whether a sleeping owner should know.
func (m *model) post(s *state, k kind) (tell bool) {
	if int(s.tail) == maxJobs {
		panic("protocol: more jobs than the model has slots")
	}
	s.jobs[s.tail] = job{kind: k, stage: waiting}
	s.tail++
	return s.want && m.on(JobWakes) || s.lent != 0 && !s.out && m.on(JobWakesLender)
}

// wake is the decision, under the lock, to wake the owner: true for one at a time.
func (s *state) wake(tell bool) bool {
	if !s.asleep || !tell {
		return false
	}
	s.asleep = false
	return true
}

// send is the wake-up itself, after the lock. As there is one for each sleep, its
// channel has room.
func (s *state) send(sends *bool) (string, Speed) {
	if s.token {
		s.is(wokenTwice)
	}
	s.token, *sends = true, false
	return "wakes the owner", Prompt
}

// mayHandOver says that no job would be overtaken, and that the slot is in the chunk
// that the gate belongs to.
func (m *model) mayHandOver(s *state) bool {
	return (s.claimed() == s.tail || m.without(HandOverInOrder)) &&
		(m.chunk(s.tail) == s.owner.chunk || m.without(HandOverInChunk))
}

func (m *model) handOver(s *state, p *producer) {
	slot := s.tail
	m.post(s, plain)
	if m.chunk(slot) != s.owner.chunk {
		s.is(wrongChunk)
	}
	s.start(slot)
	s.next, s.limit, s.out = slot+1, slot+1, true
	p.pc, p.job, p.to = producerHands, slot+1, s.lent-1
	if m.Timeouts && !s.watched && m.on(HandOverWatches) {
		p.sends = s.wake(s.asleep)
	}
}

// block makes the producer one that waits for room. It keeps the lock until it has
// counted claims once more: a claim since the first time was by a worker that may have
// looked at blocked before.
func (m *model) block(s *state, p *producer, by uint8) string {
	for i := range s.waiters {
		if s.waiters[i] == 0 {
			s.waiters[i] = by + 1
			break
		}
	}
	s.blocked = true
	if p.pc = producerRecounts; m.without(BlockedThenCount) {
		p.pc, s.mu = producerWaits, unheld
	}
	return "says that it is blocked"
}

// countClaims turns the claims since the last count into room, and admits those that
// wait. It reports whether the owner is to be woken.
func (m *model) countClaims(s *state) (sends bool) {
	if now := s.claimed(); now > s.counted {
		s.room += now - s.counted
		if m.on(CountOnce) {
			s.counted = now
		}
	}
	return m.admit(s)
}

// admit accepts the jobs of those that wait for room, in order, as far as it goes. All
// that make room do so in the same section: so while mu is free and there is room,
// nobody waits for it.
func (m *model) admit(s *state) (sends bool) {
	for s.room > 0 && s.waiters[0] != 0 && m.on(WaitersFirst) {
		if s.closed {
			s.is(acceptedClosed)
		}
		p := &s.producers[s.waiters[0]-1]
		copy(s.waiters[:], s.waiters[1:])
		s.waiters[maxProducers-1] = 0
		s.room--
		p.admitted = true
		again := s.wake(m.post(s, plain))
		sends = sends || again
	}
	if s.waiters[0] == 0 {
		s.blocked = false
	}
	return sends
}

// refreshRoom counts the room anew, from the books.
func (m *model) refreshRoom(s *state) {
	if m.Capacity == 0 {
		return
	}
	o := &s.owner
	s.counted = s.claimed()
	claims := s.claimed() - o.passed
	s.room = 0
	if pending := s.tail - claims - o.cancelled; pending < m.Capacity {
		s.room = m.Capacity - pending
	}
	m.admit(s) // the owner is awake, or none runs
}

// returnLease is how a worker that has run out of jobs comes back: to the inbox if it
// is the one that was lent, and nothing has been left for the owner since.
func (m *model) returnLease(s *state, i uint8) string {
	w := &s.workers[i]
	if m.on(RecycleAfterLeases) {
		s.read(w, w.reads)
	}
	w.reads, w.pc = 0, workerAwaits
	itIsOut := s.lent == i+1 && s.out
	if m.without(ReturnOnlyIfOut) {
		itIsOut = w.how == handed && (s.lent == 0 || s.lent == i+1)
	}
	if itIsOut && !w.bad && !w.panics && (s.claimed() == s.tail || m.without(ReturnInOrder)) {
		s.lent, s.out = i+1, false
		s.settle(w.slot, processed)
		w.slot = 0
		return "is lent again"
	}
	s.returned.add(i)
	w.sends = s.wake(s.asleep)
	if w.panics && m.without(PanicWithWorker) {
		w.pc = workerReports
	} else if w.panics {
		s.panicked, w.panics = true, false
	}
	return "gives itself back"
}
