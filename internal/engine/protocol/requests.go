package protocol

// A Call is what callers do.
type Call struct {
	Op Op
	N  uint8 // the slot to cancel, or the number of workers
}

// An Op is a method of the queue.
type Op uint8

// The calls that the model has.
const (
	Stats Op = iota
	EnqueueSync
	Cancel
	Pause
	Resume
	Resize
	Drain
	Stop
	Start
	Close
)

var opNames = [...]string{"Stats", "EnqueueSync", "Cancel", "Pause", "Resume", "Resize", "Drain", "Stop", "Start", "Close"}

func (o Op) String() string { return opNames[o] }

// grant does what the first request wants. A crash may come between that and the reply:
// it is noted that it was made.
func (m *model) grant(s *state) string {
	o := &s.owner
	i := o.requests.least()
	call := m.call(s, i)
	if o.made.has(i) && m.on(MadeOnce) {
		o.pc, o.reply = ownerReplies, i+1
		return "sees that a request was made before"
	}
	switch call.Op {
	case Stats:
		m.shut(s)
		return "shuts the gate, to count"
	case Cancel:
		if m.without(CancelShuts) {
			o.index, o.end, o.pc, s.mu = s.next, s.limit, ownerLooks, byOwner
			return "reads the gate, to cancel"
		}
		m.shut(s)
		return "shuts the gate, to cancel"
	case Pause:
		o.paused = true
		if m.on(PauseShuts) {
			s.limit = s.next
		}
	case Resume:
		o.paused, s.held = false, false
	case Resize:
		m.resize(s, call.N)
	case Drain:
		o.requests.remove(i)
		o.atEnd.add(i)
		return m.proceed(s, "keeps a Drain until the end")
	}
	m.made(s)
	return "does " + call.Op.String()
}

// made leaves the reply for the next action.
func (m *model) made(s *state) {
	o := &s.owner
	i := o.requests.least()
	o.made.add(i)
	s.callers[i].granted = true
	o.pc, o.reply = ownerReplies, i+1
}

// shut swaps the gate for one that is shut. The lock is kept until it is open again.
func (m *model) shut(s *state) {
	o := &s.owner
	o.index, o.end = s.next, s.limit
	s.shut, s.mu, o.pc = true, byOwner, ownerLooks
}

// lookInside does what the gate was shut for, and opens it.
func (m *model) lookInside(s *state) string {
	o := &s.owner
	i := o.requests.least()
	c := &s.callers[i]
	if call := m.call(s, i); call.Op == Cancel {
		c.ok = call.N >= o.index && call.N < s.tail && s.jobs[call.N].stage == waiting
		if c.ok {
			s.jobs[call.N].stage = cancelled
			o.cancelled++
			if m.on(CancelLowersLimit) {
				o.end = min(o.end, call.N)
			}
		}
	} else {
		m.checkBooks(s)
	}
	s.next, s.limit, s.shut, s.mu = o.index, o.end, false, unheld
	o.index, o.end = 0, 0
	if c.ok && m.on(CancelMakesRoom) {
		m.refreshRoom(s)
	}
	m.made(s)
	return "opens the gate again"
}

// checkBooks compares what Stats says with what is.
func (m *model) checkBooks(s *state) {
	o := &s.owner
	claims := o.index - o.passed
	pending := s.tail - claims - o.cancelled
	if pending != s.count(waiting) || o.running != s.count(running) ||
		claims-o.running-o.failed != s.count(processed) || o.failed != s.count(failed) || o.cancelled != s.count(cancelled) {
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
	if o.workers.len() > n && m.on(ResizeShuts) {
		s.limit = s.next // those that are too many come back after the job at hand
	}
	s.allowed = max(s.allowed, o.workers.len())
}

// reply says first that the request is served, and sends the signal then: the request
// may be in use again before that is sent.
func (m *model) reply(s *state) string {
	o := &s.owner
	i := o.reply - 1
	c := &s.callers[i]
	served := o.pc == ownerReplies
	if m.without(ServedBeforeSignal) {
		served = !served
	}
	if served {
		if !c.internal {
			c.served = true
		}
		c.granted = true
		o.requests.remove(i)
		o.made.remove(i)
	} else {
		if !c.served && !c.internal && m.without(ReplyKeepsChannel) {
			s.is(resetInReply) // the channel is read from the request only now
		}
		c.signal = true // unless there is one
	}
	if o.pc == ownerReplies {
		o.pc = ownerSignals
	} else {
		o.reply = 0
		m.proceed(s, "")
	}
	if served {
		return "says that a request is served"
	}
	return "sends the signal"
}
