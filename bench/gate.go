package main

import (
	"fmt"
	"io"

	"github.com/a622d8ee/dray/bench/internal/gate"
	"github.com/a622d8ee/dray/bench/internal/works"
)

// howToRecord is for those whose change is slower for a reason, or faster.
const howToRecord = "If that is meant, or the machine is another one, record anew on a quiet machine: go run ./bench -o bench"

// checkGate measures what the gate looks at, and compares it with the record.
func checkGate(o options, stdout, log io.Writer) error {
	record, err := gate.Load(o.gate)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, howToRecord)
	}
	var failed error
	err = record.Check(works.Gated(), func(thorough bool) map[string]float64 {
		var r works.Result
		r, failed = measureGated(o, thorough, stdout, log)
		return r.Ratios
	})
	switch {
	case failed != nil:
		return failed
	case err != nil:
		return fmt.Errorf("%w\n%s", err, howToRecord)
	}
	_, err = fmt.Fprintf(stdout, "No ratio is clearly worse than recorded in %s.\n", o.gate)
	return err
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
