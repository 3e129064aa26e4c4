package dray

// A plan is what a supervisor is doing to several children: stop those from seq
// `from` on, last first, then start those among them that are due, first first.
// The first start of all children is a plan of which only the second half is
// left, the final stop one that has only the first. Children that concern no
// plan are started and stopped directly.
type plan struct {
	phase planPhase
	from  uint64 // the first child concerned
	// pos is where the plan has got to. While stopping, all children from pos on
	// are down; while starting, the plan is through with all before pos.
	pos   uint64
	delay *child // its backoff must have passed before the first start; may be nil
	final bool   // the supervisor ends
}

type planPhase uint8

const (
	planNone planPhase = iota
	planStop
	planStart
)

// stops reports whether the child is one of those that the plan stops.
func (p *plan) stops(c *child) bool { return p.phase == planStop && c.seq >= p.from }

// awaits reports whether the plan has still to come to starting the child.
func (p *plan) awaits(c *child) bool {
	return p.stops(c) || p.phase == planStart && c.seq >= p.pos && !c.alive()
}

// restart restarts what the strategy says, now that c has failed.
func (t *tree) restart(c *child, delayed bool) {
	switch t.cfg.strategy {
	case OneForOne:
		t.oneForOne(c, delayed)
	case RestForOne:
		t.restForOne(c, delayed)
	case OneForAll:
		t.oneForAll(c, delayed)
	}
}

// oneForOne restarts the child alone; delayed by its backoff, expired does.
func (t *tree) oneForOne(c *child, delayed bool) {
	if !delayed {
		t.launch(c)
	}
}

// restForOne restarts the child and all after it.
func (t *tree) restForOne(c *child, delayed bool) { t.restartFrom(c.seq, c, delayed) }

// oneForAll restarts all children.
func (t *tree) oneForAll(c *child, delayed bool) { t.restartFrom(0, c, delayed) }

// restartFrom plans the restart of the children from seq on because of c's
// failure. That includes what is left of the plan under way, if any: a child that
// it has still to stop or to start comes after c, or c's end would not be news.
func (t *tree) restartFrom(seq uint64, c *child, delayed bool) {
	t.endDelay()
	t.plan = plan{phase: planStop, from: seq, pos: t.lastSeq + 1}
	if delayed {
		t.plan.delay = c
	}
	for _, c := range t.children[t.index(seq):] {
		t.include(c)
	}
}

// include makes a child part of a group that is being restarted. Calls that wait
// for its start are answered: what becomes of it is now the group's affair.
func (t *tree) include(c *child) {
	if c.Restart == Temporary && c.alive() && !c.again {
		t.callOff(c)
		return
	}
	c.due, c.again = true, false
	if c.why != startFirst {
		c.why = startAgain
	}
	t.answerAll(&c.awaitStart, nil)
	if !c.alive() {
		c.enter(ChildRestarting, t.now)
	}
}

// advance does the next step of the plan, and further ones as long as there is
// nothing to wait for. It is called at the end of everything that happens.
func (t *tree) advance() {
	for t.step() {
	}
}

// step reports whether there may be another step to do at once.
func (t *tree) step() bool {
	switch t.plan.phase {
	case planStop:
		return t.stopLast()
	case planStart:
		return t.startFirst()
	default:
		return false
	}
}

// stopLast stops the last child of the plan that is alive. Its end calls advance.
func (t *tree) stopLast() bool {
	i := t.index(t.plan.pos) - 1
	switch {
	case i < 0 || t.children[i].seq < t.plan.from:
		return t.allStopped()
	case t.children[i].alive():
		t.halt(t.children[i])
		return false
	default:
		t.plan.pos = t.children[i].seq
		return true
	}
}

// allStopped goes on to the plan's second half.
func (t *tree) allStopped() bool {
	switch {
	case t.plan.final:
		t.finish()
		return false
	case t.plan.delay != nil:
		return false // expired calls advance
	default:
		t.plan.phase, t.plan.pos = planStart, t.plan.from
		return true
	}
}

// startFirst starts the first child that the plan has not come to yet. If its
// start takes time, the plan waits there: started or exited calls advance.
func (t *tree) startFirst() bool {
	i := t.index(t.plan.pos)
	if i == len(t.children) {
		t.plan = plan{}
		return false
	}
	c := t.children[i]
	if c.due && !c.alive() {
		t.launch(c)
	}
	t.plan.pos = c.seq
	if c.state == ChildStarting || c.again {
		return false
	}
	t.plan.pos++
	return true
}

// endDelay lets the plan go on without waiting for a backoff.
func (t *tree) endDelay() {
	if c := t.plan.delay; c != nil {
		t.plan.delay = nil
		t.disarm(c)
	}
}
