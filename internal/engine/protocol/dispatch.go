package protocol

// dispatch leases what is next to an idle worker. One lease at a time is on its way: its
// worker says when it has arrived, and then another one may be of use.
func (m *model) dispatch(s *state) string {
	o := &s.owner
	switch o.pc {
	case ownerDispatches:
		if s.coming != nothing {
			m.proceedToEnd(s)
			return "sees a lease on its way"
		}
		o.pc = ownerClaims
		return "sees no lease on its way"
	case ownerClaims:
		return m.claimNext(s)
	case ownerSaysComing:
		s.coming = onWay
		if o.pc = ownerLeases; m.without(ComingBeforeLease) {
			m.proceedToDispatch(s)
		}
		return "says that a lease is coming"
	}
	w := &s.workers[o.to]
	if w.lease != 0 {
		s.is(leasedTwice)
	}
	w.lease, w.leaseHow = o.job, leased
	if o.alone {
		w.leaseHow = alone
	}
	o.job, o.alone = 0, false
	if m.without(ComingBeforeLease) {
		o.pc = ownerSaysComing
	} else {
		m.proceedToDispatch(s)
	}
	return "sends the lease"
}

// claimNext claims the next job on behalf of a worker. At a dry gate nobody else's claim
// can succeed: then the owner may move it.
func (m *model) claimNext(s *state) string {
	o := &s.owner
	i := s.next
	switch end := min(o.collected, m.chunkEnd(o.chunk)); {
	case i < s.limit:
		s.next++
		m.lease(s, i)
		return "claims a job for a worker"
	case i < end && s.jobs[i].stage == cancelled:
		m.passSlot(s)
		return "passes a hole"
	case i < end && s.jobs[i].kind == keyed:
		m.passSlot(s)
		o.passed-- // it was claimed
		o.alone = true
		m.lease(s, i)
		return "takes a job with rules"
	case i < end:
		s.next, s.limit = i+1, m.nextStop(s, i+1, end)
		m.lease(s, i)
		return "opens the gate behind a job for a worker"
	case i < o.collected:
		o.chunk++
		return "goes on to the next chunk"
	}
	m.proceedToEnd(s)
	return "finds nothing to lease"
}

func (m *model) lease(s *state, slot uint8) {
	o := &s.owner
	s.start(slot)
	o.job, o.to, o.pc = slot+1, o.idle.take(), ownerSaysComing
	o.running++
}

// passSlot moves the gate past a slot that the owner handles itself, under the lock.
// That is no claim, so the room is counted anew.
func (m *model) passSlot(s *state) {
	hole := s.jobs[s.next].stage == cancelled
	s.next++
	s.limit = s.next
	s.owner.passed++
	if hole && m.on(PassIsNoClaim) {
		m.refreshRoom(s)
	}
}

// nextStop is how far the gate may be opened: to the first slot that the owner handles
// itself.
func (m *model) nextStop(s *state, from, end uint8) uint8 {
	if m.without(LimitIsTail) {
		end = min(end+1, maxJobs)
	}
	for i := from; i < end && m.on(LimitStops); i++ {
		if s.jobs[i].kind == keyed || s.jobs[i].stage == cancelled {
			return i
		}
	}
	return end
}

// goToSleep is one section under the lock, but for two looks at atomics.
func (m *model) goToSleep(s *state) string {
	o := &s.owner
	ready := o.idle != 0 && (!o.paused || m.without(PausedLendsNone))
	switch {
	case o.pc == ownerLends:
		s.mu = unheld
		if m.more(s) && m.on(SleepSeesMore) {
			o.pc = ownerCollects
			return "sees jobs that another worker could take"
		}
		s.lent, s.out = o.idle.take()+1, false
		m.fallAsleep(s, o.idle != 0)
		return "lends a worker, and goes to sleep"
	case m.inboxHasMore(s):
		o.pc = ownerCollects
		return "sees something in the inbox"
	case !ready:
		m.fallAsleep(s, false)
		return "goes to sleep, and wants no job"
	case m.isComing(s):
		if m.on(SleepAwaitsLease) {
			s.coming = awaited // compare and swap
		}
		m.fallAsleep(s, false)
		return "goes to sleep until the lease arrives"
	}
	o.pc, s.mu = ownerLends, byOwner
	return "sees no lease on its way, and keeps the lock"
}

// isComing says that a lease is on its way still, be it that of an earlier sleep.
func (m *model) isComing(s *state) bool {
	return s.coming == onWay || s.coming == awaited && m.on(AwaitedIsComing)
}

func (m *model) inboxHasMore(s *state) bool {
	return s.tail != s.owner.collected && m.on(SleepSeesJobs) || s.arrived > 0 && m.on(SleepSeesJobs) ||
		s.returned != 0 && m.on(SleepSeesWorkers) || s.asked != 0 && m.on(SleepSeesRequests) ||
		s.stop && m.on(SleepSeesStop) || s.fired && m.on(SleepSeesTimer)
}

// more reports whether there is a job to start, in this chunk or behind it.
func (m *model) more(s *state) bool {
	end := s.owner.collected
	if m.without(MoreBeyondChunk) {
		end = min(end, m.chunkEnd(s.owner.chunk))
	}
	return s.next < end
}

// fallAsleep ends the section. The timer's function needs the lock, too, so the order
// in which the timer is set and asleep is does not matter.
func (m *model) fallAsleep(s *state, want bool) {
	o := &s.owner
	s.asleep, s.want = true, want
	o.pc = ownerSleeps
	at := uint8(off)
	switch {
	case m.Timeouts && o.running > 0:
		at = forJobs
	case o.delayed > 0:
		at = forDelayed
	}
	s.watched = at == forJobs
	if at != off && at != o.timerAt {
		o.timerAt, s.timer.set = at, at
	}
}

func (m *model) chunk(slot uint8) uint8 {
	if m.ChunkLen == 0 {
		return 0
	}
	return slot / m.ChunkLen
}

func (m *model) chunkEnd(chunk uint8) uint8 {
	if m.ChunkLen == 0 {
		return maxJobs
	}
	return (chunk + 1) * m.ChunkLen
}
