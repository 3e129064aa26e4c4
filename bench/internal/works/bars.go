package works

import (
	"fmt"

	"github.com/a622d8ee/dray/bench/internal/report"
)

// The works, cells and contenders that the regression gate needs, as patterns.
const (
	GatedWorks = "noop|burst|result"
	GatedCells = "1x2|8x8"
	GatedPeers = "dray|dray Run"
)

// Gated returns the ratios that the regression gate looks at.
func Gated() []string {
	return []string{"noop 1x2", "noop 8x8", "burst cold", "result 1 caller"}
}

// A bar is what dray is to reach: at most the limit, or at least where more is better.
type bar struct {
	ratio string
	limit float64
	least bool
}

// bars are the project's aims, set before anything was measured.
func bars() []bar {
	all := []bar{}
	for _, s := range settings() {
		limit := 0.4
		if s.producers == 1 {
			limit = 0.5
		}
		all = append(all, bar{"noop " + s.typed(), limit, false})
	}
	return append(all,
		bar{"burst warm", 0.5, false},
		bar{"burst cold", 0.5, false},
		bar{"burst bytes", 32, false},
		bar{"spin 1µs to the best peer", 1, false},
		bar{"spin 10µs to the best peer", 1, false},
		bar{"spin 100µs to the best peer", 1, false},
		bar{"latency p50", 1.3, false},
		bar{"latency p99", 1.3, false},
		bar{"result 1 caller", 1.1, false},
		bar{"result allocations", 2, false},
		bar{"calls Stats", 1.5, false},
		bar{"calls EnqueueSync", 1.5, false},
		bar{"calls Stats growth", 1.5, false},
		bar{"calls EnqueueSync growth", 1.5, false},
		bar{"sleep", 1.4, true},
		bar{"restart panic to suture", 1.0 / 3, false},
		bar{"growth", 1.3, false},
	)
}

// Bars compares what was measured with the aims; ok is false if none of them was.
func Bars(r Result) (t report.Table, ok bool) {
	t = report.Table{
		Title:  "dray and its aims",
		Note:   "Ratios to the yardstick of the work, unless it says bytes or allocations.",
		Header: []string{"", "measured", "aim", "reached"},
	}
	for _, b := range bars() {
		v, measured := r.Ratios[b.ratio]
		if !measured {
			continue
		}
		t.Add(b.ratio, report.Ratio(v), b.aim(), b.verdict(v))
	}
	return t, len(t.Rows) > 0
}

func (b bar) aim() string {
	if b.least {
		return "≥ " + report.Ratio(b.limit)
	}
	return "≤ " + report.Ratio(b.limit)
}

// verdict says whether v reaches the bar; NaN does not.
func (b bar) verdict(v float64) string {
	if b.least && v >= b.limit || !b.least && v <= b.limit {
		return "yes"
	}
	return fmt.Sprintf("no, %.0f %% off", 100*abs(v/b.limit-1))
}

func abs(x float64) float64 { return max(x, -x) }
