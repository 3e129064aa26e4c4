package protocol

// A fault is what must not happen.
type fault uint8

const (
	startedTwice fault = iota + 1
	claimedHeavy
	overtaken
	startedWhilePaused
	tooMany
	leasedTwice
	reusedEarly
	cancelledAnother
	unbalanced
	notServed
	madeTwice
	wrongReply
	gaveUp
)

var faultTexts = [...]string{
	startedTwice:       "a job was started that does not wait",
	claimedHeavy:       "a worker claimed a job that the owner starts itself",
	overtaken:          "a job was overtaken",
	startedWhilePaused: "a job was started after Pause had returned",
	tooMany:            "more jobs run than there may be",
	leasedTwice:        "a worker was given a second lease",
	reusedEarly:        "a chunk was used again while a worker looked at it",
	cancelledAnother:   "a job was cancelled that was not meant",
	unbalanced:         "the books do not balance",
	notServed:          "a call returned without having been served",
	madeTwice:          "a change was made twice",
	wrongReply:         "Cancel's reply is wrong",
	gaveUp:             "a call gave up though its ticks have not crashed",
}

const (
	tooManyWait = "more jobs wait than the capacity allows"
	roomUnused  = "a producer waits though there is room"
	lost        = "a wake-up was lost: a job waits, a worker is idle, and the owner sleeps"
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
	for _, p := range s.producers {
		holders[p.job]++
	}
	for i, w := range s.workers {
		holders[w.lease]++
		if w.lease == 0 || w.job != w.lease {
			holders[w.job]++
		}
		if s.owner.starting.has(uint8(i)) && w.lease == 0 {
			holders[s.owner.known[i]]++
		}
	}
	for i, j := range s.jobs {
		if n := holders[i+1]; j.stage == running && n == 0 {
			return "a claimed job was lost"
		} else if n > 1 {
			return "two hold one job"
		}
	}
	return ""
}

// quiescent is asked when nothing happens any more until a job ends, time passes or a
// call is made.
func (m *model) quiescent(s *state) string {
	if s.mail.mu != free {
		return "the lock is held for ever"
	}
	for i := range s.producers {
		switch p := &s.producers[i]; {
		case p.pc == producerWaits && s.count(waiting) < m.Capacity && s.owner.pc == ownerSleeps:
			return roomUnused
		case p.pc == producerHands || p.pc == producerAsks:
			return "a producer is stuck"
		}
	}
	for i := range s.callers {
		if c := &s.callers[i]; c.pc != callerBegins {
			return m.call(s, uint8(i)).Op.String() + " does not return"
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

// asleep is what must hold while the owner sleeps.
func (m *model) asleep(s *state) string {
	var idle uint8
	for i := range s.workers {
		if w := &s.workers[i]; w.pc == workerAwaits && w.lease == 0 && !w.dismissed {
			idle++
		}
	}
	b, o := &s.mail, &s.owner
	switch {
	case m.startable(s) && idle > 0 && !o.paused && s.count(running) < o.target:
		return lost
	case b.returned != 0 && o.workers.len() > o.target:
		return "a wake-up was lost: a worker waits for its dismissal"
	case b.crashed:
		return "a wake-up was lost: the owner has not heard of a panic"
	case m.unseen(s):
		return "a wake-up was lost: a delayed job waits for the owner"
	case o.due != 0 || o.delayed != 0 && !o.timer:
		return "no timer is set for a delayed job"
	}
	return ""
}

// unseen reports whether the list has a job that the owner has to see at once.
func (m *model) unseen(s *state) bool {
	for _, job := range s.mail.list[s.mail.taken:s.mail.tail] {
		if s.jobs[job-1].kind == delayed {
			return true
		}
	}
	return false
}

// startable reports whether there is a job that could start, whatever the core knows.
func (m *model) startable(s *state) bool {
	taken := false
	for _, j := range s.jobs {
		taken = taken || j.kind == keyed && j.stage == running
	}
	for i, j := range s.jobs {
		sleeps := j.kind == delayed || s.owner.delayed.has(uint8(i)) || s.owner.due.has(uint8(i))
		if j.stage == waiting && !sleeps && (j.kind != keyed || !taken) {
			return true
		}
	}
	return false
}
