package protocol

// work is what worker i does next.
func (m *model) work(s *state, i uint8) (string, Speed) {
	w := &s.workers[i]
	if w.sends {
		return s.send(&w.sends)
	}
	switch w.pc {
	case workerAwaits:
		return m.await(s, w)
	case workerArrives:
		return m.arrive(s, w), Prompt
	case workerTells:
		if s.mu != unheld {
			return "", Blocked
		}
		w.sends = s.wake(s.asleep)
		w.pc = m.afterArrival()
		return "looks whether the owner sleeps", Prompt
	case workerLooks:
		if w.pc = workerRuns; s.blocked {
			w.pc = workerAdmits
		}
		return "looks whether producers are blocked", Prompt
	case workerAdmits:
		if s.mu != unheld {
			return "", Blocked
		}
		w.sends = m.countClaims(s)
		w.pc = workerRuns
		return "counts claims", Prompt
	case workerRuns:
		return m.endJob(w), Slow
	case workerClaims:
		return m.claim(s, w), Prompt
	case workerReturns:
		if s.mu != unheld {
			return "", Blocked
		}
		return m.returnLease(s, i), Prompt
	case workerReports: // only without PanicWithWorker
		if s.mu != unheld {
			return "", Blocked
		}
		s.panicked, w.panics, w.pc = true, false, workerAwaits
		return "leaves its panic", Prompt
	}
	return "", Blocked
}

// await receives a lease: the job that it begins with has been claimed already.
func (m *model) await(s *state, w *worker) (string, Speed) {
	if w.lease == 0 {
		if !w.dismissed {
			return "", Blocked
		}
		w.pc = workerIsGone
		return "ends", Prompt
	}
	w.slot, w.how, w.lease = w.lease, w.leaseHow, 0
	w.chunk, w.reads, w.bad = m.chunk(w.slot-1), 1, false
	s.readEarly(m, w)
	if w.pc = workerArrives; w.how == handed {
		w.pc = workerRuns
	}
	return "receives a lease", Prompt
}

// arrive says that the lease is no longer on its way: one swap, which tells as well
// whether the owner has gone to sleep counting on it.
func (m *model) arrive(s *state, w *worker) string {
	w.pc = m.afterArrival()
	if s.coming == awaited && m.on(ArrivalWakes) {
		w.pc = workerTells
	}
	s.coming = nothing
	return "says that it has arrived"
}

func (m *model) afterArrival() workerPC {
	if m.Capacity > 0 && m.on(ArrivalSeesBlocked) {
		return workerLooks // the owner claimed the job
	}
	return workerRuns
}

func (m *model) endJob(w *worker) string {
	if w.pc = workerClaims; w.how == alone {
		w.pc = workerReturns
	}
	return "ends its job"
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

// panicWorker is a panic of our own code on a worker, which recovers it and comes back.
func (m *model) panicWorker(s *state, i uint8) (string, Speed) {
	w := &s.workers[i]
	if s.panics == 0 || w.sends || w.pc != workerRuns && w.pc != workerClaims {
		return "", Blocked
	}
	s.panics--
	w.bad = w.pc == workerRuns // otherwise its function has returned
	w.panics, w.pc = true, workerReturns
	return "panics, and recovers", Slow
}

// claim is one add to the gate. Its success settles the job before.
func (m *model) claim(s *state, w *worker) string {
	if s.shut || s.next >= s.limit || w.chunk != s.owner.chunk {
		w.pc = workerReturns
		return "finds no job to claim"
	}
	slot := s.next
	s.next++
	s.settle(w.slot, processed)
	s.start(slot)
	w.slot = slot + 1
	w.reads++
	s.readEarly(m, w)
	if w.pc = workerRuns; m.Capacity > 0 && m.on(ClaimThenBlocked) {
		w.pc = workerLooks
	}
	return "claims a job"
}

// read counts slots of the worker's chunk that have been read.
func (s *state) read(w *worker, n uint8) { s.chunkReads[w.chunk] += n }

func (s *state) readEarly(m *model, w *worker) {
	if m.without(RecycleAfterLeases) {
		s.read(w, 1)
	}
}
