package works

import (
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"time"

	"github.com/a622d8ee/dray/bench/internal/peers"
)

// longest is several times what any run takes, on a busy machine too: most take
// less than a second, those of the schedulers with a hundred thousand tasks up to twenty.
const longest = 2 * time.Minute

// Watched runs one contender once. One that loses a job would let the program, and
// the regression gate with it, wait for ever: then it ends, and says what it knows.
func Watched[T any](what string, run func() T) T {
	dog := time.AfterFunc(longest, func() {
		diagnose(os.Stderr, what)
		os.Exit(3)
	})
	defer dog.Stop()
	return run()
}

// diagnose tells where each goroutine is. The queue comes last, as it might not answer.
func diagnose(w io.Writer, what string) {
	_, _ = fmt.Fprintf(w, "\nbench: %s has not ended after %v\n", what, longest)
	_ = pprof.Lookup("goroutine").WriteTo(w, 1)
	_, _ = fmt.Fprintf(w, "dray's latest queue: %s\n", peers.Latest())
}
