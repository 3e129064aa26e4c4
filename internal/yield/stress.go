//go:build stress

package yield

import (
	"math/rand/v2"
	"runtime"
)

// Here gives others the processor, sometimes, in a test.
func Here() {
	if rand.IntN(4) == 0 {
		for range rand.IntN(12) {
			runtime.Gosched()
		}
	}
}

// Stress reports whether it does.
const Stress = true
