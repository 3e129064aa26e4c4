package dray

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A world plays keeper and children for a tree, alone and in an order of its
// own: children take their time, ignore their stop, die at any moment, several
// at once; calls come in between. It checks after each step what must always hold.
type world struct {
	t    *testing.T
	rng  *rand.Rand
	tree *tree

	runs      map[*child]*simRun       // incarnations that are waited for
	abandoned []*simRun                // those that are not, and may still be heard of
	timers    map[*child]uint64        // alarms of pending timers
	stale     map[*child]uint64        // of timers that were stopped too late
	calls     map[chan error]time.Time // not answered yet
	byHand    bool                     // calls may break the order of groups
}

type simRun struct {
	child   *child
	epoch   uint64
	initing bool
	halted  bool
}

func TestSupervisorSimulation(t *testing.T) {
	seeds := 100
	if testing.Short() {
		seeds = 30
	}
	for seed := range uint64(seeds) {
		w := newWorld(t, seed)
		w.tree.begin()
		w.settle()
		for range 60 {
			w.step()
		}
		w.wind(seed)
	}
}

// slowStart is a service that the simulation starts in two steps.
type slowStart struct{ Service }

func (slowStart) Init(context.Context) error { return nil }

func newWorld(t *testing.T, seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 7))
	cfg := newSupervisorConfig(Strategy(rng.IntN(3)))
	cfg.limit, cfg.period, cfg.auto = 5+rng.IntN(30), time.Minute, AutoShutdown(rng.IntN(3))
	if rng.IntN(2) == 0 {
		cfg.backoff = func(int) time.Duration { return time.Duration(rng.IntN(3)) * time.Second }
	}
	w := &world{
		t: t, rng: rng, tree: newTree(&cfg, true), byHand: rng.IntN(2) == 0,
		runs: make(map[*child]*simRun), timers: make(map[*child]uint64), stale: make(map[*child]uint64), calls: make(map[chan error]time.Time),
	}
	w.tree.now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 1 + rng.IntN(6) {
		w.call(func(answer waiter) { w.tree.add(w.spec(i), false, answer) })
	}
	return w
}

func (w *world) spec(i int) Child {
	c := Child{Name: fmt.Sprint(i), Service: serving(nil), Restart: Restart(w.rng.IntN(3))}
	if w.rng.IntN(2) == 0 {
		c.Service = slowStart{c.Service}
	}
	if w.rng.IntN(4) == 0 {
		c.Shutdown = -1
	}
	c.Significant = w.tree.cfg.auto != NeverShutdown && c.Restart != Permanent && w.rng.IntN(6) == 0
	return c
}

func (w *world) call(do func(waiter)) {
	answer := make(chan error, 1)
	w.calls[answer] = w.tree.now
	do(answer)
	w.settle()
}

// step lets one thing happen, or two before the tree can do anything about it.
func (w *world) step() {
	w.tree.now = w.tree.now.Add(time.Duration(w.rng.IntN(1000)) * time.Millisecond)
	switch n := w.rng.IntN(10); {
	case n < 6:
		w.childNews()
	case n < 8:
		w.expire()
	case n == 8 && w.byHand:
		w.anyCall()
	case n == 9 && w.rng.IntN(20) == 0:
		w.tree.stop(ErrShutdown)
	}
	w.settle()
}

// childNews: a child has started, ended, or an abandoned one is heard of.
func (w *world) childNews() {
	if n := len(w.abandoned); n > 0 && w.rng.IntN(3) == 0 {
		r := w.abandoned[w.rng.IntN(n)]
		before := fmt.Sprint(w.tree.views())
		w.tree.exited(r.child, r.epoch, &demise{err: errBoom})
		w.tree.started(r.child, r.epoch)
		require.Equal(w.t, before, fmt.Sprint(w.tree.views()), "late news touch nothing")
		return
	}
	r := w.anyRun()
	switch {
	case r == nil:
	case r.initing && w.rng.IntN(2) == 0:
		r.initing = false
		w.tree.started(r.child, r.epoch)
	default:
		w.end(r)
	}
}

func (w *world) end(r *simRun) {
	delete(w.runs, r.child)
	d := &demise{asked: r.halted, returned: true}
	if r.initing || w.rng.IntN(2) == 0 {
		d.err = errBoom
	}
	w.tree.exited(r.child, r.epoch, d)
}

func (w *world) anyRun() *simRun {
	runs := slices.SortedFunc(maps.Values(w.runs), func(a, b *simRun) int { return int(a.child.seq) - int(b.child.seq) })
	if len(runs) == 0 {
		return nil
	}
	return runs[w.rng.IntN(len(runs))]
}

func (w *world) expire() {
	for c, alarm := range w.stale {
		delete(w.stale, c)
		before := fmt.Sprint(w.tree.views(), w.tree.plan)
		w.tree.expired(c, alarm)
		w.tree.answered(c, alarm, time.Hour)
		require.Equal(w.t, before, fmt.Sprint(w.tree.views(), w.tree.plan), "a stopped timer touches nothing")
	}
	for c, alarm := range w.timers {
		if c.asked && w.rng.IntN(2) == 0 { // the backoff has answered
			w.tree.answered(c, alarm, w.tree.cfg.backoff(c.streak))
			return
		}
		delete(w.timers, c)
		w.tree.expired(c, alarm)
		return
	}
}

