// Command bench runs dray beside its peers on the same work: see README.md.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/a622d8ee/dray/bench/internal/works"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, progress(os.Stderr)); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		os.Exit(1)
	}
}

// progress returns where to display how far it is: nowhere, unless f is a terminal.
func progress(f *os.File) io.Writer {
	if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		return f
	}
	return io.Discard
}

func run(args []string, stdout, log io.Writer) error {
	o, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(o.procs))
	switch {
	case o.works:
		return json.NewEncoder(stdout).Encode(names())
	case o.work != "":
		return measureOne(o, stdout, log)
	case o.against != "":
		return compare(o, stdout, log)
	case o.gate != "":
		return checkGate(o, stdout, log)
	case o.stalls:
		return measureStalls(o, stdout, log)
	}
	return measureAll(o, stdout, log)
}

// measureAll runs the works that were asked for.
func measureAll(o options, stdout, log io.Writer) error {
	e, err := o.env(log)
	if err != nil {
		return err
	}
	only, err := pattern(o.only)
	if err != nil {
		return err
	}
	r, err := measure(e, only, stdout)
	if err != nil || o.out == "" {
		return err
	}
	return publish(o, r)
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
		if _, err := fmt.Fprint(stdout, markdown(r)); err != nil {
			return all, err
		}
		_, _ = fmt.Fprintf(e.Log, "(%s after %v)\n", w.Name, time.Since(begun).Round(time.Second)) // only for display
	}
	if t, ok := works.Bars(all); ok {
		all.Tables = append(all.Tables, t)
		if _, err := fmt.Fprintln(stdout, t.Markdown()); err != nil {
			return all, err
		}
	}
	return all, nil
}

// markdown returns the tables of a result.
func markdown(r works.Result) string {
	var b strings.Builder
	for _, t := range r.Tables {
		b.WriteString(t.Markdown() + "\n")
	}
	return b.String()
}
