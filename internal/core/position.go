package core

// This file has where jobs stand. Where all pending jobs stand in line that is a matter of
// counting. Where some stand behind a key or wait for tokens, it depends on what ends when; so
// the future is played through: see forecast.

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// maxExact bounds what a position looks through where some jobs stand aside, so that it costs the
// same however long the queue is: jobs, workers, keys and sets of limits. A forecast costs 100 to
// 200 ns for each.
const maxExact = 500

// Position returns where the pending job j, which is the last of its line, stands among the pending
// ones in the order of WaitingJobs, 1 for the first. It is 0 for a job that waits for its time.
// With very many jobs, some of which stand aside, it is an estimate: see maxExact.
func (c *Core) Position(j *Job, now time.Duration) int {
	if j.State != Pending {
		return 0
	}
	if n := c.exactly(now, func(e Entry) bool { return e.Job == j }); n > 0 {
		return n
	}
	a, l := c.ahead(), c.lane(j.Priority)
	// It is the last in its line, so what is in there is counted and not looked through.
	nth := a.counts[High-j.Priority] + l.list.Len()
	switch j.place {
	case inKey:
		nth += c.keys.get(j.Key).queue.len()
	case behindLane:
		nth += l.behind.len()
	}
	return c.startsAs(j.Priority, nth, a, now)
}

// Place returns what Position does for a job that others may stand behind. It looks for the job in
// its line, as far as that is bounded. It is asked for a job that was there already, or has waited
// for room.
func (c *Core) Place(j *Job, now time.Duration) int {
	if j.State != Pending {
		return 0
	}
	if n := c.exactly(now, func(e Entry) bool { return e.Job == j }); n > 0 {
		return n
	}
	a, l := c.ahead(), c.lane(j.Priority)
	before := a.counts[High-j.Priority]
	nth := before + l.list.Len() + 1 // unless it stands in line
	switch j.place {
	// One that is not in line, as its kind is paused or it has no token, is taken for the end of
	// the list.
	case setAside, atLimit:
		if i := c.placeAhead(j); i >= 0 {
			nth = i + 1
		}
	case inList:
		nth = before + l.place(j) + 1
	case inKey:
		nth += c.keys.get(j.Key).queue.place(j)
	case behindLane:
		nth += l.behind.place(j)
	}
	return c.startsAs(j.Priority, nth, a, now)
}

// placeAhead returns how many of what goes before the list of its lane come before j, which is none
// of it, -1, while it waits for a token or its kind is paused. With very many there, it takes those
// with tokens to come after the others.
func (c *Core) placeAhead(j *Job) int {
	front := &c.lane(j.Priority).front
	switch {
	case j.place == atLimit && j.set.missing() != nil, j.place == setAside && !front.has(j):
		return -1
	case front.len()+c.sets.len() <= maxExact:
		return slices.Index(c.allAhead()[High-j.Priority], j)
	case j.place == setAside:
		return front.place(j)
	}
	return front.len()
}

// PlainPosition is Position for the plain job with an ID that was accepted last. It is the last of
// its lane.
func (c *Core) PlainPosition(id uint64, now time.Duration) int {
	if n := c.exactly(now, func(e Entry) bool { return e.ID == id }); n > 0 {
		return n
	}
	a := c.ahead()
	return c.startsAs(Normal, a.counts[1]+c.lane(Normal).list.Len(), a, now)
}

// exactly counts the pending jobs up to that one, which is there. It returns 0 if all of them stand
// in line, where counting them by lane is as good, or if there is too much to look through.
func (c *Core) exactly(now time.Duration, is func(Entry) bool) (n int) {
	due := c.waiting.countDue(now)
	allInLine := c.pending == c.inLanes() && len(c.pausedKinds)+len(c.pausedTasks)+due == 0
	if allInLine || c.pending+due+len(c.runs)+c.keys.len()+c.sets.len() > maxExact {
		return 0
	}
	for e := range c.forecast(now).all() {
		if e.Job == nil || e.Job.State == Pending || e.Job.RunAt <= now {
			if n++; is(e) {
				return n
			}
		}
	}
	return 0 // as there is none that no forecast has
}

