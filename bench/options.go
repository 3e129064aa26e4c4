package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"

	"github.com/a622d8ee/dray/bench/internal/works"
)

// options are the command line.
type options struct {
	short      bool
	tiny       bool // by tests alone: no flag
	rounds     int
	procs      int
	seed       uint64
	only       string
	contenders string
	cells      string
	out        string
	gate       string
	stalls     bool
	against    string
	works      bool
	work       string
	args       []string
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{args: args}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.BoolVar(&o.short, "short", false, "less work")
	f.IntVar(&o.rounds, "rounds", 0, "how often each contender runs; 0 for 7, or 3 with -short")
	f.IntVar(&o.procs, "procs", 2, "GOMAXPROCS")
	f.Uint64Var(&o.seed, "seed", 1, "of the order in which contenders run")
	f.StringVar(&o.only, "only", "", "`regexp` of the works, by letter or name, anchored")
	f.StringVar(&o.contenders, "contenders", "", "anchored `regexp` of the contenders; each work's yardstick always takes part")
	f.StringVar(&o.cells, "cells", "", "anchored `regexp` of the producers x workers of no-op jobs, such as 1x2")
	f.StringVar(&o.out, "o", "", "`directory` whose README.md, plots and gate.json are written")
	f.StringVar(&o.gate, "gate", "", "`file` with recorded ratios, to fail if those of a short run are clearly worse")
	f.BoolVar(&o.stalls, "stalls", false, "how long other calls hold up Enqueue, and which costs grow with the queue, instead of the works")
	f.StringVar(&o.against, "against", "", "`checkout` of another commit, whose library is compared with this one's, both in turns")
	f.BoolVar(&o.works, "works", false, "print the names of the works as JSON, for -against")
	f.StringVar(&o.work, "work", "", "`name` of the one work to run once; print what dray came to as JSON, for -against")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", f.Arg(0))
	}
	if o.out != "" && o.only+o.contenders+o.cells != "" {
		return o, errors.New("-o needs all works, contenders and cells: a page with parts of two runs would compare them")
	}
	return o, nil
}

// env returns the surroundings that the options ask for.
func (o options) env(log io.Writer) (*works.Env, error) {
	e := &works.Env{Rounds: 7, Procs: o.procs, Rand: rand.New(rand.NewPCG(o.seed, 0)), Log: log}
	switch {
	case o.tiny:
		e.Rounds, e.Size = 1, works.Tiny
	case o.short:
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

// command is how to get the same again, from the root of the repository.
func (o options) command() string {
	return strings.TrimSpace("go run ./bench " + strings.Join(o.args, " "))
}
