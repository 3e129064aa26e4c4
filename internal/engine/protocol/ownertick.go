package protocol

// A tick is all there is to do for the one that has the owner's state: an owner, which then
// sleeps, or a caller while no owner runs, which dispatches nothing.

// tick is what the server of the state does next.
func (m *model) tick(s *state) (string, Speed) {
	o := &s.owner
	if !s.served() || s.mu != unheld && m.needsLock(o.pc) {
		return "", Blocked
	}
	switch o.pc {
	case ownerCollects:
		return m.collect(s), Prompt
	case ownerSettles:
		m.settleOne(s)
		return m.proceed(s, "settles a worker"), Prompt
	case ownerGrants:
		return m.grant(s), Prompt
	case ownerLooks:
		return m.lookInside(s), Prompt
	case ownerReplies, ownerSignals:
		return m.reply(s), Prompt
	case ownerRecycles:
		m.recycle(s)
		return m.proceed(s, "recycles chunks"), Prompt
	case ownerFiresTimers:
		o.delayed--
		m.post(s, plain)
		return m.proceed(s, "posts a job that is due"), Prompt
	case ownerAnnounces:
		o.reply, o.pc = o.atEnd.take()+1, ownerReplies
		return "sees that nothing waits or runs", Prompt
	case ownerStops:
		if m.on(StopShuts) {
			s.limit = s.next
		}
		o.pc = ownerIsDone
		return "shuts the gate, to stop", Prompt
	case ownerDispatches, ownerClaims, ownerSaysComing, ownerLeases:
		return m.dispatch(s), Prompt
	case ownerGoesToSleep, ownerLends:
		return m.goToSleep(s), Prompt
	case ownerSleeps:
		if !s.token {
			return "", Blocked
		}
		s.token, o.pc = false, ownerCollects
		return "is woken", Prompt
	}
	return "", Blocked // ownerIsDone: its server goes on
}

// served says that a goroutine has the state, and serves.
func (s *state) served() bool { return s.self.pc == selfTicks || s.self.caller != 0 }

func (m *model) needsLock(pc ownerPC) bool {
	switch pc {
	case ownerCollects, ownerGrants, ownerFiresTimers, ownerClaims, ownerAnnounces, ownerStops, ownerGoesToSleep:
		return true
	}
	return false
}

// collect empties the inbox, and takes back what was lent to it.
func (m *model) collect(s *state) string {
	o := &s.owner
	if s.lent != 0 && m.on(CollectTakesLent) {
		switch {
		case !s.out:
			o.idle.add(s.lent - 1)
		case m.on(CollectCountsOut):
			o.running++
		}
		s.lent, s.out = 0, false
	}
	o.back |= s.returned
	o.requests |= s.asked
	o.delayed += s.arrived
	s.returned, s.asked, s.arrived = 0, 0, 0
	m.refreshRoom(s) // admits, too; the owner is awake
	o.collected = s.tail
	if s.fired {
		s.fired = false
		if m.on(TimerIsForgotten) {
			o.timerAt = off
		}
	}
	if s.panicked {
		s.panicked, o.crash = false, true
	}
	if o.crash && s.self.caller == 0 {
		o.crash, s.self.pc = false, selfLeaves
		return "collects, and crashes with a worker's panic"
	}
	if s.stop && s.self.caller == 0 {
		o.pc = ownerStops
		return "collects, and sees that it is to stop"
	}
	return m.proceed(s, "collects")
}

// proceed goes on to the next part of a tick that has something to do.
func (m *model) proceed(s *state, did string) string {
	o := &s.owner
	switch {
	case o.back != 0:
		o.pc = ownerSettles
	case o.requests != 0:
		o.pc = ownerGrants
	case m.recyclable(s) != 0:
		o.pc = ownerRecycles
	case o.delayed > 0 && s.timer.due:
		o.pc = ownerFiresTimers
	case s.self.caller != 0:
		m.proceedToEnd(s)
	default:
		m.proceedToDispatch(s)
	}
	return did
}

func (m *model) proceedToDispatch(s *state) {
	if o := &s.owner; o.idle != 0 && !o.paused {
		o.pc = ownerDispatches
		return
	}
	m.proceedToEnd(s)
}

// proceedToEnd is where a tick ends, if no request waits for the end of all jobs.
func (m *model) proceedToEnd(s *state) {
	o := &s.owner
	switch {
	case o.atEnd != 0 && o.running == 0 && o.delayed == 0 && m.nothingWaits(s):
		o.pc = ownerAnnounces
	case s.self.caller != 0:
		o.pc = ownerIsDone
	default:
		o.pc = ownerGoesToSleep
	}
}

// nothingWaits is asked under the lock in the code. It cannot change between that and
// ownerAnnounces but by a new job, which comes after the end.
func (m *model) nothingWaits(s *state) bool {
	return s.tail-(s.next-s.owner.passed)-s.owner.cancelled == 0 && s.arrived == 0
}

// settleOne is told how the last job of a lease has ended.
func (m *model) settleOne(s *state) {
	o := &s.owner
	i := o.back.take()
	w := &s.workers[i]
	o.running--
	if w.bad {
		o.failed++
		s.settle(w.slot, failed)
	} else {
		s.settle(w.slot, processed)
	}
	w.slot, w.bad = 0, false
	if o.workers.len() > o.target {
		m.dismiss(s, i)
		return
	}
	o.idle.add(i)
}

func (m *model) dismiss(s *state, i uint8) {
	s.owner.workers.remove(i)
	s.owner.idle.remove(i)
	s.workers[i].dismissed = true
}

// recyclable are the chunks behind the current one of which every slot has been read.
func (m *model) recyclable(s *state) (chunks mask) {
	for c := range s.owner.chunk {
		if s.chunkReads[c] == m.ChunkLen && !s.owner.recycled.has(c) {
			chunks.add(c)
		}
	}
	return chunks
}

func (m *model) recycle(s *state) {
	chunks := m.recyclable(s)
	s.owner.recycled |= chunks
	for _, w := range s.workers {
		if w.slot != 0 && w.pc != workerAwaits && chunks.has(w.chunk) {
			s.is(recycledEarly)
		}
	}
}
