package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/a622d8ee/dray/bench/internal/gate"
	"github.com/a622d8ee/dray/bench/internal/plot"
	"github.com/a622d8ee/dray/bench/internal/report"
	"github.com/a622d8ee/dray/bench/internal/works"
)

// ants has goroutines of its own from the start of the process.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

func result() works.Result {
	t := report.Table{Title: "Work", Header: []string{"", "ns"}}
	t.Add("channel", "72 ns")
	return works.Result{
		Tables: []report.Table{t},
		Plots:  map[string]plot.Chart{"noop": {Title: "Plot", X: []string{"1×2"}, Lines: []plot.Line{{Name: "dray", Y: []float64{30}}}}},
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
	record := gate.Record{Ratios: map[string]float64{}}
	for _, name := range works.Gated() {
		record.Ratios[name] = r
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

// The record that is committed has what the gate looks for.
func TestCommittedRecord(t *testing.T) {
	record, err := gate.Load("gate.json")
	require.NoError(t, err)
	for _, name := range works.Gated() {
		require.Positive(t, record.Ratios[name], name)
	}
}

func TestRunRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"-only", "("}, {"-contenders", "["}, {"-cells", "*"}, {"-gate", "nowhere.json"}, {"-o", t.TempDir(), "-only", "a"},
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
