package core

import (
	"cmp"
	"slices"
	"time"
)

// The model is the contract as slowly and plainly as it can be put: one slice
// of all jobs, searched for everything, and a counter that orders events.
type model struct {
	cfg     Config
	now     time.Duration
	closed  bool    // a shutdown is on
	cuts    int     // jobs that were cut off, ever
	jobs    []*mjob // accepted and not settled
	blocked []*mjob
	fails   []*mjob // newest last
	paused  bool
	due     time.Duration   // until when all that is due was to come into line when it was last looked
	kinds   map[string]bool // paused
	last    uint64
	turn    int
	counts  Counts
	periods []mperiod // of unique keys, of all jobs ever accepted
	limits  map[any]*mlimit
	started starts            // when a job of each priority last was
	among   map[string]starts // the same of the jobs with the same limiters
	groups  map[string]*mgroup
	over    []string // groups whose completion jobs are to be accepted
}

// An mperiod is for how long the unique key of a job stays taken, whatever becomes of that.
type mperiod struct {
	key   string
	id    uint64
	until time.Duration
}

// An mlimit is where the one token of a limiter is.
type mlimit struct{ spare, asking, failing bool }

// An mgroup is a group; its jobs say themselves that they belong to it.
type mgroup struct{ closed, cancelled, lost, done bool }

// An mjob is a job of the model. Its rules are those of the Job it was made of.
type mjob struct {
	*Job
	id       uint64
	plain    bool
	state    State
	attempt  int
	runAt    time.Duration
	pending  time.Duration // since when
	turn     int           // when it became pending, or began to wait for its time
	line     int           // when it came into its lane; 0: behind its key
	keyed    bool          // holds a place of its key
	aside    bool          // its turn came while its kind was paused
	front    bool          // and the kind has been resumed since
	roomless bool          // takes no room: of those that never do, or instead of such a one
	begun    bool          // takes none any more
	started  time.Duration // of the attempt
	replaced bool          // while it ran
	reserves bool          // its unique key, while it waits for room
	retries  bool          // it was handed over between two attempts
	cut      bool          // a shutdown ended its last attempt
	cutTurn  int           // its turn if one does so: before all there are, in the order of their starts
	cause    Cause
	told     bool // that its deadline is over, while it runs
	accepted time.Duration
	parked   int           // when it began to wait for tokens; 0: it does not
	group    string        // that it is counted by
	deadline time.Duration // of the attempt, or of the grace after its cancellation; 0: none
}

func newModel(cfg Config, now time.Duration) *model {
	return &model{
		cfg: cfg, now: now, kinds: map[string]bool{},
		limits: map[any]*mlimit{}, among: map[string]starts{}, started: starts{}, groups: map[string]*mgroup{},
	}
}

func (m *model) tick() int { m.turn++; return m.turn }

// those returns the jobs for which all hold.
func (m *model) those(all ...func(j *mjob) bool) (found []*mjob) {
	for _, j := range m.jobs {
		if !slices.ContainsFunc(all, func(holds func(j *mjob) bool) bool { return !holds(j) }) {
			found = append(found, j)
		}
	}
	return found
}

func in(states ...State) func(*mjob) bool {
	return func(j *mjob) bool { return slices.Contains(states, j.state) }
}

func inLine(j *mjob) bool    { return j.state == Pending && j.line > 0 && !j.aside && j.parked == 0 }
func behindKey(j *mjob) bool { return j.state == Pending && j.line == 0 }
func takesRoom(j *mjob) bool { return !j.roomless && !j.begun }
func waits(j *mjob) bool     { return in(Pending, Delayed, Retrying)(j) }

func of(p Priority) func(*mjob) bool { return func(j *mjob) bool { return j.Priority == p } }

func (m *model) room() int {
	if m.cfg.Capacity < 0 {
		return int(^uint(0) >> 1)
	}
	return max(m.cfg.Capacity-len(m.those(takesRoom))-len(m.blocked), 0)
}

// byLine is the order within a lane: those whose kind was resumed go first.
func byLine(a, b *mjob) int {
	switch {
	case a.front && b.front:
		return a.turn - b.turn
	case a.front:
		return -1
	case b.front:
		return 1
	}
	return a.line - b.line
}

func byTurnOf(a, b *mjob) int { return a.turn - b.turn }

// lane returns the jobs in line of a priority, in order.
func (m *model) lane(p Priority) []*mjob {
	return slices.SortedFunc(slices.Values(m.those(inLine, of(p))), byLine)
}

// holder returns the job that has a unique key.
func (m *model) holder(u string) *mjob {
	for _, j := range append(m.those(func(j *mjob) bool { return !j.replaced }), m.blocked...) {
		if u != "" && j.Unique == u && (j.state != Blocked || j.reserves) {
			return j
		}
	}
	return nil
}

func (m *model) offer(j *mjob) (Verdict, *mjob) {
	if j.Group != nil {
		g := m.group(j.Group)
		if g.done || g.cancelled {
			m.counts.Rejected++
			return NoGroup, nil
		}
		j.group = j.Group.Ref.(string) //nolint:forcetypeassert // a name
	}
	if v, old, decided := m.clash(j); decided {
		return v, old
	}
	// One that has never started leaves its room to the job that replaces it.
	old := m.holder(j.Unique)
	if j.roomless || m.room() > 0 || old != nil && waits(old) && !old.begun {
		m.admit(j)
		return Accepted, nil
	}
	return m.overflow(j), nil
}

// period returns the job whose unique period keeps a key taken at this moment for the longest.
func (m *model) period(u string) (longest mperiod, taken bool) {
	for _, p := range m.periods {
		if p.key == u && p.until > m.now && p.until >= longest.until {
			longest, taken = p, true
		}
	}
	return longest, taken
}

