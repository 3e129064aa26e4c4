package protocol

// produce is what producer i does next.
func (m *model) produce(s *state, i uint8) (string, Speed) {
	p := &s.producers[i]
	script := m.Producers[i]
	switch {
	case p.pc == producerHands:
		w := &s.workers[p.to]
		if w.lease != 0 {
			s.is(leasedTwice)
		}
		w.lease, w.leaseHow = p.job, handed
		p.job, p.pc = 0, producerBegins
		return "hands its job over", Prompt
	case p.sends:
		return s.send(&p.sends)
	case p.pc == producerBlocks:
		return m.block(s, p, i), Prompt
	case p.pc == producerRecounts:
		s.mu = unheld
		p.sends = m.countClaims(s)
		p.pc = producerWaits
		return "counts claims again", Prompt
	case p.pc == producerWaits:
		if !p.admitted && !p.refused {
			return "", Blocked
		}
		p.admitted, p.pc = false, producerBegins
		return "hears that there is room", Prompt
	case p.pc == producerReads:
		p.pc = producerBegins
		if s.jobs[p.slot-1].stage == processed {
			s.is(readRecycled)
		}
		return "reads its record after the unlock", Prompt
	case int(p.posted) == len(script) || p.refused || s.mu != unheld:
		return "", Blocked
	}
	p.posted++
	return m.accept(s, p, i, kind(script[p.posted-1])), Slow
}
