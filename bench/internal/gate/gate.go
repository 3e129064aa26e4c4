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

// Margin is for ratios of times: how many times the recorded ratio is clearly worse. In six runs of
// unchanged code on a shared machine with two processors the medians of seven
// rounds were 0.6 to 1.4 times the recorded ones. One extra lock or allocation
// per job may well stay below it: the gate is for what is worse than that.
const Margin = 1.6

// StallMargin is for ratios of a small queue to one ten times or more as long. Those
// of a call that does not look at all jobs are about 1 and noisy, those of one that
// does are 10 and more.
const StallMargin = 4

// A Record is what a full run came to, and the short run of the stalls.
type Record struct {
	Command string             `json:"command"`
	Machine string             `json:"machine"`
	Ratios  map[string]float64 `json:"ratios"`
	Stalls  map[string]float64 `json:"stalls"`
}

// A Limit is what was recorded of one sort, and how many times that is clearly worse.
type Limit struct {
	Recorded map[string]float64
	Margin   float64
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

// A Measure returns at least the ratios with these names. thorough asks for a longer run.
type Measure func(names []string, thorough bool) map[string]float64

// Check measures, and returns an error that says what is worse than recorded, and
// by how much. Names that one side does not know are errors as well, as what is
// not measured is not guarded. How to record anew is said by the caller.
func (l Limit) Check(names []string, measure Measure) error {
	suspects, err := l.worse(names, measure(names, false))
	if err != nil || len(suspects) == 0 {
		return err
	}
	measured := measure(suspects, true)
	confirmed, err := l.worse(suspects, measured)
	if err != nil || len(confirmed) == 0 {
		return err
	}
	text := make([]string, len(confirmed))
	for i, name := range confirmed {
		text[i] = fmt.Sprintf("  %s: ratio %.2f, recorded %.2f, that is %.2f times as much (allowed %.2f)",
			name, measured[name], l.Recorded[name], measured[name]/l.Recorded[name], l.Margin)
	}
	return errors.New("slower than recorded, in two runs:\n" + strings.Join(text, "\n"))
}

// worse returns the names of those that are clearly worse than recorded.
func (l Limit) worse(names []string, measured map[string]float64) (worse []string, err error) {
	for _, name := range names {
		was, recorded := l.Recorded[name]
		is, known := measured[name]
		switch {
		case !recorded || !(was > 0):
			return nil, fmt.Errorf("no ratio is recorded for %q", name)
		case !known || !(is > 0):
			return nil, fmt.Errorf("%q was not measured", name)
		case is > was*l.Margin:
			worse = append(worse, name)
		}
	}
	slices.Sort(worse)
	return worse, nil
}
