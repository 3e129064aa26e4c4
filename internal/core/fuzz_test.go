package core

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A script is bytes that are taken for choices; past its end every choice is 0.
type script []byte

func (s *script) below(n int) int {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return int(b) % n
}

// A chooser makes the choices of a duel: a script, or rapid.
type chooser interface{ below(n int) int }

// A duel is the core and the model under the same commands.
type duel struct {
	*world
	s       chooser
	model   *model
	named   int
	ages    [2]int   // of the groups
	reading *reading // nil while there is none
	log     []string // the commands, to be read when they disagree
}

func newDuel(t require.TestingT, s chooser) *duel {
	cfg := Config{
		Workers: 1 + s.below(3), Capacity: s.below(7), Overflow: Overflow(s.below(4)),
		FailuresKept: s.below(4), StuckAllowance: s.below(3), Latency: true,
		Watched: [...]Watch{WatchAll, 0, WatchAll &^ DidStart.Watch() &^ Processed.Watch(), Failed.Watch() | DidReject.Watch()}[s.below(4)],
	}
	if cfg.Capacity == 6 {
		cfg.Capacity = -1
	}
	w := newWorld(t, cfg)
	d := &duel{world: w, s: s, model: newModel(cfg, w.now)}
	w.story = d.String
	return d
}

// name makes up a new name.
func (d *duel) name() string { d.named++; return fmt.Sprintf("j%d", d.named) }

// job makes up the rules of a job. The limit depends on the key alone.
func (d *duel) job() *Job {
	j := newJob(d.name())
	rules := d.s.below(256)
	j.Priority = Priority(rules%3 - 1)
	if rules&4 != 0 {
		k := d.s.below(3)
		j.Key, j.KeyLimit = string(rune('k'+k)), 1+k%2
	}
	if rules&8 != 0 {
		j.Unique, j.UniquePolicy = string(rune('u'+d.s.below(2))), UniquePolicy(d.s.below(3))
	}
	if rules&16 != 0 {
		j.RunAt = d.now + time.Duration(d.s.below(20))*time.Second
		j.Roomless = d.s.below(2) == 0
	}
	if rules&32 != 0 {
		j.Kind = string(rune('a' + d.s.below(2)))
	}
	if rules&64 != 0 {
		j.MaxAttempts = 1 + d.s.below(3)
	}
	if rules&128 != 0 {
		j.Timeout = time.Duration(1+d.s.below(20)) * time.Second
	}
	d.moreRules(j)
	return j
}

// step gives one command to both.
func (d *duel) step() {
	switch op := d.s.below(24); op {
	case 0, 1, 2:
		d.postBoth()
	case 3, 4, 5, 6:
		d.offerBoth()
	case 7, 8, 9, 10:
		d.claimBoth()
	case 11, 12, 13:
		d.settleBoth(d.s.below(8))
	case 14:
		d.cancelBoth()
	case 15, 16:
		d.advanceBoth()
	case 17:
		d.pauseBoth()
	case 18:
		d.resizeBoth()
	case 19:
		d.rareBoth()
	case 20, 21, 22:
		d.tokenBoth()
	case 23:
		d.groupBoth()
	}
	if d.reading != nil {
		d.readBoth()
	}
	d.compare()
	d.check()
}

func (d *duel) note(format string, args ...any) { d.log = append(d.log, fmt.Sprintf(format, args...)) }

// String tells the whole story, for the message of a failure.
func (d *duel) String() string { return "\n" + strings.Join(d.log, "\n") }

func (d *duel) postBoth() {
	name := d.name()
	d.note("post %s", name)
	want, mj := d.model.room() > 0, &mjob{Job: newJob(name), plain: true}
	wantPos := 0
	if want {
		d.model.admit(mj)
		wantPos = d.model.position(mj)
	}
	if d.last%2 == 0 {
		require.Equal(d.t, want, d.post(name), "%s", d)
	} else {
		require.Equal(d.t, wantPos, d.postNow(name), "position: %s", d)
	}
	d.model.follow()
}

func (d *duel) offerBoth() {
	j := d.job()
	d.note("offer %s prio=%d key=%s:%d unique=%s:%d:%v at=%v kind=%s attempts=%d timeout=%v roomless=%v within=%v limits=%v group=%v",
		j.Label, j.Priority, j.Key, j.KeyLimit, j.Unique, j.UniquePolicy, j.UniqueFor, j.RunAt, j.Kind, j.MaxAttempts, j.Timeout, j.Roomless,
		j.Within, j.Limiters, j.Group)
	rules := *j // the core lets go of some when the job has settled
	mj := &mjob{Job: &rules, runAt: j.RunAt, roomless: j.Roomless}
	want, wantOld := d.model.offer(mj)
	wantPos := 0
	switch want {
	case Accepted:
		wantPos = d.model.position(mj)
	case Kept:
		wantPos = d.model.position(wantOld)
	}
	d.model.follow()
	v, old, pos := d.offer(j)
	d.note("%v at %v", v, d.now)
	require.Equal(d.t, want, v, "%s", d)
	if v == Kept {
		require.Equal(d.t, wantOld.id, old.ID, "%s", d)
	}
	require.Equal(d.t, wantPos, pos, "position: %s", d)
}

