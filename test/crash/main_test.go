// Package crash_test has the owner crash, between any two of its steps.
package crash_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