// A forecast finds out in which order the jobs would start if they were the only ones, what runs
// ended now, and each of them before the next starts. What is of a paused kind or waits for a token
// starts when nothing else can, and what waits for its time after that. It plays on copies: the
// core is only read, and must not change meanwhile. To make one costs a copy of all that is in line;
// a step is O(1) but for what leaves keys.
type forecast struct {
	c     *Core
	now   time.Duration
	ahead [3][]*Job // what goes before the lists of the lanes
	lines [3][]Entry
	heads heads
	keys  map[string]*turns
	due   map[*Job]int // what is due and not in line yet: the how manieth to come into it
	aside []*Job       // in line, but of a paused kind: those whose turn has come
	freed bool         // what stands aside may start
}

// all yields the jobs in their order. It can be read once.
func (f *forecast) all() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		if !f.play(yield) {
			return
		}
		f.release()
		var moment time.Duration // what is due at one comes into line together
		for _, j := range f.c.waiting.all() {
			if j.RunAt <= f.now {
				continue
			}
			if j.RunAt != moment && !f.play(yield) {
				return
			}
			f.wake(j, (*key).ofSleepers)
			moment = j.RunAt
		}
		f.play(yield)
	}
}

// play yields what is in line, until nothing is left that would start. It reports whether that was
// all wanted.
func (f *forecast) play(yield func(Entry) bool) bool {
	for e, ok := f.next(); ok; e, ok = f.next() {
		if !yield(e) {
			return false
		}
	}
	return true
}

// ofAll and ofSleepers are the places taken before anything has left a key, and when all but jobs that wait
// for their time have.
func (k *key) ofAll() int      { return k.taken }
func (k *key) ofSleepers() int { return k.asleep }

// turns are the places of a key and what stands behind them, in a forecast. A key gets them when
// the first of its jobs leaves, so keys that nothing leaves cost nothing.
type turns struct {
	taken int
	queue []*Job
}

// forecast begins a forecast: with what is in line now, as if the running jobs had just ended, in
// the order in which they started. Roomless jobs behind a lane are taken for its end.
func (c *Core) forecast(now time.Duration) *forecast {
	f := &forecast{c: c, now: now, ahead: c.allAhead(), keys: map[string]*turns{}, due: map[*Job]int{}}
	f.heads = c.heads(firstOf(f.ahead))
	for i := range c.lanes {
		for _, j := range f.ahead[i] {
			f.lines[i] = append(f.lines[i], Entry{Job: j, ID: j.ID})
		}
		f.lines[i] = slices.AppendSeq(f.lines[i], c.lanes[i].list.All())
		for _, j := range c.lanes[i].behind.all() {
			f.lines[i] = append(f.lines[i], Entry{Job: j, ID: j.ID})
		}
	}
	for _, k := range c.promoting {
		if j := k.queue.first(); j != nil {
			f.promote(f.count(j.Key, k, k.taken))
		}
	}
	// What was due when the core looked first comes before what has come due since: see AdvanceSome.
	for _, by := range []time.Duration{c.gathers, now} {
		for _, j := range c.waiting.dueAt(by) {
			if f.due[j] == 0 {
				f.due[j] = len(f.due) + 1
				f.wake(j, (*key).ofAll)
			}
		}
	}
	// What runs is taken to end first: with it go the places of its keys.
	for _, r := range c.byStart() {
		if r.Job != nil && r.Job.keyed {
			f.leaveKey(r.Job.Key)
		}
	}
	return f
}

// next is the next to start; it is not ok if nothing is left that would. It is taken to end at
// once, so that its key goes on to the next job.
func (f *forecast) next() (e Entry, ok bool) {
	for i := f.heads.next(f.now); i >= 0; i = f.heads.next(f.now) {
		e, f.lines[i] = f.lines[i][0], f.lines[i][1:]
		if j := e.Job; j != nil && !f.freed && f.c.asideOf(j) != nil {
			f.aside = append(f.aside, j)
			if f.heads.there[i] = len(f.lines[i]) > 0; f.heads.there[i] {
				f.heads.head(i, f.readySince(f.lines[i][0]))
			}
			continue
		}
		f.heads.start(i, len(f.lines[i]) > 0, f.now)
		if e.Job != nil && e.Job.Key != "" {
			f.leaveKey(e.Job.Key)
		}
		return e, true
	}
	return e, false
}

