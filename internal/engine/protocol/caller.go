package protocol

// callers are served by the owner, or while none runs by themselves.

func (m *model) call(s *state, i uint8) Call { return m.Callers[i][s.callers[i].call] }

// ask is what caller i does next.
func (m *model) ask(s *state, i uint8) (string, Speed) {
	c := &s.callers[i]
	switch {
	case c.sends:
		return s.send(&c.sends)
	case c.pc == callerBegins:
		if int(c.call) == len(m.Callers[i]) || s.mu != unheld {
			return "", Blocked
		}
		return m.begin(s, i)
	case c.pc == callerWaits || c.pc == callerServes:
		if !c.signal {
			return "", Blocked
		}
		c.signal = false
		c.pc = callerChecks
		if m.without(LookAtServed) {
			m.finish(s, i)
		}
		return "receives a signal", Prompt
	case c.pc == callerChecks:
		if c.served {
			m.finish(s, i)
			return "sees that it is served", Prompt
		}
		c.pc = callerServes
		return "sees that it is not served yet", Prompt
	case c.pc == callerTicks && s.owner.pc == ownerIsDone:
		m.putBack(s, c)
		return "puts the state back", Prompt
	case c.pc == callerAwaitsStop && s.self.pc == selfOff:
		s.held = true
		m.nextCall(c)
		return "hears that the owner has ended", Prompt
	}
	return "", Blocked
}

// begin leaves a request, in one section.
func (m *model) begin(s *state, i uint8) (string, Speed) {
	c := &s.callers[i]
	switch call := m.call(s, i); call.Op {
	case Stop:
		s.stop = true
		c.sends = s.wake(s.asleep)
		c.pc = callerAwaitsStop
		return "tells the owner to stop", Slow
	case Start:
		if s.self.pc != selfOff {
			return "", Blocked
		}
		s.stop, s.held = false, false
		s.self.pc = selfTakes
		m.nextCall(c)
		return "starts the owner", Slow
	case Close:
		m.close(s)
		m.nextCall(c)
		return "closes the intake", Slow
	case EnqueueSync:
		if s.closed {
			m.nextCall(c)
			return "is refused", Slow
		}
		c.slot = s.tail + 1
		m.post(s, plain)
	}
	c.served, c.ok, c.granted = false, false, false // a recycled request is reset
	s.asked.add(i)
	c.sends = s.wake(s.asleep)
	if c.pc = callerServes; s.owned || m.call(s, i).Op == Drain {
		c.pc = callerWaits
	}
	return "asks for " + m.call(s, i).Op.String(), Slow
}

// close refuses those that wait for room.
func (m *model) close(s *state) {
	s.closed = true
	if m.without(CloseRefuses) {
		return
	}
	for _, w := range s.waiters {
		if w != 0 {
			s.producers[w-1].refused = true
		}
	}
	s.waiters, s.blocked = [maxProducers]uint8{}, false
}

// serve is a caller that takes the state out of the channel.
func (m *model) serve(s *state, i uint8) (string, Speed) {
	c := &s.callers[i]
	if c.sends || c.pc != callerServes || !s.inState || m.without(CallersServe) || m.call(s, i).Op == Drain {
		return "", Blocked
	}
	s.inState, s.self.caller = false, i+1
	s.owner.pc, c.pc = ownerCollects, callerTicks
	return "takes the state, to serve itself", Prompt
}

func (m *model) putBack(s *state, c *caller) {
	s.inState, s.self.caller = true, 0
	s.owner.pc = ownerCollects
	c.pc = callerChecks
}

// crashCaller is a panic in a caller's tick: the state goes back as it is, and the next
// owner crashes with that panic, in its supervisor's sight.
func (m *model) crashCaller(s *state) (string, Speed) {
	if s.self.caller == 0 || s.crashes == 0 || !m.mayCrash(s) {
		return "", Blocked
	}
	i := s.self.caller - 1
	c := &s.callers[i]
	s.crashes--
	if m.without(PutBackAlways) {
		s.self.caller, c.pc = 0, callerChecks
		return "crashes in its tick", Slow
	}
	m.putBack(s, c)
	s.owner.crash = true
	if c.crashes++; !c.served && c.crashes == 2 { // three in the code
		c.internal = true
		if m.call(s, i).Op == EnqueueSync && m.without(SyncIsAccepted) {
			s.is(refusedButAccepted)
		}
		c.pc = callerIsGone
	}
	return "crashes in its tick", Slow
}

// finish ends a call, and checks the reply.
func (m *model) finish(s *state, i uint8) {
	c := &s.callers[i]
	switch call := m.call(s, i); {
	case !c.granted:
		s.is(notServed)
	case call.Op == Pause:
		s.held = true
	case call.Op == Resize:
		s.allowed = call.N
	case call.Op == Cancel && c.ok != (s.jobs[call.N].stage == cancelled):
		s.is(wrongReply)
	}
	m.nextCall(c)
}

func (m *model) nextCall(c *caller) {
	c.pc = callerBegins
	c.call++
	c.slot = 0
}
