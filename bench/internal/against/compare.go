// Package against compares the library of this checkout with that of another one:
// the same works, each in a process of its own, the two binaries in turns.
package against

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/a622d8ee/dray/bench/internal/report"
	"github.com/a622d8ee/dray/bench/internal/stat"
)

// Protocol is what the binaries print: for -works a JSON array of the names of their
// works, for -work NAME a JSON object of type [Measured].
type Protocol interface {
	// Works returns the names of the works that the binary knows.
	Works() ([]string, error)
	// Measure runs one work once.
	Measure(work string) (Measured, error)
}

// Measured is what one run of a work came to: of dray alone, less is better.
type Measured struct {
	Work   string             `json:"work"`
	Values map[string]float64 `json:"values"` // by what they are of
	Units  map[string]string  `json:"units"`  // of the values; nanoseconds without
}

// Compare runs the works that match, so many rounds, this and that in an order that
// changes from round to round, as the second of two runs on a shared machine is not
// like the first. Works and values that one of the two does not have are listed.
func Compare(this, that Protocol, match func(work string) bool, rounds int, log io.Writer) (report.Table, error) {
	mine, err := this.Works()
	if err != nil {
		return report.Table{}, fmt.Errorf("this: %w", err)
	}
	theirs, err := that.Works()
	if err != nil {
		return report.Table{}, fmt.Errorf("that: %w", err)
	}
	t := report.Table{Header: []string{"", "this", "that", "this / that", "lowest", "highest"}}
	for _, work := range mine {
		switch {
		case !match(work):
			continue
		case !slices.Contains(theirs, work):
			t.Add(work, "", "", "that does not know it", "", "")
			continue
		}
		p := pair{map[string][]float64{}, map[string][]float64{}, map[string]string{}}
		for round := range rounds {
			_, _ = fmt.Fprintf(log, "\r\033[K%s, round %d of %d", work, round+1, rounds) // only for display
			if err := p.round(this, that, work, round%2 == 1); err != nil {
				return t, err
			}
		}
		_, _ = fmt.Fprint(log, "\r\033[K")
		p.rows(&t)
	}
	return t, nil
}

// A pair has the values of both binaries, round by round.
type pair struct {
	this, that map[string][]float64
	units      map[string]string
}

func (p pair) round(this, that Protocol, work string, swapped bool) error {
	first := func() error { return p.add(this, work, p.this, "this") }
	second := func() error { return p.add(that, work, p.that, "that") }
	if swapped {
		first, second = second, first
	}
	if err := first(); err != nil {
		return err
	}
	return second()
}

func (p pair) add(binary Protocol, work string, to map[string][]float64, name string) error {
	m, err := binary.Measure(work)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", name, work, err)
	}
	for what, v := range m.Values {
		to[what] = append(to[what], v)
	}
	maps.Copy(p.units, m.Units)
	return nil
}

// rows adds a row for each value, in the order of their names.
func (p pair) rows(t *report.Table) {
	all := maps.Clone(p.this)
	maps.Copy(all, p.that)
	for _, what := range slices.Sorted(maps.Keys(all)) {
		this, that := p.this[what], p.that[what]
		switch {
		case len(that) == 0:
			t.Add(what, p.value(what, this), "", "that does not know it", "", "")
			continue
		case len(this) == 0:
			t.Add(what, "", p.value(what, that), "this does not know it", "", "")
			continue
		}
		ratios := stat.Ratios(this, that)
		t.Add(what, p.value(what, this), p.value(what, that), report.Ratio(stat.Median(ratios)),
			report.Ratio(slices.Min(ratios)), report.Ratio(slices.Max(ratios)))
	}
}

// value returns the median with its unit.
func (p pair) value(what string, xs []float64) string {
	v := stat.Median(xs)
	switch unit := p.units[what]; {
	case math.IsNaN(v):
		return ""
	case unit == "":
		return report.Ns(v)
	default:
		return strings.TrimSpace(report.Number(v) + " " + unit)
	}
}
