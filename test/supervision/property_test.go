package supervision_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// A rehearsal does the same to a random tree of supervisors and to the model.
type rehearsal struct {
	*stage
	rng     *rand.Rand
	sups    map[*model]*dray.Supervisor
	parts   map[string]*part // leaves, by name
	expect  []string
	script  []string // what was done, for the reader of a failure
	counter int
	began   bool // the first start succeeded
}

// Random trees, deaths, failed starts, requests and pauses: the supervisor does
// what OTP's does, in the same order.
func TestSupervisorIsTheModel(t *testing.T) {
	scenarios := 400
	if testing.Short() {
		scenarios = 100
	}
	for seed := range scenarios {
		synctest.Test(t, func(t *testing.T) { rehearse(t, uint64(seed)) })
		if t.Failed() {
			return
		}
	}
}

func rehearse(t tester, seed uint64) {
	r := newRehearsal(t, rand.New(rand.NewPCG(seed, 0)))
	defer func() {
		if t.Failed() {
			t.Logf("seed %d\n%s", seed, strings.Join(r.script, "\n"))
		}
	}()
	top, finish := r.begin()
	defer finish()
	for range 15 {
		if !top.up {
			break
		}
		r.act(top)
		r.compare(top)
	}
	r.end(top)
}

func newRehearsal(t tester, rng *rand.Rand) *rehearsal {
	return &rehearsal{
		stage: &stage{t: t, actors: make(map[string]*actor), ended: make(chan error, 1)},
		rng:   rng,
		sups:  make(map[*model]*dray.Supervisor),
		parts: make(map[string]*part),
	}
}

// begin starts a random tree; finish leaves nothing of it.
func (r *rehearsal) begin() (top *model, finish func()) {
	top = r.tree(2)
	r.sup = r.sups[top]
	if r.chance(4) {
		r.failStarts()
	}
	r.began = top.init()
	r.start()
	finish = func() {
		r.cancel()
		<-r.over
	}
	r.compare(top)
	return top, finish
}

// end stops the tree, unless it has ended, and looks at how.
func (r *rehearsal) end(top *model) {
	if top.up {
		top.stop()
		r.cancel()
	}
	<-r.over
	r.compare(top)
	err := <-r.ended
	require.Equal(r.t, top.crashed, err != nil, "%v", err)
	if top.crashed && r.began {
		require.ErrorIs(r.t, err, dray.ErrIntensity)
	}
}

func (r *rehearsal) chance(oneIn int) bool { return r.rng.IntN(oneIn) == 0 }

func (r *rehearsal) tree(depth int) *model {
	m := &model{
		strategy: dray.Strategy(r.rng.IntN(3)),
		auto:     dray.AutoShutdown(r.rng.IntN(3)),
		limit:    r.rng.IntN(5),
		period:   time.Second,
		log:      func(what, who string) { r.expect = append(r.expect, what+" "+who) },
	}
	for range 1 + r.rng.IntN(4) {
		p := r.part(m, depth)
		p.given = true
		m.parts = append(m.parts, p)
	}
	children := make([]dray.Child, len(m.parts))
	for i, p := range m.parts {
		children[i] = p.Child
	}
	var err error
	r.sups[m], err = dray.NewSupervisor(m.strategy, dray.WithIntensity(m.limit, m.period), dray.WithAutoShutdown(m.auto),
		dray.WithChildren(children...), dray.WithName(fmt.Sprint("s", len(r.sups))))
	require.NoError(r.t, err)
	return m
}

func (r *rehearsal) part(m *model, depth int) *part {
	r.counter++
	p := &part{Child: r.child(fmt.Sprint("c", r.counter)), place: r.counter}
	p.Restart = dray.Restart(r.rng.IntN(3))
	p.Significant = m.auto != dray.NeverShutdown && p.Restart != dray.Permanent && r.chance(2)
	if depth > 0 && r.chance(3) {
		p.sub = r.tree(depth - 1)
		p.sub.parent, p.sub.self = m, p
		p.Service = r.sups[p.sub]
	} else {
		r.parts[p.Name] = p
	}
	return p
}

