package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/a622d8ee/dray/bench/internal/against"
	"github.com/a622d8ee/dray/bench/internal/gate"
	"github.com/a622d8ee/dray/bench/internal/plot"
	"github.com/a622d8ee/dray/bench/internal/report"
	"github.com/a622d8ee/dray/bench/internal/stalls"
	"github.com/a622d8ee/dray/bench/internal/works"
)

// ants has goroutines of its own from the start of the process.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

func result() works.Result {
	t := report.Table{Title: "Work", Header: []string{"", "ns"}}
	t.Add("channel", "72 ns")
	return works.Result{
		Tables: []report.Table{t},
		Plots:  map[string]plot.Chart{"noop": {Title: "Plot", X: []string{"1×2"}, Series: []plot.Series{{Name: "dray", Y: []float64{30}}}}},
		Ratios: map[string]float64{"noop 1x2": 0.41234},
	}
}

func TestPublishWritesPagePlotsAndRecord(t *testing.T) {
	o := options{out: t.TempDir(), procs: 2, args: []string{"-o", "bench"}}
	readme := filepath.Join(o.out, "README.md")
	require.NoError(t, os.WriteFile(readme, []byte("head\n<!-- bench:begin -->\n<!-- bench:end -->\ntail\n"), 0o600))
	require.NoError(t, publish(o, result()))

	page, err := os.ReadFile(readme)
	require.NoError(t, err)
	for _, want := range []string{"head\n", "`go run ./bench -o bench`", "GOMAXPROCS 2", "![Plot](plots/noop.svg)", "| channel |", "\ntail\n"} {
		require.Contains(t, string(page), want)
	}
	require.FileExists(t, filepath.Join(o.out, "plots", "noop.svg"))
	record, err := gate.Load(filepath.Join(o.out, "gate.json"))
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"noop 1x2": 0.412}, record.Ratios)
}

func TestPublishNeedsTheMarks(t *testing.T) {
	o := options{out: t.TempDir()}
	require.ErrorIs(t, publish(o, result()), os.ErrNotExist)
	require.NoError(t, os.WriteFile(filepath.Join(o.out, "README.md"), []byte("no marks"), 0o600))
	require.ErrorContains(t, publish(o, result()), "bench:begin")
}

// recorded writes a record in which each gated ratio is r.
func recorded(t *testing.T, r float64) (file string) {
	t.Helper()
	record := gate.Record{Ratios: map[string]float64{}, Stalls: map[string]float64{}}
	for _, name := range works.Gated() {
		record.Ratios[name] = r
	}
	for _, name := range stalls.Gated() {
		record.Stalls[name] = 1e9
	}
	b, err := json.Marshal(record)
	require.NoError(t, err)
	file = filepath.Join(t.TempDir(), "gate.json")
	require.NoError(t, os.WriteFile(file, b, 0o600))
	return file
}

func TestGateMeasures(t *testing.T) {
	require.NoError(t, checkGate(options{tiny: true, procs: 2, gate: recorded(t, 1e9)}, io.Discard, io.Discard))

	err := checkGate(options{tiny: true, procs: 2, gate: recorded(t, 1e-9)}, io.Discard, io.Discard)
	require.ErrorContains(t, err, "noop 1x2")
	require.ErrorContains(t, err, "result 1 caller")
	require.ErrorContains(t, err, "go run ./bench -o bench", "the message says how to record anew")
}

// What is worse among the stalls fails the gate, too, and alone.
func TestGateMeasuresStalls(t *testing.T) {
	file := recorded(t, 1e9)
	record, err := gate.Load(file)
	require.NoError(t, err)
	bad := stalls.Gated()[0]
	record.Stalls[bad] = 1e-9
	require.NoError(t, record.Save(file))
	err = checkGate(options{tiny: true, procs: 2, gate: file}, io.Discard, io.Discard)
	require.ErrorContains(t, err, bad)
	require.NotContains(t, err.Error(), stalls.Gated()[1])
	require.ErrorContains(t, err, "go run ./bench -stalls -short -o bench", "the message says how to record anew")
}