// clash asks whether a unique key is taken, and what the policy of a job that wants it says to
// that.
func (m *model) clash(j *mjob) (v Verdict, old *mjob, decided bool) {
	old = m.holder(j.Unique)
	p, taken := m.period(j.Unique)
	switch {
	case old == nil && !taken, old != nil && j.UniquePolicy == ReplacePending:
		return Accepted, nil, false
	case old == nil && j.UniquePolicy == KeepExisting:
		return Kept, &mjob{id: p.id}, true
	case old != nil && j.UniquePolicy == KeepExisting && old.state != Blocked:
		return Kept, old, true
	}
	m.counts.Rejected++
	return Duplicate, old, true
}

func (m *model) overflow(j *mjob) Verdict {
	switch m.cfg.Overflow {
	case Block:
		j.state, j.reserves = Blocked, m.holder(j.Unique) == nil
		m.blocked = append(m.blocked, j)
		return Waits
	case DropNewest:
		m.accept(j)
		m.counts.Evicted++
		return Dropped
	case DropOldest:
		if old := m.oldest(); old != nil {
			m.end(old, Evicted)
			m.admit(j)
			return Accepted
		}
	}
	m.counts.Rejected++
	return Full
}

// oldest is the job to evict: of those that take room the one accepted first.
func (m *model) oldest() *mjob {
	if all := m.those(takesRoom); len(all) > 0 {
		return slices.MinFunc(all, func(a, b *mjob) int { return cmp.Compare(a.id, b.id) })
	}
	return nil
}

// accept gives a job its ID. Its acceptance is when its period begins.
func (m *model) accept(j *mjob) {
	m.last++
	j.id = m.last
	if j.accepted == 0 {
		j.accepted = m.now
	}
	if j.Unique != "" {
		m.periods = append(m.periods, mperiod{j.Unique, j.id, j.accepted + j.UniqueFor})
	}
}

func (m *model) admit(j *mjob) {
	if old := m.holder(j.Unique); old != nil && old != j {
		if waits(old) {
			m.end(old, Evicted)
			j.roomless = j.roomless || old.roomless && !old.begun
		}
		old.replaced, old.reserves = old.state != Blocked, false
	}
	for _, key := range j.Limiters {
		if m.limits[key] == nil {
			m.limits[key] = &mlimit{}
		}
	}
	m.accept(j)
	m.jobs = append(m.jobs, j)
	if j.runAt > m.now {
		state := Delayed
		if j.retries {
			state = Retrying
		}
		m.wait(j, state, j.runAt)
		return
	}
	m.ready(j)
}

func (m *model) wait(j *mjob, s State, until time.Duration) {
	j.state, j.runAt, j.turn, j.cause, j.deadline = s, until, m.tick(), NotCancelled, 0
}

// dueNow returns those that were found to be due, and are not in line: before they are nothing lower starts.
func (m *model) dueNow() []*mjob {
	return m.those(in(Delayed, Retrying), func(j *mjob) bool { return j.runAt <= m.due })
}

// lowest is the priority of which jobs may start: nothing starts before one of a higher priority that is due.
func (m *model) lowest() Priority {
	if due := m.dueNow(); len(due) > 0 {
		return slices.MinFunc(due, byPriority).Priority
	}
	return Low
}

// byTime is the order in which jobs come into line that are found due when they are.
func byTime(a, b *mjob) int {
	return cmp.Or(cmp.Compare(a.runAt, b.runAt), byPriority(a, b))
}

// byPriority is that in which they do if they are found due together.
func byPriority(a, b *mjob) int {
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.runAt, b.runAt), cmp.Compare(a.turn, b.turn))
}

func (m *model) ready(j *mjob) {
	j.state, j.pending, j.turn, j.line, j.front, j.aside = Pending, m.now, m.tick(), 0, false, false
	if j.Key == "" || j.keyed {
		j.line = m.tick()
	}
	m.promote(j.Key)
}

// promote lets jobs into their lanes that stand behind their key, while the
// first of them finds a place.
func (m *model) promote(key string) {
	if key == "" {
		return
	}
	same := func(j *mjob) bool { return j.Key == key }
	for {
		queue := slices.SortedFunc(slices.Values(m.those(same, behindKey)), byTurnOf)
		if len(queue) == 0 || m.taken(key) >= queue[0].KeyLimit {
			return
		}
		queue[0].keyed, queue[0].line = true, m.tick()
	}
}

// taken counts the places of a key that are.
func (m *model) taken(key string) int {
	return len(m.those(func(j *mjob) bool { return j.keyed && j.Key == key }))
}

// end settles j.
func (m *model) end(j *mjob, s State) {
	m.jobs = slices.DeleteFunc(m.jobs, func(o *mjob) bool { return o == j })
	j.state = s
	m.promote(j.Key)
	m.dismiss()
	switch s {
	case Processed:
		m.counts.Processed++
	case Failed:
		m.counts.Failed++
		if m.fails = append(m.fails, j); len(m.fails) > m.cfg.FailuresKept {
			m.fails = m.fails[1:]
		}
	case Cancelled:
		m.counts.Cancelled++
	default:
		m.counts.Evicted++
	}
}

// follow admits the completion jobs of groups, and those who wait for room.
func (m *model) follow() {
	m.ask()
	m.completeGroups()
	for len(m.blocked) > 0 && (m.cfg.Capacity < 0 || len(m.those(takesRoom)) < m.cfg.Capacity) {
		j := m.blocked[0]
		m.blocked = m.blocked[1:]
		if j.reserves {
			m.admit(j)
		} else if v, _, decided := m.clash(j); !decided {
			m.admit(j)
		} else if v == Kept {
			m.counts.Rejected++
		}
		m.completeGroups()
	}
}
