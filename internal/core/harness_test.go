package core

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	errJob = errors.New("no luck")
	noop   = func(context.Context) error { return nil }
)

// A world is a core and what the engine around it does: it gives out the IDs,
// collects the mailbox, admits callers when there is room, and carries out the
// effects, which here means to keep them. Every job is labelled with its name.
type world struct {
	t      require.TestingT
	cfg    Config
	c      *Core
	box    Mailbox
	now    time.Duration
	last   uint64            // ID given out
	names  map[uint64]string // of the jobs, by ID
	runs   map[string]*Run
	seen   []Effect       // of the last command
	ended  map[uint64]int // HasSettled, by ID
	bound  int            // the most workers there ever were, and those that may be lent
	groups map[string]*Group
	story  func() string // what led here
	first  uint64        // plain job claimed last, to see that they start in order
}

func newWorld(t require.TestingT, cfg Config) *world {
	return &world{
		t: t, cfg: cfg, c: New(cfg), now: time.Second, names: map[uint64]string{},
		runs: map[string]*Run{}, ended: map[uint64]int{}, bound: cfg.Workers + cfg.StuckAllowance, groups: map[string]*Group{},
		story: func() string { return "" },
	}
}

// follow is what the engine does after each change.
func (w *world) follow() {
	if w.c.Blocked() {
		w.last += w.c.Admit(w.last+1, w.now)
	}
	w.seen = w.c.Effects()
	for _, e := range w.seen {
		if e.Kind >= DidEnqueue || e.Kind == HasSettled && e.Info != nil {
			watch := e.Kind.Watch()
			if e.Kind == HasSettled {
				watch = e.Info.State.Watch()
			}
			require.NotZero(w.t, w.cfg.Watched&watch, "%v, which nobody has asked for", e.Kind)
		}
		switch e.Kind {
		case WasAdmitted:
			w.names[e.Job.ID] = e.Job.Label
		case GroupDone:
			for id := w.last; id > 0 && w.names[id] == ""; id-- {
				if w.names[id] = "gone"; w.c.live.Has(byID(id)) { // else WasAdmitted has its name
					j, _ := w.c.live.Get(byID(id))
					w.names[id] = j.Label
				}
			}
		case HasSettled:
			w.ended[e.Job.ID]++
		}
	}
}

// post enqueues a plain job through the mailbox; false if there is no room, upon
// which the engine would offer it with a record.
func (w *world) post(name string) bool {
	defer w.follow()
	if w.c.Room() == 0 {
		return false
	}
	w.last++
	w.names[w.last] = name
	w.box.Push(Entry{Fn: noop, ID: w.last, At: w.now})
	w.c.Collect(&w.box)
	return true
}

// postNow is post for a caller who asks for the position; 0 if there is no room.
func (w *world) postNow(name string) (position int) {
	defer w.follow()
	if w.c.Room() == 0 {
		return 0
	}
	w.last++
	w.names[w.last] = name
	w.c.Post(noop, w.last, w.now)
	return w.c.PlainPosition(w.last, w.now)
}

// offer enqueues a job with a record, and returns its position beside the verdict.
func (w *world) offer(j *Job) (v Verdict, old *Job, position int) {
	defer w.follow()
	v, old = w.c.Accept(j, w.last+1, w.now)
	switch v {
	case Accepted, Dropped:
		w.last++
		w.names[w.last] = j.Label
		return v, old, w.c.Position(j, w.now)
	case Kept:
		return v, old, w.c.Place(old, w.now)
	}
	return v, old, 0
}

// run returns the worker's place of that name, which joins when first used.
func (w *world) run(name string) *Run {
	r := w.runs[name]
	if r == nil {
		r = &Run{Owner: name}
		w.runs[name] = r
		w.c.Join(r)
	}
	return r
}

func (w *world) claim(name string) bool {
	defer w.follow()
	can, whole := w.c.CanStart(), len(w.c.pausedKinds)+len(w.c.pausedTasks)+w.c.limits.len()+w.c.expiries.Len() == 0
	r := w.run(name)
	ok := w.c.Claim(r, w.now)
	switch {
	case ok:
		require.True(w.t, can, "claimed what could not start")
		require.LessOrEqual(w.t, w.c.running, w.c.Limit())
	case whole:
		require.False(w.t, can, "nothing claimed, though a job can start")
	}
	if ok && r.Job == nil {
		require.Greater(w.t, r.ID, w.first, "plain jobs start in order")
		w.first = r.ID
	}
	return ok
}

