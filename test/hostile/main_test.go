// Package hostile_test does to dray what user code should not: it panics, ends
// goroutines, blocks, calls back and returns what is none. Whatever it does may hurt
// its own job, task, child, observer or call, and nothing else.
package hostile_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