func (r *rehearsal) act(top *model) {
	switch r.rng.IntN(8) {
	case 0, 1, 2:
		r.killOne(top)
	case 3:
		r.failStarts()
	case 4:
		r.say("pause")
		time.Sleep(time.Duration(r.rng.IntN(5)) * time.Second / 2)
	default:
		running := runningOf(top)
		r.request(running[r.rng.IntN(len(running))])
	}
}

func (r *rehearsal) say(format string, args ...any) {
	r.script = append(r.script, fmt.Sprintf(format, args...))
}

// killOne ends a random leaf that is running.
func (r *rehearsal) killOne(top *model) {
	var alive []*part
	owner := make(map[*part]*model)
	for _, m := range runningOf(top) {
		for _, p := range m.parts {
			if p.up && p.sub == nil {
				alive = append(alive, p)
				owner[p] = m
			}
		}
	}
	if len(alive) == 0 {
		return
	}
	p := alive[r.rng.IntN(len(alive))]
	hows := slices.Sorted(maps.Keys(ends))
	how := hows[r.rng.IntN(len(hows))]
	r.say("kill %s by %s", p.Name, how)
	r.expect = append(r.expect, "die "+p.Name)
	owner[p].exit(p, how == "nil")
	r.kill(p.Name, how)
}

// failStarts lets the next starts of a random leaf fail.
func (r *rehearsal) failStarts() {
	names := slices.Sorted(maps.Keys(r.parts))
	if len(names) == 0 {
		return
	}
	p, times := r.parts[names[r.rng.IntN(len(names))]], r.rng.IntN(4)
	r.say("%s fails %d times", p.Name, times)
	p.fails = times
	r.direct(p.Name, func(a *actor) { a.init = failing(times) })
}

func (r *rehearsal) request(m *model) {
	sup := r.sups[m]
	name := fmt.Sprint("c", 1+r.rng.IntN(r.counter))
	if len(m.parts) > 0 && !r.chance(8) {
		name = m.parts[r.rng.IntN(len(m.parts))].Name
	}
	calls := []struct {
		name  string
		real  func() error
		model func() bool
	}{
		{"terminate", func() error { return sup.Terminate(name) }, func() bool { return m.terminateByName(name) }},
		{"remove", func() error { return sup.Remove(name) }, func() bool { return m.removeByName(name) }},
		{"restart", func() error { return sup.Restart(name) }, func() bool { return m.restartByName(name) }},
	}
	c := calls[r.rng.IntN(len(calls))]
	if r.chance(3) {
		p := r.part(m, 0)
		name, c.name = p.Name, "add"
		if r.chance(2) {
			p.fails = 1
			r.direct(name, func(a *actor) { a.init = failing(1) })
		}
		c.real, c.model = func() error { return sup.Add(p.Child) }, func() bool { return m.add(p) }
	}
	r.say("%s %s", c.name, name)
	want, err := c.model(), c.real()
	require.Equal(r.t, want, err == nil, "%v", err)
}

// runningOf returns the supervisor and those below it that are running.
func runningOf(m *model) []*model {
	all := []*model{m}
	for _, p := range m.parts {
		if p.up && p.sub != nil {
			all = append(all, runningOf(p.sub)...)
		}
	}
	return all
}

func (r *rehearsal) compare(top *model) {
	r.t.Helper()
	r.requireRecord(strings.Join(r.expect, ", "))
	r.expect = nil
	r.compareChildren(top, r.sups[top].Children())
}

func (r *rehearsal) compareChildren(m *model, infos []dray.ChildInfo) {
	require.Len(r.t, infos, len(m.parts))
	for i, p := range m.parts {
		require.Equal(r.t, p.Name, infos[i].Name)
		want := dray.ChildDown
		if p.up {
			want = dray.ChildRunning
		}
		require.Equal(r.t, want, infos[i].State, p.Name)
		require.Equal(r.t, p.restarts, infos[i].Restarts, p.Name)
		if p.sub != nil {
			r.compareChildren(p.sub, infos[i].Children)
		}
	}
}
