package supervision_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray"
)

// TestSupervisorsOfOTP does to dray what was done to the real OTP supervisor, and
// expects the same to happen: see otp/README.md, and there for the form of the file.
func TestSupervisorsOfOTP(t *testing.T) {
	file, err := os.Open("otp/scenarios.gz")
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(nil, 1<<20)
	n := 0
	for ; lines.Scan(); n++ {
		if testing.Short() && n%8 != 0 {
			continue
		}
		var s scenario
		require.NoError(t, json.Unmarshal(lines.Bytes(), &s))
		bubbled := func(t *testing.T) { replay(t, &s, n) }
		if bubble(t, bubbled); t.Failed() {
			t.Fatalf("scenario %d: %s", n, lines.Text())
		}
	}
	require.NoError(t, lines.Err())
	require.GreaterOrEqual(t, n, 7000)
}

// The parts of a scenario are lists in the file, and are told apart by their places.
type (
	scenario struct {
		tree  treeSpec
		fails [][2]int
		began string
		steps []step
		final *listing
		last  *step
	}
	treeSpec struct {
		strategy  dray.Strategy
		auto      dray.AutoShutdown
		intensity int
		children  []childSpec
	}
	childSpec struct {
		name        int
		restart     dray.Restart
		significant int
		tree        *treeSpec
	}
	step struct {
		act            action
		result, events string
	}
	action  []any // what, and numbers
	listing struct {
		counts   [4]int // specs, active, supervisors, workers
		children []listedChild
	}
	listedChild struct {
		name, up int
		below    *listing
	}
)

func list(data []byte, parts ...any) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	if len(raw) != len(parts) {
		return fmt.Errorf("%d parts instead of %d: %s", len(raw), len(parts), data)
	}
	for i, p := range parts {
		if err := json.Unmarshal(raw[i], p); err != nil {
			return err
		}
	}
	return nil
}

func (s *scenario) UnmarshalJSON(data []byte) error {
	return list(data, &s.tree, &s.fails, &s.began, &s.steps, &s.final, &s.last)
}

func (s *treeSpec) UnmarshalJSON(data []byte) error {
	return list(data, &s.strategy, &s.auto, &s.intensity, &s.children)
}

func (c *childSpec) UnmarshalJSON(data []byte) error {
	return list(data, &c.name, &c.restart, &c.significant, &c.tree)
}

func (s *step) UnmarshalJSON(data []byte) error {
	if data[1] == '"' { // the last one: what is done has no numbers
		var what string
		err := list(data, &what, &s.result, &s.events)
		s.act = action{what}
		return err
	}
	return list(data, &s.act, &s.result, &s.events)
}
func (l *listing) UnmarshalJSON(data []byte) error     { return list(data, &l.counts, &l.children) }
func (c *listedChild) UnmarshalJSON(data []byte) error { return list(data, &c.name, &c.up, &c.below) }

func (a action) number(i int) int { return int(a[i].(float64)) } //nolint:forcetypeassert // of our own file

// A otpTree is the tree of a scenario, made of dray's supervisors.
type otpTree struct {
	*run
	journal *journal
	workers map[int]*worker
	sups    map[int]*dray.Supervisor // the root is 0
	deaths  int
}

func replay(t *testing.T, s *scenario, n int) {
	st := &otpTree{journal: &journal{}, workers: map[int]*worker{}, sups: map[int]*dray.Supervisor{}, deaths: n}
	st.build(t, 0, &s.tree)
	for _, f := range s.fails {
		st.fail(f[0], f[1])
	}
	st.run = serve(t, st.sups[0])
	defer st.cancel()
	require.Equal(t, s.began, st.happened(), "at the start")
	for i := range s.steps {
		step := &s.steps[i]
		result := st.do(t, step.act)
		require.Equal(t, step.events, st.happened(), "step %d: %v", i, step.act)
		require.Equal(t, step.result, result, "step %d: %v", i, step.act)
	}
	if s.last != nil {
		st.requireListing(0, s.final, st.Children())
		st.cancel()
		require.Equal(t, s.last.events, st.happened(), "at the end")
	}
}