// enter puts a job at the end of its lane. It becomes the first of its priority, if that has none.
func (f *forecast) enter(j *Job) {
	i := High - j.Priority
	if len(f.lines[i]) == 0 {
		f.heads.head(int(i), f.readySince(Entry{Job: j}))
	}
	f.lines[i] = append(f.lines[i], Entry{Job: j, ID: j.ID})
}

// readySince is when what stands in line became ready. What is due does when it comes into line, and has not
// aged then.
func (f *forecast) readySince(e Entry) time.Duration {
	if e.Job != nil && e.Job.State != Pending {
		return f.now
	}
	return readySince(e)
}

// release lets into line what stands aside, by its turn: what is of a paused kind or waits for a
// token. Those with tokens are in line already.
func (f *forecast) release() {
	f.freed = true
	jobs := append(f.c.tokenless(f.ahead), f.aside...)
	for _, paused := range []map[string]*aside{f.c.pausedKinds, f.c.pausedTasks} {
		for _, aside := range paused {
			jobs = append(jobs, aside.all()...)
		}
	}
	turn := func(j *Job) int64 {
		if n := f.due[j]; n > 0 {
			return f.c.seq + int64(n) // which it will get
		}
		return j.seq
	}
	slices.SortFunc(jobs, func(a, b *Job) int { return cmp.Compare(turn(a), turn(b)) })
	for _, j := range jobs {
		f.enter(j)
	}
}

// wake is the time that j waits for. It enters its line or, if others of its key are before it,
// gets behind them. Whose places of a key are taken yet is told by taken, if nothing has left it before.
func (f *forecast) wake(j *Job, taken func(*key) int) {
	if j.Key != "" {
		t := f.keys[j.Key]
		if t == nil {
			k := f.c.keys.get(j.Key)
			t = f.count(j.Key, k, taken(k))
		}
		if !j.keyed {
			if len(t.queue) > 0 || t.taken >= j.KeyLimit {
				t.queue = append(t.queue, j)
				return
			}
			t.taken++
		}
	}
	f.enter(j)
}

// leaveKey lets those behind a job of the key into their lanes. A key behind which none stands need
// not be counted, before wake does.
func (f *forecast) leaveKey(name string) {
	t := f.keys[name]
	if t == nil {
		k := f.c.keys.get(name)
		if k == nil || k.queue.len() == 0 {
			return
		}
		t = f.count(name, k, k.taken)
	}
	t.taken--
	f.promote(t)
}

// promote is Core.promote in the forecast.
func (f *forecast) promote(t *turns) {
	for len(t.queue) > 0 && t.taken < t.queue[0].KeyLimit {
		j := t.queue[0]
		t.taken, t.queue = t.taken+1, t.queue[1:]
		f.enter(j)
	}
}

// count has the forecast count the places of a key from here on, of which so many are taken.
func (f *forecast) count(name string, k *key, taken int) *turns {
	t := &turns{taken, k.queue.all()}
	f.keys[name] = t
	return t
}

// WaitingJobs returns the waiting jobs in the order in which they will start, as far as is decided
// now: see forecast. Plain jobs get a record of their own. It reads and sorts all that waits: it is
// for reports, and for queues that have few.
func (c *Core) WaitingJobs(now time.Duration) []*Job {
	jobs := make([]*Job, 0, c.pending+c.waiting.len())
	for e := range c.forecast(now).all() {
		if e.Job == nil {
			e.Job = plainJob(e)
		}
		jobs = append(jobs, e.Job)
	}
	return jobs
}

// tokenless returns the jobs that wait at their limits, but for those with tokens, which are in
// ahead.
func (c *Core) tokenless(ahead [3][]*Job) (jobs []*Job) {
	// ahead has jobs from the fronts as well, which are in no set's lines and do no harm.
	there := map[*Job]bool{}
	for _, j := range slices.Concat(ahead[:]...) {
		there[j] = true
	}
	for _, s := range c.sets.all() {
		for i := range s.waitLists {
			jobs = append(jobs, slices.DeleteFunc(s.waitLists[i].all(), func(j *Job) bool { return there[j] })...)
		}
	}
	return jobs
}
