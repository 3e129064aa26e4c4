// Command mutate breaks dray on purpose, one small bug at a time, and sees whether
// the tests notice. Run it from the root of the repository:
//
//	go run ./internal/mutate                       # the bugs of its table, which were thought of
//	go run ./internal/mutate -generate 200 -seed 7 # 200 that are not in the table
//	go run ./internal/mutate -only pool            # those in files with that in their name
//
// The generated ones are changes of the syntax tree that compile, drawn by the seed from
// all that the operators find in what a user links. Those that survive are shown at the
// end. It ends with 1 if they are more than 5 in a hundred of the table, or 12 of the
// generated ones, with 2 if there is nothing to try or the tests fail without a mutation.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

// patience is how long the tests of one mutation may take: several times what they
// take on a slow machine. Those that hang have noticed.
const patience = 3 * time.Minute

// A verdict is what became of a mutation.
type verdict string

const (
	killed   verdict = "killed"
	survived verdict = "SURVIVED"
	broken   verdict = "does not compile"
)

func main() {
	only := flag.String("only", "", "mutate only files with this in their name")
	workers := flag.Int("workers", max(runtime.GOMAXPROCS(0)/2, 1), "how many to try at once")
	number := flag.Int("generate", 0, "try so many generated mutants in place of the table")
	seed := flag.Uint64("seed", 1, "which of the generated ones")
	list := flag.Bool("list", false, "show the mutants, and do not try them")
	flag.Parse()
	generated := *number > 0
	mutants, share, err := choose(*only, *seed, *number)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if len(mutants) == 0 { // before the tests run for minutes
		fmt.Fprintln(os.Stderr, nothing(*only, generated))
		os.Exit(2)
	}
	say("%d mutants to choose from\n", len(mutants))
	if !generated {
		*number = len(mutants)
	}
	if *list {
		show(mutants[:min(*number, len(mutants))])
		return
	}
	t, err := runMutants(mutants, *number, *workers)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if got := t.report(); got < share {
		fmt.Fprintf(os.Stderr, "%.1f %% were killed, and it should be %v\n", got, share)
		os.Exit(1)
	}
}

// nothing says why there is no mutant to choose from.
func nothing(only string, generated bool) string {
	if generated {
		return fmt.Sprintf("nothing to try: no file that users link has %q in its name", only)
	}
	return fmt.Sprintf("nothing to try: no file of the table has %q in its name; -generate 20 draws from all files", only)
}

// choose returns the mutants to try, in order, and how many of a hundred the tests
// have to kill: n generated ones, or those of the table.
func choose(only string, seed uint64, n int) (mutants []mutant, share float64, err error) {
	if n <= 0 {
		mutants, err = fromTable(only)
		return mutants, 95, err
	}
	mutants, err = generate(only, seed)
	return mutants, 88, err
}

func show(mutants []mutant) {
	for _, m := range mutants {
		if source, err := os.ReadFile(m.file); err == nil {
			say("%s: %s\n%s", m.place(source), m.operator, m.diff(source))
		}
	}
}

func say(format string, args ...any) {
	fmt.Printf(format, args...) //nolint:forbidigo // a program
}