func (w *world) settle(name string, res Result) {
	w.c.Settle(w.run(name), res, w.now)
	w.follow()
}

func (w *world) advance(d time.Duration) {
	w.now += d
	w.c.Advance(w.now)
	due, ok := w.c.Next()
	require.False(w.t, ok && due <= w.now, "something is still due")
	w.follow()
}

// group returns the group of that name, made when first used. Its completion job
// has that name, too.
func (w *world) group(name string) *Group {
	g := w.groups[name]
	if g == nil {
		g = &Group{Ref: name, Completion: func() *Job { return newJob(name) }}
		w.groups[name] = g
	}
	return g
}

// limit returns the limit of that key, nil when nobody uses it.
func (w *world) limit(key string) *Limit { return w.c.limits.get(key) }

// grant hands in the token that was asked for; false if none was.
func (w *world) grant(key string) bool {
	l := w.limit(key)
	if l == nil || !l.asking {
		return false
	}
	w.do(func(c *Core) { c.Grant(l) })
	return true
}

// do makes any other change.
func (w *world) do(change func(c *Core)) {
	change(w.c)
	w.follow()
}

// id returns the ID of the job accepted last under that name, 0 if there is none.
func (w *world) id(name string) (id uint64) {
	for i, n := range w.names {
		if n == name && i > id {
			id = i
		}
	}
	return id
}

// requeue runs the kept failure of that ID again.
func (w *world) requeue(id uint64) (v Verdict, found bool) {
	defer w.follow()
	v, found = w.c.Requeue(id, w.last+1, w.now)
	if found && v == Accepted {
		w.last++
		w.names[w.last] = w.names[id]
	}
	return v, found
}

// handOver lets a new core take over what this one has, as Report and Restore do.
// Nothing may be running.
func (w *world) handOver() {
	before := w.c.Snapshot()
	left := w.c.Seal(w.now)
	for _, j := range left {
		w.c.HandBack(j)
	}
	require.Equal(w.t, before, w.c.Snapshot(), "the books of a closed queue stay")
	require.Zero(w.t, w.c.live.Len()+w.c.keys.len()+w.c.unique.len()+w.c.expiries.Len()+w.c.waiting.len()+
		w.c.uniqueHolds.len()+w.c.uniqueEnds.Len(), "kept")
	require.Empty(w.t, w.c.WaitingJobs(w.now))
	require.False(w.t, w.c.Crowded(), "nothing stands behind a key any more")
	left = append(those(left, (*Job).WasInterrupted), those(left, func(j *Job) bool { return !j.WasInterrupted() })...)
	w.groups = map[string]*Group{}
	names := w.names
	w.c, w.names, w.runs, w.last, w.first = New(w.cfg), map[uint64]string{}, map[string]*Run{}, 0, 0
	w.ended, w.bound = map[uint64]int{}, w.cfg.Workers+w.cfg.StuckAllowance
	for _, j := range left {
		old, info := j.HandedBack(), Describe(j)
		j := old.Again()
		j.Attempt, j.EnqueuedAt, j.RunAt = info.Attempt, info.EnqueuedAt, info.RunAt
		j.Label = names[info.ID]
		j.HasFailed(old.Errs()...)
		if info.State == Retrying {
			j.State = Retrying
		}
		w.last++
		w.names[w.last] = j.Label
		w.c.Restore(j, old, false, w.last, w.now)
	}
	w.follow()
}

func those(jobs []*Job, hold func(*Job) bool) (found []*Job) {
	for _, j := range jobs {
		if hold(j) {
			found = append(found, j)
		}
	}
	return found
}

// newJob returns the record of a job without rules.
func newJob(name string) *Job {
	return &Job{Fn: noop, Label: name, Spec: &Spec{KeyLimit: 1, MaxAttempts: 1}}
}

func failed() Result { return Result{Kind: Error, Err: errJob} }

func (v Verdict) String() string {
	return [...]string{"accepted", "kept", "duplicate", "full", "waits", "dropped", "no group"}[v]
}

func (s State) String() string {
	return [...]string{
		"offered", "blocked", "pending", "delayed", "retrying", "running",
		"processed", "failed", "cancelled", "evicted",
	}[s]
}

func (c Cause) String() string {
	return [...]string{"", "timeout", "deadline", "shutdown", "cancel"}[c]
}

func (k EffectKind) String() string {
	return [...]string{
		"interrupt", "stuck", "admitted", "refused", "settled", "token", "done", "enqueued",
		"rejected", "started", "retry", "snooze", "interrupted",
	}[k]
}

func worker(i int) string { return "w" + strconv.Itoa(i) }
