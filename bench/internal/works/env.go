// Package works has the work that dray and its peers are given, and the runner
// that takes turns between them.
package works

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"

	"github.com/a622d8ee/dray/bench/internal/plot"
	"github.com/a622d8ee/dray/bench/internal/report"
	"github.com/a622d8ee/dray/bench/internal/stat"
)

// Size says how much work there is.
type Size int

// The sizes: Tiny shows that everything runs, and measures nothing.
const (
	Full Size = iota
	Short
	Tiny
)

// An Env is what a work may know about the run it is part of.
type Env struct {
	Rounds int
	Size   Size
	Procs  int
	Rand   *rand.Rand
	Log    io.Writer      // what is being measured, for display
	Only   *regexp.Regexp // the contenders, the yardstick besides; nil for all
	Cells  *regexp.Regexp // the settings of those works that have many, such as 1x2; nil for all
}

// A Work is one sort of work.
type Work struct {
	Letter string // a short name for -only; several works can share one
	Name   string
	Run    func(*Env) Result
}

// All returns all works, in their order.
func All() []Work {
	return []Work{
		{"a", "noop", noop},
		{"p", "cpu", cpu},
		{"t", "tail", tail},
		{"b", "burst", burst},
		{"c", "spin", spin},
		{"d", "latency", latency},
		{"e", "result", result},
		{"e", "calls", roundTrips},
		{"f", "sleep", sleep},
		{"g", "restart", restart},
		{"h", "options", options},
		{"i", "growth", growth},
		{"s", "schedule", schedule},
		{"s", "lateness", lateness},
	}
}

// A Result is what became of a work.
type Result struct {
	Tables []report.Table
	Plots  map[string]plot.Chart // by the name of the file, without its ending
	// Ratios are dray's results as multiples of the yardstick's, by what they are
	// of: what the regression gate and the bars look at.
	Ratios map[string]float64
	// Values are dray's results themselves, less being better: what -against compares
	// between two commits.
	Values map[string]Value
}

// A Value is a number and its unit.
type Value struct {
	V    float64
	Unit string // nanoseconds without
}

// AddRatio adds a ratio.
func (r *Result) AddRatio(of string, v float64) {
	if r.Ratios == nil {
		r.Ratios = map[string]float64{}
	}
	r.Ratios[of] = v
}

// value adds a value.
func (r *Result) value(of, unit string, v float64) {
	if r.Values == nil {
		r.Values = map[string]Value{}
	}
	r.Values[of] = Value{v, unit}
}

// Merge adds what another work came to.
func (r *Result) Merge(other Result) {
	r.Tables = append(r.Tables, other.Tables...)
	if r.Plots == nil {
		r.Plots = map[string]plot.Chart{}
	}
	maps.Copy(r.Plots, other.Plots)
	for of, v := range other.Ratios {
		r.AddRatio(of, v)
	}
	for of, v := range other.Values {
		r.value(of, v.Unit, v.V)
	}
}

// pick returns how much of something there is in a run of that size.
func (e *Env) pick(full, short, tiny int) int {
	return []int{full, short, tiny}[e.Size]
}

// A contender runs the work once and says what that came to: one number for each
// column of the table.
type contender struct {
	name string
	run  func() []float64
}

// base is the name of the yardstick in most works.
const base = "channel"

// say displays what is going on. That it cannot be displayed is no error of a work.
func (e *Env) say(format string, args ...any) { _, _ = fmt.Fprintf(e.Log, format, args...) }

// measure runs the contenders that were asked for, and the yardstick, which is the
// first of them.
func (e *Env) measure(what string, cs []contender) series {
	return e.measureAll(what, slices.DeleteFunc(cs, func(c contender) bool {
		return e.Only != nil && c.name != cs[0].name && !e.Only.MatchString(c.name)
	}))
}

// measureAll runs each contender once a round, in another order each time, so that
// what disturbs one of them disturbs its neighbours as well and none always comes
// after the same. It is for works in which all contenders are queues of dray.
func (e *Env) measureAll(what string, cs []contender) series {
	s := series{base: cs[0].name, rounds: map[string][][]float64{}}
	for _, c := range cs {
		s.names = append(s.names, c.name)
	}
	for round := range e.Rounds {
		for _, i := range e.Rand.Perm(len(cs)) {
			e.say("\r\033[K%s, round %d of %d: %s", what, round+1, e.Rounds, cs[i].name)
			runtime.GC()
			s.add(cs[i].name, Watched(what+", "+cs[i].name, cs[i].run))
		}
	}
	e.say("\r\033[K")
	return s
}

// A series is what the contenders came to, round by round.
type series struct {
	base   string
	names  []string
	rounds map[string][][]float64 // by name, then by column
}

func (s series) add(name string, values []float64) {
	if s.rounds[name] == nil {
		s.rounds[name] = make([][]float64, len(values))
	}
	for column, v := range values {
		s.rounds[name][column] = append(s.rounds[name][column], v)
	}
}

func (s series) column(name string, column int) []float64 {
	if columns := s.rounds[name]; column < len(columns) {
		return columns[column]
	}
	return nil
}

// median returns the median over the rounds; NaN for one that did not take part.
func (s series) median(name string, column int) float64 {
	return stat.Median(s.column(name, column))
}

// ratio returns the median of the ratios within the rounds: a slow spell of the
// machine is in both of a round's numbers and cancels out.
func (s series) ratio(name, to string, column int) float64 {
	return stat.Median(stat.Ratios(s.column(name, column), s.column(to, column)))
}

// toBase is the ratio to the yardstick.
func (s series) toBase(name string, column int) float64 { return s.ratio(name, s.base, column) }

// difference returns, of the first column, the median of the differences to the yardstick
// within the rounds.
func (s series) difference(name string) float64 {
	more, plain := s.column(name, 0), s.column(s.base, 0)
	diffs := make([]float64, min(len(more), len(plain)))
	for i := range diffs {
		diffs[i] = more[i] - plain[i]
	}
	return stat.Median(diffs)
}

// withRatio returns a time and, in brackets, what multiple of the yardstick's it is.
func (s series) withRatio(name string, column int) string {
	return fmt.Sprintf("%s (%s)", report.Ns(s.median(name, column)), report.Ratio(s.toBase(name, column)))
}
