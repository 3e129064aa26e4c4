package protocol

// work is what worker i does next.
func (m *model) work(s *state, i uint8) (string, Speed) {
	w := &s.workers[i]
	if w.sends {
		return s.wake(&w.sends)
	}
	locks := w.pc == workerReports || w.pc == workerRouses || w.pc == workerPokes || w.pc == workerReturns
	if locks && s.mail.mu != free {
		return "", Blocked
	}
	switch w.pc {
	case workerAwaits:
		return w.await()
	case workerArrives:
		s.coming = false
		w.pc = workerLooksForWant
		return "says that it has arrived", Prompt
	case workerLooksForWant:
		if w.pc = workerRuns; s.want && m.on(ArrivalWakes) {
			w.pc, w.then = workerRouses, workerRuns
		}
		return "looks whether the owner has others", Prompt
	case workerRouses:
		w.sends, w.pc = s.tell(), w.then
		return "tells the owner", Prompt
	case workerReports:
		s.mail.crashed, w.pc = true, workerClaims
		if m.on(CrashWakes) {
			w.sends = s.tell()
		}
		return "leaves its panic", Prompt
	case workerPokes:
		s.mail.poked = true
		w.sends, w.pc = s.tell(), m.afterWords(w)
		return "pokes the owner", Prompt
	case workerRuns:
		w.keyed = s.jobs[w.job-1].kind == keyed
		if w.pc = workerReturns; w.chunk != 0 {
			w.pc = workerClaims
		}
		return "ends its job", Slow
	case workerReturns:
		return m.giveBack(s, i), Prompt
	}
	return m.workOn(s, i)
}

// workOn is how a worker goes on by itself.
func (m *model) workOn(s *state, i uint8) (string, Speed) {
	w := &s.workers[i]
	switch w.pc {
	case workerClaims:
		c := &s.chunks[w.chunk-1]
		switch {
		case c.shut:
			return "", Blocked // it waits at the gate, or gives up
		case c.next >= c.limit:
			w.tries = 0
			if w.pc = workerReturns; m.Long {
				w.pc = workerLooksElsewhere
			}
			return "finds its lease used up", Prompt
		}
		m.claim(s, w, c)
		return "claims a job", Prompt
	case workerShows:
		w.unshown = false
		if w.pc = workerRuns; m.on(ShowBeforeWords) {
			w.pc = workerLooksForBlocked
		}
		return "shows its job", Prompt
	case workerLooksForBlocked:
		w.pc = workerLooksForCrowded
		if s.blocked && m.on(ClaimSeesBlocked) {
			w.pc = workerPokes
		}
		return "looks whether producers wait", Prompt
	case workerLooksForCrowded:
		w.pc = m.afterWords(w)
		if w.keyed && s.crowded && m.on(ClaimSeesCrowded) {
			s.crowded, w.pc = false, workerPokes
		}
		return "looks whether jobs stand behind the key", Prompt
	}
	return m.elsewhere(s, i)
}

// afterWords is what comes when the owner was told of a claim.
func (m *model) afterWords(w *worker) workerPC {
	if w.unshown { // only without ShowBeforeWords
		return workerShows
	}
	return workerRuns
}

// await receives a lease: the job that it begins with has been claimed already.
func (w *worker) await() (string, Speed) {
	if w.lease == 0 {
		if !w.dismissed {
			return "", Blocked
		}
		w.pc = workerIsGone
		return "ends", Prompt
	}
	w.job, w.chunk, w.bad = w.lease, w.through, false
	w.lease, w.through = 0, 0
	if w.pc = workerRuns; w.chunk != 0 {
		w.pc = workerArrives
	}
	return "receives a lease", Prompt
}

// claim is one add to the gate. Its success settles the job before.
func (m *model) claim(s *state, w *worker, c *chunk) {
	job := s.owner.line[c.next]
	c.next++
	if job == 0 || s.jobs[job-1].kind != plain && s.jobs[job-1].kind != keyed {
		s.is(claimedHeavy)
		return
	}
	s.settle(w.job, processed)
	s.start(job - 1)
	if w.cause {
		s.is(cancelledAnother)
	}
	w.job = job
	switch {
	case !m.Words: // the owner looks at nothing, nor does the worker
		w.pc = workerRuns
	case m.on(ShowBeforeWords):
		w.pc, w.unshown = workerShows, true
	default:
		w.pc, w.unshown = workerLooksForBlocked, true
	}
}

// giveUp is a worker that does not wait at the gate any longer.
func (m *model) giveUp(s *state, i uint8) (string, Speed) {
	w := &s.workers[i]
	if w.pc != workerClaims || !s.chunks[w.chunk-1].shut {
		return "", Blocked
	}
	w.pc = workerReturns
	return "gives up at the gate", Prompt
}

// failJob is the other way for a job to end: the owner has to hear of it.
func (m *model) failJob(s *state, i uint8) (string, Speed) {
	w := &s.workers[i]
	if !m.Failures || w.pc != workerRuns || w.sends {
		return "", Blocked
	}
	w.bad, w.pc = true, workerReturns
	return "fails its job", Slow
}

// panicWorker is a panic of our own code on a worker, which recovers it and goes on.
func (m *model) panicWorker(s *state, i uint8) (string, Speed) {
	w := &s.workers[i]
	if s.panics == 0 || w.pc != workerClaims {
		return "", Blocked
	}
	s.panics--
	w.pc = workerReports
	return "panics, and recovers", Slow
}

// elsewhere is a worker that looks for jobs in the chunk that is offered.
func (m *model) elsewhere(s *state, i uint8) (string, Speed) {
	w := &s.workers[i]
	switch w.pc {
	case workerLooksElsewhere:
		w.other = s.offered
		if w.pc = workerLooksForMore; w.other != 0 && w.other != w.chunk {
			w.pc = workerKeeps
			if !m.on(KeepThenLook) {
				w.pc = workerChecks
			}
		}
		return "looks at what is offered", Prompt
	case workerKeeps:
		s.chunks[w.other-1].kept = true
		w.pc = workerChecks
		if !m.on(KeepThenLook) {
			w.pc = workerClaimsThere
		}
		return "says that it looks at a chunk", Prompt
	case workerChecks:
		if w.pc = workerReturns; s.offered == w.other && (!w.pinned || !m.on(PinnedComesBack)) {
			w.pc = workerClaimsThere
			if !m.on(KeepThenLook) {
				w.pc = workerKeeps
			}
		}
		return "looks whether that is still offered", Prompt
	case workerClaimsThere:
		c := &s.chunks[w.other-1]
		if c.shut || c.next >= c.limit {
			w.pc = workerLooksForMore
			return "finds it used up", Prompt
		}
		w.chunk = w.other
		m.claim(s, w, c)
		return "claims a job there", Prompt
	case workerLooksForMore:
		switch w.tries++; {
		case !s.more || w.tries == 2:
			w.pc = workerReturns
		case w.other != 0:
			w.pc, w.then = workerRouses, workerLooksElsewhere
		default:
			w.pc = workerLooksElsewhere
		}
		return "looks whether there may be more", Prompt
	}
	return "", Blocked
}