// build makes the supervisor of that name, and what is below it.
func (st *otpTree) build(t *testing.T, name int, spec *treeSpec) *dray.Supervisor {
	var children []dray.Child
	for _, c := range spec.children {
		child := dray.Child{Name: strconv.Itoa(c.name), Restart: c.restart, Significant: c.significant == 1}
		if c.tree != nil {
			child.Service = st.build(t, c.name, c.tree)
		} else {
			child.Service = st.worker(c.name)
		}
		children = append(children, child)
	}
	s, err := dray.NewSupervisor(spec.strategy, dray.WithAutoShutdown(spec.auto),
		dray.WithIntensity(spec.intensity, time.Hour), dray.WithChildren(children...))
	require.NoError(t, err)
	st.sups[name] = s
	return s
}

func (st *otpTree) worker(name int) *worker {
	if st.workers[name] == nil {
		st.workers[name] = newWorker(st.journal, strconv.Itoa(name))
	}
	return st.workers[name]
}

func (st *otpTree) fail(name, times int) {
	w := st.worker(name)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fails = times
}

// do is one step, and says how a call has ended.
func (st *otpTree) do(t *testing.T, a action) string {
	var err error
	switch what := a[0]; what {
	case "nothing":
	case "kill":
		st.kill(a.number(1), a.number(2))
	case "fail":
		st.fail(a.number(1), a.number(2))
	case "terminate":
		err = st.sups[a.number(1)].Terminate(strconv.Itoa(a.number(2)))
	case "restart":
		err = st.sups[a.number(1)].Restart(strconv.Itoa(a.number(2)))
	case "remove":
		err = st.Remove(strconv.Itoa(a.number(2)))
	case "add":
		name := a.number(2)
		st.fail(name, a.number(4))
		err = st.Add(dray.Child{Name: strconv.Itoa(name), Service: st.worker(name), Restart: dray.Restart(a.number(3))})
	default:
		require.Fail(t, "unknown", "%v", a)
	}
	return resultOf(err)
}

func resultOf(err error) string {
	for want, text := range map[error]string{nil: "ok", dray.ErrNotFound: "not found", dray.ErrDuplicate: "duplicate"} {
		if errors.Is(err, want) {
			return text
		}
	}
	return "failed"
}

// kill ends a worker in one of the ways that are normal here, or abnormal.
func (st *otpTree) kill(name, how int) {
	const abnormal = 2
	end := normal
	if how == abnormal {
		st.deaths++
		end = []func() error{fail, panics, exits}[st.deaths%3]
	}
	st.workers[name].deaths <- end
}

// happened is what happened since the last call, in the signs of the file.
func (st *otpTree) happened() string {
	text := st.journal.take()
	if text != "" {
		text = signs.Replace(text)
	}
	select {
	case err := <-st.ended:
		if err == nil || errors.Is(err, dray.ErrIntensity) {
			text = strings.TrimSpace(text + " .")
		}
	default:
	}
	return text
}

var signs = strings.NewReplacer("start ", "+", "fail ", "?", "die ", "!", "stop ", "-", ",", "")

// requireListing compares the children of a supervisor, and how many there are of
// which sort.
func (st *otpTree) requireListing(name int, want *listing, got []dray.ChildInfo) {
	require.Len(st.t, got, len(want.children), "children of %d", name)
	counts := [4]int{len(got)}
	for i, c := range want.children {
		require.Equal(st.t, strconv.Itoa(c.name), got[i].Name, "children of %d", name)
		state := dray.ChildDown
		if c.up == 1 {
			state = dray.ChildRunning
			counts[1]++
		}
		require.Equal(st.t, state, got[i].State, "child %d of %d", c.name, name)
		if st.sups[c.name] != nil {
			counts[2]++
		} else {
			counts[3]++
		}
		if c.below != nil {
			st.requireListing(c.name, c.below, got[i].Children)
		}
	}
	require.Equal(st.t, want.counts, counts, "counts of %d", name)
}