// Each of the two records leaves the other one's part alone.
func TestRecordsAreKeptApart(t *testing.T) {
	o := options{tiny: true, stalls: true, out: t.TempDir(), procs: 2, args: []string{"-stalls"}}
	readme := filepath.Join(o.out, "README.md")
	require.NoError(t, os.WriteFile(readme,
		[]byte("<!-- bench:begin -->\n<!-- bench:end -->\n<!-- stalls:begin -->\n<!-- stalls:end -->\n"), 0o600))
	require.NoError(t, publish(o, result()))
	var out bytes.Buffer
	require.NoError(t, measureStalls(o, &out, io.Discard))
	require.Contains(t, out.String(), "### How long a plain Enqueue is held up")
	record, err := gate.Load(filepath.Join(o.out, "gate.json"))
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"noop 1x2": 0.412}, record.Ratios)
	require.Len(t, record.Stalls, len(stalls.Gated()))
	for name, ratio := range record.Stalls {
		require.GreaterOrEqual(t, ratio, 1.0, name)
	}
	require.NoError(t, publish(o, result()))
	again, err := gate.Load(filepath.Join(o.out, "gate.json"))
	require.NoError(t, err)
	require.Equal(t, record.Stalls, again.Stalls)

	require.NoError(t, publishStalls(o, result()))
	page, err := os.ReadFile(readme)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(page), "| channel |"), "that of the works and that of the stalls")
}

func TestWorkPrintsWhatAgainstReads(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run([]string{"-works"}, &out, io.Discard))
	var works []string
	require.NoError(t, json.Unmarshal(out.Bytes(), &works))
	require.Contains(t, works, "restart")

	out.Reset()
	require.NoError(t, measureOne(options{tiny: true, procs: 2, work: "result"}, &out, io.Discard))
	var m against.Measured
	require.NoError(t, json.Unmarshal(out.Bytes(), &m))
	require.Equal(t, "result", m.Work)
	require.Positive(t, m.Values["result 8 callers"])
	require.Equal(t, map[string]string{"result allocations": "allocations"}, m.Units)

	require.ErrorContains(t, measureOne(options{tiny: true, work: "none"}, io.Discard, io.Discard), `no work is called "none"`)
}

// Each work has values for -against, and none that a second commit could not have.
func TestEachWorkHasValues(t *testing.T) {
	for _, w := range names() {
		var out bytes.Buffer
		require.NoError(t, measureOne(options{tiny: true, procs: 2, work: w}, &out, io.Discard), w)
		var m against.Measured
		require.NoError(t, json.Unmarshal(out.Bytes(), &m))
		require.NotEmpty(t, m.Values, w)
	}
}

// fixed is a binary that always measures the same.
type fixed float64

func (fixed) Works() ([]string, error) { return []string{"noop", "result"}, nil }

func (f fixed) Measure(work string) (against.Measured, error) {
	return against.Measured{Work: work, Values: map[string]float64{work: float64(f)}}, nil
}

func TestCompareSaysWhatWasComparedAndHow(t *testing.T) {
	var out bytes.Buffer
	o := options{against: "../base", procs: 2}
	only, err := pattern("a")
	require.NoError(t, err)
	require.NoError(t, compareWith(o, fixed(10), fixed(20), "built so", only, &out, io.Discard))
	for _, want := range []string{"### This library against that of ../base", "7 rounds", "built so", "GOMAXPROCS 2", "| noop |", "0.50"} {
		require.Contains(t, out.String(), want)
	}
	require.NotContains(t, out.String(), "result", "-only goes by letter or name")
}

func TestBothBinariesGetTheSameFlags(t *testing.T) {
	o, err := parse([]string{"-against", "x", "-short", "-procs", "1", "-seed", "7", "-cells", "1x2", "-only", "noop"}, io.Discard)
	require.NoError(t, err)
	again, err := parse(append([]string{"-work", "noop"}, o.shared()...), io.Discard)
	require.NoError(t, err)
	require.Equal(t, []any{1, uint64(7), true, "1x2"}, []any{again.procs, again.seed, again.short, again.cells})
}

// The record that is committed has what the gate looks for.
func TestCommittedRecord(t *testing.T) {
	record, err := gate.Load("gate.json")
	require.NoError(t, err)
	for _, name := range works.Gated() {
		require.Positive(t, record.Ratios[name], name)
	}
	for _, name := range stalls.Gated() {
		require.Positive(t, record.Stalls[name], name)
	}
}

func TestRunRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"-only", "("}, {"noop"}, {"-work", "none"}, {"-against", t.TempDir()}, {"-contenders", "["}, {"-cells", "*"}, {"-gate", "nowhere.json"}, {"-o", t.TempDir(), "-only", "a"},
	} {
		require.Error(t, run(args, io.Discard, io.Discard), "%v", args)
	}
}

func TestRunPrintsWhatWasAskedFor(t *testing.T) {
	var out bytes.Buffer
	o := options{tiny: true, procs: 2}
	e, err := o.env(io.Discard)
	require.NoError(t, err)
	only, err := pattern("a|growth")
	require.NoError(t, err)
	_, err = measure(e, only, &out)
	require.NoError(t, err)
	require.Contains(t, out.String(), "### No-op jobs, end to end")
	require.Contains(t, out.String(), "### From ten thousand")
	require.NotContains(t, out.String(), "### A burst")
}
