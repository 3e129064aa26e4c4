package protocol

import "strconv"

// A Config says what is there, and what may happen: how often, but not when.
type Config struct {
	Name      string
	Workers   uint8
	Producers []string // the kinds of their jobs
	Callers   [][]Call
	Capacity  uint8 // 0: no limit; otherwise producers block
	ChunkLen  uint8 // 0: one chunk without end
	Crashes   uint8 // of owners, and of callers in a tick
	Panics    uint8 // of our own code on workers
	Failures  bool  // jobs may fail
	Timeouts  bool  // jobs have a timeout
	Unstarted bool  // no owner runs until Start
	Lends     bool  // it is looked at, too, whether an idle worker is lent while the owner sleeps: no matter of safety
	Large     bool  // takes long
}

// model is a configuration, with one rule taken out of the protocol or none.
type model struct {
	Config

	out Rule
}

func (m *model) on(r Rule) bool      { return m.out != r }
func (m *model) without(r Rule) bool { return m.out == r }

// Explore looks at everything that can happen, without the given rule.
func (c Config) Explore(without Rule) Result {
	m := &model{Config: c, out: without}
	sys := System[state]{First: m.first(), Actions: m.actions(), Invariant: m.invariant, Quiescent: m.quiescent}
	return sys.Explore()
}

func (m *model) first() (s state) {
	s.owner.target, s.allowed = m.Workers, m.Workers
	for i := range s.workers {
		if s.workers[i].pc = workerIsGone; uint8(i) < m.Workers {
			s.workers[i].pc = workerAwaits
			s.owner.idle.add(uint8(i))
		}
	}
	s.owner.workers = s.owner.idle
	s.room, s.crashes, s.panics = m.Capacity, m.Crashes, m.Panics
	if m.Unstarted {
		s.inState = true
	} else {
		s.owned, s.self.pc = true, selfTicks
	}
	return s
}

// actions are all that may happen: one for each goroutine, and one more for each choice
// that is not the goroutine's own.
func (m *model) actions() []Action[state] {
	list := []Action[state]{
		{"owner", m.run},
		{"owner", m.crash},
		{"server", m.tick},
		{"caller", m.crashCaller},
		{"timer", m.tickTimer},
		{"time", m.passTime},
	}
	each := func(n int, who string, do func(*state, uint8) (string, Speed)) {
		for i := range n {
			list = append(list, Action[state]{who + " " + strconv.Itoa(i), func(s *state) (string, Speed) { return do(s, uint8(i)) }})
		}
	}
	each(len(m.Producers), "producer", m.produce)
	each(maxWorkers, "worker", m.work)
	each(maxWorkers, "worker", m.failJob)
	each(maxWorkers, "worker", m.panicWorker)
	each(len(m.Callers), "caller", m.ask)
	each(len(m.Callers), "caller", m.serve)
	return list
}
