package dray

// This file has the rules for the calls of a supervisor's users. Each call gets
// exactly one answer: here, or when the child it waits for has come so far, or
// when the supervisor stops.

// find returns the child, or answers that the call cannot be served.
func (t *tree) find(name string, w waiter) *child {
	c := t.byName[name]
	switch {
	case t.closing():
		t.answer(w, t.errClosed())
	case c == nil:
		t.answer(w, wrapf(ErrNotFound, "supervisor %q: child %q", t.cfg.name, name))
	default:
		return c
	}
	return nil
}

func (t *tree) add(spec Child, given bool, w waiter) {
	switch {
	case t.closing():
		t.release(spec.Service)
		t.answer(w, t.errClosed())
		return
	case t.byName[spec.Name] != nil:
		t.release(spec.Service)
		t.answer(w, wrapf(ErrDuplicate, "supervisor %q: child %q", t.cfg.name, spec.Name))
		return
	}
	t.lastSeq++
	c := newChild(spec, t.lastSeq)
	c.given = given
	t.children = append(t.children, c)
	t.byName[c.Name] = c
	switch {
	case !t.serving:
		t.answer(w, nil)
	case t.plan.phase != planNone: // comes to it in its turn
		c.due = true
		c.enter(ChildRestarting, t.now)
		t.answer(w, nil)
	default:
		c.why = startOnceAdd
		c.awaitStart = append(c.awaitStart, w)
		t.launch(c)
	}
}

func (t *tree) remove(name string, w waiter) {
	c := t.find(name, w)
	if c == nil {
		return
	}
	c.removing = true
	if !t.takeDown(c, w) {
		t.forget(c)
	}
	t.advance()
}

func (t *tree) terminate(name string, w waiter) {
	c := t.find(name, w)
	if c == nil {
		return
	}
	if !t.takeDown(c, w) && t.serving && c.Restart == Temporary {
		t.forget(c)
	}
	t.advance()
}

// takeDown stops a child directly, without regard to the plan, which then leaves
// it out. It returns false if the child was down already: then it has answered,
// otherwise the child's end does.
func (t *tree) takeDown(c *child, w waiter) bool {
	c.due, c.again = false, false
	t.callOff(c)
	if c.alive() {
		c.awaitStop = append(c.awaitStop, w)
		t.halt(c)
		return true
	}
	t.unwait(c)
	if c.state == ChildRestarting {
		c.enter(ChildDown, t.now)
	}
	t.answer(w, nil)
	return false
}

// callOff answers those who wait for a start that will not be.
func (t *tree) callOff(c *child) {
	t.answerAll(&c.awaitStart, wrapf(ErrShutdown, "supervisor %q: child %q stopped before it had started", t.cfg.name, c.Name))
}

// unwait ends the backoff of a child, if that is what it is in.
func (t *tree) unwait(c *child) {
	if t.plan.delay == c {
		t.endDelay()
	} else if c.state == ChildRestarting {
		t.disarm(c)
	}
}

func (t *tree) restartByHand(name string, w waiter) {
	c := t.find(name, w)
	switch {
	case c == nil:
		return
	case !t.serving:
		t.answer(w, wrapf(ErrClosed, "supervisor %q is not running", t.cfg.name))
		return
	case c.removing:
		t.answer(w, wrapf(ErrNotFound, "supervisor %q: child %q is being removed", t.cfg.name, name))
		return
	case t.plan.awaits(c):
		c.due = true
		if !c.alive() {
			c.enter(ChildRestarting, t.now)
		}
		t.endDelay()
		t.answer(w, nil)
	default:
		t.restartDirectly(c, w)
	}
	t.advance()
}

// restartDirectly restarts a child that is not part of the plan.
func (t *tree) restartDirectly(c *child, w waiter) {
	if c.state == ChildRestarting { // one-for-one, in its backoff: a restart already counted
		t.unwait(c)
		t.answer(w, nil)
		t.launch(c)
		return
	}
	c.awaitStart = append(c.awaitStart, w)
	c.why = startByHand
	if c.alive() {
		c.again = true
		t.halt(c)
		return
	}
	t.launch(c)
}
