// Package memory_test shows that a queue lets go of what a job, a run or a task has
// captured, after each ending and after bursts, except for what the contract keeps.
package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/a622d8ee/dray/internal/yield"
)

func TestMain(m *testing.M) {
	if yield.Stress {
		return // what is kept is another thing with short chunks
	}
	goleak.VerifyTestMain(m)
}
