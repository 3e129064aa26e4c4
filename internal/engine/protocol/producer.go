package protocol

// produce is what producer i does next.
func (m *model) produce(s *state, i uint8) (string, Speed) {
	p := &s.producers[i]
	script := m.Producers[i]
	switch {
	case p.pc == producerHands:
		m.give(s, p.to, p.job, 0)
		p.job, p.to, p.pc = 0, 0, producerBegins
		return "hands its job over", Prompt
	case p.sends:
		return s.wake(&p.sends)
	case p.pc == producerWaits && p.admitted && p.replied:
		p.admitted, p.replied, p.pc = false, false, producerBegins
		return "hears that there is room", Prompt
	case p.pc == producerWaits || s.mail.mu != free:
		return "", Blocked
	case p.pc == producerAsks:
		s.mail.asked.add(i + maxCallers)
		p.sends, p.pc = s.tell(), producerWaits
		return "asks for room", Prompt
	case int(p.posted) == len(script) || s.mail.closed:
		return "", Blocked
	}
	p.posted++
	return m.post(s, p, kind(script[p.posted-1])), Slow
}

// give sends a worker its lease.
func (m *model) give(s *state, i, job, chunk uint8) {
	w := &s.workers[i]
	if w.lease != 0 {
		s.is(leasedTwice)
	}
	w.lease, w.through = job, chunk
}
