package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// trials tries mutants until a number of them have compiled.
type trials struct {
	dir  string // for what the mutants are in
	want int
	mu   sync.Mutex
	next []mutant
	// patience is for one suite; tests that have not ended then hang.
	patience time.Duration
	counts   map[verdict]int
	taken    int // that compiled
	hung     int // of the killed
	lived    []string
}

// runMutants tries mutants until n have compiled, several at once. No file of the tree is changed:
// the go command reads the mutant in place of the file (-overlay).
func runMutants(mutants []mutant, n, workers int) (*trials, error) {
	dir, err := os.MkdirTemp("", "dray-mutate-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	say("the tests without a mutation\n")
	begin := time.Now()
	for _, s := range suitesOf(mutant{file: "queue.go"}) {
		if out, ok := s.run(time.Hour); !ok {
			return nil, fmt.Errorf("they fail as it is: %v\n%s", s, out)
		}
	}
	t := &trials{dir: dir, want: n, next: mutants, counts: map[verdict]int{}}
	t.patience = max(patience, 2*time.Since(begin)) // with nothing compiled before, and one suite having to wait for all
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for m, ok := t.draw(); ok; m, ok = t.draw() {
				t.try(i, m)
			}
		})
	}
	wg.Wait()
	return t, nil
}

func (t *trials) draw() (m mutant, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.next) == 0 || t.taken >= t.want {
		return m, false
	}
	m, t.next = t.next[0], t.next[1:]
	return m, true
}

// take reports whether there is still one wanted.
func (t *trials) take() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken++
	return t.taken <= t.want
}

// try compiles a mutant and, if that goes, runs the tests.
func (t *trials) try(worker int, m mutant) {
	begin := time.Now()
	source, err := os.ReadFile(m.file)
	if err != nil {
		return
	}
	overlay, err := t.overlay(worker, m, source)
	if err != nil {
		return
	}
	v, by := broken, ""
	if _, ok := goCommand(t.patience, "build", overlay, "./"+filepath.Dir(m.file)); ok {
		if !t.take() {
			return
		}
		v, by = t.verdictOf(m, overlay)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[v]++
	if v == survived {
		t.lived = append(t.lived, fmt.Sprintf("%s: %s\n%s", m.place(source), m.operator, m.diff(source)))
	}
	say("%-16s %4.0f s  %-36s %-20s %s\n", v, time.Since(begin).Seconds(), m.place(source), m.operator, by)
}

// report shows the survivors and the numbers, and returns how many of a hundred were killed.
func (t *trials) report() float64 {
	dead, alive := t.counts[killed], t.counts[survived]
	share := 100 * float64(dead) / float64(max(dead+alive, 1))
	say("\nsurvivors:\n%s\n", strings.Join(t.lived, ""))
	say("%d mutants compiled, %d did not; %d killed, %d of them as the tests did not end; %d survived: %.1f %% killed\n",
		dead+alive, t.counts[broken], dead, t.hung, alive, share)
	return share
}

// overlay writes the mutant, and returns the flag that has it read.
func (t *trials) overlay(worker int, m mutant, source []byte) (string, error) {
	path, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	mutated, list := filepath.Join(t.dir, fmt.Sprint(worker, ".go")), filepath.Join(t.dir, fmt.Sprint(worker, ".json"))
	replaced, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutated}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(mutated, m.apply(source), 0o600); err != nil {
		return "", err
	}
	return "-overlay=" + list, os.WriteFile(list, replaced, 0o600)
}

// verdictOf runs the tests, those that are likely to notice first, until some do.
func (t *trials) verdictOf(m mutant, overlay string) (v verdict, by string) {
	for _, s := range suitesOf(m) {
		out, ok := t.run(overlay, s)
		switch {
		case ok:
		case strings.Contains(out, "[build failed]"):
			return broken, ""
		default:
			by := noticed(out)
			if by == hung {
				t.hang()
			}
			return killed, by
		}
	}
	return survived, ""
}

// run runs a suite with a mutant, and once more if what failed was chance: a busy
// machine makes some tests fail now and then, mutant or not.
func (t *trials) run(overlay string, s suite) (out string, ok bool) {
	for range 2 {
		out, ok = s.run(t.patience, overlay)
		if ok || !t.chance(overlay, s, noticed(out)) {
			break
		}
	}
	return out, ok
}

// chance reports whether a test that has failed passes three times now.
func (t *trials) chance(overlay string, s suite, test string) bool {
	if !strings.HasPrefix(test, "Test") {
		return false
	}
	s.choice = "-run=^" + test + "$"
	_, ok := s.run(t.patience, overlay, "-count=3")
	return ok
}

// hung is what is known of tests that did not end. They have noticed, unless the
// machine was busy, which is why their number is told.
const hung = "did not end"

func (t *trials) hang() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hung++
}

// noticed returns the name of the first test that failed, or what else is known.
func noticed(out string) string {
	for line := range strings.SplitSeq(out, "\n") {
		line = strings.TrimSpace(line)
		if test, ok := strings.CutPrefix(line, "--- FAIL: "); ok {
			test, _, _ = strings.Cut(test, " ")
			return test
		}
		if strings.HasPrefix(line, "panic: test timed out") {
			return hung
		}
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return line
		}
	}
	return hung
}

// suite is a go test.
type suite struct {
	choice   string // flag that says which tests, if not all
	packages []string
}

func (s suite) run(patience time.Duration, flags ...string) (out string, ok bool) {
	args := []string{"-short", "-failfast", "-count=1", "-vet=off", "-timeout=1m", "-ldflags=-w -s"}
	if s.choice != "" {
		args = append(args, s.choice)
	}
	return goCommand(patience, "test", slices.Concat(args, flags, s.packages)...)
}

// suitesOf are the tests for a mutant: its package's own, those of the root, those that see no
// more than a user does, and of these last what takes long.
func suitesOf(m mutant) []suite {
	const long = "TestSimulation|TestLinearizable|TestStorm"
	if m.race {
		return []suite{{"-run=Storm|Race|Linearizable|Producers", []string{"-race", "./test/simulation", "./test/queue"}}}
	}
	suites := []suite{
		{"", []string{".", "./test/crash"}}, {"", []string{"./test/queue", "./test/policy"}},
		{"", []string{"./test/shutdown", "./test/schedule", "./test/supervision"}},
		{"-skip=" + long, []string{"./test/..."}},
		{"", []string{"./draytest", "./cron"}}, {"-run=" + long, []string{"./test/simulation"}},
	}
	if dir := filepath.Dir(m.file); dir != "." {
		suites = slices.Insert(suites, 0, suite{"", []string{"./" + dir}})
	}
	return suites
}

// goCommand runs a go command in the workspace, and returns what it printed and
// whether it succeeded.
func goCommand(patience time.Duration, name string, args ...string) (string, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args = slices.Concat([]string{"go", name}, args)
	if runtime.GOOS != "windows" { // a mutant that never stops asking for memory gets no more than this of it
		args = slices.Concat([]string{"sh", "-c", "ulimit -v 8000000; exec \"$@\"", "sh"}, args)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // the arguments are from here
	cmd.WaitDelay = 5 * time.Second                       // for tests that the go command leaves behind
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}
