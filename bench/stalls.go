package main

import (
	"fmt"
	"io"

	"github.com/a622d8ee/dray/bench/internal/report"
	"github.com/a622d8ee/dray/bench/internal/stalls"
	"github.com/a622d8ee/dray/bench/internal/works"
)

// measureStalls is -stalls. With -o the short form is recorded for the gate, and the
// full one written into the page.
func measureStalls(o options, stdout, log io.Writer) error {
	c := stalls.Full()
	switch {
	case o.tiny:
		c = stalls.Tiny()
	case o.short:
		c = stalls.Thorough()
	}
	if o.rounds > 0 {
		c.Runs, c.Rounds = o.rounds, o.rounds
	}
	r, err := runStalls(c, stdout, log)
	switch {
	case err != nil || o.out == "":
		return err
	case o.short || o.tiny:
		return recordStalls(o, r)
	default:
		return publishStalls(o, r)
	}
}

func runStalls(c stalls.Config, stdout, log io.Writer) (works.Result, error) {
	c.Log = log
	return stalls.Run(c, func(t report.Table) error {
		_, err := fmt.Fprintln(stdout, t.Markdown())
		return err
	})
}
