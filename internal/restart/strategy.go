package restart

// A plan is what is being done to several children: stop those from seq `from` on, last
// first, then start those among them that are due, first first. The first start of all
// children is a plan of which only the second half is left, the last stop one that has
// only the first. Children that concern no plan are started and stopped directly.
//
// There is one plan at a time. advance takes it on after each thing that happens, and returns
// where it has to wait: so calls are served and further failures heard of while it is under way.
// The zero value is no plan.
type plan struct {
	phase planPhase
	from  uint64 // the first child concerned
	// pos is where the plan has got to. While stopping, all children from pos on are
	// down; while starting, the plan is through with all before pos.
	pos   uint64
	delay *Child // its backoff must have passed before the first start; nil for none, or when it has
	final bool   // the supervisor ends; no start follows
}

type planPhase uint8

const (
	planNone planPhase = iota
	planStop
	planStart
)

// stops reports whether the child is one of those that the plan stops, or has stopped.
func (p *plan) stops(c *Child) bool { return p.phase == planStop && c.seq >= p.from }

// awaits reports whether the plan has still to come to starting the child. While it stops, that
// is each child that it concerns, alive or not; while it starts, those from pos on that are down.
func (p *plan) awaits(c *Child) bool {
	return p.stops(c) || p.phase == planStart && c.seq >= p.pos && !c.alive()
}

// strategies restart what has to be restarted now that c has failed. c is Restarting, and its
// backoff, if there is one, is under way. As in OTP the others of the group are stopped in
// reverse order and started in order.
var strategies = [...]func(s *State, c *Child){
	OneForOne: func(s *State, c *Child) {
		if !s.cfg.Delayed { // else Expired starts it
			s.start(c)
		}
	},
	RestForOne: func(s *State, c *Child) { s.restartFrom(c.seq, c) },
	OneForAll:  func(s *State, c *Child) { s.restartFrom(0, c) },
}

// restartFrom plans the restart of the children from seq on because of c's failure. That includes
// what is left of the plan under way, if any: a child that it has still to stop or to start comes
// after c, or c's end would not have been by itself. A backoff that it waits for is ended: c's
// own takes its place.
func (s *State) restartFrom(seq uint64, c *Child) {
	s.endDelay()
	s.plan = plan{phase: planStop, from: seq, pos: s.last + 1}
	if s.cfg.Delayed {
		s.plan.delay = c
	}
	for _, c := range s.Children[s.index(seq):] {
		s.include(c)
	}
}

// include makes a child part of a group that is being restarted. Calls that wait for its start
// are answered: what becomes of it is the group's affair from now on. A group is started whole:
// also children that had ended normally or were terminated. Temporary ones that run are stopped
// with it, and forgotten, as OTP has it.
func (s *State) include(c *Child) {
	if c.Type == Temporary && c.alive() && !c.again {
		s.callOff(c)
		return
	}
	c.due, c.again = true, false
	// One whose first start is not complete goes on to end the supervisor if that fails.
	if c.reason != firstStart {
		c.reason = restarted
	}
	replyAll(&c.awaitStart, nil)
	if !c.alive() {
		c.enter(Restarting, s.Now)
	}
}

// advance takes the plan as far as it goes without waiting. It is called at the end of
// everything that happens. Each step but the last moves pos, so it ends, after O(children) steps.
func (s *State) advance() {
	for s.plan.phase == planStop && s.stopNext() || s.plan.phase == planStart && s.startNext() {
	}
}

// stopNext stops the last child of the plan that is alive, whose end is then waited for: one at a
// time, as a child may need those before it until it has ended.
func (s *State) stopNext() (more bool) {
	// The last child before pos: those from pos on are down.
	i := s.index(s.plan.pos) - 1
	switch {
	case i < 0 || s.Children[i].seq < s.plan.from:
		return s.allStopped()
	case s.Children[i].alive():
		s.stop(s.Children[i])
		return false
	}
	s.plan.pos = s.Children[i].seq
	return true
}

// allStopped goes on to the plan's second half, if the backoff has passed; then from the first
// child on.
func (s *State) allStopped() (more bool) {
	switch {
	case s.plan.final:
		s.finish()
		return false
	case s.plan.delay != nil:
		return false // until Expired
	}
	s.plan.phase, s.plan.pos = planStart, s.plan.from
	return true
}

// startNext starts the first child that the plan has not come to yet, and waits there if its
// start takes time. Children that are not due are passed over: they run already, or are to stay
// down.
func (s *State) startNext() (more bool) {
	i := s.index(s.plan.pos)
	if i == len(s.Children) {
		s.plan = plan{}
		return false
	}
	c := s.Children[i]
	if c.due && !c.alive() {
		s.start(c)
	}
	// pos stays at c while its start takes time: the next advance comes back to it, and goes on
	// from there.
	s.plan.pos = c.seq
	// Those after it may need it. One that a call restarts is waited for likewise.
	if c.State == Starting || c.again {
		return false
	}
	s.plan.pos++
	return true
}

// endDelay lets the plan go on without waiting for a backoff. advance is to follow, or another
// plan.
func (s *State) endDelay() {
	if c := s.plan.delay; c != nil {
		s.plan.delay = nil
		s.shell.Disarm(c)
	}
}