func (w *world) anyCall() {
	i := w.rng.IntN(7)
	name := fmt.Sprint(i)
	w.call(func(answer waiter) {
		switch w.rng.IntN(4) {
		case 0:
			w.tree.add(w.spec(i), false, answer)
		case 1:
			w.tree.remove(name, answer)
		case 2:
			w.tree.terminate(name, answer)
		default:
			w.tree.restartByHand(name, answer)
		}
	})
}

// settle does the deeds as a keeper does, and gives the answers.
func (w *world) settle() {
	t := w.tree
	for _, d := range t.deeds {
		w.do(d)
	}
	t.deeds, t.events = nil, nil
	t.deliver()
	for answer := range w.calls {
		select {
		case <-answer: //nolint:errcheck // any answer will do
			delete(w.calls, answer)
		default:
		}
	}
	w.check()
}

func (w *world) do(d deed) {
	c := d.child
	switch d.kind {
	case doLaunch:
		require.NotContains(w.t, w.runs, c, "launched while it is running")
		require.NotContains(w.t, w.timers, c, "launched with a timer pending")
		w.checkStart(c)
		w.runs[c] = &simRun{child: c, epoch: c.epoch, initing: c.inits}
	case doHalt:
		require.Contains(w.t, w.runs, c)
		require.False(w.t, w.runs[c].halted, "told to stop twice")
		w.runs[c].halted = true
		w.checkStop(c)
		w.arm(d)
	case doWait, doAsk:
		require.NotContains(w.t, w.runs, c)
		w.arm(d)
	case doDisarm:
		w.stale[c] = w.timers[c]
		delete(w.timers, c)
	case doAbandon:
		require.True(w.t, w.runs[c].halted)
		w.abandoned = append(w.abandoned, w.runs[c])
		delete(w.runs, c)
	}
}

func (w *world) arm(d deed) {
	require.NotContains(w.t, w.timers, d.child, "a timer would be left behind")
	if d.after >= 0 {
		w.timers[d.child] = d.child.alarm
	}
}

// checkStart: nothing that depends on the child is up when it starts, and, but
// for one-for-one, what it depends on has started.
func (w *world) checkStart(c *child) {
	if w.byHand || w.tree.cfg.strategy == OneForOne {
		return
	}
	for other, r := range w.runs {
		require.Less(w.t, other.seq, c.seq, "a dependent is up")
		require.False(w.t, r.initing, "an earlier start is not complete")
	}
}

// checkStop: what depends on the child has stopped.
func (w *world) checkStop(c *child) {
	if w.byHand {
		return
	}
	for other := range w.runs {
		require.LessOrEqual(w.t, other.seq, c.seq, "a dependent is up")
	}
}

// check: what the tree says is what is.
func (w *world) check() {
	for _, c := range w.tree.children {
		r, running := w.runs[c]
		require.Equal(w.t, c.alive(), running, c.Name)
		if running {
			require.Equal(w.t, r.epoch, c.epoch)
			require.Equal(w.t, r.halted, c.state == ChildStopping)
		}
		require.False(w.t, w.tree.plan.phase == planNone && c.due, "nobody will start it")
		require.Same(w.t, c, w.tree.byName[c.Name])
	}
	require.Len(w.t, w.tree.byName, len(w.tree.children))
	require.True(w.t, slices.IsSortedFunc(w.tree.children, func(a, b *child) int { return int(a.seq) - int(b.seq) }))
	if w.tree.over() {
		require.Empty(w.t, w.runs)
		require.Empty(w.t, w.timers)
		require.Empty(w.t, w.calls, "a caller hangs")
	}
}

// wind lets the tree come to rest, which it must, and then stops it.
func (w *world) wind(seed uint64) {
	w.byHand = true // no checks of order: the ends come from all sides
	w.tree.window.Add(w.tree.now)
	for range 200 {
		w.tree.now = w.tree.now.Add(time.Second)
		w.calm()
		w.settle()
	}
	if !w.tree.over() {
		require.Equal(w.t, planNone, w.tree.plan.phase, "seed %d: comes to rest", seed)
		require.Empty(w.t, w.calls, "seed %d: a caller hangs", seed)
	}
	w.tree.stop(ErrShutdown)
	for w.settle(); len(w.runs) > 0; w.settle() {
		w.calm()
	}
	require.True(w.t, w.tree.over())
	require.True(w.t, w.tree.failure == nil || errors.Is(w.tree.failure, errBoom) || errors.Is(w.tree.failure, errNotAsked))
}

// calm lets start what starts, end what has to end, and time pass.
func (w *world) calm() {
	for _, r := range slices.Collect(maps.Values(w.runs)) {
		switch {
		case r.halted:
			w.end(r)
		case r.initing:
			r.initing = false
			w.tree.started(r.child, r.epoch)
		}
		w.settle()
	}
	w.expire()
}
