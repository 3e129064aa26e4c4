package restart

import "github.com/a622d8ee/dray/internal/errs"

// The calls of users. Each gets one answer: at once, or when the child that it waits for
// has come so far, or when the supervisor ends.

// find returns the child, or answers that the call cannot be served and returns nil. While the
// supervisor ends no call is served: it would wait for what the end decides anyway.
func (s *State) find(name string, reply Call) *Child {
	c := s.byName[name]
	switch {
	case s.Closing():
		reply(s.closed())
	case c == nil:
		reply(errs.Wrapf(errs.ErrNotFound, "supervisor %q: child %q", s.cfg.Name, name))
	default:
		return c
	}
	return nil
}

// Add appends a child, and starts it if the supervisor is served. It reports whether there was no
// reason against it: the child is there then, though its start may still fail, which reply is
// told of. As in OTP a name is taken while a child of that name is there, whatever its state.
func (s *State) Add(spec Spec, reply Call) bool {
	switch {
	case s.Closing():
		reply(s.closed())
		return false
	case s.byName[spec.Name] != nil:
		reply(errs.Wrapf(errs.ErrDuplicate, "supervisor %q: child %q", s.cfg.Name, spec.Name))
		return false
	}
	// At the end of the order, whatever has gone before it.
	s.last++
	c := &Child{Spec: spec, seq: s.last}
	s.Children = append(s.Children, c)
	s.byName[c.Name] = c
	switch {
	case !s.serving:
		reply(nil)
	// The reason stays that of a restart: a failure of its start is one of a restart.
	case s.plan.phase != planNone: // comes to it in its turn
		c.due = true
		c.enter(Restarting, s.Now)
		reply(nil)
	default:
		c.reason = added
		c.awaitStart = append(c.awaitStart, reply)
		s.start(c)
	}
	return true
}

// Remove stops a child and forgets it. OTP's delete_child wants it terminated before; here it is
// one call, so that no restart comes between.
func (s *State) Remove(name string, reply Call) {
	if c := s.find(name, reply); c != nil {
		c.removing = true // before takeDown, as what the child is told about its stop depends on it
		// Else down forgets it, when it has ended or was abandoned.
		if !s.takeDown(c, reply) {
			s.forget(c)
		}
		s.advance()
	}
}

// Terminate stops a child and keeps it, unless it is temporary. It is started again by Restart,
// by a plan whose group it belongs to, and by Begin. A temporary one is forgotten when it is
// down; while the supervisor is not served it stays, to be started by Begin.
func (s *State) Terminate(name string, reply Call) {
	if c := s.find(name, reply); c != nil {
		if !s.takeDown(c, reply) && s.serving && c.Type == Temporary {
			s.forget(c)
		}
		s.advance()
	}
}

// takeDown stops a child directly, without regard to the plan, which then leaves it out. It
// reports whether the answer is to come with the child's end; else it was given. The caller has
// to advance the plan, which may have waited for this child.
func (s *State) takeDown(c *Child, reply Call) bool {
	// First what would start it again: an earlier call of Restart, or the plan.
	c.due, c.again = false, false
	s.callOff(c)
	if c.alive() {
		c.awaitStop = append(c.awaitStop, reply)
		s.stop(c)
		return true
	}
	s.endWait(c)
	// It is down now, like one that was stopped while it ran.
	if c.State == Restarting {
		c.enter(Down, s.Now)
	}
	s.dropped(c)
	reply(nil)
	return false
}

// callOff answers the calls that wait for a start that will not be. The text is not made if there
// are none.
func (s *State) callOff(c *Child) {
	if len(c.awaitStart) > 0 {
		replyAll(&c.awaitStart, errs.Wrapf(errs.ErrShutdown, "supervisor %q: child %q stopped before it had started", s.cfg.Name, c.Name))
	}
}

// endWait ends the backoff of a child that is not alive, if that is what it is in. A group that
// waits for it goes on without.
func (s *State) endWait(c *Child) {
	if s.plan.delay == c {
		s.plan.delay = nil
	}
	s.shell.Disarm(c)
}

// Restart stops a child if it runs, and starts it again, whatever its type. It counts for no
// intensity, as it is no failure. A child that the plan is about to start is left to that,
// without a further backoff.
func (s *State) Restart(name string, reply Call) {
	c := s.find(name, reply)
	switch {
	case c == nil:
		return
	case !s.serving:
		reply(errs.Wrapf(errs.ErrClosed, "supervisor %q is not running", s.cfg.Name))
		return
	// It is a child until it is down, but for this call it has gone already.
	case c.removing:
		reply(errs.Wrapf(errs.ErrNotFound, "supervisor %q: child %q is being removed", s.cfg.Name, name))
		return
	// To start it here would break the order of the group.
	case s.plan.awaits(c):
		c.due = true
		if !c.alive() {
			c.enter(Restarting, s.Now)
		}
		s.endDelay()
		reply(nil)
	default:
		s.restartDirectly(c, reply)
	}
	s.advance()
}

// restartDirectly restarts a child that is not part of the plan. If it is being stopped by
// another call, it is started after that; both calls are answered.
func (s *State) restartDirectly(c *Child, reply Call) {
	if c.State == Restarting { // one-for-one, in its backoff: a restart already counted
		s.shell.Disarm(c)
		s.start(c)
		reply(nil)
		return
	}
	c.awaitStart = append(c.awaitStart, reply)
	// A failure of its start is told to this call, and is no failed restart.
	c.reason = byHand
	if c.alive() {
		c.again = true
		s.stop(c)
		return
	}
	s.start(c)
}
