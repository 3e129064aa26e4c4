package protocol

// callers are served by the owner, or while none runs by themselves.

func (m *model) call(s *state, i uint8) Call { return m.Callers[i][s.callers[i].call] }

// ask is what caller i does next.
func (m *model) ask(s *state, i uint8) (string, Speed) {
	c := &s.callers[i]
	switch {
	case c.sends:
		return s.wake(&c.sends)
	case c.pc == callerBegins:
		if int(c.call) == len(m.Callers[i]) || s.mail.mu != free {
			return "", Blocked
		}
		return m.begin(s, i)
	case c.yes && (c.pc == callerWaits || c.pc == callerServes || c.pc == callerWithdraws):
		m.finish(s, i)
		return "hears that it is served", Prompt
	case c.no && c.pc == callerWaits:
		c.no, c.pc = false, callerServes
		return "hears that no owner runs", Prompt
	case c.no && c.pc == callerServes:
		if c.no = false; !m.on(OnlyCrashesCount) {
			m.tried(c)
		}
		return "hears that no owner runs any more", Prompt
	case c.pc == callerTicks && s.owner.pc == ownerIsDone:
		m.putBack(s, c)
		return "puts the state back", Prompt
	case c.pc == callerAwaitsStop && s.self.pc == selfOff:
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
		s.self.stop, s.token = true, true
		c.pc = callerAwaitsStop
		return "tells the owner to stop", Slow
	case Start:
		if s.self.pc != selfOff {
			return "", Blocked
		}
		s.self.stop, s.self.pc = false, selfTakes
		m.nextCall(c)
		return "starts the owner", Slow
	}
	c.ok, c.made = false, false
	s.mail.asked.add(i)
	if c.pc = callerServes; s.mail.attended {
		c.pc = callerWaits
	}
	if m.on(RequestWakes) {
		c.sends = s.tell()
	}
	return "asks for " + m.call(s, i).Op.String(), Slow
}

// serve is a caller that takes the state out of the channel.
func (m *model) serve(s *state, i uint8) (string, Speed) {
	c := &s.callers[i]
	if c.sends || c.yes || c.no && c.pc == callerServes || !s.inState {
		return "", Blocked
	}
	switch {
	case c.pc == callerServes && m.on(CallersServe):
		s.inState, s.self.caller = false, i+1
		s.owner.pc, c.pc = ownerCollects, callerTicks
		return "takes the state, to serve itself", Prompt
	case c.pc == callerWithdraws && s.mail.mu == free:
		if m.Crashes-s.crashes < tries {
			s.is(gaveUp)
		}
		s.mail.asked.remove(i)
		c.made = c.made || s.owner.begun.has(i)
		s.owner.todo.remove(i)
		s.owner.begun.remove(i)
		m.nextCall(c)
		return "withdraws", Prompt
	}
	return "", Blocked
}

func (m *model) putBack(s *state, c *caller) {
	s.inState, s.self.caller = true, 0
	s.owner.pc = ownerCollects
	m.tried(c)
}

// tried counts a caller's ticks that did not serve it: after some rules are broken, and the call
// gives up.
func (m *model) tried(c *caller) {
	if c.pc = callerServes; c.yes {
		return
	}
	if c.tries++; c.tries == tries {
		c.pc = callerWithdraws
	}
}

const tries = 2

// crashCaller is a panic in a caller's tick: the state goes back as it is, and the next
// owner crashes with that panic, in its supervisor's sight.
func (m *model) crashCaller(s *state) (string, Speed) {
	if s.self.caller == 0 || s.crashes == 0 || !m.mayCrash(s) {
		return "", Blocked
	}
	c := &s.callers[s.self.caller-1]
	s.crashes--
	m.abandonTick(s)
	if !m.on(PutBackAlways) {
		s.self.caller = 0
		m.tried(c)
		return "crashes in its tick", Slow
	}
	m.putBack(s, c)
	s.mail.crashed = true
	c.sends = s.tell()
	return "crashes in its tick", Slow
}

// serveOne makes the change that the first request wants. A crash may come between that and
// the reply: it is noted that it was made.
func (m *model) serveOne(s *state) string {
	o := &s.owner
	asked := o.todo &^ o.begun
	if asked == 0 {
		if s.mail.mu == byOwner {
			m.unlock(s)
		}
		o.pc = ownerAdmits
		return "has served all"
	}
	i := asked.least()
	o.begun.add(i)
	if i >= maxCallers {
		m.offer(s, i-maxCallers)
		return "sees a producer that wants room"
	}
	c := &s.callers[i]
	if c.made {
		s.is(madeTwice)
	}
	c.made = true
	m.change(s, c, m.call(s, i))
	return "does " + m.call(s, i).Op.String()
}

func (m *model) offer(s *state, p uint8) {
	if s.pending() < m.Capacity && s.owner.waiters == 0 {
		m.enter(s, s.accept(plain))
		s.producers[p].admitted = true
		return
	}
	s.owner.waiters.add(p)
}

func (m *model) change(s *state, c *caller, call Call) {
	o := &s.owner
	switch call.Op {
	case Stats:
		m.checkBooks(s)
	case EnqueueSync:
		if !s.mail.closed {
			m.enter(s, s.accept(plain))
		}
	case Cancel:
		c.ok = m.cancel(s, call.N)
	case Pause:
		o.paused = true
	case Resume:
		o.paused, s.paused = false, false
	case Resize:
		m.resize(s, call.N)
	case Close:
		s.mail.closed = true
	}
}

// cancel takes a job out, or cancels the context of one that runs.
func (m *model) cancel(s *state, n uint8) (found bool) {
	o := &s.owner
	for place := o.head; place < o.end; place++ {
		if o.line[place] == n+1 {
			o.line[place], s.jobs[n].stage = 0, cancelled
			o.gone++
			m.release(s, n+1)
			return true
		}
	}
	for i, k := range o.known {
		if k != n+1 {
			continue
		}
		w := &s.workers[i]
		if o.leased[i] != 0 {
			o.revoked, w.pinned = true, true
		}
		w.cause = true
	}
	return false
}

// checkBooks compares what Stats says with what is.
func (m *model) checkBooks(s *state) {
	o := &s.owner
	if s.pending() != s.count(waiting) || m.runs(s) != s.count(running) || o.ended != s.count(processed) ||
		o.failed != s.count(failed) || o.gone != s.count(cancelled) {
		s.is(unbalanced)
	}
}

func (m *model) resize(s *state, n uint8) {
	o := &s.owner
	o.target = n
	for i := range uint8(maxWorkers) {
		if o.workers.len() < n && !o.workers.has(i) && s.workers[i].pc == workerIsGone {
			o.workers.add(i)
			o.idle.add(i)
			s.workers[i] = worker{}
		}
	}
	for o.workers.len() > n && o.idle != 0 {
		m.dismiss(s, o.idle.least())
	}
	s.allowed = max(s.allowed, o.workers.len())
}

// finish ends a call, and checks the reply.
func (m *model) finish(s *state, i uint8) {
	c := &s.callers[i]
	switch call := m.call(s, i); {
	case !c.made:
		s.is(notServed)
	case call.Op == Pause:
		s.paused = true
	case call.Op == Resize:
		s.allowed = call.N
	case call.Op == Cancel && c.ok != (s.jobs[call.N].stage == cancelled):
		s.is(wrongReply)
	}
	m.nextCall(c)
}

func (m *model) nextCall(c *caller) { *c = caller{call: c.call + 1} }