func (d *duel) claimBoth() {
	name := worker(d.s.below(6))
	if d.run(name).ID != 0 {
		return
	}
	d.note("claim %s", name)
	want := d.model.claim()
	d.model.follow()
	ok := d.claim(name)
	require.Equal(d.t, want != nil, ok, "%s", d)
	if ok {
		d.note("got %d", d.run(name).ID)
		require.Equal(d.t, want.id, d.run(name).ID, "want %+v%s", want, d)
		require.Equal(d.t, want.pending, d.run(name).ReadyAt(), "%s", d)
	}
}

// busy chooses a place that has a job.
func (d *duel) busy() *Run {
	var busy []*Run
	for i := range 6 {
		if r := d.runs[worker(i)]; r != nil && r.ID != 0 {
			busy = append(busy, r)
		}
	}
	if len(busy) == 0 {
		return nil
	}
	return busy[d.s.below(len(busy))]
}

func (d *duel) settleBoth(kind int) {
	r := d.busy()
	if r == nil {
		return
	}
	res := Result{Kind: []ResultKind{OK, Error, Panic, Snooze, Error, Error, OK, Panic}[kind], Final: kind == 4 || kind == 7}
	if res.Kind != OK {
		res.Err, res.Delay = errJob, time.Duration(d.s.below(12))*time.Second
	}
	if res.Kind == Snooze {
		res.Snooze = time.Duration(d.s.below(12)) * time.Second
	}
	d.note("settle %d %d final=%v in %v, %v", r.ID, res.Kind, res.Final, res.Delay, res.Snooze)
	d.model.settle(d.model.find(r.ID), res)
	d.model.follow()
	d.settle(r.Owner.(string), res) //nolint:forcetypeassert // run sets it
}

func (d *duel) cancelBoth() {
	id := uint64(max(int(d.last)-d.s.below(12), 0))
	d.note("cancel %d", id)
	want := d.model.cancel(id)
	d.model.follow()
	d.do(func(c *Core) { require.Equal(d.t, want, c.Cancel(id, d.now), "%s", d) })
}

func (d *duel) advanceBoth() {
	dur := time.Duration(d.s.below(40)) * time.Second
	d.note("advance %v", dur)
	d.model.now += dur
	d.model.advance()
	d.model.follow()
	d.advance(dur)
}

func (d *duel) pauseBoth() {
	what := d.s.below(7)
	kind := string(rune('a' + what%2))
	d.note("pause %d", what)
	d.do(func(c *Core) {
		switch what {
		case 0:
			require.Equal(d.t, !d.model.paused, c.Pause())
			d.model.paused = true
		case 1, 2:
			require.Equal(d.t, d.model.paused, c.Resume())
			d.model.paused = false
		case 3, 4:
			require.Equal(d.t, !d.model.kinds[kind], c.PauseKind(kind))
			d.model.kinds[kind] = true
		default:
			require.Equal(d.t, d.model.kinds[kind], c.ResumeKind(kind))
			d.model.resumeKind(kind)
		}
	})
}

func (d *duel) resizeBoth() {
	n := 1 + d.s.below(4)
	d.note("resize %d", n)
	d.bound = max(d.bound, n+d.cfg.StuckAllowance)
	d.model.cfg.Workers, d.cfg.Workers = n, n
	d.do(func(c *Core) { c.Resize(n) })
}

// fight returns how many commands it gave.
func fight(t require.TestingT, s script) (steps int) {
	d := newDuel(t, &s)
	for ; len(s) > 0; steps++ {
		d.step()
	}
	return steps
}

// A million commands, chosen at random, or as many as are enough where the race
// detector, which finds nothing in a core without goroutines, makes them slow.
func TestCoreIsTheModel(t *testing.T) {
	steps := 1_000_000
	if testing.Short() || raceEnabled {
		steps = 50_000
	}
	for seed := uint64(0); steps > 0; seed++ {
		rng := rand.New(rand.NewPCG(seed, 1))
		s := make(script, 100<<(seed%5))
		for i := range s {
			s[i] = byte(rng.Uint32())
		}
		failed := !t.Run(fmt.Sprint(seed), func(t *testing.T) { steps -= fight(t, s) })
		if failed {
			return // the first is enough to read
		}
	}
}

func FuzzCore(f *testing.F) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 8 {
		s := make([]byte, 100)
		for i := range s {
			s[i] = byte(rng.Uint32())
		}
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) { _ = fight(t, b[:min(len(b), 600)]) })
}
