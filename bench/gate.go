package main

import (
	"fmt"
	"io"

	"github.com/a622d8ee/dray/bench/internal/gate"
	"github.com/a622d8ee/dray/bench/internal/stalls"
	"github.com/a622d8ee/dray/bench/internal/works"
)

// howToRecord is for a change that is slower for a reason, or faster.
const howToRecord = "If that is meant, or the machine is another one, record anew on a quiet machine: go run ./bench -o bench"

// howToRecordStalls is the same for the stalls.
const howToRecordStalls = "If that is meant, record anew on a quiet machine: go run ./bench -stalls -short -o bench"

// checkGate measures what the gate looks at, and compares it with the record.
func checkGate(o options, stdout, log io.Writer) error {
	record, err := gate.Load(o.gate)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, howToRecord)
	}
	speed := func(_ []string, thorough bool) (works.Result, error) { return measureGated(o, thorough, stdout, log) }
	growth := func(names []string, thorough bool) (works.Result, error) {
		return measureGatedStalls(o, names, thorough, stdout, log)
	}
	if err := check(gate.Limit{Recorded: record.Ratios, Margin: gate.Margin}, works.Gated(), speed, howToRecord); err != nil {
		return err
	}
	if err := check(gate.Limit{Recorded: record.Stalls, Margin: gate.StallMargin}, stalls.Gated(), growth, howToRecordStalls); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "No ratio is clearly worse than recorded in %s.\n", o.gate)
	return err
}

// check is Limit.Check with a measurement that can fail.
func check(l gate.Limit, names []string, measure func(names []string, thorough bool) (works.Result, error), howTo string) error {
	var failed error
	err := l.Check(names, func(names []string, thorough bool) map[string]float64 {
		var r works.Result
		r, failed = measure(names, thorough)
		return r.Ratios
	})
	switch {
	case failed != nil:
		return failed
	case err != nil:
		return fmt.Errorf("%w\n%s", err, howTo)
	}
	return nil
}

// measureGatedStalls runs the short form of the stalls; the thorough run looks at the
// suspects alone.
func measureGatedStalls(o options, names []string, thorough bool, stdout, log io.Writer) (works.Result, error) {
	c := stalls.Short()
	switch {
	case o.tiny:
		c = stalls.Tiny()
	case thorough:
		c = stalls.Thorough()
	}
	c.Only = names
	return runStalls(c, stdout, log)
}

// measureGated runs dray and the yardstick alone. The thorough run has enough
// rounds to outlast a neighbour's build.
func measureGated(o options, thorough bool, stdout, log io.Writer) (works.Result, error) {
	o.short, o.rounds = true, 7
	if thorough {
		o.short, o.rounds = o.tiny, 15
	}
	if o.tiny {
		o.rounds = 1
	}
	o.contenders, o.cells = works.GatedPeers, works.GatedCells
	e, err := o.env(log)
	if err != nil {
		return works.Result{}, err
	}
	only, err := pattern(works.GatedWorks)
	if err != nil {
		return works.Result{}, err
	}
	return measure(e, only, stdout)
}
