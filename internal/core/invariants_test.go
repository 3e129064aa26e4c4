package core

import (
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"
)

// must asks require only about what does not hold, as most of it costs less than
// the question.
func (w *world) must(holds bool, format string, args ...any) {
	if !holds {
		require.Fail(w.t, fmt.Sprintf(format, args...), "%v", w.story())
	}
}

// check looks at everything that must hold between any two steps.
func (w *world) check() {
	w.checkBooks()
	w.checkLines()
	w.checkRuns()
	w.checkKeys()
	w.checkLimits()
	w.checkMemory()
}

// checkLimits: a limit has no more than one token, and has one coming while it is wanted.
func (w *world) checkLimits() {
	users := map[*limitSet]int{}
	for _, j := range w.c.live.All() {
		if j.set != nil {
			users[j.set]++
		}
	}
	for _, s := range w.c.sets.all() {
		w.must(users[s] == s.users && s.users > 0, "users[s] is not s.users")
		missing := s.missing()
		w.must(s.counted == s.waiting(), "s.counted is not s.waiting()")
		w.must(s.waiting() == 0 || missing == nil || missing.asking, "jobs wait for a token that nobody asked for")
		for i := range s.waitLists {
			fits := s.waitLists[i].first() != nil && (missing == nil || missing == s.last())
			w.must(s.fit[i].Queued() == fits, "a set does not fit that does")
			w.must(!fits || int64(s.fit[i].Due) == s.waitLists[i].first().seq, "a set is not where its turn is")
		}
	}
	for _, l := range w.c.limits.all() {
		w.must(!l.spare || !l.asking, "a second token is on its way")
		w.must(l.used() || l.asking, "a limit of nobody is kept")
		waiting := 0
		for _, s := range w.c.sets.all() {
			if m := s.missing(); m == l || m == nil && s.last() == l {
				waiting += s.waiting()
			}
		}
		w.must(l.waiting == waiting, "l.waiting is not waiting")
		w.checkGranted(l)
	}
}

// checkGranted: a limit is where its first jobs of each priority have their turn.
func (w *world) checkGranted(l *Limit) {
	highest := true
	for i := range l.fit {
		first := l.first(i)
		w.must(l.granted[i].Queued() == (first != nil), "a limit is not granted that is")
		w.must(l.leading[i].Queued() == (first != nil && highest), "a limit does not lead that does")
		w.must(first == nil || int64(l.granted[i].Due) == first.seq, "a limit is not where its turn is")
		w.must(first == nil || !highest || int64(l.leading[i].Due) == first.seq, "a limit does not lead where its turn is")
		highest = highest && first == nil
	}
}

func (w *world) checkBooks() {
	s := w.c.Snapshot()
	w.must(w.last == s.Accepted(), "the books do not balance: %+v", s)
	counts := []int{
		s.Pending, s.Delayed, s.Retrying, s.Running, s.Stuck, s.Idle, w.c.held, w.c.exempt,
		w.c.Ready(), w.c.Room(),
	}
	w.must(slices.Min(counts) >= 0, "%v", counts)
	if w.cfg.Capacity >= 0 {
		w.must(w.c.Room() <= w.cfg.Capacity, "w.c.Room() <= w.cfg.Capacity")
	}
	if w.cfg.Watched == WatchAll {
		settled := s.Processed + s.Failed + s.Cancelled + s.Evicted
		w.must(len(w.ended) == int(settled), "len(w.ended) == int(settled)")
		for id, times := range w.ended {
			w.must(times == 1, "job %d settled more than once", id)
		}
	}
	w.must(w.c.failures.all.Len() <= w.cfg.FailuresKept, "more failures are kept than that")
	w.must(w.c.failures.all.Len() == w.c.failures.byID.len(), "failures are not known by their IDs")
}

func (w *world) checkLines() {
	s := w.c.Snapshot()
	waiting := w.c.WaitingJobs(w.now)
	w.must(len(waiting) == s.Pending+s.Delayed+s.Retrying, "len(waiting) == s.Pending+s.Delayed+s.Retrying")
	states, held := map[State]int{}, 0
	ids := map[uint64]bool{}
	for _, j := range waiting {
		w.must(!ids[j.ID], "job %d is listed twice", j.ID)
		w.must(w.c.RunOf(j.ID) == nil, "job %d waits and runs", j.ID)
		w.must(j.EnqueuedAt <= w.now, "j.EnqueuedAt <= w.now")
		ids[j.ID] = true
		states[j.State]++
		if !j.started && !j.Roomless {
			held++
		}
	}
	w.must(s.Pending == states[Pending], "s.Pending is not states[Pending]")
	w.must(s.Delayed == states[Delayed], "s.Delayed is not states[Delayed]")
	w.must(s.Retrying == states[Retrying], "s.Retrying is not states[Retrying]")
	w.must(held == w.c.held, "held is not w.c.held")
}

