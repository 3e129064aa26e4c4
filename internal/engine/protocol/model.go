package protocol

import "strconv"

// A Config says what is there, and what may happen: how often, but not when.
type Config struct {
	Name      string
	Workers   uint8
	Producers []string // the kinds of their jobs
	Callers   [][]Call
	Capacity  uint8 // 0: no limit; otherwise producers wait for room
	ChunkLen  uint8 // 0: one chunk without end
	Crashes   uint8 // of owners, and of callers in a tick
	Panics    uint8 // of our own code on workers
	Failures  bool  // jobs may fail
	Long      bool  // workers go on without a lease
	Words     bool  // workers have something to tell of a claim, or the owner asks what runs
	Unstarted bool  // no owner runs until Start
	Large     bool  // takes long
}

// A Call is what callers do.
type Call struct {
	Op Op
	N  uint8 // the job to cancel, or the number of workers
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
	Stop
	Start
	Close
)

func (o Op) String() string {
	return [...]string{"Stats", "EnqueueSync", "Cancel", "Pause", "Resume", "Resize", "Stop", "Start", "Close"}[o]
}

// model is a configuration, with one rule taken out of the protocol or none.
type model struct {
	Config

	out   Rule
	asked map[Rule]bool // all that have mattered
}

// on reports whether the protocol has the rule.
func (m *model) on(r Rule) bool {
	m.asked[r] = true
	return m.out != r
}

// Explore looks at everything that can happen, without the given rule, "" for none. It
// returns, too, which rules have been asked for.
func (c Config) Explore(without Rule) (r Result, asked map[Rule]bool) {
	m := &model{Config: c, out: without, asked: map[Rule]bool{}}
	sys := System[state]{First: m.first(), Actions: m.actions(), Invariant: m.invariant, Quiescent: m.quiescent}
	return sys.Explore(), m.asked
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
	s.mail.room, s.crashes, s.panics = m.Capacity, m.Crashes, m.Panics
	if m.Unstarted {
		s.inState = true
	} else {
		s.mail.attended, s.self.pc = true, selfTicks
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
		{"timer", m.fire},
		{"nap", m.endNap},
	}
	each := func(n int, who string, do func(*state, uint8) (string, Speed)) {
		for i := range n {
			list = append(list, Action[state]{who + " " + strconv.Itoa(i), func(s *state) (string, Speed) { return do(s, uint8(i)) }})
		}
	}
	each(len(m.Producers), "producer", m.produce)
	each(maxWorkers, "worker", m.work)
	each(maxWorkers, "worker", m.giveUp)
	each(maxWorkers, "worker", m.failJob)
	each(maxWorkers, "worker", m.panicWorker)
	each(len(m.Callers), "caller", m.ask)
	each(len(m.Callers), "caller", m.serve)
	return list
}

// part returns the part of the line that a place is in.
func (m *model) part(place uint8) uint8 {
	if m.ChunkLen == 0 {
		return 0
	}
	return place / m.ChunkLen
}

func (m *model) partEnd(part uint8) uint8 {
	if m.ChunkLen == 0 {
		return maxJobs
	}
	return (part + 1) * m.ChunkLen
}
