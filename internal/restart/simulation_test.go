package restart

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/internal/errs"
)

var errBoom = errors.New("boom")

// A world is shell and children of a State, alone and in an order of its own: children
// take their time, ignore their stop, end at any moment, several at once; calls come in
// between. It checks after each step what must always hold.
type world struct {
	t   *testing.T
	rng *rand.Rand
	cfg Config
	*State

	runs   map[*Child]*run
	timers map[*Child]bool
	calls  map[*call]bool // not answered yet
	byHand bool           // calls may break the order of groups
	limits map[string]bool
	// Those that were told that they will be started again, and neither were nor heard that
	// they will not be.
	promised map[*Child]bool
}

type run struct{ starting, told bool }

type call struct{ name string }

func TestStateSimulation(t *testing.T) {
	seeds := 1000
	if testing.Short() {
		seeds = 300
	}
	for seed := range uint64(seeds) {
		w := newWorld(t, seed)
		w.Begin()
		w.check()
		for range 60 {
			w.step()
		}
		w.rest(seed)
	}
}

func newWorld(t *testing.T, seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 7))
	cfg := Config{
		Name: "s", Strategy: Strategy(rng.IntN(3)), Intensity: 5 + rng.IntN(30), Period: time.Minute,
		Auto: AutoShutdown(rng.IntN(3)), Delayed: rng.IntN(2) == 0,
	}
	w := &world{
		t: t, rng: rng, cfg: cfg, byHand: rng.IntN(2) == 0, runs: make(map[*Child]*run),
		timers: make(map[*Child]bool), calls: make(map[*call]bool), limits: make(map[string]bool),
		promised: make(map[*Child]bool),
	}
	w.State = New(cfg, w)
	w.Now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 1 + rng.IntN(6) {
		spec := w.spec(i)
		spec.Initial = true
		require.True(t, w.Add(spec, w.call("add")))
	}
	return w
}

func (w *world) spec(i int) Spec {
	s := Spec{Name: fmt.Sprint(i), Type: Type(w.rng.IntN(3)), SlowStart: w.rng.IntN(2) == 0}
	w.limits[s.Name] = w.rng.IntN(4) > 0
	s.Significant = w.cfg.Auto != NeverShutdown && s.Type != Permanent && w.rng.IntN(6) == 0
	return s
}

func (w *world) call(name string) Call {
	c := &call{name}
	w.calls[c] = true
	return func(error) {
		require.Contains(w.t, w.calls, c, "answered twice")
		delete(w.calls, c)
	}
}

// The shell.

func (w *world) Start(c *Child) {
	require.NotContains(w.t, w.runs, c, "started while it runs")
	require.NotContains(w.t, w.timers, c, "started with a timer pending")
	if !w.byHand && w.cfg.Strategy != OneForOne {
		for other, r := range w.runs {
			require.Less(w.t, other.seq, c.seq, "a dependent is up")
			require.False(w.t, r.starting, "an earlier start is not complete")
		}
	}
	w.runs[c] = &run{starting: c.SlowStart}
	delete(w.promised, c)
}

func (w *world) Stop(c *Child, cause error) {
	require.Contains(w.t, w.runs, c)
	require.False(w.t, w.runs[c].told, "told to stop twice")
	require.Contains(w.t, []error{errs.ErrRestart, errs.ErrShutdown}, cause)
	w.runs[c].told = true
	if cause == errs.ErrRestart { //nolint:errorlint // as it is
		w.promised[c] = true
	}
	if !w.byHand {
		for other := range w.runs {
			require.LessOrEqual(w.t, other.seq, c.seq, "a dependent is up")
		}
	}
	if w.limits[c.Name] {
		w.arm(c)
	}
}

func (w *world) Delay(c *Child) {
	require.True(w.t, w.cfg.Delayed)
	require.Positive(w.t, c.Failures)
	require.NotContains(w.t, w.runs, c)
	w.arm(c)
}

func (w *world) arm(c *Child) {
	require.NotContains(w.t, w.timers, c, "a timer would be left behind")
	w.timers[c] = true
}

func (w *world) Disarm(c *Child) { delete(w.timers, c) }

func (w *world) Emit(e Event) {
	if e.Kind == Dropped {
		require.Contains(w.t, w.promised, e.Child)
		require.NotContains(w.t, w.runs, e.Child)
		delete(w.promised, e.Child)
	}
	if e.Kind == Abandoned {
		require.True(w.t, w.runs[e.Child].told)
		delete(w.runs, e.Child)
	}
}