func (w *world) checkRuns() {
	running, stuck := 0, 0
	for _, r := range w.c.runs {
		if r.ID == 0 {
			continue
		}
		running++
		if r.Cause != NotCancelled {
			stuck++
		}
		if r.Job != nil {
			w.must(Running == r.Job.State, "Running is not r.Job.State")
			w.must(r == r.Job.run, "r == r.Job.run")
		}
	}
	w.must(running == w.c.running, "running is not w.c.running")
	w.must(stuck == w.c.stuck, "stuck is not w.c.stuck")
	w.must(running <= w.bound, "running <= w.bound")
	w.must(len(w.c.RunningJobs()) == running, "len(w.c.RunningJobs()) == running")
}

func (w *world) checkKeys() {
	running, limit, uniques := map[string]int{}, map[string]int{}, map[string]int{}
	for _, j := range w.c.live.All() {
		limit[j.Key] = max(limit[j.Key], j.KeyLimit)
		if j.State == Running {
			running[j.Key]++
		} else if j.Unique != "" {
			uniques[j.Unique]++
		}
	}
	for key, n := range running {
		w.must(key == "" || n <= limit[key], "%d of key %q run", n, key)
	}
	behind := [3]int{}
	for name, k := range w.c.keys.all() {
		for _, j := range k.queue.all() {
			behind[High-j.Priority]++
		}
		asleep := 0
		for _, j := range w.c.waiting.all() {
			if j.keyed && j.Key == name {
				asleep++
			}
		}
		w.must(k.asleep == asleep, "asleep is not k.asleep")
	}
	w.must(behind == w.c.behind, "%v stand behind their keys, not %v", behind, w.c.behind)
	for u, n := range uniques {
		w.must(n == 1, "waiting jobs with the unique key %q", u)
	}
}

// checkMemory sees to it that nothing is kept of jobs that have settled.
func (w *world) checkMemory() {
	s := w.c.Snapshot()
	for i := range w.c.lanes {
		l := &w.c.lanes[i]
		roomless := 0
		for e := range l.list.All() {
			if e.Job != nil && e.Job.Roomless {
				roomless++
			}
		}
		w.must(roomless == l.roomless, "roomless is not l.roomless")
		w.must(l.behind.len() == 0 || roomless == maxRoomless, "runs stand behind a lane that has a place for them")
	}
	w.must(w.c.live.Len() <= s.Pending+s.Delayed+s.Retrying+s.Running, "w.c.live.Len() <= s.Pending+s.Delayed+s.Retrying+s.Running")
	w.must(s.Delayed+s.Retrying == w.c.waiting.len(), "s.Delayed+s.Retrying is not w.c.waiting.len()")
	keys := map[string]bool{}
	for _, j := range w.c.live.All() {
		keys[j.Key] = true
	}
	w.checkIndexes()
	for key := range w.c.keys.all() {
		w.must(keys[key], "the key %q is kept of nobody", key)
	}
	for u, j := range w.c.unique.all() {
		w.must(u == j.Unique, "u is not j.Unique")
		l, _ := w.c.live.Get(byID(j.ID))
		w.must(j.State == Blocked || l == j, "%q is held by a settled job", u)
	}
}

// checkIndexes: the key, the kind and the group of a job know it, and nothing else.
func (w *world) checkIndexes() {
	keyed, kind, grouped := 0, 0, 0
	for _, j := range w.c.live.All() {
		if j.Key != "" {
			keyed++
		}
		if j.Kind != "" {
			kind++
			w.must(w.c.kinds[j.Kind].Has(byID(j.ID)), "its kind does not know %d", j.ID)
		}
		if j.Group != nil {
			grouped++
			w.must(j.Group.jobs.Has(byID(j.ID)), "its group does not know %d", j.ID)
		}
	}
	for name, k := range w.c.keys.all() {
		keyed -= k.jobs.n
		last := uint64(0)
		for j := range w.c.ofKey(name, 0) {
			w.must(j.Key == name && j.ID > last && w.c.live.Has(byID(j.ID)), "the key %q knows %d", name, j.ID)
			last = j.ID
		}
	}
	for _, jobs := range w.c.kinds {
		kind -= jobs.Len()
	}
	for _, g := range w.groups {
		grouped -= g.jobs.Len()
	}
	w.must(keyed == 0 && kind == 0 && grouped == 0, "known of settled jobs: %d %d %d", keyed, kind, grouped)
	cut := len(those(w.c.WaitingJobs(w.now), (*Job).WasInterrupted))
	waiting, cuts := w.c.Waiting()
	w.must(cut == cuts && waiting == w.c.pending+w.c.delayed+w.c.retries, "%d were cut off, not %d", cut, cuts)
}
