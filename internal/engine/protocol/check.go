package protocol

// A fault is what must not happen.
type fault uint8

const (
	startedTwice fault = iota + 1
	overtaken
	startedWhileHeld
	tooMany
	leasedTwice
	wokenTwice
	wrongChunk
	recycledEarly
	readRecycled
	unbalanced
	notServed
	wrongReply
	waiterOvertaken
	acceptedClosed
	resetInReply
	refusedButAccepted
)

var faultTexts = [...]string{
	startedTwice:       "a job was started that does not wait",
	overtaken:          "a job was overtaken",
	startedWhileHeld:   "a job was started after Pause or Stop had returned",
	tooMany:            "more jobs run than there may be",
	leasedTwice:        "a worker was given a second lease",
	wokenTwice:         "the owner was woken twice: the second would block on the channel",
	wrongChunk:         "a slot was opened in a chunk that the gate does not belong to",
	recycledEarly:      "a chunk was recycled under a lease",
	readRecycled:       "a record was read that may be recycled",
	unbalanced:         "the books do not balance",
	notServed:          "a call returned without having been served",
	wrongReply:         "Cancel's reply is wrong",
	waiterOvertaken:    "a producer that waits for room was overtaken",
	acceptedClosed:     "a job was accepted after Close",
	resetInReply:       "a request was reset while its reply was being sent",
	refusedButAccepted: "a job was accepted, and reported as refused",
}

const (
	tooManyWait = "more jobs wait than the capacity allows"
	roomUnused  = "a producer waits though there is room"
)

// invariant holds in every state.
func (m *model) invariant(s *state) string {
	switch {
	case s.wrong != 0:
		return faultTexts[s.wrong]
	case m.Capacity > 0 && s.count(waiting) > m.Capacity:
		return tooManyWait
	}
	var holders [maxJobs + 1]uint8
	holders[s.owner.job]++
	for _, p := range s.producers {
		holders[p.job]++
	}
	for _, w := range s.workers {
		holders[w.lease]++
		holders[w.slot]++
	}
	for i, j := range s.jobs {
		if n := holders[i+1]; j.stage == running && n == 0 {
			return "a claimed job was lost"
		} else if n > 1 || n == 1 && j.stage != running {
			return "two hold one job"
		}
	}
	return ""
}

// quiescent is asked when nothing happens any more until a job ends, time passes or a
// call is made.
func (m *model) quiescent(s *state) string {
	if s.mu != unheld {
		return "the lock is held for ever"
	}
	for i := range s.producers {
		if p := &s.producers[i]; p.pc == producerWaits && s.count(waiting) < m.Capacity {
			return roomUnused
		} else if p.pc != producerWaits && p.pc != producerBegins {
			return "a producer is stuck"
		}
	}
	for i := range s.callers {
		if wrong := m.callerStuck(s, uint8(i)); wrong != "" {
			return wrong
		}
	}
	switch {
	case s.self.pc == selfTicks && s.owner.pc == ownerSleeps:
		return m.asleep(s)
	case s.self.pc != selfOff && s.self.pc != selfCrashed:
		return "the owner is stuck"
	}
	return ""
}

func (m *model) callerStuck(s *state, i uint8) string {
	switch c := &s.callers[i]; {
	case c.pc == callerBegins || c.pc == callerIsGone:
	case m.call(s, i).Op == Drain:
		if s.self.pc == selfTicks && s.count(waiting)+s.count(running)+s.owner.delayed == 0 {
			return "Drain does not return though nothing waits or runs"
		}
	default:
		return m.call(s, i).Op.String() + " does not return"
	}
	return ""
}

// asleep is what must hold while the owner sleeps.
func (m *model) asleep(s *state) string {
	var idle uint8
	for i := range s.workers {
		if w := &s.workers[i]; w.pc == workerAwaits && w.lease == 0 {
			idle++
		}
	}
	o := &s.owner
	switch {
	case s.count(waiting) > 0 && idle > 0 && !o.paused:
		return "a wake-up was lost: a job waits, a worker is idle, and the owner sleeps"
	case s.returned != 0 && o.workers.len() > o.target:
		return "a wake-up was lost: a worker waits for its dismissal"
	case s.panicked || o.crash:
		return "a wake-up was lost: the owner has not heard of a worker's panic"
	case s.arrived > 0:
		return "a wake-up was lost: a delayed job waits for the owner"
	case o.delayed > 0 && (s.timer.due || s.timer.set == off):
		return "no timer is set for a delayed job"
	case m.Timeouts && s.count(running) > 0 && s.timer.set != forJobs:
		return "no timer is set though a job with a timeout runs"
	case s.lent == 0 && s.returned == 0 && o.workers.len() != o.idle.len()+s.count(running):
		return "a worker was lost"
	case m.Lends && s.lent == 0 && idle > 0:
		return "no worker is lent, though one is idle"
	}
	return ""
}
