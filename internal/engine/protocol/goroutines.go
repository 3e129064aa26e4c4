package protocol

// The owner's goroutine with its supervisor, and the timer.

// run is what the owner's goroutine does around its ticks.
func (m *model) run(s *state) (string, Speed) {
	g, o := &s.self, &s.owner
	switch g.pc {
	case selfTakes:
		if !s.inState {
			return "", Blocked
		}
		s.inState, g.pc = false, selfOwns
		return "takes the state", Prompt
	case selfOwns:
		if s.mu != unheld {
			return "", Blocked
		}
		s.owned = true
		if g.pc, o.pc = selfTicks, ownerCollects; m.without(SuccessorTicks) {
			m.fallAsleep(s, false)
		}
		return "says that it serves", Prompt
	case selfTicks:
		if o.pc != ownerIsDone {
			return "", Blocked
		}
		g.pc = selfLeaves
		return "ends", Prompt
	case selfLeaves:
		if s.mu != unheld {
			return "", Blocked
		}
		m.leave(s)
		return "wakes the callers that are not served", Prompt
	case selfPuts:
		s.inState = true
		g.pc = selfCrashed
		if o.pc == ownerIsDone {
			g.pc = selfOff
		}
		o.pc = ownerCollects
		return "puts the state into the channel", Prompt
	case selfCrashed:
		g.pc = selfTakes
		if s.stop {
			return "does not wait, as it is to stop", Prompt
		}
		return "starts again", Slow
	}
	return "", Blocked
}

// leave wakes the callers of all requests that are not served, in the section in which
// it says that no owner runs.
func (m *model) leave(s *state) {
	s.self.pc = selfPuts
	if m.on(AskSeesNoOwner) {
		s.owned = false
	}
	asked := s.owner.requests | s.owner.atEnd
	if m.without(LeaveWakesCollected) {
		asked = 0
	}
	if m.on(LeaveWakesAsked) {
		asked |= s.asked
	}
	for asked != 0 {
		s.callers[asked.take()].signal = true
	}
}

// crash is a panic of the owner, between any two parts of its tick.
func (m *model) crash(s *state) (string, Speed) {
	if s.self.pc != selfTicks || s.crashes == 0 || !m.mayCrash(s) {
		return "", Blocked
	}
	s.crashes--
	s.self.pc = selfLeaves
	if s.owner.job != 0 { // only without DispatchIsWhole
		s.owner.job = 0
	}
	s.owner.pc, s.owner.reply = ownerCollects, 0
	return "crashes", Slow
}

// mayCrash says that the server is between two parts of its tick. What a part takes out
// of one list it has put into another.
func (m *model) mayCrash(s *state) bool {
	switch s.owner.pc {
	case ownerSaysComing, ownerLeases:
		return m.without(DispatchIsWhole)
	case ownerLooks, ownerSignals, ownerLends, ownerSleeps, ownerStops, ownerIsDone:
		return false
	case ownerReplies:
		return s.owner.requests.has(s.owner.reply - 1) // not a Drain that is being replied to
	}
	return true
}

// tickTimer is what the timer does.
func (m *model) tickTimer(s *state) (string, Speed) {
	t := &s.timer
	switch {
	case t.sends:
		return s.send(&t.sends)
	case t.fires:
		if s.mu != unheld {
			return "", Blocked
		}
		t.fires = false
		s.fired = m.on(TimerLeavesNote)
		t.sends = s.wake(s.asleep)
		return "says that it has fired", Prompt
	case t.set != off && t.due && s.owner.delayed > 0:
		t.set, t.fires = off, true
		return "fires", Prompt
	case t.set == forJobs:
		t.set, t.fires = off, true
		return "fires", Slow
	}
	return "", Blocked
}

// passTime makes the delayed jobs due.
func (m *model) passTime(s *state) (string, Speed) {
	if s.timer.due || s.owner.delayed == 0 && s.arrived == 0 {
		return "", Blocked
	}
	s.timer.due = true
	return "passes", Slow
}
