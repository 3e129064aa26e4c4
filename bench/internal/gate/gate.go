// Package gate tells a change that made dray slower from a noisy machine.
//
// It looks at ratios to a yardstick measured in the same run, never at times: a
// slow machine slows both. It fails only if two runs agree, of which the second
// is longer.
package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Margin is how many times the recorded ratio is clearly worse. In six runs of
// unchanged code on a shared machine with two processors the medians of seven
// rounds were 0.6 to 1.4 times the recorded ones. One extra lock or allocation
// per job may well stay below it: the gate is for what is worse than that.
const Margin = 1.6

// A Record is what a full run came to.
type Record struct {
	Command string             `json:"command"`
	Machine string             `json:"machine"`
	Ratios  map[string]float64 `json:"ratios"`
}

// Load reads a record.
func Load(file string) (Record, error) {
	var r Record
	b, err := os.ReadFile(file)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// Save writes a record, its ratios in the order of their names.
func (r Record) Save(file string) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// A Measure returns ratios by their names. thorough asks for a longer run.
type Measure func(thorough bool) map[string]float64

// Check measures, and returns an error that says what is worse than recorded, and
// by how much. Names that one side does not know are errors as well, as what is
// not measured is not guarded. How to record anew is said by the caller.
func (r Record) Check(names []string, measure Measure) error {
	suspects, err := r.worse(names, measure(false))
	if err != nil || len(suspects) == 0 {
		return err
	}
	measured := measure(true)
	confirmed, err := r.worse(suspects, measured)
	if err != nil || len(confirmed) == 0 {
		return err
	}
	lines := make([]string, len(confirmed))
	for i, name := range confirmed {
		lines[i] = fmt.Sprintf("  %s: %.2f times the yardstick, recorded %.2f, that is %.2f times as much (allowed %.2f)",
			name, measured[name], r.Ratios[name], measured[name]/r.Ratios[name], Margin)
	}
	return errors.New("slower than recorded, in two runs:\n" + strings.Join(lines, "\n"))
}

// worse returns the names of those that are clearly worse than recorded.
func (r Record) worse(names []string, measured map[string]float64) (worse []string, err error) {
	for _, name := range names {
		was, recorded := r.Ratios[name]
		is, known := measured[name]
		switch {
		case !recorded || !(was > 0):
			return nil, fmt.Errorf("no ratio is recorded for %q", name)
		case !known || !(is > 0):
			return nil, fmt.Errorf("%q was not measured", name)
		case is > was*Margin:
			worse = append(worse, name)
		}
	}
	slices.Sort(worse)
	return worse, nil
}
