package main

import (
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
	if err := rewrite(filepath.Join(o.out, "README.md"), page(o, r)); err != nil {
		return err
	}
	maps.DeleteFunc(r.Ratios, func(_ string, v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) // JSON has none
	for name, v := range r.Ratios {
		r.Ratios[name] = math.Round(1000*v) / 1000
	}
	record := gate.Record{Command: o.command(), Machine: report.Machine(o.procs), Ratios: r.Ratios}
	return record.Save(filepath.Join(o.out, "gate.json"))
}

// page returns what is between the page's marks.
func page(o options, r works.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "By `%s` on %s: %s.\n\n", o.command(), time.Now().UTC().Format(time.DateOnly), report.Machine(o.procs))
	for _, name := range slices.Sorted(maps.Keys(r.Plots)) {
		fmt.Fprintf(&b, "![%s](plots/%s.svg)\n\n", r.Plots[name].Title, name)
	}
	b.WriteString(markdown(r))
	return b.String()
}

// rewrite replaces what is between the marks of a file.
func rewrite(file, text string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	spliced, err := report.Splice(string(old), text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(spliced), 0o644)
}
