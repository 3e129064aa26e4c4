package works

import (
	"fmt"
	"slices"

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

// bars are the project's aims, set before anything was measured. A paused queue's
// burst, a queue's idle time and the calls' growth have limits that leave room for
// the noise of the measurement alone.
func bars() []bar {
	return slices.Concat(noopBars(), []bar{
		{"cpu 1x2", 1, false},
		{"cpu 8x8", 1, false},
		{"cpu 64x64", 1, false},
		{"idle share of a processor", 0.001, false},
		{"tail p99.9, 8 producers", 2, false},
		{"tail p99.9, 64 producers", 2, false},
		{"smallest share, 8 producers", 0.5, true},
		{"smallest share, 64 producers", 0.5, true},
		{"burst warm", 1.05, false},
		{"burst warm 8 producers", 1.05, false},
		{"burst cold", 1.05, false},
		{"burst bytes", 11, false},
		{"spin 1µs to the best peer", 1, false},
		{"spin 10µs to the best peer", 1, false},
		{"spin 100µs to the best peer", 1, false},
		{"latency p50", 1.4, false},
		{"latency p99", 1.6, false},
		{"result 1 caller", 1.3, false},
		{"result 8 callers", 1.3, false},
		{"result allocations", 2, false},
		{"calls Stats", 1.6, false},
		{"calls EnqueueSync", 1.5, false},
		{"calls Stats growth", 1.5, false},
		{"calls EnqueueSync growth", 1.5, false},
		{"options plain, allocations", 0, false},
		{"options " + withLogger, 1.3, false},
		{"options " + observerOfFailures, 1.3, false},
		{"options " + kindWithAll, 4, false},
		{"sleep", 1.4, true},
		{"restart panic to suture", 0.5, false},
		{"restart of the owner to suture's of a child", 0.5, false},
		{"lateness p99, Tasks read", 2, false},
		{"growth", 1.3, false},
	})
}

// noopBars are those of the single cells and of their geometric means. 64×2 has
// none: see noopMeans.
func noopBars() []bar {
	all := []bar{{"noop, mean of 1 producer", 0.7, false}, {"noop, mean of many producers", 0.6, false}}
	for _, s := range settings() {
		switch {
		case s == setting{64, 2}:
		case s.producers == 1:
			all = append(all, bar{"noop " + s.typed(), 0.9, false})
		default:
			all = append(all, bar{"noop " + s.typed(), 0.75, false})
		}
	}
	return all
}

// Bars compares what was measured with the aims; ok is false if none of them was.
func Bars(r Result) (t report.Table, ok bool) {
	t = report.Table{
		Title:  "dray and its aims",
		Note:   "Ratios to the yardstick of the work, unless it says bytes, allocations or share.",
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
	if b.limit == 0 {
		return "no"
	}
	return fmt.Sprintf("no, %.0f %% off", 100*abs(v/b.limit-1))
}

func abs(x float64) float64 { return max(x, -x) }
