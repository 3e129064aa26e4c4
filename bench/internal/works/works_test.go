package works

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"regexp"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/a622d8ee/dray/bench/internal/peers"
)

// ants has goroutines of its own from the start of the process.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

func tiny(rounds int) *Env {
	return &Env{Rounds: rounds, Size: Tiny, Procs: 2, Rand: rand.New(rand.NewPCG(1, 0)), Log: io.Discard}
}

// Every work with every contender, with next to nothing to do. The gate and the
// bars look for ratios by their names.
func TestEveryWorkRuns(t *testing.T) {
	var all Result
	for _, w := range All() {
		t.Run(w.Name, func(t *testing.T) {
			r := w.Run(tiny(1))
			requireWhole(t, r)
			all.Merge(r)
		})
	}
	for _, name := range Gated() {
		require.Contains(t, all.Ratios, name)
	}
	table, ok := Bars(all)
	require.True(t, ok)
	require.Len(t, table.Rows, len(bars()), "each bar has its ratio")
}

// requireWhole finds rows and lines that miss a value.
func requireWhole(t *testing.T, r Result) {
	t.Helper()
	require.NotEmpty(t, r.Tables)
	for _, table := range r.Tables {
		require.NotEmpty(t, table.Rows, table.Title)
		for _, row := range table.Rows {
			require.Len(t, row, len(table.Header), "%s: %v", table.Title, row)
		}
	}
	for name, c := range r.Plots {
		for _, line := range c.Series {
			require.Len(t, line.Y, len(c.X), name)
		}
	}
}

func TestMeasureRunsEachOnceARound(t *testing.T) {
	var order []string
	run := func(name string, values ...float64) contender {
		return contender{name, func() []float64 {
			order = append(order, name)
			v := values[0]
			values = values[1:]
			return []float64{v}
		}}
	}
	s := tiny(3).measure("test", []contender{
		run("base", 10, 100, 20), run("a", 5, 200, 10), run("b", 1, 1, 1),
	})
	require.Len(t, order, 9)
	for round := range 3 {
		require.ElementsMatch(t, []string{"base", "a", "b"}, order[3*round:3*round+3], "each once a round")
	}
	require.InDelta(t, 10, s.median("a", 0), 0)
	require.InDelta(t, 0.5, s.toBase("a", 0), 0, "the median of 0.5, 2 and 0.5: a slow round does not matter")
	require.InDelta(t, -5, s.difference("a"), 0, "of -5, 100 and -10")
	require.Equal(t, "10 ns (0.50)", s.withRatio("a", 0))
	require.InDelta(t, 10, s.behindBest("a"), 0, "b is the best of the others")
	require.True(t, math.IsNaN(s.median("none", 0)))
}

func TestContendersCanBeChosen(t *testing.T) {
	e := tiny(1)
	e.Only, e.Cells = regexp.MustCompile("^(dray)$"), regexp.MustCompile("^1x2$")
	r := noop(e)
	require.Len(t, r.Tables[0].Header, 2, "one cell")
	require.Len(t, r.Tables[0].Rows, 2, "the yardstick and the one that was asked for")
	require.Contains(t, r.Ratios, "noop 1x2")
}

func TestCounterLosesNothing(t *testing.T) {
	var c counter
	var adding sync.WaitGroup
	for range 16 {
		adding.Go(func() {
			for range 1000 {
				c.add()
			}
		})
	}
	c.await(16_000)
	adding.Wait()
	require.Equal(t, 16_000, c.sum())
}

func TestEndToEndRunsAll(t *testing.T) {
	for _, m := range peers.Pools() {
		p := m.New(2)
		require.Positive(t, endToEnd(p, 4, 400), m.Name)
		p.Close()
	}
}

func TestBurstMeasuresWhatWaits(t *testing.T) {
	columns := burstOf(peers.Go, 2000, 1)
	require.Greater(t, columns[1], 2000.0, "a goroutine has a stack of 2 KiB at least")
}

func TestVerdicts(t *testing.T) {
	require.Equal(t, "yes", bar{limit: 0.5}.verdict(0.5))
	require.Equal(t, "no, 100 % off", bar{limit: 0.5}.verdict(1))
	require.Equal(t, "yes", bar{limit: 1.4, least: true}.verdict(2))
	require.Equal(t, "no, 50 % off", bar{limit: 1.4, least: true}.verdict(0.7))
	require.NotEqual(t, "yes", bar{limit: 1}.verdict(math.NaN()))
	require.Equal(t, "yes", bar{}.verdict(0))
	require.Equal(t, "no", bar{}.verdict(1))
	require.Equal(t, "≥ 1.40", bar{limit: 1.4, least: true}.aim())
	_, ok := Bars(Result{})
	require.False(t, ok)
}

func TestMergeKeepsAll(t *testing.T) {
	var r Result
	r.Merge(Result{Ratios: map[string]float64{"a": 1}})
	r.Merge(Result{Ratios: map[string]float64{"b": 2}})
	b, err := json.Marshal(r.Ratios)
	require.NoError(t, err)
	require.JSONEq(t, `{"a":1,"b":2}`, string(b))
	r.Merge(Result{Values: map[string]Value{"c": {3, "B"}}})
	require.Equal(t, map[string]Value{"c": {3, "B"}}, r.Values)
}

func TestDiagnosisNamesTheRunAndWhereGoroutinesAre(t *testing.T) {
	p := peers.NewDray(1)
	defer p.Close()
	var b bytes.Buffer
	diagnose(&b, "sleep, dray")
	require.Contains(t, b.String(), "sleep, dray has not ended")
	require.Contains(t, b.String(), "TestDiagnosis", "the stacks")
	require.Contains(t, b.String(), `"Pending":0`, "the queue's statistics")
}