// step lets one thing happen.
func (w *world) step() {
	w.Now = w.Now.Add(time.Duration(w.rng.IntN(1000)) * time.Millisecond)
	switch n := w.rng.IntN(10); {
	case n < 6:
		w.change()
	case n < 8:
		w.expire()
	case n == 8 && w.byHand:
		w.anyCall()
	case n == 9 && w.rng.IntN(20) == 0:
		w.End(errs.ErrShutdown)
	}
	w.check()
}

// change: a child has started, or ended.
func (w *world) change() {
	running := slices.SortedFunc(maps.Keys(w.runs), bySeq)
	if len(running) == 0 {
		return
	}
	c := running[w.rng.IntN(len(running))]
	if r := w.runs[c]; r.starting && w.rng.IntN(2) == 0 {
		r.starting = false
		w.Started(c)
		return
	}
	w.end(c)
}

func bySeq(a, b *Child) int { return int(a.seq) - int(b.seq) } //nolint:gosec // small

func (w *world) end(c *Child) {
	r := w.runs[c]
	delete(w.runs, c)
	e := Exit{Told: r.told, Harmless: true}
	if r.starting || w.rng.IntN(2) == 0 {
		e.Err, e.Harmless = errBoom, false
	}
	w.Exited(c, e)
}

func (w *world) expire() {
	armed := slices.SortedFunc(maps.Keys(w.timers), bySeq)
	if len(armed) > 0 {
		c := armed[w.rng.IntN(len(armed))]
		delete(w.timers, c)
		w.Expired(c)
	}
}

func (w *world) anyCall() {
	i := w.rng.IntN(7)
	name := fmt.Sprint(i)
	switch w.rng.IntN(4) {
	case 0:
		w.Add(w.spec(i), w.call("add"))
	case 1:
		w.Remove(name, w.call("remove"))
	case 2:
		w.Terminate(name, w.call("terminate"))
	default:
		w.Restart(name, w.call("restart"))
	}
}

// check: what the State says is what is.
func (w *world) check() {
	for _, c := range w.Children {
		r, running := w.runs[c]
		require.Equal(w.t, c.alive(), running, c.Name)
		if running {
			require.Equal(w.t, r.told, c.State == Stopping)
			require.Equal(w.t, r.starting && !r.told, c.State == Starting)
		}
		require.False(w.t, w.plan.phase == planNone && c.due, "nothing will start it")
		waits := (c.due || w.timers[c]) && !running
		require.True(w.t, c.State != Restarting || waits, "%s waits for nothing", c.Name)
		require.True(w.t, c.State == Restarting || c.State == Stuck || !waits || c.reason == firstStart, "%s waits and does not say so", c.Name)
		require.Same(w.t, c, w.byName[c.Name])
	}
	for c := range w.promised {
		_, running := w.runs[c]
		require.True(w.t, running || c.due || w.Told, "%s waits for a start that will not be", c.Name)
	}
	require.Len(w.t, w.byName, len(w.Children))
	require.True(w.t, slices.IsSortedFunc(w.Children, bySeq))
	if w.Over() {
		require.Empty(w.t, w.runs)
		require.Empty(w.t, w.timers)
		require.Empty(w.t, w.calls, "a caller hangs")
	}
}

// rest lets all come to rest, which it must, and then ends it.
func (w *world) rest(seed uint64) {
	w.byHand = true // no checks of order: the ends come from all sides
	for range 200 {
		w.Now = w.Now.Add(time.Second)
		w.calm()
	}
	if !w.Over() {
		require.Equal(w.t, planNone, w.plan.phase, "seed %d: comes to rest", seed)
		require.Empty(w.t, w.calls, "seed %d: a caller hangs", seed)
	}
	cause := []error{errs.ErrShutdown, errs.ErrRestart}[seed%2]
	w.End(cause)
	for len(w.runs) > 0 {
		w.calm()
	}
	require.True(w.t, w.Over())
	if cause == errs.ErrRestart { //nolint:errorlint // as it is
		w.Drop()
	}
	require.Empty(w.t, w.promised)
	require.True(w.t, w.Failure == nil || errors.Is(w.Failure, errBoom) || errors.Is(w.Failure, ErrUntold))
}

// calm lets start what starts, end what has to end, and time pass.
func (w *world) calm() {
	for _, c := range slices.SortedFunc(maps.Keys(w.runs), bySeq) {
		switch r := w.runs[c]; {
		case r == nil: // ended meanwhile
		case r.told:
			w.end(c)
		case r.starting:
			r.starting = false
			w.Started(c)
		}
		w.check()
	}
	w.expire()
	w.check()
}
