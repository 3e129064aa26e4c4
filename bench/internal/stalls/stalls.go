// Package stalls measures what the number of waiting jobs does to calls: how long
// those that concern many jobs hold up a plain Enqueue beside them, and whether those
// that concern one job cost more.
package stalls

import (
	"fmt"
	"io"
	"runtime"
	"slices"

	"github.com/a622d8ee/dray/bench/internal/report"
	"github.com/a622d8ee/dray/bench/internal/works"
)

// A Config says how much is measured.
type Config struct {
	Waiting  sizes // jobs while a call holds up others
	Growth   sizes // jobs while the cost of a call is measured
	Waiters  sizes // calls that wait for room
	Limiters sizes
	Only     []string  // names of ratios; nil for all
	Runs     int       // of each call that may hold up others
	Rounds   int       // of each cost
	Log      io.Writer // what is being measured, for display
}

// sizes are the two numbers between which a call must not get dearer.
type sizes struct{ small, large int }

// Full is what the bars are about.
func Full() Config {
	return Config{
		Waiting: sizes{10_000, 1_000_000}, Growth: sizes{1000, 1_000_000}, Waiters: sizes{100, 10_000}, Limiters: sizes{160, 16_000},
		Runs: 15, Rounds: 5,
	}
}

// Short is for the regression gate: a tenth of the jobs shows what grows with them.
func Short() Config {
	return Config{
		Waiting: sizes{5000, 50_000}, Growth: sizes{1000, 50_000}, Waiters: sizes{50, 2000}, Limiters: sizes{160, 4000},
		Runs: 3, Rounds: 3,
	}
}

// Thorough is Short with more runs, to confirm what it has found.
func Thorough() Config {
	c := Short()
	c.Runs, c.Rounds = 9, 7
	return c
}

// Tiny shows that everything runs, and measures nothing.
func Tiny() Config {
	return Config{Waiting: sizes{20, 40}, Growth: sizes{20, 40}, Waiters: sizes{2, 4}, Limiters: sizes{2, 4}, Runs: 1, Rounds: 1}
}

// The prefixes of the ratios' names.
const (
	stallPrefix  = "stall "
	growthPrefix = "growth "
)

// Gated returns the ratios that the regression gate looks at: all.
func Gated() (names []string) {
	for _, s := range scenarios() {
		names = append(names, stallPrefix+s.name)
	}
	for _, c := range costs(Config{}) {
		names = append(names, growthPrefix+c.name)
	}
	return names
}

// Run measures all, and hands out each table as soon as it is there.
func Run(c Config, each func(report.Table) error) (works.Result, error) {
	var r works.Result
	for _, part := range []func(Config) works.Result{holdUps, growths} {
		found := part(c)
		r.Merge(found)
		for _, t := range found.Tables {
			if err := each(t); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

// wanted reports whether the ratio of that name is to be measured.
func (c Config) wanted(ratio string) bool { return c.Only == nil || slices.Contains(c.Only, ratio) }

// say displays what is going on. That it cannot be displayed is no error here.
func (c Config) say(format string, args ...any) { _, _ = fmt.Fprintf(c.Log, format, args...) }

// met says whether a bar is reached; NaN does not.
func met(ok bool) string {
	if ok {
		return "met"
	}
	return "not met"
}

// must ends the program: a queue that refuses this cannot be measured.
func must(err error) {
	if err != nil {
		panic(fmt.Errorf("bench: %w", err))
	}
}

// fresh begins a run with no garbage of the one before.
func fresh() { runtime.GC() }
