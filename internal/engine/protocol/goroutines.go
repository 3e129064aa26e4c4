package protocol

// The owner's goroutine with its supervisor, and the timer.

// run is what the owner's goroutine does around its ticks.
func (m *model) run(s *state) (string, Speed) {
	g, o, b := &s.self, &s.owner, &s.mail
	switch g.pc {
	case selfTakes:
		if !s.inState {
			return "", Blocked
		}
		s.inState, g.pc = false, selfAttends
		return "takes the state", Prompt
	case selfAttends:
		if b.mu != free {
			return "", Blocked
		}
		b.attended, g.pc = true, selfTicks
		if o.pc = ownerBegins; !m.on(SuccessorTicks) {
			o.pc = ownerSleeps
		}
		return "says that it serves", Prompt
	case selfResigns:
		if b.mu != free {
			return "", Blocked
		}
		m.resign(s)
		return "tells the callers that are not served", Prompt
	case selfPuts:
		s.inState, o.pc = true, ownerCollects
		if g.pc = selfCrashed; g.stop {
			g.pc = selfOff
		}
		return "puts the state into the channel", Prompt
	case selfCrashed:
		if g.pc = selfTakes; g.stop {
			g.pc = selfOff
		}
		return "starts again", Slow
	}
	return "", Blocked
}

// resign says, in one section, that no owner runs, and tells those who wait for it.
func (m *model) resign(s *state) {
	b := &s.mail
	s.self.pc = selfPuts
	b.attended, b.napping = false, false
	b.awake = false
	asked := mask(0)
	if m.on(ResignTells) {
		asked |= b.asked
	}
	if m.on(ResignTellsTodo) {
		asked |= s.owner.todo
	}
	for i := range uint8(maxCallers) {
		if asked.has(i) {
			s.callers[i].no = true
		}
	}
}

// crash is a panic of the owner, between any two parts of its tick. The lock is given up.
func (m *model) crash(s *state) (string, Speed) {
	if s.self.pc != selfTicks || s.crashes == 0 || !m.mayCrash(s) {
		return "", Blocked
	}
	s.crashes--
	s.self.pc = selfResigns
	m.abandonTick(s)
	return "crashes", Slow
}

func (m *model) abandonTick(s *state) {
	if s.mail.mu == byOwner {
		m.unlock(s)
	}
	if s.owner.pc == ownerLeases { // only without StartIsWhole
		s.owner.starting.take()
	}
	if !m.on(MadeOnce) {
		s.owner.begun = 0
	}
	s.owner.pc = ownerCollects
}

// mayCrash says that the server is between two parts of its tick. What a part takes out
// of one list it has put into another.
func (m *model) mayCrash(s *state) bool {
	switch s.owner.pc {
	case ownerShuts, ownerLearns, ownerLooksOnce, ownerWantsLate, ownerSleeps, ownerIsDone, ownerEnds:
		return false
	case ownerLeases:
		return !m.on(StartIsWhole)
	}
	return true
}

// fire is the timer, which the owner has set for delayed jobs.
func (m *model) fire(s *state) (string, Speed) {
	o := &s.owner
	if !o.timer || o.delayed == 0 || s.self.pc != selfTicks || o.pc != ownerSleeps {
		return "", Blocked
	}
	o.timer, s.token = false, true
	o.due, o.delayed = o.delayed, 0
	return "fires", Slow
}

// endNap has the owner look at the list.
func (m *model) endNap(s *state) (string, Speed) {
	if s.self.pc != selfTicks || s.owner.pc != ownerSleeps || !s.mail.napping || s.mail.tail == s.mail.taken || s.token {
		return "", Blocked
	}
	s.token = true
	return "ends", Slow
}
