// Command bench runs dray beside its peers on the same work: see README.md.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"time"

	"github.com/a622d8ee/dray/bench/internal/works"
)

// options are the command line.
type options struct {
	short      bool
	rounds     int
	procs      int
	seed       uint64
	only       string
	contenders string
	cells      string
}

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.BoolVar(&o.short, "short", false, "less work: a minute instead of ten")
	f.IntVar(&o.rounds, "rounds", 0, "how often each contender has its turn; 0 for 7, or 3 with -short")
	f.IntVar(&o.procs, "procs", 2, "GOMAXPROCS")
	f.Uint64Var(&o.seed, "seed", 1, "of the order of turns")
	f.StringVar(&o.only, "only", "", "`regexp` of the works, by letter or name, anchored")
	f.StringVar(&o.contenders, "contenders", "", "`regexp` of the contenders; the channel always takes part")
	f.StringVar(&o.cells, "cells", "", "`regexp` of the settings of no-op jobs, such as 1x2")
	return o, f.Parse(args)
}

// env returns the surroundings that the options ask for.
func (o options) env(log io.Writer) (*works.Env, error) {
	e := &works.Env{Rounds: 7, Procs: o.procs, Rand: rand.New(rand.NewPCG(o.seed, 0)), Log: log}
	if o.short {
		e.Rounds, e.Size = 3, works.Short
	}
	if o.rounds > 0 {
		e.Rounds = o.rounds
	}
	var err error
	if e.Only, err = pattern(o.contenders); err != nil {
		return nil, err
	}
	e.Cells, err = pattern(o.cells)
	return e, err
}

// pattern returns nil, for all, if there is none.
func pattern(s string) (*regexp.Regexp, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // no pattern is a pattern
	}
	return regexp.Compile("^(?:" + s + ")$")
}

func run(args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	e, err := o.env(stderr)
	if err != nil {
		return err
	}
	only, err := pattern(o.only)
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(o.procs)
	_, err = measure(e, only, stdout)
	return err
}

// measure runs the works, and prints what each came to as soon as it is known.
func measure(e *works.Env, only *regexp.Regexp, stdout io.Writer) (works.Result, error) {
	var all works.Result
	begun := time.Now()
	for _, w := range works.All() {
		if only != nil && !only.MatchString(w.Letter) && !only.MatchString(w.Name) {
			continue
		}
		r := w.Run(e)
		all.Merge(r)
		for _, t := range r.Tables {
			if _, err := fmt.Fprintln(stdout, t.Markdown()); err != nil {
				return all, err
			}
		}
		_, _ = fmt.Fprintf(e.Log, "(%s after %v)\n", w.Name, time.Since(begun).Round(time.Second))
	}
	return all, nil
}
