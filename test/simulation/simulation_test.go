package simulation_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a622d8ee/dray/internal/testhook"
)

var (
	seeds    = flag.Uint64("seeds", 300, "how many seeds TestSimulation runs")
	seed     = flag.Uint64("seed", 0, "the first of them")
	progress = flag.Bool("progress", false, "show a progress bar, which go test passes on only with -v")
)

// TestSimulation runs whole services in virtual time, each as its seed has it, and
// checks after each step what must always hold. docs/proof.md says what is in it,
// and how far a seed determines a run.
func TestSimulation(t *testing.T) {
	var next, done, steps atomic.Uint64
	bar := newBar(*seeds)
	for i := range min(runtime.GOMAXPROCS(0), 8) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			for n := next.Add(1) - 1; n < *seeds && !t.Failed(); n = next.Add(1) - 1 {
				steps.Add(uint64(len(simulate(t, *seed+n).trace)))
				bar.show(done.Add(1))
			}
		})
	}
	t.Cleanup(func() { t.Logf("%d seeds, %d steps", done.Load(), steps.Load()) })
}

// TestSimulationRepeats: the same seed does the same things in the same order, crashes
// included, so that a failure can be looked for again. What comes of them is mostly
// the same, too, but not always: where several goroutines can go on at one moment, as
// a worker and the owner when a job has ended, or a caller when a crash is due, the
// runtime decides which is first, and with it where a crash strikes and which of two
// jobs is.
func TestSimulationRepeats(t *testing.T) {
	for i := range uint64(40) {
		first, second := simulate(t, i), simulate(t, i)
		require.NotEmpty(t, first.plan)
		require.Equal(t, first.plan, second.plan, "seed %d", i)
		require.Len(t, first.trace, len(first.plan))
	}
}

// simulate runs one seed: its trace says for each step what was done, and the state
// that came of it.
func simulate(t *testing.T, seed uint64) (s *service) {
	failed := true
	synctest.Test(t, func(t *testing.T) {
		s = newService(t, seed)
		defer func() {
			if failed {
				t.Logf("go test ./test/simulation -run TestSimulation -seed %d -seeds 1\n%s\nnow: %s", seed, tail(s.trace), s.lastStep)
				testhook.Inside(s.q).Fault(nil)
				_ = s.q.Close()
				time.Sleep(24 * time.Hour) // so that the bubble can end, and show why
			}
		}()
		for !s.over {
			s.step()
		}
		s.checkEnd()
		s.checkRestore()
		failed = false
	})
	return s
}

// tail is as much of a trace as one wants to read.
func tail(trace []string) string {
	var b []byte
	for _, line := range slices.Clip(trace[max(len(trace)-12, 0):]) {
		b = append(append(b, line...), '\n')
	}
	return string(b)
}

// A progressBar shows on the terminal how far a long run has come.
type progressBar struct {
	total uint64
	begin time.Time
	last  atomic.Uint64 // permille
}

func newBar(total uint64) *progressBar { return &progressBar{total: total, begin: time.Now()} }

func (b *progressBar) show(done uint64) {
	permille := done * 1000 / b.total
	if !*progress || b.last.Swap(permille) == permille {
		return
	}
	const width = 40
	full := int(permille * width / 1000)
	rate := float64(done) / time.Since(b.begin).Seconds()
	left := time.Duration(float64(b.total-done) / rate * float64(time.Second)).Round(time.Second)
	fmt.Fprintf(os.Stderr, "\r[%-*s] %5.1f %%  %d of %d, %.0f/s, %v left ", width,
		string(slices.Repeat([]byte{'='}, full)), float64(permille)/10, done, b.total, rate, left)
	if done == b.total {
		fmt.Fprintln(os.Stderr)
	}
}
