package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"

	"github.com/a622d8ee/dray/bench/internal/against"
	"github.com/a622d8ee/dray/bench/internal/report"
	"github.com/a622d8ee/dray/bench/internal/works"
)

// ofDray are the contenders whose values -against compares; a work's yardstick runs
// besides, so that some of the machine's memory is used in the same way in both.
const ofDray = "dray|dray Run|dray, .*"

// names returns the names of the works.
func names() (all []string) {
	for _, w := range works.All() {
		all = append(all, w.Name)
	}
	return all
}

// measureOne runs one work, and prints what dray came to as JSON.
func measureOne(o options, stdout, log io.Writer) error {
	o.rounds, o.contenders = max(o.rounds, 1), ofDray
	e, err := o.env(log)
	if err != nil {
		return err
	}
	r, err := measure(e, regexp.MustCompile("^"+regexp.QuoteMeta(o.work)+"$"), io.Discard)
	if err != nil {
		return err
	}
	if len(r.Values) == 0 {
		return fmt.Errorf("-work: no work is called %q", o.work)
	}
	m := against.Measured{Work: o.work, Values: map[string]float64{}, Units: map[string]string{}}
	for what, v := range r.Values {
		if v.V-v.V != 0 { // NaN or infinite, which JSON has not
			continue
		}
		m.Values[what] = v.V
		if v.Unit != "" {
			m.Units[what] = v.Unit
		}
	}
	return json.NewEncoder(stdout).Encode(m)
}

// compare is -against.
func compare(o options, stdout, log io.Writer) error {
	only, err := pattern(o.only)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	sources, err := against.Sources()
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "bench-against-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }() // the system clears it as well
	that, how, err := against.Build(o.against, sources, tmp)
	if err != nil {
		return err
	}
	that.Args = o.shared()
	return compareWith(o, against.Binary{Path: self, Args: o.shared()}, that, how, only, stdout, log)
}

// compareWith is compare once both binaries are there.
func compareWith(o options, this, that against.Protocol, how string, only *regexp.Regexp, stdout, log io.Writer) error {
	rounds := o.rounds
	if rounds == 0 {
		rounds = 7
	}
	match := func(work string) bool { return only == nil || only.MatchString(work) || only.MatchString(letter(work)) }
	t, err := against.Compare(this, that, match, rounds, log)
	if err != nil {
		return err
	}
	t.Title = "This library against that of " + o.against
	t.Note = fmt.Sprintf("%d rounds, each work in a process of its own, the two in turns; the median of the ratios within the rounds, "+
		"the lowest and the highest. Less is better. That: %s. %s.", rounds, how, report.Machine(o.procs))
	_, err = fmt.Fprint(stdout, t.Markdown())
	return err
}

// letter returns the short name of a work; none is none of the letters.
func letter(work string) string {
	for _, w := range works.All() {
		if w.Name == work {
			return w.Letter
		}
	}
	return ""
}

// shared returns the flags with which both binaries run.
func (o options) shared() []string {
	args := []string{"-procs", strconv.Itoa(o.procs), "-seed", strconv.FormatUint(o.seed, 10)}
	if o.short {
		args = append(args, "-short")
	}
	if o.cells != "" {
		args = append(args, "-cells", o.cells)
	}
	return args
}
