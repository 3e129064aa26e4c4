// Command mutate breaks dray on purpose, one small bug at a time, and sees whether
// the tests notice. Run it from the root of the repository:
//
//	go run ./internal/mutate            # all of them; some minutes
//	go run ./internal/mutate -only pool # those in files with that in their name
//	go run ./internal/mutate -since v1  # those that its table did not have at v1
//	go run ./internal/mutate -generate 200 -seed 7
//
// The first three try the bugs of its table, which were thought of, on copies of the
// tree. It ends with 1 if more than one in twenty survives. The last tries 200 that
// nobody thought of: changes of the syntax tree, drawn by the seed from all that the
// operators find in what a user links, that compile. It shows those that survive, and
// ends with 1 if those are more than 12 in a hundred.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	stale    verdict = "not applicable" // the text has changed
)

func main() {
	only := flag.String("only", "", "mutate only files with this in their name")
	since := flag.String("since", "", "mutate only what the table of this git revision does not have")
	workers := flag.Int("workers", max(runtime.GOMAXPROCS(0)/2, 1), "how many to try at once")
	number := flag.Int("generate", 0, "try so many generated mutants in place of the table")
	seed := flag.Uint64("seed", 1, "which of the generated ones")
	list := flag.Bool("list", false, "show generated mutants, and do not try them")
	flag.Parse()
	if *number > 0 {
		os.Exit(generated(*only, *seed, *number, *workers, *list))
	}
	before, err := tableOf(*since)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	var chosen []mutation
	for _, m := range table {
		if strings.Contains(m.file, *only) && !strings.Contains(before, m.entry()) {
			chosen = append(chosen, m)
		}
	}
	counts, err := run(chosen, *workers)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	tried := counts[killed] + counts[survived]
	say("\n%d mutations: %d killed, %d survived, %d do not compile, %d not applicable\n",
		len(chosen), counts[killed], counts[survived], counts[broken], counts[stale])
	if counts[survived]*20 > tried {
		os.Exit(1)
	}
}

// generated draws mutants and tries or shows them, and returns the exit code.
func generated(only string, seed uint64, n, workers int, list bool) int {
	mutants, err := generate(only, seed)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	say("%d mutants to draw from\n", len(mutants))
	if list {
		for _, m := range mutants[:min(n, len(mutants))] {
			if source, err := os.ReadFile(m.file); err == nil {
				say("%s: %s\n%s", m.place(source), m.operator, m.diff(source))
			}
		}
		return 0
	}
	t, err := runGenerated(mutants, n, workers)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return t.report(seed)
}

// run tries the mutations, several at once, each worker in a copy of the tree.
func run(mutations []mutation, workers int) (map[verdict]int, error) {
	var (
		next   = make(chan mutation)
		wg     sync.WaitGroup
		mu     sync.Mutex
		counts = make(map[verdict]int)
	)
	root, err := os.MkdirTemp("", "dray-mutate-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(root) //nolint:errcheck // a temporary directory
	for i := range workers {
		dir := filepath.Join(root, strconv.Itoa(i))
		if err := os.CopyFS(dir, sources{os.DirFS(".")}); err != nil {
			return nil, err
		}
		wg.Go(func() {
			for m := range next {
				begin := time.Now()
				v := try(dir, m)
				mu.Lock()
				counts[v]++
				say("%-16s %4.0f s  %-26s %s\n", v, time.Since(begin).Seconds(), m.file, m)
				mu.Unlock()
			}
		})
	}
	for _, m := range mutations {
		next <- m
	}
	close(next)
	wg.Wait()
	return counts, nil
}

// tableOf returns the source of the table at a git revision, empty without one.
func tableOf(revision string) (string, error) {
	if revision == "" {
		return "", nil
	}
	show := exec.CommandContext(context.Background(), "git", "show", revision+":internal/mutate/table.go") //nolint:gosec // the caller's
	source, err := show.Output()
	return string(source), err
}

// entry is how the mutation is written in the table, up to there.
func (m mutation) entry() string {
	return fmt.Sprintf("{file: %q, old: %q, new: %q", m.file, m.old, m.new)
}

// String shows the change on one line.
func (m mutation) String() string {
	return fmt.Sprintf("%q -> %q", m.old, m.new)
}

// apply returns the source with the mutation, or false if it does not fit.
func (m mutation) apply(source string) (string, bool) {
	if strings.Count(source, m.old) != 1 {
		return "", false
	}
	return strings.Replace(source, m.old, m.new, 1), true
}

// try applies one mutation to the tree in dir, runs the tests, and takes it back.
func try(dir string, m mutation) verdict {
	path := filepath.Join(dir, m.file)
	source, err := os.ReadFile(path) //nolint:gosec // of this repository
	if err != nil {
		return stale
	}
	mutant, ok := m.apply(string(source))
	if !ok {
		return stale
	}
	defer os.WriteFile(path, source, 0o600) //nolint:errcheck // the next one would not apply
	if os.WriteFile(path, []byte(mutant), 0o600) != nil {
		return stale
	}
	if !goTest(dir, "build", "./"+filepath.Dir(m.file)) {
		return broken
	}
	for _, args := range m.suites() {
		if !goTest(dir, args...) {
			return killed
		}
	}
	return survived
}

// suites are the tests that should notice, the quickest first.
func (m mutation) suites() [][]string {
	all := []string{"test", "-short", "-failfast", "-count=1", "-timeout", "60s"}
	var suites [][]string
	if dir := filepath.Dir(m.file); dir != "." {
		suites = append(suites, append(slices.Clip(all), "./"+dir))
	}
	if m.race {
		return append(suites, append(slices.Clip(all), "-race", "-run", "Storm|Race|Linearizable|Producers", "."))
	}
	quick := slices.Concat(all, []string{"-skip", "TestSimulation|TestLinearizable", "."})
	return append(suites, quick,
		append(slices.Clip(all), "-run", "TestSimulation$|TestLinearizable", "."),
		append(slices.Clip(all), "./draytest"))
}

// goTest reports whether a go command succeeds.
func goTest(dir string, args ...string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the arguments are from here
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	return cmd.Run() == nil
}

func say(format string, args ...any) {
	fmt.Printf(format, args...) //nolint:forbidigo // a program
}
