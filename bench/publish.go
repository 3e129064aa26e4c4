package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/a622d8ee/dray/bench/internal/gate"
	"github.com/a622d8ee/dray/bench/internal/report"
	"github.com/a622d8ee/dray/bench/internal/works"
)

// publish writes what was measured into the page, the plots and the gate's record.
func publish(o options, r works.Result) error {
	if err := os.MkdirAll(filepath.Join(o.out, "plots"), 0o755); err != nil {
		return err
	}
	for name, chart := range r.Plots {
		if err := os.WriteFile(filepath.Join(o.out, "plots", name+".svg"), []byte(chart.SVG()), 0o644); err != nil {
			return err
		}
	}
	if err := rewrite(filepath.Join(o.out, "README.md"), "bench", page(o, r)); err != nil {
		return err
	}
	record, err := loadRecord(o)
	if err != nil {
		return err
	}
	record.Command, record.Machine, record.Ratios = o.command(), report.Machine(o.procs), rounded(r.Ratios)
	return record.Save(recordFile(o))
}

// recordStalls writes the ratios of the stalls into the gate's record, those below 1
// as 1: that a long queue was faster than a short one was chance.
func recordStalls(o options, r works.Result) error {
	record, err := loadRecord(o)
	if err != nil {
		return err
	}
	record.Stalls = rounded(r.Ratios)
	for name, v := range record.Stalls {
		record.Stalls[name] = max(v, 1)
	}
	return record.Save(recordFile(o))
}

// publishStalls writes the tables of the stalls into the page.
func publishStalls(o options, r works.Result) error {
	text := heading(o) + markdown(r)
	return rewrite(filepath.Join(o.out, "README.md"), "stalls", text)
}

func recordFile(o options) string { return filepath.Join(o.out, "gate.json") }

// loadRecord returns the record so far; an empty one if there is none.
func loadRecord(o options) (gate.Record, error) {
	record, err := gate.Load(recordFile(o))
	if errors.Is(err, os.ErrNotExist) {
		return gate.Record{}, nil
	}
	return record, err
}

// rounded returns the ratios that JSON can have, with as many digits as mean something.
func rounded(ratios map[string]float64) map[string]float64 {
	kept := map[string]float64{}
	for name, v := range ratios {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			kept[name] = math.Round(1000*v) / 1000
		}
	}
	return kept
}

// heading says what was run, when and on what.
func heading(o options) string {
	return fmt.Sprintf("By %s on %s: %s.\n\n", "`"+o.command()+"`", time.Now().UTC().Format(time.DateOnly), report.Machine(o.procs))
}

// page returns what is between the page's marks.
func page(o options, r works.Result) string {
	var b strings.Builder
	b.WriteString(heading(o))
	for _, name := range slices.Sorted(maps.Keys(r.Plots)) {
		fmt.Fprintf(&b, "![%s](plots/%s.svg)\n\n", r.Plots[name].Title, name)
	}
	b.WriteString(markdown(r))
	return b.String()
}

// rewrite replaces what is between the marks of that name in a file.
func rewrite(file, name, text string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	spliced, err := report.Splice(string(old), name, text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(spliced), 0o644)
}
